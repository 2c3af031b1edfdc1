/** How fast a client may ask: a bucket that holds `burst` requests and fills by `perSec`. */

export interface RequestRateOptions {
  perSec: number;
  burst: number;
  /** Requests refused in a row, with the bucket empty, after which it is a flood. */
  floodAfter: number;
}

export class RequestRate {
  readonly #options: RequestRateOptions;
  #tokens: number;
  #atMs: number;
  #refused = 0;

  constructor(options: RequestRateOptions, nowMs: number) {
    this.#options = options;
    this.#tokens = options.burst;
    this.#atMs = nowMs;
  }

  take(nowMs: number): 'ok' | 'too-fast' | 'flood' {
    const { perSec, burst, floodAfter } = this.#options;
    const elapsedMs = Math.max(0, nowMs - this.#atMs);
    this.#atMs = nowMs;
    this.#tokens = Math.min(burst, this.#tokens + (elapsedMs / 1000) * perSec);
    if (this.#tokens < 1) {
      this.#refused += 1;
      return this.#refused >= floodAfter ? 'flood' : 'too-fast';
    }
    this.#tokens -= 1;
    if (this.#tokens >= burst / 2) this.#refused = 0;
    return 'ok';
  }
}
