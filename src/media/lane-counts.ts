/** What a lane has counted over all its lives: each life counts in its own memory, from 0. */
import type { LaneMemory, PacketTotals, StreamCounts } from './memory.ts';

const NO_COUNTS: StreamCounts = {
  received: 0,
  invalid: 0,
  unauthorised: 0,
  duplicate: 0,
  dropped: 0,
  unauthenticated: 0,
};

export class LaneCounts {
  /** Of the lives before. */
  #earlier: PacketTotals | null = null;
  /** By slot, for each stream until it is closed. */
  readonly #earlierOfStream = new Map<number, StreamCounts>();

  totals(memory: LaneMemory): PacketTotals {
    const totals = memory.totals();
    return this.#earlier ? sumOf(totals, this.#earlier) : totals;
  }

  ofStream(slot: number, memory: LaneMemory): StreamCounts {
    return sumOf(memory.streamCounters(slot), this.#earlierOfStream.get(slot) ?? NO_COUNTS);
  }

  openStream(slot: number): void {
    this.#earlierOfStream.set(slot, NO_COUNTS);
  }

  closeStream(slot: number): void {
    this.#earlierOfStream.delete(slot);
  }

  /** The life whose memory this is has ended. */
  keep(memory: LaneMemory): void {
    this.#earlier = this.totals(memory);
    for (const slot of this.#earlierOfStream.keys()) this.#earlierOfStream.set(slot, this.ofStream(slot, memory));
  }
}

/** Member by member; both have the same. */
function sumOf<T extends { [K in keyof T]: number }>(a: T, b: T): T {
  const sums = Object.keys(a).map((name) => [name, a[name as keyof T] + b[name as keyof T]]);
  return Object.fromEntries(sums) as T;
}
