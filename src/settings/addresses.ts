/** Addresses as they are written in configurations: `udp:0.0.0.0:5060`, `127.0.0.1:8080`, `[::1]:8080`, `20000-39999`. */
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { ListenAddress, TransportName } from '../sip/index.ts';

export const SIP_ADDRESS_PATTERN = String.raw`^(udp|tcp|tls):(\[[0-9a-fA-F:.]+\]|[^\[\]:\s]+):\d{1,5}$`;
export const HOST_AND_PORT_PATTERN = String.raw`^(\[[0-9a-fA-F:.]+\]|[^\[\]:\s]+):\d{1,5}$`;
export const PORT_RANGE_PATTERN = String.raw`^\d{1,5}-\d{1,5}$`;

const MAX_PORT = 65_535;

export interface HostAndPort {
  /** Without brackets. */
  host: string;
  port: number;
}

/** Of text that fits {@link HOST_AND_PORT_PATTERN}; null if the port is above 65535. */
export function parseHostAndPort(text: string): HostAndPort | null {
  const colon = text.lastIndexOf(':');
  const port = Number(text.slice(colon + 1));
  return port > MAX_PORT ? null : { host: text.slice(0, colon).replace(/^\[(.*)\]$/, '$1'), port };
}

/** Of text that fits {@link SIP_ADDRESS_PATTERN}; null if the port is above 65535. */
export function parseSipAddress(text: string): ListenAddress | null {
  const colon = text.indexOf(':');
  const address = parseHostAndPort(text.slice(colon + 1));
  return address && { transport: text.slice(0, colon) as TransportName, ...address };
}

/** Of text that fits {@link PORT_RANGE_PATTERN}; null unless the ports are ports. Whether there are enough is another question. */
export function parsePortRange(text: string): { lo: number; hi: number } | null {
  const [lo = 0, hi = 0] = text.split('-').map(Number);
  return lo < 1 || hi > MAX_PORT ? null : { lo, hi };
}

/** A stream takes an even port for RTP and the next one for RTCP (RFC 3550 section 11); every lane wants a few. */
export const MIN_PORTS_PER_LANE = 8;

export const isWildcard = (host: string): boolean => host === '0.0.0.0' || host === '::';

export const isLoopback = (host: string): boolean => /^(127\.[\d.]+|::1|localhost)$/.test(host);

/** The address that media is received on when none is given: that of the first SIP address. */
export function usualMediaAddress(sip: readonly ListenAddress[]): string {
  const first = sip.find((address) => isIP(address.host) !== 0)?.host ?? '127.0.0.1';
  return isWildcard(first) ? ownAddress() : first;
}

function ownAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return all.find((entry) => entry.family === 'IPv4' && !entry.internal)?.address ?? '127.0.0.1';
}
