/** Which packets of a phone are in a recording, sample for sample: noise of which no two frames are the same tells. */
import assert from 'node:assert/strict';
import type { CapturedRtp } from '../phones/capture.ts';
import { decodeMulawAll } from '../phones/sound.ts';

const RATE_HZ = 8_000;
/** Samples that tell a frame from all others. */
const TELLING = 8;
/** Packets of two parties that may have come at the same time. */
const MOST_TOGETHER = 12;

export interface Heard {
  packet: CapturedRtp;
  /** Of those that were sent. */
  index: number;
  /** Sample of the channel with which it begins. */
  at: number;
}

/**
 * Every sample of a channel is of a packet that was sent (mu-law), whole, or silence; and packets of one source are as far
 * apart as their timestamps say.
 *
 * @param looseMs by so much what follows a gap may be elsewhere: after a pause, numbers and times of a sink go on by the clock of arrival
 */
export function heardIn(channel: Int16Array, sent: readonly CapturedRtp[], what: string, looseMs = 0): Heard[] {
  const { samples, indexOf } = framesOf(sent);
  const heard: Heard[] = [];
  for (let at = 0; at < channel.length; ) {
    if (channel[at] === 0) {
      at++;
      continue;
    }
    const index = indexOf.get(String(channel.subarray(at, at + TELLING)));
    assert.ok(index !== undefined, `${what}: sample ${at} is of no packet; packets before: ${heard.length}`);
    const frame = samples[index]!;
    const same = Buffer.from(frame.buffer).equals(Buffer.from(channel.slice(at, at + frame.length).buffer));
    assert.ok(same, `${what}: packet ${index} at sample ${at} is not as it was sent`);
    heard.push({ packet: sent[index]!, index, at });
    at += frame.length;
  }
  assertTimeline(heard, what, looseMs);
  return heard;
}

/**
 * The same of parties that followed one another on a channel: for a moment both may have spoken, and the channel is their sum.
 * What is heard of each.
 */
export function heardInTurn(
  channel: Int16Array,
  sent: [CapturedRtp[], CapturedRtp[]],
  what: string,
): [Heard[], Heard[]] {
  const [one, other] = sent.map((packets) => heardAlone(channel, packets)) as [Heard[], Heard[]];
  assert.ok(
    one.length > 0 && other.length > 0,
    `${what}: ${one.length} and ${other.length} packets of the two parties`,
  );
  const rest = Int32Array.from(channel);
  for (const heard of [...one, ...other]) subtract(rest, heard);
  for (let last = 0; last <= MOST_TOGETHER; last++) {
    for (let first = 0; first <= MOST_TOGETHER; first++) {
      const more = following(one.at(-1)!, sent[0], last);
      const before = preceding(other[0]!, sent[1], first);
      const left = rest.slice();
      for (const heard of [...more, ...before]) subtract(left, heard);
      if (left.some((sample) => sample !== 0)) continue;
      const both: [Heard[], Heard[]] = [
        [...one, ...more],
        [...before, ...other],
      ];
      assertTimelinesInTurn(both, sent, what);
      return both;
    }
  }
  const at = rest.findIndex((sample) => sample !== 0);
  throw new assert.AssertionError({ message: `${what}: what is at sample ${at} is of neither party, nor of both` });
}

/** While packets of both come by turns, each of them is behind the one before it, wherever its own timestamp would have it. */
function assertTimelinesInTurn(
  [one, other]: [Heard[], Heard[]],
  [sent, sentByOther]: [CapturedRtp[], CapturedRtp[]],
  what: string,
): void {
  const [fromUs, toUs] = [sentByOther[0]!.atUs, sent.at(-1)!.atUs];
  assertTimeline(
    one.filter(({ packet }) => packet.atUs < fromUs),
    what,
    0,
  );
  assertTimeline(
    other.filter(({ packet }) => packet.atUs > toUs),
    what,
    0,
  );
}

