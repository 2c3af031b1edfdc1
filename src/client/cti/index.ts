/** The CTI link, as the recording client offers it. */
export { CTI_PATH, type CtiLimits, CtiServer, type CtiServerOptions } from './cti-server.ts';
