/** The digest itself (RFC 7616 3.4.1 to 3.4.3, RFC 8760 2): what proves a password without telling it. */
import { createHash, timingSafeEqual } from 'node:crypto';

/** Names as they stand in headers, with the hash of each. */
const HASHES = new Map<string, string>([
  ['MD5', 'md5'],
  ['SHA-256', 'sha256'],
  ['SHA-512-256', 'sha512-256'],
]);

export type DigestAlgorithm = 'MD5' | 'SHA-256' | 'SHA-512-256';

export interface DigestCredentials {
  username: string;
  password: string;
}

/** What a response is computed from. */
export interface DigestInput {
  /** As the header names it; undefined is MD5. With `-sess`, the key is bound to the nonce. */
  algorithm: string | undefined;
  username: string;
  realm: string;
  password: string;
  method: string;
  uri: string;
  nonce: string;
  /** `auth`; undefined for a peer of RFC 2069, which knows neither it nor the two that follow. */
  qop: string | undefined;
  /** Eight hexadecimal digits. */
  nc: string;
  cnonce: string;
}

/** True when we can compute digests of this algorithm. */
export function isKnownAlgorithm(name: string | undefined): boolean {
  return HASHES.has(withoutSession(name));
}

function withoutSession(name: string | undefined): string {
  const upper = (name ?? 'MD5').toUpperCase();
  return upper.endsWith('-SESS') ? upper.slice(0, -5) : upper;
}

/** The `response` parameter in lower-case hexadecimal. Throws a TypeError for an algorithm that is not known. */
export function digestResponse(input: DigestInput): string {
  const hash = HASHES.get(withoutSession(input.algorithm));
  if (hash === undefined) throw new TypeError(`not an algorithm of digest authentication: ${input.algorithm}`);
  const h = (text: string) => createHash(hash).update(text, 'utf8').digest('hex');
  const { username, realm, password, method, uri, nonce, qop, nc, cnonce } = input;
  const secret = h(`${username}:${realm}:${password}`);
  const key = input.algorithm?.toUpperCase().endsWith('-SESS') ? h(`${secret}:${nonce}:${cnonce}`) : secret;
  const request = h(`${method}:${uri}`);
  return qop === undefined ? h(`${key}:${nonce}:${request}`) : h(`${key}:${nonce}:${nc}:${cnonce}:${qop}:${request}`);
}

/** Compares what a peer sent, without telling by its duration where they differ. */
export function isSameDigest(ours: string, theirs: string): boolean {
  const a = Buffer.from(ours, 'latin1');
  const b = Buffer.from(theirs.toLowerCase(), 'latin1');
  return a.length === b.length && timingSafeEqual(a, b);
}
