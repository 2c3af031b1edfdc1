/** Which of our own addresses a peer should be told (RFC 3261 18.1.1: sent-by; 8.1.1.8: Contact). */
import { isIPv4, isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';

const WILDCARDS = new Set(['0.0.0.0', '::', '']);

export function isWildcard(host: string): boolean {
  return WILDCARDS.has(host);
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1' || address === 'localhost';
}

/** `::ffff:192.0.2.1`, as dual-stack sockets report IPv4 peers, is 192.0.2.1. */
export function plainAddress(address: string): string {
  const mapped = address.startsWith('::ffff:') ? address.slice(7) : '';
  return isIPv4(mapped) ? mapped : address;
}

/** An own address of the peer's family for a listener on all interfaces. */
export class LocalAddresses {
  readonly #external = new Map<'4' | '6', string>();

  constructor() {
    for (const list of Object.values(networkInterfaces())) {
      for (const one of list ?? []) {
        const family = one.family === 'IPv6' ? '6' : '4';
        const linkLocal = one.address.startsWith('fe80:');
        if (!one.internal && !linkLocal && !this.#external.has(family)) this.#external.set(family, one.address);
      }
    }
  }

  towards(peer: string): string {
    const v6 = isIPv6(peer);
    const loopback = v6 ? '::1' : '127.0.0.1';
    return isLoopback(peer) ? loopback : (this.#external.get(v6 ? '6' : '4') ?? loopback);
  }
}
