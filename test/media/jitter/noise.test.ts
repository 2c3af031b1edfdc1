/** Comfort noise (RFC 3389): its spectrum against the all-pole model that was sent, and against noise that ffmpeg has described. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encoded, withoutFfmpeg as skip } from '../../ffmpeg.ts';
import { randomNumbers, rtp } from '../rig.ts';
import { imbalance, PlayerRig } from './rig.ts';

const CN = { payloadType: 13, encoding: 'CN', clockRate: 8000 };
const L16 = { payloadType: 96, encoding: 'L16', clockRate: 8000 };
const WINDOW = 512;
/** Every third frequency is looked at. */
const STEP = 3;

/** What is played after each of the payloads, for so long. */
function noiseOf(payloads: Uint8Array[], secondsEach: number): Int16Array {
  const rig = new PlayerRig();
  const player = rig.listen({ codecs: [L16, CN] });
  rig.send(
    player,
    payloads.map((payload, seq) => ({
      arrivalUs: seq * secondsEach * 1e6,
      bytes: rtp({ seq, timestamp: seq * secondsEach * 8000, payloadType: 13, payload }),
    })),
  );
  const frames = rig.frames(player, payloads.length * secondsEach * 1e6);
  assert.equal(imbalance(rig.stats(player).ledger), 0);
  const noise = frames.filter(({ kind }) => kind === 'comfort-noise').flatMap(({ pcm }) => [...pcm]);
  return Int16Array.from(noise.slice(4000));
}

/** Welch's estimate of the power at the frequencies of a window, against full scale. */
function spectrumOf(pcm: Int16Array): number[] {
  const hann = Array.from({ length: WINDOW }, (_, i) => Math.sin((Math.PI * i) / WINDOW) ** 2);
  const turns = Array.from({ length: WINDOW }, (_, i) => (2 * Math.PI * i) / WINDOW);
  const [cos, sin] = [turns.map(Math.cos), turns.map(Math.sin)];
  const power = new Array<number>(WINDOW / 2).fill(0);
  const segments = Math.floor(pcm.length / WINDOW);
  const scale = segments * 32_768 ** 2 * hann.reduce((sum, weight) => sum + weight ** 2, 0);
  for (let from = 0; from + WINDOW <= pcm.length; from += WINDOW) {
    for (let bin = 0; bin < WINDOW / 2; bin += STEP) {
      let [re, im] = [0, 0];
      for (let i = 0; i < WINDOW; i++) {
        const sample = pcm[from + i]! * hann[i]!;
        re += sample * cos[(bin * i) % WINDOW]!;
        im += sample * sin[(bin * i) % WINDOW]!;
      }
      power[bin]! += (re * re + im * im) / scale;
    }
  }
  return power;
}

/** Section 3.2, and the step-up recursion: the inverse filter 1 + a1 z^-1 + …, and the power that it leaves of its input. */
function modelOf(indices: number[]): { inverse: number[]; residual: number } {
  let inverse = [1];
  let residual = 1;
  for (const index of indices) {
    const k = (258 * (index - 127)) / 32_768;
    const longer = [...inverse, 0];
    inverse = longer.map((a, i) => a + k * longer[longer.length - 1 - i]!);
    residual *= 1 - k * k;
  }
  return { inverse, residual };
}

/** Of noise with a power of 1 altogether. */
function modelPower(indices: number[], bin: number): number {
  const { inverse, residual } = modelOf(indices);
  const turn = (2 * Math.PI * bin) / WINDOW;
  const re = inverse.reduce((sum, a, i) => sum + a * Math.cos(turn * i), 0);
  const im = inverse.reduce((sum, a, i) => sum + a * Math.sin(turn * i), 0);
  return residual / (re * re + im * im);
}

function levelDbov(pcm: Int16Array): number {
  return 10 * Math.log10(pcm.reduce((sum, sample) => sum + sample ** 2, 0) / pcm.length / 32_768 ** 2);
}

const random = randomNumbers(5);
const indices = (order: number, reach: number) =>
  Array.from({ length: order }, () => 127 + Math.round((random() * 2 - 1) * reach));
const MODELS: [name: string, level: number, indices: number[]][] = [
  ['level alone', 40, []],
  ['falling with frequency', 45, [30]],
  ['rising with frequency', 30, [220]],
  ['a resonance', 40, [127, 230]],
  ['order 5', 36, indices(5, 80)],
  ['order 10', 42, indices(10, 60)],
  ['order 20', 40, indices(20, 40)],
  ['what is beyond order 24 is not used', 40, [...indices(24, 15), 20, 230]],
];

for (const [name, level, reflections] of MODELS) {
  test(`RFC 3389 3.2, ${name}: the spectrum is that of the model, the level what was sent`, () => {
    const pcm = noiseOf([Uint8Array.of(level, ...reflections)], 60);
    assert.ok(Math.abs(levelDbov(pcm) + level) < 1, `${levelDbov(pcm)} dBov`);
    for (const [bin, power] of spectrumOf(pcm).entries()) {
      if (bin < 6 || bin % STEP !== 0) continue;
      const db = 10 * Math.log10(power / modelPower(reflections.slice(0, 24), bin)) + level;
      assert.ok(Math.abs(db) < 1.5, `${db} dB at ${(bin * 8000) / WINDOW} Hz`);
    }
  });
}

test('a model that is as sharp as can be said stays within bounds, and gives way to the next', () => {
  const sharp = Uint8Array.of(20, 0, 254, 0, 254);
  const pcm = noiseOf([sharp, Uint8Array.of(60, 127), Uint8Array.of(127, 255)], 20);
  const [second, third] = [pcm.subarray(22 * 8000, 36 * 8000), pcm.subarray(42 * 8000)];
  assert.ok(Math.abs(levelDbov(second) + 60) < 1, `${levelDbov(second)} dBov`);
  assert.ok(third.every((sample) => sample === 0));
});

test('what ffmpeg has made comfort noise of sounds like it', { skip }, () => {
  const source = 'anoisesrc=d=20:c=white:r=8000:a=0.2:seed=3,lowpass=f=700,equalizer=f=2500:t=h:w=300:g=20';
  const how = ['-map', '0', '-c:a', 'comfortnoise', '-f', 'data'];
  const octets = encoded(source, ...how);
  const payloads = Array.from({ length: octets.length / 11 }, (_, n) => octets.subarray(n * 11, n * 11 + 11));
  const bytes = encoded(source, '-f', 's16le');
  const original = new Int16Array(new Uint8Array(bytes).buffer);
  const pcm = noiseOf(payloads.slice(1, 100), 1);
  assert.ok(Math.abs(levelDbov(pcm) - levelDbov(original)) < 1, `${levelDbov(pcm)}, not ${levelDbov(original)} dBov`);
  const [made, meant] = [spectrumOf(pcm), spectrumOf(original)];
  const inBand = (power: number[], from: number) => power.slice(from, from + 24).reduce((sum, one) => sum + one, 0);
  for (let from = 9; from < 230; from += 24) {
    const db = 10 * Math.log10(inBand(made, from) / inBand(meant, from));
    assert.ok(Math.abs(db) < 4, `${db} dB from ${(from * 8000) / WINDOW} Hz on`);
  }
});
