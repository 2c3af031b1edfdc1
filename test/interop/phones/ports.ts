/** Ports below those that the system gives away: each scenario has a block of its own, so that scenarios run side by side. */
import type { PortRange } from './capture.ts';

export class PortBlock {
  readonly lo: number;
  readonly hi: number;
  #next: number;

  constructor(lo: number, count: number) {
    this.lo = lo;
    this.hi = lo + count - 1;
    this.#next = lo;
  }

  /** Begins with an even one. */
  take(count: number): PortRange {
    const lo = this.#next;
    this.#next += count + (count % 2);
    // The last one is for the mark that ends a capture.
    if (this.#next > this.hi) throw new Error(`the block of ${this.hi - this.lo + 1} ports is used up: make it larger`);
    return { lo, hi: lo + count - 1 };
  }
}
