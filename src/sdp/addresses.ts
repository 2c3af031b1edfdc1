/**
 * Connection addresses of c=, o= and a=rtcp (RFC 8866 5.7, RFC 3605): which texts are IP addresses, and which mean
 * "send nothing" (RFC 3264 8.4: 0.0.0.0; the same for IPv6).
 */
import { decimal, words } from './lines.ts';

/** 4 or 6 for a literal address, 0 for anything else (a host name, a placeholder). */
export function ipVersion(text: string): 0 | 4 | 6 {
  if (text.length > 64) return 0;
  if (isIpv4(text)) return 4;
  return isIpv6(text) ? 6 : 0;
}

function isIpv4(text: string): boolean {
  const octets = text.split('.', 5);
  if (octets.length !== 4) return false;
  return octets.every((octet) => {
    const value = octet.length <= 3 ? decimal(octet) : null;
    return value !== null && value <= 255;
  });
}

function isIpv6(text: string): boolean {
  const zone = text.indexOf('%');
  const address = zone < 0 ? text : text.slice(0, zone);
  const halves = address.split('::', 3);
  if (halves.length > 2 || !address.includes(':')) return false;
  let groups = 0;
  for (let h = 0; h < halves.length; h++) {
    const half = halves[h]!;
    if (half === '') continue;
    const parts = half.split(':');
    for (let i = 0; i < parts.length; i++) {
      const part = parts[i]!;
      const last = h === halves.length - 1 && i === parts.length - 1;
      if (last && isIpv4(part)) groups += 2;
      else if (isHexGroup(part)) groups += 1;
      else return false;
    }
  }
  return halves.length === 2 ? groups <= 7 : groups === 8;
}

function isHexGroup(part: string): boolean {
  if (part.length === 0 || part.length > 4) return false;
  for (let i = 0; i < part.length; i++) {
    const code = part.charCodeAt(i) | 32;
    if (!((code >= 48 && code <= 57) || (code >= 97 && code <= 102))) return false;
  }
  return true;
}

/** True for 0.0.0.0 and every way to write `::`. */
export function isUnspecified(address: string): boolean {
  if (address === '0.0.0.0') return true;
  if (ipVersion(address) !== 6) return false;
  for (let i = 0; i < address.length; i++) {
    const c = address.charAt(i);
    if (c !== '0' && c !== ':' && c !== '.') return false;
  }
  return true;
}

/** `IN IP4 224.2.1.1/127/3` -> `224.2.1.1`; null when there is no address. The network and address type are not insisted on. */
export function connectionAddressOf(value: string): string | null {
  const parts = words(value);
  let address = parts.length >= 3 ? parts[2]! : parts.length === 1 ? parts[0]! : null;
  if (address === null) return null;
  const slash = address.indexOf('/');
  if (slash >= 0) address = address.slice(0, slash);
  if (address.startsWith('[') && address.endsWith(']')) address = address.slice(1, -1);
  return address === '' ? null : address;
}

/** The address type word for an address: `IP6` when it has a colon. */
export function addressType(address: string): 'IP4' | 'IP6' {
  return address.includes(':') ? 'IP6' : 'IP4';
}
