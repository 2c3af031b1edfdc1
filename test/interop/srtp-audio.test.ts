/** The commands with each suite over TLS: sample for sample what the same audio gives in the clear, and the sender's own account. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { CallReport } from '../../src/client/caller/index.ts';
import { CRYPTO_SUITES } from '../../src/sdp/index.ts';
import type { Recording } from '../../src/store/recording.ts';
import { Random } from '../media/srtp/random.ts';
import { until } from '../server/rig.ts';
import { assertEqualsReport } from './certificate-report.ts';
import { getJson, newDataFolder, type Recorder, removeFolder, run, startRecorder, stopRecorder } from './recorder.ts';
import { channelsOf, type SecureRecorder, spoken, startSecureRecorder, wavOf } from './secure-recorder.ts';

const COMMAND = path.resolve(import.meta.dirname, '../../bin/doubletrack.mjs');
const SAMPLES = 16_000;
const files = newDataFolder();
const clearData = newDataFolder();
let secure: SecureRecorder;
let clear: Recorder;
let inClear: Heard;

/** Noise that is never silent, so that it shows where it begins and ends. */
function writeNoise(name: string): string {
  const noise = Buffer.alloc(44 + 2 * SAMPLES);
  noise.write('RIFF');
  noise.writeUInt32LE(noise.length - 8, 4);
  noise.write('WAVEfmt ', 8);
  noise.writeUInt32LE(16, 16);
  noise.writeUInt32LE(0x0001_0001, 20); // PCM, one channel
  noise.writeUInt32LE(8000, 24);
  noise.writeUInt32LE(16_000, 28);
  noise.writeUInt32LE(0x0010_0002, 32); // two octets, 16 bits
  noise.write('data', 36);
  noise.writeUInt32LE(2 * SAMPLES, 40);
  const random = new Random(name).bytes(2 * SAMPLES);
  for (let n = 0; n < SAMPLES; n++) {
    const sample = random.readInt16LE(2 * n) >> 1;
    noise.writeInt16LE(sample + Math.sign(sample || 1) * 1000, 44 + 2 * n);
  }
  writeFileSync(path.join(files, name), noise);
  return path.join(files, name);
}

const audio = ['--audio', writeNoise('a.wav'), writeNoise('b.wav')];

interface Heard {
  recording: Recording;
  call: CallReport;
  channels: Int16Array[];
}

/** A call by the command, to its recording. */
async function heard(recorder: Recorder, args: string[]): Promise<Heard> {
  const common = ['call', ...audio, '--codec', 'PCMU', '--seed', '5', '--json'];
  const said = await run(process.execPath, [COMMAND, ...common, ...args]);
  const [call] = (JSON.parse(said.toString()) as { calls: CallReport[] }).calls as [CallReport];
  const recording = await until('the recording', async () => {
    const { items } = await getJson<{ items: Recording[] }>(`${recorder.http}/api/v1/recordings?limit=500`);
    return items.find(({ sipCallId, state }) => sipCallId === call.callId && state === 'complete');
  });
  return { recording, call, channels: channelsOf(wavOf(recorder, recording.id)).map(spoken) };
}

before(async () => {
  secure = await startSecureRecorder('44800-44999');
  clear = await startRecorder(clearData, ['--media-ports', '44600-44699']);
  inClear = await heard(clear, ['--to', `sip:127.0.0.1:${clear.udpPort}`, '--media-ports', '44700-44799']);
});
after(async () => {
  await secure.end();
  await stopRecorder(clear);
  for (const folder of [clearData, files]) removeFolder(folder);
});

describe('every suite', { concurrency: 3 }, () => {
  for (const [i, suite] of CRYPTO_SUITES.entries()) {
    const ports = `${44_700 + 10 * i}-${44_709 + 10 * i}`;
    test(`RFC 3711, 4568: ${suite} from command to command over TLS`, async () => {
      const to = ['--to', `sip:127.0.0.1:${secure.tlsPort}`, '--transport', 'tls', '--tls-ca', secure.caFile];
      const { recording, call, channels } = await heard(secure, [...to, ...['--srtp', suite, '--media-ports', ports]]);
      assert.equal(call.error, null);
      assertEqualsReport(recording, call);
      assert.deepEqual([recording.streams.map(({ srtp }) => srtp), recording.warnings], [[suite, suite], []]);
      assert.deepEqual(
        channels.map(({ length }) => length),
        [SAMPLES, SAMPLES],
      );
      assert.deepEqual(channels, inClear.channels);
      assert.notDeepEqual(channels[0], channels[1]);
    });
  }
});
