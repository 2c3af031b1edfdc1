/** When two SIP URIs are the same (RFC 3261 19.1.4): what decides whether a contact is a new one or one that is refreshed. */
import { parseSipUri, type SipUri, unescapeUri } from './uri.ts';

/** These count as different when only one of the two has them. */
const DECISIVE = ['user', 'ttl', 'method', 'maddr', 'transport'] as const;

/** Texts that are no SIP URIs are the same only when they are equal. */
export function isSameSipUri(one: string, other: string): boolean {
  if (one === other) return true;
  const a = parseSipUri(one);
  const b = parseSipUri(other);
  if (a.scheme !== b.scheme || (a.scheme !== 'sip' && a.scheme !== 'sips')) return false;
  if (unescapeUri(a.user) !== unescapeUri(b.user) || a.host !== b.host || a.port !== b.port) return false;
  return hasSameParams(a, b) && hasSameHeaders(a, b);
}

function hasSameParams(a: SipUri, b: SipUri): boolean {
  for (const name of DECISIVE) if (a.params.has(name) !== b.params.has(name)) return false;
  for (const [name, value] of a.params) {
    if (b.params.has(name) && folded(value) !== folded(b.params.get(name) ?? null)) return false;
  }
  return true;
}

function folded(value: string | null): string {
  return unescapeUri(value ?? '').toLowerCase();
}

function hasSameHeaders(a: SipUri, b: SipUri): boolean {
  if (a.headers.size !== b.headers.size) return false;
  const others = new Map([...b.headers].map(([name, value]) => [name.toLowerCase(), unescapeUri(value)]));
  return [...a.headers].every(([name, value]) => others.get(name.toLowerCase()) === unescapeUri(value));
}
