/** The finaliser's decoders, against ffmpeg and against G.711 written down the slow way. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { DECODERS, FinaliserCore } from '../../src/media/render.ts';
import { random } from './journal-builder.ts';

const core = await FinaliserCore.create();
core.openTrack(0, 8000, 8000);
const hasFfmpeg = spawnSync('ffmpeg', ['-version']).status === 0;

/** Decodes with samples of a known value around, and checks that they stay. */
function decode(encoding: string, payload: Uint8Array, channels = 1): Int16Array {
  const codec = DECODERS[encoding] as number;
  const { at } = core.load(payload);
  core.samples(0, 0, payload.length + 64).fill(0x5a5a);
  const samples = core.decode(codec, at, payload.length, channels, 0, 16);
  const around = core.samples(0, 0, payload.length + 64);
  assert.ok(around.subarray(0, 16).every((sample) => sample === 0x5a5a));
  assert.ok(around.subarray(16 + samples).every((sample) => sample === 0x5a5a));
  return Int16Array.from(around.subarray(16, 16 + samples));
}

function ffmpeg(format: string, payload: Uint8Array): Int16Array {
  const input = ['-f', format, '-ar', '8000', '-ac', '1', '-i', 'pipe:0'];
  const { stdout } = spawnSync('ffmpeg', ['-loglevel', 'error', ...input, '-f', 's16le', 'pipe:1'], { input: payload });
  return new Int16Array(stdout.buffer.slice(stdout.byteOffset, stdout.byteOffset + stdout.length));
}

const EVERY_OCTET = Uint8Array.from({ length: 256 }, (_, i) => i);

for (const [encoding, format] of [
  ['PCMU', 'mulaw'],
  ['PCMA', 'alaw'],
  ['L16', 's16be'],
] as const) {
  test(`${encoding}: equal to ffmpeg, sample for sample`, { skip: hasFfmpeg ? false : 'install ffmpeg' }, () => {
    const next = random(3);
    const payload = Uint8Array.from([...EVERY_OCTET, ...Array.from({ length: 4000 }, () => next() * 256)]);
    assert.deepEqual(decode(encoding, payload), ffmpeg(format, payload));
  });
}

test('G.711 table 2: mu-law by its definition', () => {
  const expected = Array.from(EVERY_OCTET, (octet) => {
    const bits = 0xff - octet;
    const segment = (bits >> 4) % 8;
    const magnitude = (((bits % 16) * 2 + 33) * 2 ** segment - 33) * 4;
    return bits >= 128 ? 0 - magnitude : magnitude;
  });
  assert.deepEqual(Array.from(decode('PCMU', EVERY_OCTET)), expected);
});

test('G.711 table 1: A-law by its definition', () => {
  const expected = Array.from(EVERY_OCTET, (octet) => {
    const bits = octet ^ 0x55;
    const segment = (bits >> 4) % 8;
    const step = bits % 16;
    const magnitude = (segment === 0 ? step * 2 + 1 : (step * 2 + 33) * 2 ** (segment - 1)) * 8;
    return bits >= 128 ? magnitude : -magnitude;
  });
  assert.deepEqual(Array.from(decode('PCMA', EVERY_OCTET)), expected);
});

test('every length: vector and remainder agree, and nothing beyond is touched', () => {
  for (const encoding of ['PCMU', 'PCMA', 'L16']) {
    const whole = decode(encoding, EVERY_OCTET);
    for (let length = 0; length <= 70; length++) {
      const samples = decode(encoding, EVERY_OCTET.subarray(0, length));
      assert.equal(samples.length, encoding === 'L16' ? length >> 1 : length);
      assert.deepEqual(samples, whole.subarray(0, samples.length));
    }
  }
});

test('RFC 3551 4.1: interleaved channels are averaged, an incomplete frame is left out', () => {
  const wire = Buffer.alloc(4 * 21 + 3);
  for (let i = 0; i < 42; i++) wire.writeInt16BE(i % 2 ? -1000 - i : 3000 + i, i * 2);
  const expected = Array.from({ length: 21 }, (_, i) => Math.trunc((3000 + 2 * i - 1001 - 2 * i) / 2));
  assert.deepEqual(Array.from(decode('L16', wire, 2)), expected);
});

test('a track of a lower rate: its own samples come out unchanged, a tone between them is a tone', () => {
  const [from, to] = [8000, 48000];
  core.openTrack(1, from, to);
  const tone = (rate: number, i: number) => 12000 * Math.sin((2 * Math.PI * 700 * i) / rate);
  const source = core.samples(1, 0, 4000);
  for (let i = 0; i < 4000; i++) source[i] = Math.round(tone(from, i));
  core.clearChannels(12000);
  core.mix(1, 1, 1000, 12000);
  const mixed = core.channel(1, 12000);
  for (let i = 0; i < 12000; i++) {
    if (i % 6 === 0) assert.equal(mixed[i], source[1000 + i / 6]);
    assert.ok(Math.abs((mixed[i] ?? 0) - tone(to, 6000 + i)) < 120, `frame ${i}`);
  }
});

test('mixing saturates, in the vector and in the remainder', () => {
  core.openTrack(0, 8000, 8000);
  core.samples(0, 0, 21).fill(20000);
  core.samples(0, 21, 42).fill(-20000);
  core.clearChannels(42);
  core.mix(0, 0, 0, 42);
  core.mix(0, 0, 0, 42);
  assert.deepEqual(Array.from(core.channel(0, 42)), [...Array(21).fill(32767), ...Array(21).fill(-32768)]);
  const frames = core.interleave(42);
  assert.equal(frames.length, 168);
  assert.deepEqual(
    Array.from({ length: 84 }, (_, i) => Buffer.from(frames).readInt16LE(i * 2)),
    Array.from({ length: 84 }, (_, i) => (i % 2 ? 0 : i < 42 ? 32767 : -32768)),
  );
});

test('rates that cannot be brought together are refused', () => {
  assert.throws(() => core.openTrack(0, 8001, 47999), RangeError);
});
