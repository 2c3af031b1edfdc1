/** How many REGISTERs each source may send (token buckets), before anything is kept of them. Bounded; time comes from outside. */
import { networkOf } from './attempts.ts';

const MAX_SOURCES = 10_000;

export interface RateLimits {
  /** Of one source: an address, or an IPv6 network. */
  perSecond: number;
  /** That may come at once: a site whose power is back. */
  burst: number;
}

interface Bucket {
  tokens: number;
  atMs: number;
}

export class RegistrationRate {
  readonly #limits: RateLimits;
  readonly #buckets = new Map<string, Bucket>();

  constructor(limits: RateLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#buckets.size;
  }

  /** Takes one from the source's bucket; false when it is empty. */
  take(source: string, nowMs: number): boolean {
    const key = networkOf(source);
    const { perSecond, burst } = this.#limits;
    const bucket = this.#buckets.get(key) ?? { tokens: burst, atMs: nowMs };
    bucket.tokens = Math.min(burst, bucket.tokens + (Math.max(0, nowMs - bucket.atMs) / 1_000) * perSecond);
    bucket.atMs = nowMs;
    // Those that have been silent for longest are the first: their buckets are the fullest.
    this.#buckets.delete(key);
    if (this.#buckets.size >= MAX_SOURCES) {
      const [oldest] = this.#buckets.keys();
      if (oldest !== undefined) this.#buckets.delete(oldest);
    }
    this.#buckets.set(key, bucket);
    if (bucket.tokens < 1) return false;
    bucket.tokens--;
    return true;
  }
}
