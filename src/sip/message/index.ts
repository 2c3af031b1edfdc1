/** The message layer: pure bytes to message and back. */
export { hasNonUri, isToken, parseDigits } from './characters.ts';
export { canonicalName } from './header-names.ts';
export * from './limits.ts';
export { type CSeq, SipMessage, SipRequest, SipResponse } from './message.ts';
export { type NameAddr, parseNameAddr } from './name-addr.ts';
export { type Parameters, parseParameters, splitList } from './parameters.ts';
export { type Fault, type Parsed, parseMessage } from './parser.ts';
export { reasonPhrase } from './reason-phrases.ts';
export { isUsableResponse, requestFault } from './request-faults.ts';
export { formatHost, parseSipUri, requestUriFault, type SipUri, unescapeUri, uriScheme } from './uri.ts';
export { isSameSipUri } from './uri-equality.ts';
export { parseVia, stampVia, type Via } from './via.ts';
export {
  type HeaderList,
  type RequestDraft,
  type ResponseOrigin,
  responseOrigin,
  type SipBody,
  wireValue,
  writeRequest,
  writeResponse,
} from './writer.ts';
