/** The HTTP interface of the recording server. */
export type { CtiControl, CtiRefusal, RecordRequest } from './cti.ts';
export * from './metrics.ts';
export * from './problem.ts';
export { isLoopbackAddress, ListenRefused, requireLoopback } from './security.ts';
export { createHttpServer, type HttpServerOptions, listenHttp } from './server.ts';
export * from './session-control.ts';
