/**
 * Two parties of a call, anchored at the media engine: each sends to the port that is printed for it, and hears the other from there, wherever
 * it sends from (symmetric RTP, RFC 4961). Recorders could be sinks of the same streams.
 *
 *   node examples/anchor.ts
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { MediaEngine } from 'doubletrack/media';

const journalDir = await mkdtemp(path.join(tmpdir(), 'anchor-'));
const engine = await MediaEngine.start({
  address: '127.0.0.1',
  ports: { lo: 26_100, hi: 26_199 },
  journalDir,
  onEvent: (event) => console.error(event),
});
const session = await engine.openSession();
const payloadTypes = [{ payloadType: 0, encoding: 'PCMU', clockRate: 8000, channels: 1, fmtp: null }];
const caller = await session.addStream({ label: '1', channel: 0, payloadTypes, remote: null, rtcpMux: true });
const callee = await session.addStream({ label: '2', channel: 1, payloadTypes, remote: null, rtcpMux: true });
await session.addSink(caller.index, { remote: 'learned', via: callee.index });
await session.addSink(callee.index, { remote: 'learned', via: caller.index });
console.log(`send RTP to 127.0.0.1:${caller.rtpPort} and to 127.0.0.1:${callee.rtpPort}; Ctrl-C ends it`);
process.once('SIGINT', async () => {
  await session.close();
  await engine.close();
  await rm(journalDir, { recursive: true, force: true });
});
