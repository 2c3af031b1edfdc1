/** RFC 7866 with a real peer: sipp calls the recorder and plays the capture that it ships. Oracles: tshark and ffmpeg. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import type { Recording } from '../../src/store/recording.ts';
import {
  completeRecordings,
  newDataFolder,
  type Recorder,
  removeFolder,
  run,
  startRecorder,
  stopRecorder,
} from './recorder.ts';

const CAPTURE = '/usr/share/sip-tester/g711a.pcap';
const SCENARIO = path.join(import.meta.dirname, 'siprec-uac.xml');
/** A little longer than the capture, which lasts 7.1 s. */
const CALL_MS = 7_500;
const WAV_HEADER_BYTES = 44;

const missing = !existsSync(CAPTURE) && 'install sip-tester, ffmpeg and tshark (Debian) to run this';

/** Payloads of the capture's RTP in order of sequence, as tshark reads them. */
async function capturedPayloads(): Promise<{ packets: number; alaw: Buffer }> {
  const fields = ['-T', 'fields', '-e', 'rtp.seq', '-e', 'rtp.payload'];
  const out = await run('tshark', ['-r', CAPTURE, '-d', 'udp.port==2006,rtp', '-Y', 'rtp', ...fields]);
  const rows = out.toString().trim().split('\n');
  const bytes = rows.map((row) => Buffer.from(row.split('\t')[1]!.replaceAll(':', ''), 'hex'));
  return { packets: rows.length, alaw: Buffer.concat(bytes) };
}

function decodeAlaw(alaw: Buffer): Promise<Buffer> {
  const input = ['-f', 'alaw', '-ar', '8000', '-ac', '1', '-i', 'pipe:0'];
  return run('ffmpeg', ['-v', 'error', ...input, '-f', 's16le', 'pipe:1'], alaw);
}

/** One channel of a 16-bit dual-channel WAV. */
function channelOf(wav: Buffer, channel: number): Buffer {
  const frames = (wav.length - WAV_HEADER_BYTES) / 4;
  const samples = Buffer.alloc(frames * 2);
  for (let i = 0; i < frames; i++)
    wav.copy(samples, i * 2, WAV_HEADER_BYTES + i * 4 + channel * 2, WAV_HEADER_BYTES + i * 4 + channel * 2 + 2);
  return samples;
}

let recorder: Recorder;
const data = newDataFolder();

before(async () => {
  if (!missing) recorder = await startRecorder(data);
});
after(async () => {
  if (recorder) assert.equal(await stopRecorder(recorder), 0);
  removeFolder(data);
});

test('RFC 7866: what sipp plays is recorded sample for sample, and every packet is accounted for', {
  skip: missing,
}, async () => {
  const scenario = path.join(data, 'scenario.xml');
  const text = readFileSync(SCENARIO, 'utf8').replace('[capture]', CAPTURE).replace('[duration]', String(CALL_MS));
  writeFileSync(scenario, text);
  const where = [`127.0.0.1:${recorder.udpPort}`, '-i', '127.0.0.1', '-mi', '127.0.0.1', '-mp', '46000'];
  await run('sipp', [...where, '-sf', scenario, '-m', '1', '-nostdin', '-timeout', '60s', '-timeout_error']);
  const [recording] = (await completeRecordings(recorder, 1)) as [Recording];
  const wav = readFileSync(path.join(data, 'recordings', recording.id, 'audio.wav'));
  const { packets, alaw } = await capturedPayloads();
  const played = recording.streams.find(({ channel }) => channel === 0)!;
  assert.equal(played.packets.received, packets);
  assert.equal(played.packets.expected, packets);
  const expected = await decodeAlaw(alaw);
  const channel = channelOf(wav, 0);
  assert.equal(channel.length, expected.length);
  assert.ok(channel.equals(expected), 'channel 0 differs from what ffmpeg decodes');
  assert.ok(
    channelOf(wav, 1).every((byte) => byte === 0),
    'nobody spoke on channel 1',
  );
  assert.deepEqual(
    recording.participants.map(({ aor, channel: on }) => [aor, on]),
    [
      ['sip:caller@example.com', 0],
      ['sip:agent@example.com', 1],
    ],
  );
});
