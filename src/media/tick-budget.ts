/** How long a lane works between two looks at its sockets: the time in which nothing is received. Kept in bins, so that a tick costs no memory. */

/** Upper ends of the bins: powers of two of a millisecond, from 1/16 ms to about 2 s. */
const BINS = 16;
const FIRST_BIN_MS = 1 / 16;

export class TickBudget {
  readonly #bins = new Uint32Array(BINS);
  #ticks = 0;

  tick(ms: number): void {
    const bin = Math.ceil(Math.log2(Math.max(ms, FIRST_BIN_MS) / FIRST_BIN_MS));
    this.#bins[Math.min(bin, BINS - 1)]! += 1;
    this.#ticks += 1;
  }

  /** The upper end of the bin that 99 % of the ticks since the last call were within; 0 when there were none. */
  takeP99Ms(): number {
    const enough = this.#ticks * 0.99;
    let bin = 0;
    for (let seen = this.#bins[0]!; seen < enough && bin < BINS - 1; seen += this.#bins[bin]!) bin++;
    const p99Ms = this.#ticks === 0 ? 0 : FIRST_BIN_MS * 2 ** bin;
    this.#bins.fill(0);
    this.#ticks = 0;
    return p99Ms;
  }
}
