/**
 * Errors of the SDP layer. One class: everything a peer can do wrong in a session description becomes an SdpError,
 * which the signalling answers with 488 (RFC 3261 21.4.26).
 */

export type SdpErrorCode =
  | 'not-sdp'
  | 'too-large'
  | 'too-many-lines'
  | 'too-many-media'
  | 'too-many-payload-types'
  | 'bad-line'
  | 'bad-crypto';

/**
 * Thrown by parseSdp for a description that cannot be read, or that exceeds a cap, and by parseCrypto. `code` is stable, `message`
 * is for people.
 */
export class SdpError extends Error {
  readonly code: SdpErrorCode;
  constructor(code: SdpErrorCode, message: string) {
    super(message);
    this.name = 'SdpError';
    this.code = code;
  }
}
