/**
 * Which a=crypto line of an m-line is used: in an offer the first that is known and allowed (RFC 4568 section 5.1.2), in an answer
 * the only one (5.1.3). What is not understood is never taken for something else: the next line, or no SRTP at all.
 *
 * RTP/AVP with a=crypto is best effort as session border controllers send it: SRTP where a line can be used, and the m-line as it
 * stands, in the clear, where none can. RTP/SAVP without a usable line cannot be taken.
 */
import { type CryptoKey, type CryptoLine, parseCrypto } from './crypto.ts';
import { keyAndSaltBytes, NULL_SUITES, nullSuite } from './crypto-suites.ts';
import { SdpError } from './errors.ts';
import { MAX_CRYPTO_LINES } from './limits.ts';
import type { MediaDescription } from './media-description.ts';

export interface CryptoPolicy {
  /** Names that may be used. The NULL suites among them allow the session parameters that stand for them. */
  suites: readonly string[];
  /** Media in the clear is not taken. */
  required: boolean;
  /** Why no key may be taken from this signalling; null: they may. */
  keysRefused: string | null;
}

/** Nothing but plain RTP. */
export const NO_CRYPTO: CryptoPolicy = { suites: [], required: false, keysRefused: 'SRTP is not supported' };

/** What was agreed for an m-line. `line` is the peer's: the keys that it sends with. */
export interface AgreedCrypto {
  /** What protects the packets: the suite of the line, or a NULL suite where session parameters weaken it. */
  suite: string;
  unencryptedSrtcp: boolean;
  line: CryptoLine;
  /** Ours, where the offer was ours; null: the answer is to have one. */
  own: CryptoLine | null;
}

/** `fault`: why the m-line cannot be taken. Without fault and `agreed` it is plain RTP. */
export interface CryptoDecision {
  agreed: AgreedCrypto | null;
  fault: string | null;
  warnings: string[];
}

export type MediaSecurity = 'plain' | 'sdes' | 'dtls' | 'other';

/** How the RTP profile of an m-line is secured (RFC 3551, 4585, 3711, 5124, 5764). */
export function securityOf(media: MediaDescription): MediaSecurity {
  const protocol = media.protocol.toUpperCase();
  if (protocol === 'RTP/AVP' || protocol === 'RTP/AVPF') return 'plain';
  if (protocol === 'RTP/SAVP' || protocol === 'RTP/SAVPF') return 'sdes';
  return protocol.startsWith('UDP/TLS/RTP/') || protocol.startsWith('TCP/DTLS/RTP/') ? 'dtls' : 'other';
}

/** Decides on an offered m-line. */
export function chooseCrypto(media: MediaDescription, policy: CryptoPolicy): CryptoDecision {
  const security = securityOf(media);
  const where = `m-line ${media.index + 1}`;
  if (security === 'dtls') return refused('DTLS-SRTP is not supported, only SRTP with keys in the SDP (RFC 4568)');
  const offered = media.attributes('crypto').length;
  if (security === 'sdes' && offered === 0) {
    const isDtls = media.attribute('fingerprint') !== undefined;
    return refused(isDtls ? 'DTLS-SRTP is not supported, only a=crypto (RFC 4568)' : 'SRTP without an a=crypto line');
  }
  const { agreed, faults } = offered === 0 ? { agreed: null, faults: [] } : firstUsable(media, policy);
  if (agreed !== null) return { agreed, fault: null, warnings: faults.map((fault) => `${where}: ${fault}`) };
  const why = faults.length === 0 ? '' : `: ${faults.join(', ')}`;
  if (security === 'sdes') return refused(`no a=crypto line that can be used${why}`);
  if (policy.required) return refused(offered === 0 ? 'only SRTP is taken' : `only SRTP is taken${why}`);
  return { agreed: null, fault: null, warnings: offered === 0 ? [] : [`${where}: taken in the clear${why}`] };
}

/** Decides on an answered m-line; `ours` is the m-line that we offered. `required`: media in the clear is not taken. */
export function acceptCrypto(media: MediaDescription, ours: MediaDescription, required = false): CryptoDecision {
  if (securityOf(media) !== securityOf(ours)) return refused(`${media.protocol} answers an offer of ${ours.protocol}`);
  const values = media.attributes('crypto');
  const offered = ours.attributes('crypto').map(parseCrypto);
  const isPlain = securityOf(media) === 'plain' && (values.length === 0 || offered.length === 0);
  if (isPlain) return required ? refused('only SRTP is taken') : plain();
  if (values.length !== 1) return refused(`${values.length} a=crypto lines in the answer where one is due`);
  const { line, fault } = readLine(values[0]!);
  if (line === null) return refused(fault);
  const own = offered.find(({ tag, suite }) => tag === line.tag && suite === line.suite);
  if (own === undefined) return refused('the a=crypto line of the answer is none of those that were offered');
  const use = effectOf(line);
  if (use.suite === null) return refused(use.fault);
  const asked = effectOf(own);
  if (asked.suite !== use.suite || asked.unencryptedSrtcp !== use.unencryptedSrtcp) {
    return refused('session parameters of the answer are not those that were offered');
  }
  return { agreed: { ...use, suite: use.suite, line, own }, fault: null, warnings: [] };
}

function plain(): CryptoDecision {
  return { agreed: null, fault: null, warnings: [] };
}

function refused(fault: string): CryptoDecision {
  return { agreed: null, fault, warnings: [] };
}

