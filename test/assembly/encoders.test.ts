/** The encoders of G.711 and G.722, against ffmpeg's. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { G722_ENCODER_BYTES } from '../../assembly/layout.ts';
import { decodedG722, encoded, ffmpeg, withoutFfmpeg as skip } from '../ffmpeg.ts';
import { random } from '../recording/journal-builder.ts';
import { KernelMemory } from './kernel-memory.ts';

const memory = new KernelMemory();
const state = memory.base + 64;
const source = memory.base + 2048;
const target = memory.base + 32_768;
const FRAME_SAMPLES = 160;

/** Frame by frame; nothing but the octets, and what `states` says, may be written. */
function encode(pcm: Int16Array, octetsOf: (samples: number) => number, run: (samples: number) => void): Buffer {
  const octets: Buffer[] = [];
  for (let at = 0; at < pcm.length; at += FRAME_SAMPLES) {
    const frame = pcm.slice(at, at + FRAME_SAMPLES);
    const bytes = octetsOf(frame.length);
    memory.put(source, new Uint8Array(frame.buffer));
    const areas = [
      [state, state + G722_ENCODER_BYTES],
      [target, target + bytes],
    ] as const;
    memory.writingOnly(areas, () => run(frame.length));
    octets.push(memory.get(target, bytes));
  }
  return Buffer.concat(octets);
}

const LAWS = {
  mulaw: (samples: number) => memory.kernels.encodeMulaw(source, samples, target),
  alaw: (samples: number) => memory.kernels.encodeAlaw(source, samples, target),
};

for (const [law, run] of Object.entries(LAWS)) {
  test(`G.711 ${law}: all 65,536 samples as ffmpeg`, { skip }, () => {
    const pcm = Int16Array.from({ length: 65_536 }, (_, i) => i - 32_768);
    const parameters = ['-f', 's16le', '-ar', '8000', '-ac', '1', '-i', 'pipe:0', '-f', law];
    const expected = ffmpeg(new Uint8Array(pcm.buffer), ...parameters);
    const octets = encode(pcm, (samples) => samples, run);
    assert.equal(octets.length, 65_536);
    assert.equal(Buffer.compare(octets, expected), 0);
  });

  test(`G.711 ${law}: what an octet stands for becomes that octet again, and no value is nearer to a sample than its own`, {
    skip,
  }, () => {
    const every = Uint8Array.from({ length: 256 }, (_, i) => i);
    const decodedBytes = ffmpeg(every, '-f', law, '-ar', '8000', '-ac', '1', '-i', 'pipe:0', '-f', 's16le');
    const values = new Int16Array(Uint8Array.from(decodedBytes).buffer);
    const again = encode(values, (samples) => samples, run);
    // Mu-law has two zeros: 0x7f is the negative one.
    assert.deepEqual(
      [...again],
      [...every].map((octet) => (law === 'mulaw' && octet === 0x7f ? 0xff : octet)),
    );
    const pcm = Int16Array.from({ length: 65_536 }, (_, i) => i - 32_768);
    const sorted = [...new Set(values)].sort((a, b) => a - b);
    const octets = encode(pcm, (samples) => samples, run);
    let nearest = 0;
    for (const [i, sample] of pcm.entries()) {
      const next = sorted[nearest + 1];
      if (next !== undefined && Math.abs(next - sample) < Math.abs(sorted[nearest]! - sample)) nearest++;
      const error = Math.abs(values[octets[i]!]! - sample);
      // The lowest two bits of a sample are not looked at.
      assert.ok(error <= Math.abs(sorted[nearest]! - sample) + 6, `${sample}: ${error}`);
    }
  });
}

function encodeG722(pcm: Int16Array): Buffer {
  memory.kernels.g722InitEncoder(state);
  return encode(
    pcm,
    (samples) => samples / 2,
    (samples) => memory.kernels.g722Encode(state, source, samples, target),
  );
}

function assertG722AsFfmpeg(pcm: Int16Array): void {
  const parameters = ['-f', 's16le', '-ar', '16000', '-ac', '1', '-i', 'pipe:0', '-c:a', 'g722', '-f', 'g722'];
  const expected = ffmpeg(new Uint8Array(pcm.buffer), ...parameters);
  const octets = encodeG722(pcm);
  assert.equal(octets.length, expected.length);
  assert.equal(Buffer.compare(octets, expected), 0);
}

const pcmOf = (lavfi: string) =>
  new Int16Array(Uint8Array.from(encoded(lavfi, '-ar', '16000', '-ac', '1', '-f', 's16le')).buffer);

test('G.722: noise, a sweep and silence: equal to ffmpeg, octet for octet', { skip }, () => {
  assertG722AsFfmpeg(pcmOf('anoisesrc=d=2:r=16000:a=0.8:seed=7'));
  assertG722AsFfmpeg(pcmOf("aevalsrc='0.7*sin(2*PI*(100+1500*t)*t)*(1+sin(25*t))/2':d=2:s=16000"));
  assertG722AsFfmpeg(new Int16Array(16_000));
});

test('G.722: full scale, steps and a square wave drive it to its limits: equal to ffmpeg', { skip }, () => {
  const next = random(5);
  assertG722AsFfmpeg(Int16Array.from({ length: 32_000 }, () => Math.floor(next() * 65_536) - 32_768));
  assertG722AsFfmpeg(Int16Array.from({ length: 32_000 }, (_, i) => (Math.floor(i / 97) % 2 === 0 ? 32_767 : -32_768)));
  const levels = Array.from({ length: 100 }, () => Math.floor(next() * 65_536) - 32_768);
  assertG722AsFfmpeg(Int16Array.from({ length: 32_000 }, (_, i) => levels[Math.floor(i / 320)]!));
});

test('G.722: what was encoded is heard, by our decoder and by ffmpeg', { skip }, () => {
  const pcm = Int16Array.from({ length: 16_000 }, (_, i) => 8000 * Math.sin((2 * Math.PI * 440 * i) / 16_000));
  const heard = decodedG722(encodeG722(pcm));
  const [delay, from] = [22, 1000]; // of both QMFs
  const error = heard.subarray(from).reduce((sum, sample, i) => sum + (sample - (pcm[from + i - delay] ?? 0)) ** 2, 0);
  const energy = pcm.subarray(from - delay).reduce((sum, sample) => sum + sample ** 2, 0);
  assert.ok(10 * Math.log10(energy / error) > 25, `${10 * Math.log10(energy / error)} dB`);
});
