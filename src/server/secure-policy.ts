/** How safe a recording session must be before anything is taken for it: its signalling, its keys, its media. */
import type { CryptoPolicy } from '../sdp/index.ts';
import type { SipAnswer, SipSource } from '../sip/index.ts';
import type { SecurePolicy } from './config.ts';

export interface SecurityOptions {
  secure: SecurePolicy;
  /** By SDES name, and NULL suites. */
  srtpSuites: readonly string[];
}

type Source = Pick<SipSource, 'transport'>;

/**
 * RFC 5630 5.1.2: who wants to be reached by SIPS only answers 480 with warn-code 381. What counts is the transport of the last
 * hop, not the scheme: a `sip:` request over TLS is as safe on its way here.
 */
export function insecureRefusal(policy: SecurePolicy, source: Source): SipAnswer | null {
  if (policy !== 'required' || source.transport === 'tls') return null;
  return {
    status: 480,
    reason: 'SIPS Required',
    headers: [['Warning', '381 doubletrack "SIPS Required: recording sessions are taken over TLS only"']],
  };
}

/** Which a=crypto lines are taken from a session (RFC 4568 section 7: the keys are as secret as the signalling). */
export function cryptoPolicy({ secure, srtpSuites }: SecurityOptions, source: Source): CryptoPolicy {
  const isRefused = secure !== 'allowed' && source.transport !== 'tls';
  return {
    suites: srtpSuites,
    required: secure === 'required',
    keysRefused: isRefused ? 'SRTP keys are taken over TLS only' : null,
  };
}

/** What a recording is warned of as soon as it has keys that came so; null: they came over TLS. */
export function keysInClearWarning({ transport }: Source): string | null {
  if (transport === 'tls') return null;
  return `SRTP keys came over ${transport.toUpperCase()} in the clear: who hears the signalling can decrypt the media`;
}
