/**
 * Run in a network namespace of its own (./send-errors.test.ts): a stream with three sinks. One is near, one is behind a link of 8 kbit/s
 * whose queue holds what the socket's send buffer allows (EAGAIN then), one has no route (ENETUNREACH). Tells what became of the packets.
 */
import { randomUUID } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { MediaEngine } from '../../src/media/index.ts';
import { LOOPBACK, PCMU, Sender, until } from './loopback.ts';
import { rtp } from './rig.ts';

const PACKETS = 2_000;
const BURST = 50;
const [SLOW, NOWHERE] = ['10.9.0.2', '10.99.0.1'];

const journalDir = mkdtempSync(path.join(tmpdir(), 'doubletrack-media-'));
const engine = await MediaEngine.start({
  ...{ address: '0.0.0.0', ports: { lo: 29_000, hi: 29_099 }, journalDir, sockets: 'native' },
  onEvent: () => {},
});
const sender = await Sender.open();
const session = await engine.openRecording(randomUUID());
const media = await session.addStream({
  ...{ label: '1', channel: 0, payloadTypes: PCMU, rtcpMux: true },
  remote: sender.remote,
});
const receiver = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });
let arrived = 0;
receiver.on('message', () => {
  arrived += 1;
});
receiver.bind(0, LOOPBACK);
await once(receiver, 'listening');
const near = { address: LOOPBACK, rtpPort: receiver.address().port };
// The slow one leaves from a socket of its own: a send buffer belongs to a socket, whoever its packets go to.
const sinks = {
  near: await session.addSink(media.index, { remote: near }),
  slow: await session.addSink(media.index, { remote: { address: SLOW, rtpPort: 9 }, via: media.index }),
  nowhere: await session.addSink(media.index, { remote: { address: NOWHERE, rtpPort: 9 } }),
};
for (let seq = 0; seq < PACKETS; seq += BURST) {
  for (let n = seq; n < seq + BURST; n++) sender.send(rtp({ seq: n, timestamp: n * 160 }), media);
  await until(() => arrived >= seq + BURST, `packet ${seq + BURST} at the near sink`);
}
const told = Object.entries(sinks).map(([name, sink]) => {
  const { packets, sendErrors } = sink.stats();
  return [name, { packets, sendErrors }];
});
const [{ received } = { received: 0 }] = session.counters();
sender.close();
receiver.close();
await session.close();
await engine.close();
rmSync(journalDir, { recursive: true });
process.stdout.write(JSON.stringify({ sent: PACKETS, arrived, received, sinks: Object.fromEntries(told) }));
