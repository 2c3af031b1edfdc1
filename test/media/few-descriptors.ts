/** Run with few file descriptors: opens streams until there is none left, and tells what it was told and what still works. */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { MediaEngine, type StreamMedia } from '../../src/media/index.ts';
import { LOOPBACK, PCMU, Sender, until } from './loopback.ts';
import { rtp } from './rig.ts';

const journalDir = mkdtempSync(path.join(tmpdir(), 'doubletrack-media-'));
const sender = await Sender.open();
const engine = await MediaEngine.start({
  ...{ address: LOOPBACK, ports: { lo: 29_000, hi: 29_999 }, journalDir },
  onEvent: () => {},
});
const recording = await engine.openRecording(randomUUID());
const streams: StreamMedia[] = [];
let refused: Error | null = null;
while (!refused && streams.length < 400) {
  const added = recording.addStream({
    ...{ label: '1', channel: 0, payloadTypes: PCMU, rtcpMux: false },
    remote: sender.remote,
  });
  await added.then(
    (media) => streams.push(media),
    (error: Error) => {
      refused = error;
    },
  );
}
await recording.removeStream(streams[0]!.index);
const again = await recording.addStream({
  ...{ label: '1', channel: 0, payloadTypes: PCMU, remote: sender.remote, rtcpMux: false },
});
for (const media of [streams.at(-1)!, again]) sender.send(rtp(), media);
await until(() => recording.counters().reduce((sum, { received }) => sum + received, 0) === 2, 'both packets');
console.log(JSON.stringify({ streams: streams.length, name: refused!.name, message: refused!.message }));
await recording.close();
await engine.close();
sender.close();
rmSync(journalDir, { recursive: true, force: true });
