/** Waits that double with each failure, and begin anew when nothing has failed for a while. Reads no clock. */
export class BackOff {
  readonly #firstMs: number;
  readonly #longestMs: number;
  #waitMs = 0;
  #endsAtMs = -Infinity;

  constructor(firstMs: number, longestMs: number) {
    this.#firstMs = firstMs;
    this.#longestMs = longestMs;
  }

  /** Whether the failures of before are so long ago that they no longer count. */
  isForgotten(nowMs: number): boolean {
    return nowMs >= this.#endsAtMs + this.#longestMs;
  }

  /** How long to wait after a failure now. */
  next(nowMs: number): number {
    this.#waitMs = this.isForgotten(nowMs) ? this.#firstMs : Math.min(2 * this.#waitMs, this.#longestMs);
    this.#endsAtMs = nowMs + this.#waitMs;
    return this.#waitMs;
  }
}
