/**
 * Finalising: from a packet file to a dual-channel WAV with its manifest, beside ffmpeg, which decodes the same audio from
 * two plain mu-law files into the same kind of WAV: no packets, no check sums, no certificate. One operation is one hour.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { OfflineLane } from '../../src/media/index.ts';
import { finalise } from '../../src/recording/index.ts';
import type { BenchResult } from '../main.ts';

const HOURS = 0.5;
const PACKETS = HOURS * 3600 * 50;
const SAMPLES = 160;
const RUNS = 3;
const RECORDING_ID = '00000000-0000-4000-8000-000000000001';
const PCMU = { payloadType: 0, encoding: 'PCMU', clockRate: 8000, channels: 1, fmtp: null };

/** Octets of packet n; never the same for long. */
function payload(leg: number, n: number): Buffer {
  const octets = Buffer.alloc(SAMPLES);
  for (let i = 0; i < SAMPLES; i++) octets[i] = (n * 31 + i * (leg ? 11 : 7)) & 0xff;
  return octets;
}

async function makeInputs(dir: string): Promise<void> {
  const lane = await OfflineLane.create();
  const recording = lane.openRecording(RECORDING_ID);
  const streams = [0, 1].map((channel) => recording.addStream({ label: `${channel}`, channel, payloadTypes: [PCMU] }));
  const plain: [Buffer[], Buffer[]] = [[], []];
  const blocks: Buffer[] = [];
  for (let n = 0; n < PACKETS; n++) {
    for (const leg of [0, 1] as const) {
      const header = Buffer.alloc(12);
      header[0] = 0x80;
      header.writeUInt16BE(n & 0xffff, 2);
      header.writeUInt32BE(n * SAMPLES, 4);
      header.writeUInt32BE(leg + 1, 8);
      const octets = payload(leg, n);
      lane.push(streams[leg] as number, 'rtp', Buffer.concat([header, octets]), n * 20_000);
      plain[leg].push(octets);
    }
    if (n % 5 === 4) blocks.push(lane.flush()); // as often as a live lane
  }
  blocks.push(lane.flush());
  writeFileSync(path.join(dir, 'call.packets'), Buffer.concat(blocks));
  for (const leg of [0, 1] as const) writeFileSync(path.join(dir, `leg${leg}.ul`), Buffer.concat(plain[leg]));
}

function ffmpeg(dir: string): void {
  const input = (leg: number) => ['-f', 'mulaw', '-ar', '8000', '-ac', '1', '-i', path.join(dir, `leg${leg}.ul`)];
  const join = ['-filter_complex', '[0:a][1:a]join=inputs=2:channel_layout=stereo', '-bitexact', '-c:a', 'pcm_s16le'];
  const args = ['-y', '-loglevel', 'error', ...input(0), ...input(1), ...join, path.join(dir, 'ffmpeg.wav')];
  const { status, stderr } = spawnSync('ffmpeg', args);
  assert.equal(status, 0, String(stderr));
}

/** Hours of audio per second; the best of several runs. */
async function hoursPerSec(work: () => unknown): Promise<number> {
  let best = Infinity;
  for (let i = 0; i < RUNS; i++) {
    const startedMs = performance.now();
    await work();
    best = Math.min(best, performance.now() - startedMs);
  }
  return (HOURS * 1000) / best;
}

export default async function run(): Promise<BenchResult> {
  const dir = mkdtempSync(path.join(tmpdir(), 'doubletrack-bench-'));
  try {
    await makeInputs(dir);
    const ours = () => finalise(path.join(dir, 'call.packets'), path.join(dir, 'out'), { keepPackets: false });
    const contenders = [];
    await ours();
    if (spawnSync('ffmpeg', ['-version']).status === 0) {
      ffmpeg(dir);
      const [a, b] = [path.join(dir, 'out', 'audio.wav'), path.join(dir, 'ffmpeg.wav')].map((file) =>
        readFileSync(file),
      );
      const data = PACKETS * SAMPLES * 4;
      assert.ok(a?.subarray(-data).equals(b?.subarray(-data) as Buffer), 'ours and ffmpeg disagree');
      contenders.push({ name: 'ffmpeg', opsPerSec: await hoursPerSec(() => ffmpeg(dir)) });
    }
    contenders.unshift({ name: 'doubletrack', opsPerSec: await hoursPerSec(ours) });
    return { name: 'finalise', unit: 'hours of dual-channel audio', contenders };
  } finally {
    rmSync(dir, { recursive: true });
  }
}
