/** Why a TLS connection failed, in words that say what to do next. */
import { formatHost } from '../message/index.ts';
import type { SendFailure } from './flow.ts';
import { type StreamTarget, systemFailure } from './stream-sockets.ts';

/** The peer's certificate is good, but names somebody else. */
export class IdentityMismatch extends Error {
  readonly code = 'ERR_SIP_IDENTITY';
  readonly identities: readonly string[];

  constructor(identities: readonly string[]) {
    super('the certificate names somebody else');
    this.identities = identities;
  }
}

const UNTRUSTED = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
  'INVALID_CA',
  'INVALID_PURPOSE',
  'CERT_REJECTED',
]);
const NO_TLS = new Set(['ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_PACKET_LENGTH_TOO_LONG', 'ERR_SSL_HTTP_REQUEST']);

/** Sorts what node:tls says. Nothing of it is tried again over another transport. */
export function tlsFailure(error: NodeJS.ErrnoException, to: StreamTarget): { failure: SendFailure; detail?: string } {
  const code = error.code ?? '';
  // Node's own: the connection was lost before the handshake was over.
  if (code === 'ECONNRESET' && error.syscall === undefined) {
    const peer = `${formatHost(to.address)}:${to.port}`;
    return { failure: 'unreachable', detail: `${peer} closed the connection during the TLS handshake` };
  }
  const detail = explain(error, code, to);
  return detail === null ? systemFailure(error) : { failure: 'untrusted', detail };
}

function explain(error: Error, code: string, to: StreamTarget): string | null {
  const peer = `${formatHost(to.address)}:${to.port}`;
  if (error instanceof IdentityMismatch) {
    const names = error.identities.length > 0 ? error.identities.join(', ') : 'no SIP domain';
    return `the certificate of ${peer} is for ${names}, not for ${to.domain}: call it by a name that its certificate has, or have ${to.domain} put into the certificate (RFC 5922)`;
  }
  if (UNTRUSTED.has(code)) {
    return `the certificate of ${peer} comes from no trusted authority (${code}): give the authority's certificate as tls.ca (--tls-ca FILE)`;
  }
  if (code === 'CERT_HAS_EXPIRED') return `the certificate of ${peer} has expired: the server needs a new one`;
  if (code === 'CERT_NOT_YET_VALID') {
    return `the certificate of ${peer} is not valid yet: compare the clocks of both machines`;
  }
  if (NO_TLS.has(code)) return `${peer} does not speak TLS: is that the port of its TLS listener?`;
  if (/UNSUPPORTED_PROTOCOL|PROTOCOL_VERSION/.test(code)) return `${peer} offers neither TLS 1.2 nor TLS 1.3`;
  if (/CERTIFICATE_REQUIRED/.test(code)) {
    return `${peer} wants a certificate of ours: give one as tls.cert and tls.key (--tls-cert, --tls-key)`;
  }
  if (/ALERT_(UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE|UNSUPPORTED_CERT)/.test(code)) {
    return `${peer} did not accept our certificate (${code}): it must come from an authority that ${peer} trusts`;
  }
  return code.startsWith('ERR_SSL') || code.startsWith('ERR_TLS') || code.startsWith('CERT_')
    ? `TLS with ${peer} failed: ${error.message}`
    : null;
}
