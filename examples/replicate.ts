/**
 * Media Stream Replication with the media engine alone: what a party sends to the printed port goes on to every address on the command line,
 * under a key of its own where one is given.
 *
 *   node examples/replicate.ts 127.0.0.1:40000 127.0.0.1:40002=AES_CM_128_HMAC_SHA1_80:BASE64KEY
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { isSrtpSuite, MediaEngine, type SrtpKeys } from 'doubletrack/media';
import { Secret } from 'doubletrack/srtp';

function keysOf(text: string): SrtpKeys {
  const [suite = '', key = ''] = text.split(':');
  if (!isSrtpSuite(suite)) throw new RangeError(`not an SRTP suite: ${suite}`);
  return { suite, keys: [{ keyAndSalt: new Secret(Buffer.from(key, 'base64')), mki: null }] };
}

const journalDir = await mkdtemp(path.join(tmpdir(), 'replicate-'));
const engine = await MediaEngine.start({
  address: '127.0.0.1',
  ports: { lo: 26_000, hi: 26_099 },
  journalDir,
  onEvent: (event) => console.error(event),
});
const session = await engine.openSession();
const { index, rtpPort } = await session.addStream({
  label: '1',
  channel: 0,
  payloadTypes: [{ payloadType: 0, encoding: 'PCMU', clockRate: 8000, channels: 1, fmtp: null }],
  remote: null, // whoever sends first
  rtcpMux: true,
});
for (const argument of process.argv.slice(2)) {
  const [to = '', key] = argument.split('=', 2);
  const colon = to.lastIndexOf(':');
  const remote = { address: to.slice(0, colon), rtpPort: Number(to.slice(colon + 1)) };
  const sink = await session.addSink(index, { remote, srtp: key ? keysOf(argument.slice(to.length + 1)) : null });
  console.log(`to ${to} as SSRC ${sink.ssrc} from port ${sink.local.rtpPort}`);
}
console.log(`send RTP to 127.0.0.1:${rtpPort}; Ctrl-C ends it`);
process.once('SIGINT', async () => {
  await session.close();
  await engine.close();
  await rm(journalDir, { recursive: true, force: true });
});
