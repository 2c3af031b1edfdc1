/** `secure: required`: what a recording session must be before anything is taken for it. */
import type { SipAnswer, SipSource } from '../sip/index.ts';
import type { SecurePolicy } from './config.ts';

/**
 * RFC 5630 5.2: who wants to be reached by SIPS only answers 480 with warn-code 381. What counts is the transport of the last
 * hop, not the scheme: a `sip:` request over TLS is as safe on its way here.
 */
export function insecureRefusal(policy: SecurePolicy, source: Pick<SipSource, 'transport'>): SipAnswer | null {
  if (policy !== 'required' || source.transport === 'tls') return null;
  return {
    status: 480,
    reason: 'SIPS Required',
    headers: [['Warning', '381 doubletrack "SIPS Required: recording sessions are taken over TLS only"']],
  };
}
