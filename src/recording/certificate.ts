/**
 * The completeness certificate: what became of every packet of a stream, as counts and as ranges of extended sequence
 * numbers. Always `expected = received + lost + dropped + paused`.
 */

import { EPOCHS_PER_LIFE } from '../journal/format.ts';
import type { PacketCounts } from '../store/recording.ts';
import type { ScannedStream } from './scan.ts';
import { type SeqRange, SeqSet } from './seq-set.ts';
import type { Source } from './source.ts';

/** Ranges of one kind; the counts are exact even where the list is cut. */
export interface MissingRanges {
  packets: number;
  ranges: SeqRange[];
  /** Further ranges that are not listed. */
  omittedRanges: number;
}

/** One source of a stream. */
export interface SourceCertificate {
  epoch: number;
  ssrc: number;
  /** First and last extended sequence number (what a restart of the lane cost counts to what came behind it), and 65536 above the wire's number in the first cycle; null: none. */
  firstSeq: number | null;
  lastSeq: number | null;
  received: number;
  duplicate: number;
  late: number;
  jitterMs: number;
  lost: MissingRanges;
  dropped: MissingRanges;
  paused: MissingRanges;
}

export interface StreamCertificate {
  packets: PacketCounts;
  sources: SourceCertificate[];
}

const MAX_RANGES = 10_000;

function noRanges(): MissingRanges {
  return { packets: 0, ranges: [], omittedRanges: 0 };
}

function addRange(to: MissingRanges, from: number, last: number): void {
  to.packets += last - from + 1;
  const previous = to.ranges.at(-1);
  if (previous && previous[1] === from - 1 && to.omittedRanges === 0) previous[1] = last;
  else if (to.ranges.length < MAX_RANGES) to.ranges.push([from, last]);
  else to.omittedRanges++;
}

/**
 * Certifies one source: every number from its first to its last packet is in exactly one class. `missingBefore`: so many that came before
 * its first packet too.
 */
export function certifySource(source: Source, missingBefore = 0): SourceCertificate {
  const firstSeq = source.minSeq - missingBefore;
  const [lost, dropped, paused] = [noRanges(), noRanges(), noRanges()];
  if (source.maxSeq >= 0) {
    const drops = new DropBudget(source.drops);
    const held = [...source.heldGaps];
    SeqSet.gaps([source.received, source.paused], firstSeq, source.maxSeq, (from, to) => {
      for (const part of splitHeld(held, from, to)) {
        if (part.held) addRange(paused, part.from, part.to);
        else {
          const droppedTo = part.from + drops.take(part.from, part.to - part.from + 1) - 1;
          if (droppedTo >= part.from) addRange(dropped, part.from, droppedTo);
          if (droppedTo < part.to) addRange(lost, droppedTo + 1, part.to);
        }
      }
    });
    moveToDropped(lost, dropped, drops);
    dropped.ranges.sort((a, b) => a[0] - b[0]);
    // Dropped, and no later packet shows a gap for them: they are known all the same.
    dropped.packets += drops.left;
    addPaused(source, paused);
  }
  return {
    epoch: source.epoch,
    ssrc: source.ssrc,
    firstSeq: source.maxSeq < 0 ? null : firstSeq,
    lastSeq: source.maxSeq < 0 ? null : source.maxSeq,
    received: source.received.size,
    duplicate: source.duplicate,
    late: source.late,
    jitterMs: roundMs(source.jitterSec * 1000),
    lost,
    dropped,
    paused,
  };
}

/** Packets dropped on this machine, to be found among what is missing: each behind the packet after which it was noted. */
class DropBudget {
  left = 0;
  readonly #drops: Array<{ afterSeq: number; packets: number }>;

  constructor(drops: ReadonlyArray<{ afterSeq: number; packets: number }>) {
    this.#drops = drops.map((drop) => ({ ...drop })).sort((a, b) => a.afterSeq - b.afterSeq);
    for (const drop of drops) this.left += drop.packets;
  }

