/** Which packets of a phone are in a recording, sample for sample: noise of which no two frames are the same tells. */
import assert from 'node:assert/strict';
import type { CapturedRtp } from '../phones/capture.ts';
import { decodeMulawAll } from '../phones/sound.ts';

const RATE_HZ = 8_000;
/** Samples that tell a frame from all others. */
const TELLING = 8;

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
 */
export function heardIn(channel: Int16Array, sent: readonly CapturedRtp[], what: string): Heard[] {
  const samples = sent.map(({ payload }) => decodeMulawAll(payload));
  const indexOf = new Map(samples.map((frame, index) => [String(frame.subarray(0, TELLING)), index]));
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
  assertTimeline(heard, what);
  return heard;
}

function assertTimeline(heard: readonly Heard[], what: string): void {
  const first = new Map<number, Heard>();
  for (const one of heard) {
    const { ssrc, timestamp } = one.packet;
    const begin = first.get(ssrc);
    if (begin === undefined) {
      first.set(ssrc, one);
      continue;
    }
    const apart = (timestamp - begin.packet.timestamp) | 0;
    assert.equal(one.at - begin.at, apart, `${what}: packet ${one.index} is not where its timestamp says`);
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