/** The same of two who speak at the same time on one channel, the first of them from its beginning on: the channel is their sum. */
export function heardTogether(
  channel: Int16Array,
  [one, other]: [CapturedRtp[], CapturedRtp[]],
  what: string,
): [Heard[], Heard[]] {
  const at = channel.findIndex((sample) => sample !== 0);
  const first: Heard = { packet: one[0]!, index: 0, at };
  let failure: unknown;
  for (let left = 0; left <= MOST_TOGETHER; left++) {
    const heard = [first, ...following(first, one, one.length - 1 - left)];
    const rest = Int32Array.from(channel);
    for (const each of heard) subtract(rest, each);
    try {
      return [heard, heardIn(Int16Array.from(rest), other, what)];
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

function framesOf(sent: readonly CapturedRtp[]): { samples: Int16Array[]; indexOf: Map<string, number> } {
  const samples = sent.map(({ payload }) => decodeMulawAll(payload));
  return { samples, indexOf: new Map(samples.map((frame, index) => [String(frame.subarray(0, TELLING)), index])) };
}

/** Packets that stand whole and alone in a channel. */
function heardAlone(channel: Int16Array, sent: readonly CapturedRtp[]): Heard[] {
  const { samples, indexOf } = framesOf(sent);
  const heard: Heard[] = [];
  for (let at = 0; at < channel.length; at++) {
    const index = indexOf.get(String(channel.subarray(at, at + TELLING)));
    if (index === undefined) continue;
    const frame = samples[index]!;
    if (!frame.every((sample, n) => channel[at + n] === sample)) continue;
    heard.push({ packet: sent[index]!, index, at });
    at += frame.length - 1;
  }
  return heard;
}

function subtract(rest: Int32Array, { packet, at }: Heard): void {
  for (const [n, sample] of decodeMulawAll(packet.payload).entries()) rest[at + n]! -= sample;
}

/** Where the packets behind one would be. */
function following({ packet, index, at }: Heard, sent: readonly CapturedRtp[], count: number): Heard[] {
  return sent.slice(index + 1, index + 1 + count).map((next, n) => ({
    ...{ packet: next, index: index + 1 + n },
    at: at + ((next.timestamp - packet.timestamp) | 0),
  }));
}

function preceding({ packet, index, at }: Heard, sent: readonly CapturedRtp[], count: number): Heard[] {
  const from = Math.max(0, index - count);
  return sent.slice(from, index).map((one, n) => ({
    ...{ packet: one, index: from + n },
    at: at + ((one.timestamp - packet.timestamp) | 0),
  }));
}

function assertTimeline(heard: readonly Heard[], what: string, looseMs: number): void {
  const first = new Map<number, Heard>();
  let before: Heard | undefined;
  for (const one of heard) {
    const { ssrc, timestamp } = one.packet;
    const begin = first.get(ssrc);
    if (begin === undefined) {
      first.set(ssrc, one);
    } else {
      const apart = (timestamp - begin.packet.timestamp) | 0;
      const off = one.at - begin.at - apart;
      const mayMove = one.index !== before!.index + 1 && (Math.abs(off) * 1_000) / RATE_HZ <= looseMs;
      if (mayMove) first.set(ssrc, one);
      else assert.equal(one.at - begin.at, apart, `${what}: packet ${one.index} is not where its timestamp says`);
    }
    before = one;
  }
}

/** Nothing is missing between the first and the last, but what `mayMiss` allows. */
export function assertNoGaps(
  heard: readonly Heard[],
  sent: readonly CapturedRtp[],
  what: string,
  mayMiss: (packet: CapturedRtp) => boolean = () => false,
): void {
  const indices = new Set(heard.map(({ index }) => index));
  assert.equal(indices.size, heard.length, `${what}: a packet is heard twice`);
  const [from, to] = [Math.min(...indices), Math.max(...indices)];
  const missing = sent.flatMap((packet, index) =>
    index >= from && index <= to && !indices.has(index) && !mayMiss(packet) ? [index] : [],
  );
  assert.ok(missing.length === 0, `${what}: of packets ${from} to ${to}, ${missing.join(', ')} are missing`);
}

/** Two channels are as far apart as they were on the wire, nearly: each has a clock of its own. */
export function assertAligned(one: readonly Heard[], other: readonly Heard[], withinMs: number): void {
  const [a, b] = [one[0]!, other[0]!];
  const recordedMs = ((b.at - a.at) * 1000) / RATE_HZ;
  const sentMs = (b.packet.atUs - a.packet.atUs) / 1000;
  const apartMs = Math.abs(recordedMs - sentMs);
  assert.ok(apartMs <= withinMs, `the channels are ${apartMs.toFixed(1)} ms apart from what was on the wire`);
}
