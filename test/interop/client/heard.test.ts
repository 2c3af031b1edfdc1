/** The oracle of recorded calls: what differs from what was sent by one sample, one packet or one place is seen. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../../src/client/caller/random.ts';
import type { CapturedRtp } from '../phones/capture.ts';
import { decodeMulawAll } from '../phones/sound.ts';
import { assertAligned, assertNoGaps, heardIn, heardInTurn } from './heard.ts';

const FRAME = 160;
const random = seededRandom(1);

const sent = Array.from({ length: 20 }, (_, index): CapturedRtp => {
  // Octets of mu-law that are neither silence nor so loud that two are too much for a sample.
  const payload = Buffer.from(
    Array.from({ length: FRAME }, () => (random() < 0.5 ? 0 : 0x80) + 32 + Math.floor(random() * 64)),
  );
  const header = { ssrc: 7, seq: index, timestamp: index * FRAME, payloadType: 0, marker: index === 0 };
  return { ...header, payload, bytes: payload, atUs: index * 20_000, fromPort: 1, toPort: 2 };
});

/** A channel with these packets where their timestamps say, behind some silence. */
function channelOf(indices: number[], silence = 37): Int16Array {
  const channel = new Int16Array(silence + sent.length * FRAME);
  for (const index of indices)
    channel.set(decodeMulawAll(sent[index]!.payload), silence + (index - indices[0]!) * FRAME);
  return channel;
}

const all = sent.map((_, index) => index);

test('what was sent is found, and what is silent between', () => {
  const heard = heardIn(channelOf(all), sent, 'all');
  assert.deepEqual(
    heard.map(({ index }) => index),
    all,
  );
  assertNoGaps(heard, sent, 'all');
  const some = heardIn(channelOf([3, 4, 9]), sent, 'some');
  assert.deepEqual(
    some.map(({ index, at }) => [index, at]),
    [
      [3, 37],
      [4, 197],
      [9, 997],
    ],
  );
  assert.throws(() => assertNoGaps(some, sent, 'some'), / 5, 6, 7, 8 are missing/);
  assertNoGaps(some, sent, 'some', ({ seq }) => seq > 4 && seq < 9);
});

test('one sample, one place, or one strange packet is seen', () => {
  const changed = channelOf(all);
  changed[37 + 5 * FRAME + 99]! += 1;
  assert.throws(() => heardIn(changed, sent, 'changed'), /packet 5 .* not as it was sent/);
  const moved = channelOf(all.slice(0, 10));
  moved.set(decodeMulawAll(sent[12]!.payload), 37 + 12 * FRAME + 1);
  assert.throws(() => heardIn(moved, sent, 'moved'), /packet 12 is not where its timestamp says/);
  const strange = channelOf(all);
  strange.fill(1_234, 37 + 19 * FRAME);
  assert.throws(() => heardIn(strange, sent, 'strange'), /of no packet/);
  const twice = channelOf(all.slice(0, 10));
  twice.set(decodeMulawAll(sent[4]!.payload), 37 + 12 * FRAME);
  assert.throws(() => heardIn(twice, sent, 'twice'));
});

test('channels that drift apart are seen', () => {
  const [one, other] = [heardIn(channelOf(all, 37), sent, 'one'), heardIn(channelOf(all, 37 + 800), sent, 'other')];
  assertAligned(one, one, 0);
  assert.throws(() => assertAligned(one, other, 60), /100\.0 ms apart/);
});

test('two that speak at the same time for a moment are told apart', () => {
  const [one, other] = [sent.slice(0, 10), sent.slice(10).map((packet) => ({ ...packet, ssrc: 8 }))];
  const channel = new Int16Array(24 * FRAME);
  const add = (packets: CapturedRtp[], from: number) => {
    for (const [n, { payload }] of packets.entries()) {
      for (const [at, sample] of decodeMulawAll(payload).entries()) channel[from + n * FRAME + at]! += sample;
    }
  };
  add(one, 37);
  add(other, 37 + 7 * FRAME + 55);
  const [first, second] = heardInTurn(channel, [one, other], 'both');
  assert.deepEqual(
    [first, second].map((heard) => heard.map(({ index }) => index)),
    [one, other].map((packets) => packets.map((_, index) => index)),
  );
  channel[37 + 9 * FRAME]! += 1;
  assert.throws(() => heardInTurn(channel, [one, other], 'both'), /of neither party/);
});

test('of two whose packets come by turns for a moment, each is behind the one before it; all others are in their places', () => {
  const one = sent.slice(0, 10);
  const other = sent.slice(10).map((packet) => ({ ...packet, ssrc: 8, atUs: packet.atUs - 20_100 }));
  const byTurns = [...one.slice(0, 9), other[0]!, one[9]!, ...other.slice(1)];
  const channel = new Int16Array(24 * FRAME);
  const place = (n: number, from: number) => channel.set(decodeMulawAll(byTurns[n]!.payload), from + n * FRAME);
  for (const n of byTurns.keys()) place(n, 37);
  const [first, second] = heardInTurn(channel, [one, other], 'by turns');
  assert.deepEqual([first.length, second.length], [10, 10]);
  channel.fill(0, 37 + 12 * FRAME);
  for (let n = 12; n < byTurns.length; n++) place(n, 38);
  assert.throws(() => heardInTurn(channel, [one, other], 'by turns'), /packet 2 is not where/);
});

test('after a gap, what may be elsewhere by a little is taken there, but not by more', () => {
  const channel = channelOf(all.slice(0, 5));
  for (let index = 9; index < 14; index++) channel.set(decodeMulawAll(sent[index]!.payload), 37 + 16 + index * FRAME);
  assert.throws(() => heardIn(channel, sent, 'moved'), /packet 9 is not where/);
  assert.throws(() => heardIn(channel, sent, 'moved', 1), /packet 9 is not where/);
  assert.equal(heardIn(channel, sent, 'moved', 2).length, 10);
});
