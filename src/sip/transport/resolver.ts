/** Host names to addresses (RFC 3263 4.2 without SRV): A and AAAA by the system's resolver, remembered for a short while. */
import dns from 'node:dns';
import { isIP } from 'node:net';

const REMEMBER_MS = 30_000;
const MAX_NAMES = 1_024;

interface Known {
  address: string;
  until: number;
}

export class Resolver {
  readonly #known = new Map<string, Known>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Calls back at once for an address or a name that is remembered; with null when there is no such host. */
  resolve(host: string, callback: (address: string | null) => void): void {
    if (isIP(host) !== 0) {
      callback(host);
      return;
    }
    const known = this.#known.get(host);
    if (known && known.until > this.#now()) {
      callback(known.address);
      return;
    }
    dns.lookup(host, { verbatim: false }, (error, address) => {
      if (error) callback(null);
      else {
        if (this.#known.size >= MAX_NAMES) this.#known.clear();
        this.#known.set(host, { address, until: this.#now() + REMEMBER_MS });
        callback(address);
      }
    });
  }
}
