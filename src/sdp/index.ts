/** Session descriptions (RFC 8866) and offer/answer (RFC 3264) of a recording system. Pure: text in, text out. */
export { addressType, ipVersion, isUnspecified } from './addresses.ts';
export { type AcceptedMedia, type AnswerOptions, answerOffer } from './answer.ts';
export {
  type CryptoKey,
  type CryptoLine,
  formatCrypto,
  mkiOctets,
  parseCrypto,
  type SessionParameter,
} from './crypto.ts';
export {
  type AgreedCrypto,
  acceptCrypto,
  answeringLine,
  type CryptoDecision,
  type CryptoPolicy,
  chooseCrypto,
  type MediaSecurity,
  NO_CRYPTO,
  ownLine,
  securityOf,
} from './crypto-negotiation.ts';
export { CRYPTO_SUITES, keyAndSaltBytes, NULL_SUITES } from './crypto-suites.ts';
export { SdpError, type SdpErrorCode } from './errors.ts';
export type { SdpLine } from './lines.ts';
export type { Direction, MediaDescription } from './media-description.ts';
export { answerProblem, buildOffer, type OfferedMedia, type OfferOptions, remoteOf } from './offer.ts';
export { isAuxiliary, type PayloadType, staticPayloadType } from './payload-types.ts';
export { type Origin, parseSdp, Sdp } from './session-description.ts';
