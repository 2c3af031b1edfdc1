/** IP addresses as the lane compares them: 16 bytes, IPv4 mapped into IPv6 (RFC 4291 section 2.5.5.2). */
import { isIPv4, isIPv6 } from 'node:net';

export const ADDRESS_BYTES = 16;

/** As sockets have it: an IPv4 address that is mapped into IPv6 is for sockets of IPv6. */
export interface IpAddress {
  /** 16, of an IPv4 address the mapped ones. */
  bytes: Uint8Array;
  isIpv6: boolean;
}

/** @throws TypeError when the text is no IP address. */
export function ipAddress(text: string): IpAddress {
  return { bytes: addressBytes(text), isIpv6: isIPv6(text) };
}

/** @throws TypeError when the text is no IP address. */
export function addressBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(ADDRESS_BYTES);
  const zone = text.indexOf('%');
  const address = zone < 0 ? text : text.slice(0, zone);
  if (isIPv4(address)) {
    bytes.set([0xff, 0xff], 10);
    bytes.set(address.split('.').map(Number), 12);
  } else if (isIPv6(address)) bytes.set(ipv6Bytes(address));
  else throw new TypeError(`not an IP address: ${text}`);
  return bytes;
}

/** @param bytes 16 of them, as `addressBytes` gives them. */
export function addressText(bytes: Uint8Array): string {
  if (isMappedIpv4(bytes)) return bytes.slice(12).join('.');
  const groups = Array.from({ length: 8 }, (_, n) => ((bytes[2 * n]! << 8) | bytes[2 * n + 1]!).toString(16));
  return groups.join(':');
}

/** 0.0.0.0 or ::, which are nobody's. */
export function isUnspecified(bytes: Uint8Array): boolean {
  return bytes.every((byte, n) => byte === 0 || (isMappedIpv4(bytes) && n < 12));
}

/** One that can be sent to. */
export function isPort(port: number): boolean {
  return Number.isInteger(port) && port > 0 && port < 0x1_0000;
}

function isMappedIpv4(bytes: Uint8Array): boolean {
  return bytes.every((byte, n) => n >= 12 || byte === (n < 10 ? 0 : 0xff));
}

function ipv6Bytes(address: string): number[] {
  const dots = address.lastIndexOf('.') > 0 ? address.slice(address.lastIndexOf(':') + 1) : null;
  const hex = dots === null ? address : address.slice(0, -dots.length) + dottedGroups(dots);
  const [head = '', tail] = hex.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? [] : Array.from({ length: 8 - left.length - right.length }, () => '0');
  return [...left, ...zeros, ...right].flatMap((group) => {
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 255];
  });
}

function dottedGroups(dots: string): string {
  const [a = 0, b = 0, c = 0, d = 0] = dots.split('.').map(Number);
  return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
}