/** The first line that can be used, and what was wrong with those before it. */
function firstUsable(media: MediaDescription, policy: CryptoPolicy): { agreed: AgreedCrypto | null; faults: string[] } {
  if (policy.keysRefused !== null) return { agreed: null, faults: [policy.keysRefused] };
  const faults: string[] = [];
  const tags = new Set<number>();
  for (const value of media.attributes('crypto').slice(0, MAX_CRYPTO_LINES)) {
    const { line, fault } = readLine(value);
    if (line === null) faults.push(fault);
    else if (tags.has(line.tag)) faults.push(`a=crypto with tag ${line.tag} for the second time`);
    else {
      tags.add(line.tag);
      const use = allowedEffect(line, policy);
      if (use.suite !== null) return { agreed: { ...use, suite: use.suite, line, own: null }, faults };
      faults.push(`a=crypto:${line.tag} ${use.fault}`);
    }
  }
  return { agreed: null, faults };
}

function readLine(value: string): { line: CryptoLine; fault: '' } | { line: null; fault: string } {
  try {
    return { line: parseCrypto(value), fault: '' };
  } catch (error) {
    if (!(error instanceof SdpError)) throw error;
    return { line: null, fault: error.message };
  }
}

type Effect =
  | { suite: string; unencryptedSrtcp: boolean; fault: '' }
  | { suite: null; unencryptedSrtcp: false; fault: string };

function unusable(fault: string): Effect {
  return { suite: null, unencryptedSrtcp: false, fault };
}

function allowedEffect(line: CryptoLine, policy: CryptoPolicy): Effect {
  const effect = effectOf(line);
  if (effect.suite === null) return effect;
  if (!policy.suites.includes(effect.suite)) return unusable(`${effect.suite} is not allowed here`);
  const allowsWeak = policy.suites.some((suite) => NULL_SUITES.includes(suite));
  if (effect.unencryptedSrtcp && !allowsWeak) return unusable('UNENCRYPTED_SRTCP is not allowed here');
  return effect;
}

/** What suite and session parameters come to (RFC 4568 section 6.3). */
function effectOf({ suite, parameters }: CryptoLine): Effect {
  // In a line out of order a key may stand where the suite should: only what cannot be one is repeated.
  if (keyAndSaltBytes(suite) === null) {
    return unusable(/^[A-Z0-9]+(_[A-Z0-9]+){2,}$/.test(suite) ? `${suite} is not supported` : 'suite is not supported');
  }
  const has = (name: string) => parameters.some((one) => !one.isOptional && one.name === name);
  for (const { name, value, isOptional } of parameters) {
    const fault = isOptional ? null : parameterFault(name, value);
    if (fault !== null) return unusable(fault);
  }
  const unencryptedSrtcp = has('UNENCRYPTED_SRTCP');
  if (!has('UNENCRYPTED_SRTP')) {
    if (has('UNAUTHENTICATED_SRTP')) return unusable('UNAUTHENTICATED_SRTP is not supported for what is encrypted');
    return { suite, unencryptedSrtcp, fault: '' };
  }
  const weakened = nullSuite(suite, !has('UNAUTHENTICATED_SRTP'));
  if (weakened === null) return unusable(`UNENCRYPTED_SRTP is not supported for ${suite}`);
  // SRTCP goes the way of SRTP here: encrypted reports beside clear media are not supported.
  if (!unencryptedSrtcp) return unusable('UNENCRYPTED_SRTP is not supported without UNENCRYPTED_SRTCP');
  return { suite: weakened, unencryptedSrtcp, fault: '' };
}

/** Why a session parameter makes its line unusable; null when it does not. */
function parameterFault(name: string, value: unknown): string | null {
  switch (name) {
    case 'KDR':
      return value === '0' ? null : 'KDR other than 0 is not supported';
    case 'WSH': // a hint on the size of the replay window, and ours is larger
      return typeof value === 'string' && /^\d{2,6}$/.test(value) && Number(value) >= 64 ? null : 'WSH below 64';
    case 'FEC_ORDER': // FEC_SRTP is the order without a word, too, and matters to FEC alone
      return value === 'FEC_SRTP' ? null : 'FEC_ORDER other than FEC_SRTP is not supported';
    case 'UNENCRYPTED_SRTP':
    case 'UNENCRYPTED_SRTCP':
    case 'UNAUTHENTICATED_SRTP':
      return value === null ? null : `${name} with a value`;
    case '':
      return 'a session parameter is not known';
    default:
      return `session parameter ${name} is not supported`;
  }
}

/** Our side of what was agreed, with a key of our own: the answerer repeats the tag, the suite and what weakens it. */
export function answeringLine(
  { line, unencryptedSrtcp, suite }: AgreedCrypto,
  key: CryptoKey['keyAndSalt'],
): CryptoLine {
  const names = [
    ...(suite === line.suite ? [] : ['UNENCRYPTED_SRTP']),
    ...(unencryptedSrtcp ? ['UNENCRYPTED_SRTCP'] : []),
    ...(suite === 'NULL_NULL' ? ['UNAUTHENTICATED_SRTP'] : []),
  ];
  return {
    ...ownLine(line.tag, line.suite, key),
    parameters: names.map((name) => ({ name, value: null, isOptional: false })),
  };
}

/** A line with one key of ours that has no MKI and lasts as long as the suite allows. */
export function ownLine(tag: number, suite: string, keyAndSalt: CryptoKey['keyAndSalt']): CryptoLine {
  return { tag, suite, keys: [{ keyAndSalt, isPadded: true, lifetime: null, mki: null }], parameters: [] };
}
