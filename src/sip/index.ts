/** The SIP stack of doubletrack: a user agent over UDP and TCP, as server and as client. */
export {
  type AuthorizationInput,
  authorization,
  type DigestCredentials,
  DigestServer,
  type DigestServerOptions,
  type DigestVerdict,
} from './digest/index.ts';
export { type InviteOptions, type RequestOptions, SipEndpoint, type SipEndpointOptions } from './endpoint.ts';
export {
  type CSeq,
  type HeaderList,
  isSameSipUri,
  type NameAddr,
  type Parameters,
  type Parsed,
  parseDigits,
  parseMessage,
  parseNameAddr,
  parseSipUri,
  reasonPhrase,
  type SipBody,
  SipMessage,
  SipRequest,
  SipResponse,
  type SipUri,
  splitList,
  unescapeUri,
} from './message/index.ts';
export {
  type AnsweredInvite,
  type ContactIdentity,
  type IncomingInvite,
  type OutgoingInvite,
  type SessionEnd,
  type SessionState,
  type SipAnswer,
  type SipContent,
  SipFailure,
  type SipLog,
  type SipSession,
  type SipSource,
} from './session/index.ts';
export {
  firstTarget,
  flowUri,
  type ListenAddress,
  ServiceLookups,
  type ServiceTarget,
  type TlsSettings,
  type TransportName,
} from './transport/index.ts';
