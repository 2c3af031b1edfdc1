/**
 * Who may try a password, and how often: wrong ones are counted by source, by source and DN, and by DN. Bounded, without timers; time comes
 * from outside. Whoever has signed in from a place is not locked out there by others.
 */
import { isIPv6 } from 'node:net';

const WINDOW_MS = 60_000;
const MAX_KEYS = 20_000;
const MAX_DN_CHARS = 64;

export interface AttemptLimits {
  /** Wrong passwords within a minute, after which no more are looked at for that minute. */
  perSourceAndDn: number;
  perSource: number;
  perDn: number;
}

interface Count {
  sinceMs: number;
  wrong: number;
}

export class Attempts {
  readonly #limits: AttemptLimits;
  readonly #counts = new Map<string, Count>();

  constructor(limits: AttemptLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#counts.size;
  }

  /** Milliseconds until the next try is looked at; 0: now. `isKnown`: the DN is signed in from this source. */
  waitMs(source: string, dn: string, isKnown: boolean, nowMs: number): number {
    return Math.max(...this.#keys(source, dn, isKnown).map(([key, most]) => this.#waitOf(key, most, nowMs)));
  }

  /** Counts a wrong password; true when no more will be looked at for now. */
  noteWrong(source: string, dn: string, nowMs: number): boolean {
    for (const [key] of this.#keys(source, dn, false)) this.#add(key, nowMs);
    return this.waitMs(source, dn, false, nowMs) > 0;
  }

  noteRight(source: string, dn: string): void {
    this.#counts.delete(pairKey(source, dn));
  }

  #keys(source: string, dn: string, isKnown: boolean): [string, number][] {
    const pair: [string, number] = [pairKey(source, dn), this.#limits.perSourceAndDn];
    if (isKnown) return [pair];
    return [
      pair,
      [`source ${networkOf(source)}`, this.#limits.perSource],
      [`dn ${dn.slice(0, MAX_DN_CHARS)}`, this.#limits.perDn],
    ];
  }

  #waitOf(key: string, most: number, nowMs: number): number {
    const count = this.#counts.get(key);
    return count && count.wrong >= most ? Math.max(0, count.sinceMs + WINDOW_MS - nowMs) : 0;
  }

  #add(key: string, nowMs: number): void {
    const known = this.#counts.get(key);
    if (known && nowMs < known.sinceMs + WINDOW_MS) {
      known.wrong++;
      return;
    }
    // In order of their beginnings, so that what gives way is what is over first.
    this.#counts.delete(key);
    if (this.#counts.size >= MAX_KEYS) {
      const [oldest] = this.#counts.keys();
      if (oldest !== undefined) this.#counts.delete(oldest);
    }
    this.#counts.set(key, { sinceMs: nowMs, wrong: 1 });
  }
}

function pairKey(source: string, dn: string): string {
  return `${networkOf(source)} ${dn.slice(0, MAX_DN_CHARS)}`;
}

/** Whoever has one IPv6 address has the 2**64 of its network. */
export function networkOf(address: string): string {
  if (!isIPv6(address)) return address;
  const [head = '', tail = ''] = address.split('::', 2);
  const groups = head === '' ? [] : head.split(':');
  const rest = tail === '' ? 0 : tail.split(':').length;
  while (address.includes('::') && groups.length + rest < 8) groups.push('0');
  return `${groups.slice(0, 4).join(':')}::/64`;
}