  /** How many of a gap's packets were dropped here: those noted before the gap began. */
  take(from: number, packets: number): number {
    let taken = 0;
    for (const drop of this.#drops) {
      if (drop.afterSeq >= from || taken === packets) break;
      const some = Math.min(drop.packets, packets - taken);
      drop.packets -= some;
      taken += some;
    }
    while (this.#drops[0]?.packets === 0) this.#drops.shift();
    this.left -= taken;
    return taken;
  }
}

/** Drops noted late (the kernel's counter is read now and then) take from gaps before the note, the last ones first. */
function moveToDropped(lost: MissingRanges, dropped: MissingRanges, drops: DropBudget): void {
  while (drops.left > 0 && lost.packets > 0) {
    const range = lost.ranges.at(-1);
    if (!range) {
      const some = Math.min(drops.left, lost.packets);
      lost.packets -= some;
      dropped.packets += some;
      drops.left -= some;
      return;
    }
    const some = Math.min(drops.left, range[1] - range[0] + 1);
    dropped.ranges.push([range[1] - some + 1, range[1]]);
    dropped.packets += some;
    range[1] -= some;
    if (range[1] < range[0]) lost.ranges.pop();
    lost.packets -= some;
    drops.left -= some;
  }
}

/** The numbers of packets that were discarded on purpose, merged with the gaps of holds. */
function addPaused(source: Source, paused: MissingRanges): void {
  if (source.paused.size === 0) return;
  const holds = paused.ranges;
  const found = noRanges();
  // What is missing from the paused set is everything else: the complement of the complement.
  let next = source.minSeq;
  const others = (from: number, to: number) => {
    if (from > next) holds.push([next, from - 1]);
    next = to + 1;
  };
  SeqSet.gaps([source.paused], source.minSeq, source.maxSeq, others);
  if (next <= source.maxSeq) holds.push([next, source.maxSeq]);
  for (const [from, to] of holds.sort((a, b) => a[0] - b[0])) addRange(found, from, to);
  Object.assign(paused, found);
}

function* splitHeld(held: Array<[number, number]>, from: number, to: number) {
  let next = from;
  for (const [heldFrom, heldTo] of held) {
    if (heldTo < next) continue;
    if (heldFrom > to) break;
    if (heldFrom > next) yield { held: false, from: next, to: heldFrom - 1 };
    const end = Math.min(heldTo, to);
    yield { held: true, from: Math.max(heldFrom, next), to: end };
    next = end + 1;
    if (next > to) return;
  }
  if (next <= to) yield { held: false, from: next, to };
}

/**
 * A lane that was started again begins new epochs. Of a source that it goes on with, this is how many numbers lie between: whatever
 * became of those packets, they are not here. An outage is shorter than half a cycle of the sequence numbers.
 */
function missingBefore(source: Source, earlier: Source[]): number {
  const lifeOf = ({ epoch }: Source) => Math.floor(epoch / EPOCHS_PER_LIFE);
  const before = earlier.findLast(({ ssrc, maxSeq }) => ssrc === source.ssrc && maxSeq >= 0);
  if (!before || source.maxSeq < 0 || lifeOf(before) === lifeOf(source)) return 0;
  const numbers = (source.minSeq - before.maxSeq - 1) & 0xffff;
  return numbers < 0x8000 ? numbers : 0;
}

/** Certifies a stream: the sum over its sources. */
export function certifyStream(stream: ScannedStream): StreamCertificate {
  const found = [...stream.sources.values()];
  const sources = found.map((source, n) => certifySource(source, missingBefore(source, found.slice(0, n))));
  const packets: PacketCounts = {
    ...{ expected: 0, received: 0, lost: 0, dropped: stream.droppedBefore, paused: 0 },
    ...{ late: 0, duplicate: 0, unauthenticated: stream.noted.unauthenticated },
  };
  for (const source of sources) {
    packets.received += source.received;
    packets.lost += source.lost.packets;
    packets.dropped += source.dropped.packets;
    packets.paused += source.paused.packets;
    packets.late += source.late;
    packets.duplicate += source.duplicate;
  }
  packets.expected = packets.received + packets.lost + packets.dropped + packets.paused;
  return { packets, sources };
}

/** Milliseconds with three decimals: the same text on every machine. */
export function roundMs(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
