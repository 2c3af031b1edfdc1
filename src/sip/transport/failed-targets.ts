/**
 * Targets that failed a moment ago (RFC 3263 4.3, RFC 3261 21.5.4): for a while they come after all others, so that not every
 * request has to find out again. When there are no others, they are tried all the same.
 */
import type { Flow } from './flow.ts';

const REMEMBERED_MS = 30_000;
const LONGEST_MS = 120_000;
const MAX_TARGETS = 1_024;

export class FailedTargets {
  readonly #now: () => number;
  readonly #until = new Map<string, number>();

  constructor(now: () => number) {
    this.#now = now;
  }

  note(target: Flow, forMs = REMEMBERED_MS): void {
    const key = keyOf(target);
    if (this.#until.size >= MAX_TARGETS && !this.#until.has(key)) {
      const [oldest] = this.#until.keys();
      this.#until.delete(oldest!);
    }
    this.#until.set(key, this.#now() + Math.min(forMs, LONGEST_MS));
  }

  has(target: Flow): boolean {
    const key = keyOf(target);
    const until = this.#until.get(key);
    if (until === undefined) return false;
    if (until > this.#now()) return true;
    this.#until.delete(key);
    return false;
  }
}

/** Over TLS one address may be good for one domain and not for another. */
function keyOf({ transport, address, port, domain = '' }: Flow): string {
  return `${transport}|${address}|${port}|${domain}`;
}
