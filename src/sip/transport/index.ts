/** The transport layer: the only part of the stack, beside the endpoint, that touches sockets. */
export { firstTarget } from './dns-lookups.ts';
export {
  type Flow,
  isReliable,
  type ListenAddress,
  type OnSendFailure,
  type SendFailure,
  type TransportName,
  type Wire,
} from './flow.ts';
export { type Framed, StreamFramer } from './framer.ts';
export type { HandshakeFailure } from './handshakes.ts';
export { NO_ANSWER, type Question, TargetList, targetsOf } from './locating.ts';
export { flowHop, flowUri, type NextHop, namedHop, nextHop } from './next-hop.ts';
export type { TlsSettings } from './tls-sockets.ts';
export { Transport, type TransportEvents, type TransportOptions } from './transport.ts';
