/** The HTTP interface of the recording client. */
export { createClientMetrics } from './metrics.ts';
export { type ClientHttpOptions, createClientHttp, listenHttp } from './server.ts';
