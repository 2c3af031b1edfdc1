/**
 * Media Stream Replication with the media engine alone: what a party sends to the printed port goes on to every address on the command line,
 * under a key of its own where one is given. What is typed while it runs is one more address: it gets the last five seconds first.
 *
 *   node examples/replicate.ts 127.0.0.1:40000 127.0.0.1:40002=AES_CM_128_HMAC_SHA1_80:BASE64KEY
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
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
  lookBackSeconds: 5,
});

async function sendTo(argument: string): Promise<void> {
  const [to = '', key] = argument.split('=', 2);
  const colon = to.lastIndexOf(':');
  const remote = { address: to.slice(0, colon), rtpPort: Number(to.slice(colon + 1)) };
  const srtp = key ? keysOf(argument.slice(to.length + 1)) : null;
  const sink = await session.addSink(index, { remote, srtp, lookBack: true });
  console.log(`to ${to} as SSRC ${sink.ssrc} from port ${sink.local.rtpPort}`);
}

for (const argument of process.argv.slice(2)) await sendTo(argument);
console.log(`send RTP to 127.0.0.1:${rtpPort}; Ctrl-C ends it`);
const typed = createInterface({ input: process.stdin });
typed.on('line', (line) => void sendTo(line.trim()).catch((error: Error) => console.error(error.message)));
process.once('SIGINT', async () => {
  typed.close();
  await session.close();
  await engine.close();
  await rm(journalDir, { recursive: true, force: true });
});
