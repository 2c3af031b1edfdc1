/** Packet loss concealment: what ITU-T G.711 Appendix I promises of the sound, at each rate. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PLC_STATE_BYTES } from '../../assembly/layout.ts';
import { KernelMemory } from './kernel-memory.ts';

const memory = new KernelMemory();
const state = memory.base + 64;
const frameAt = memory.base + 16384;

function good(pcm: Int16Array): Int16Array {
  memory.put(frameAt, new Uint8Array(pcm.buffer));
  memory.writingOnly([area(state, PLC_STATE_BYTES), area(frameAt, pcm.byteLength)], () =>
    memory.kernels.plcGood(state, frameAt, pcm.length),
  );
  return read(pcm.length);
}

function conceal(samples: number): Int16Array {
  memory.writingOnly([area(state, PLC_STATE_BYTES), area(frameAt, samples * 2)], () =>
    memory.kernels.plcConceal(state, frameAt, samples),
  );
  return read(samples);
}

function area(at: number, bytes: number): [number, number] {
  return [at, at + bytes];
}

function read(samples: number): Int16Array {
  const bytes = memory.get(frameAt, samples * 2);
  return Int16Array.from({ length: samples }, (_, i) => bytes.readInt16LE(i * 2));
}

/** Like a vowel: 125 Hz and two of its harmonics. */
function voice(rate: number, frame: number): Int16Array {
  const samples = rate / 100;
  return Int16Array.from({ length: samples }, (_, i) => {
    const turn = (2 * Math.PI * 125 * (frame * samples + i)) / rate;
    return 6000 * Math.sin(turn) + 3000 * Math.sin(2 * turn + 1) + 1000 * Math.sin(5 * turn + 2);
  });
}

function energy(pcm: Int16Array): number {
  return pcm.reduce((sum, sample) => sum + sample * sample, 0);
}

function largestStep(pcm: number[]): number {
  return Math.max(...pcm.slice(1).map((sample, i) => Math.abs(sample - pcm[i]!)));
}

for (const rate of [8000, 16000, 48000]) {
  const start = () => {
    memory.kernels.plcInit(state, rate);
    for (let frame = 0; frame < 8; frame++) assert.deepEqual(good(voice(rate, frame)), voice(rate, frame));
  };

  test(`${rate} Hz: the first 10 ms of a loss go on as before, then it fades, and is silent after 60 ms`, () => {
    start();
    const frames = Array.from({ length: 8 }, () => conceal(rate / 100));
    const error = frames[0]!.map((sample, i) => sample - voice(rate, 8)[i]!);
    assert.ok(energy(error) < energy(voice(rate, 8)) / 1000, 'an error of more than -30 dB');
    const energies = frames.map(energy);
    for (let i = 1; i < 6; i++) assert.ok(energies[i]! < energies[i - 1]!, `10 ms no. ${i}: ${energies}`);
    assert.deepEqual(energies.slice(6), [0, 0]);
  });

  test(`${rate} Hz: no step where a loss begins and ends, even into another phase`, () => {
    start();
    const heard = [...voice(rate, 7), ...conceal(rate / 100), ...conceal(rate / 100)];
    const shifted = Int16Array.from(voice(rate, 0), (sample) => -sample);
    heard.push(...good(shifted));
    const usual = largestStep([...voice(rate, 0), ...voice(rate, 1)]);
    assert.ok(largestStep(heard) < usual * 3, `${largestStep(heard)}, usually ${usual}`);
    assert.deepEqual(good(voice(rate, 1)), voice(rate, 1), 'samples after the join are as they came');
  });

  test(`${rate} Hz: silence before any sample`, () => {
    memory.kernels.plcInit(state, rate);
    assert.equal(energy(conceal(rate / 100)), 0);
  });
}
