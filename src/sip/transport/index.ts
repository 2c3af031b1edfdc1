/** The transport layer: the only part of the stack, beside the endpoint, that touches sockets. */
export { type Flow, isReliable, type ListenAddress, type SendFailure, type TransportName, type Wire } from './flow.ts';
export { type Framed, StreamFramer } from './framer.ts';
export { Transport, type TransportEvents } from './transport.ts';
