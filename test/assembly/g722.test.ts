/** The G.722 decoder, against ffmpeg's. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { G722_STATE_BYTES } from '../../assembly/layout.ts';
import { decodedG722, g722Of, withoutFfmpeg as skip } from '../ffmpeg.ts';
import { random } from '../recording/journal-builder.ts';
import { KernelMemory } from './kernel-memory.ts';

const memory = new KernelMemory();
const PACKET_BYTES = 160;
const state = memory.base + 64;
const source = memory.base + 2048;
const target = memory.base + 4096;

/** In packets of 20 ms, as they come. */
function decode(payload: Uint8Array): Buffer {
  memory.kernels.g722Init(state);
  const pcm: Buffer[] = [];
  for (let at = 0; at < payload.length; at += PACKET_BYTES) {
    const packet = payload.subarray(at, at + PACKET_BYTES);
    memory.put(source, packet);
    const areas = [
      [state, state + G722_STATE_BYTES],
      [target, target + packet.length * 4],
    ] as const;
    memory.writingOnly(areas, () => memory.kernels.g722Decode(state, source, packet.length, target));
    pcm.push(memory.get(target, packet.length * 4));
  }
  return Buffer.concat(pcm);
}

function assertAsFfmpeg(payload: Uint8Array): void {
  const expected = Buffer.from(decodedG722(payload).buffer);
  assert.equal(expected.length, payload.length * 4);
  assert.equal(Buffer.compare(decode(payload), expected), 0);
}

test('random octets: equal to ffmpeg, sample for sample', { skip }, () => {
  const next = random(5);
  assertAsFfmpeg(Uint8Array.from({ length: 16000 }, () => next() * 256));
});

test('noise and a sweep: equal to ffmpeg, sample for sample', { skip }, () => {
  assertAsFfmpeg(g722Of('anoisesrc=d=2:r=16000:a=0.8:seed=7'));
  assertAsFfmpeg(g722Of("aevalsrc='0.7*sin(2*PI*(100+1500*t)*t)*(1+sin(25*t))/2':d=2:s=16000"));
});

test('octets that stay for long drive the predictors to their limits: equal to ffmpeg', { skip }, () => {
  const next = random(9);
  assertAsFfmpeg(Uint8Array.from({ length: 256 * 400 }, (_, i) => Math.floor(i / 400)));
  // Two in turn: differences whose signs agree, or never do.
  const pairs = Array.from({ length: 120 }, () => [next() * 256, next() * 256]);
  assertAsFfmpeg(Uint8Array.from({ length: 120 * 800 }, (_, i) => pairs[Math.floor(i / 800)]?.[i % 2] ?? 0));
});
