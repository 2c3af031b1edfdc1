/**
 * Nonces without state (RFC 7616 5.4): time, a random part and an HMAC over both, the realm and the client, so a flood of challenges costs no memory.
 * Only one that was used with the right password is remembered, for its counts (`nc`): each is good once. The memory is
 * bounded: what had to be forgotten is not taken any more.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

const TIME_BYTES = 6;
const RANDOM_BYTES = 8;
const MAC_BYTES = 16;
const HEAD_BYTES = TIME_BYTES + RANDOM_BYTES;
/** Counts that may come out of order, as requests over UDP do. */
const WINDOW = 32;

interface Counts {
  madeAtMs: number;
  highest: number;
  /** Bit n: `highest - n` was used. */
  seen: number;
}

export interface NonceOptions {
  realm: string;
  lifeMs: number;
  /** Nonces in use whose counts are remembered. */
  maxRemembered: number;
}

export class Nonces {
  readonly #options: NonceOptions;
  readonly #key = randomBytes(32);
  readonly #counts = new Map<string, Counts>();
  /** Those made up to then that are not remembered have been forgotten, perhaps. */
  #forgottenToMs = -Infinity;

  constructor(options: NonceOptions) {
    this.#options = options;
  }

  get remembered(): number {
    return this.#counts.size;
  }

  make(nowMs: number, client = ''): string {
    const head = Buffer.alloc(HEAD_BYTES);
    head.writeUIntBE(Math.max(0, Math.floor(nowMs)), 0, TIME_BYTES);
    randomBytes(RANDOM_BYTES).copy(head, TIME_BYTES);
    return Buffer.concat([head, this.#mac(head, client)]).toString('base64url');
  }

  #mac(head: Buffer, client: string): Buffer {
    const mac = createHmac('sha256', this.#key).update(head).update(this.#options.realm).update('\0').update(client);
    return mac.digest().subarray(0, MAC_BYTES);
  }

  /** Ours, made for this client, and young enough. */
  isGood(nonce: string, nowMs: number, client = ''): boolean {
    return this.#madeAt(nonce, nowMs, client) !== null;
  }

  /** When it was made; null when it is not ours, or too old. */
  #madeAt(nonce: string, nowMs: number, client: string): number | null {
    const bytes = Buffer.from(nonce.slice(0, 64), 'base64url');
    if (bytes.length !== HEAD_BYTES + MAC_BYTES || bytes.toString('base64url') !== nonce) return null;
    const head = bytes.subarray(0, HEAD_BYTES);
    if (!timingSafeEqual(this.#mac(head, client), bytes.subarray(HEAD_BYTES))) return null;
    const madeAtMs = head.readUIntBE(0, TIME_BYTES);
    return madeAtMs + this.#options.lifeMs > nowMs ? madeAtMs : null;
  }

  /** Uses a count of a nonce up. False when it is not to be had: the nonce is old, not ours, or was used with this count. */
  use(nonce: string, count: number, nowMs: number, client = ''): boolean {
    const madeAtMs = this.#madeAt(nonce, nowMs, client);
    if (madeAtMs === null || count < 1) return false;
    const known = this.#counts.get(nonce);
    if (known) return useCount(known, count);
    if (madeAtMs <= this.#forgottenToMs) return false;
    this.#makeRoom(nowMs);
    this.#counts.set(nonce, { madeAtMs, highest: count, seen: 1 });
    return true;
  }

  /** In order of first use, which is nearly that of their making. */
  #makeRoom(nowMs: number): void {
    for (const [nonce, { madeAtMs }] of this.#counts) {
      const old = madeAtMs + this.#options.lifeMs <= nowMs;
      if (!old && this.#counts.size < this.#options.maxRemembered) return;
      this.#counts.delete(nonce);
      if (!old) this.#forgottenToMs = Math.max(this.#forgottenToMs, madeAtMs);
    }
  }
}

function useCount(counts: Counts, count: number): boolean {
  const ahead = count - counts.highest;
  if (ahead > 0) {
    counts.seen = ahead >= WINDOW ? 1 : (counts.seen << ahead) | 1;
    counts.highest = count;
    return true;
  }
  const bit = 1 << -ahead;
  if (-ahead >= WINDOW || (counts.seen & bit) !== 0) return false;
  counts.seen |= bit;
  return true;
}
