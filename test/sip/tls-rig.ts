/** Certificates and endpoints for the tests of SIP over TLS, on real sockets of this machine. */
import { once } from 'node:events';
import net from 'node:net';
import type { TestContext } from 'node:test';
import tls from 'node:tls';
import { type CertificateRequest, issue, makeAuthority } from '../../src/certificates/certificate.ts';
import { SipEndpoint, type SipEndpointOptions, type SipLog, type TlsSettings } from '../../src/sip/index.ts';

export const AUTHORITY = makeAuthority('authority of the tests');
/** Vouches for nobody whom the tests trust. */
export const STRANGER = makeAuthority('stranger');

const DAY_MS = 86_400_000;
export const PAST = { notBefore: new Date(Date.now() - 9 * DAY_MS), notAfter: new Date(Date.now() - DAY_MS) };

export const LOOPBACK = ['localhost', '127.0.0.1'];

/** A certificate by the authority of the tests, and that authority as the only trusted one. */
export function settings(request: Partial<CertificateRequest> = {}, more: TlsSettings = {}): TlsSettings {
  return { ...issue(AUTHORITY, { names: LOOPBACK, ...request }), ca: AUTHORITY.cert, ...more };
}

/** What a client needs that shows no certificate. */
export const TRUST: TlsSettings = { ca: AUTHORITY.cert };

/** A log that tests can read and wait for. */
export class TestLog implements SipLog {
  readonly lines: { facts: Record<string, unknown>; message: string }[] = [];
  debug(): void {}
  info(): void {}
  warn(facts: object, message: string): void {
    this.lines.push({ facts: { ...facts }, message });
  }
  error(facts: object, message: string): void {
    this.warn(facts, message);
  }
}

export interface Rig {
  /** A server that accepts every INVITE, over TLS on a port of its own. */
  server(options?: Partial<SipEndpointOptions>): Promise<SipEndpoint>;
  /** A client that listens nowhere unless told to. */
  client(options?: Partial<SipEndpointOptions>): Promise<SipEndpoint>;
}

export function rig(context: TestContext): Rig {
  const start = async (options: SipEndpointOptions) => {
    const endpoint = new SipEndpoint(options);
    context.after(() => endpoint.close({ graceMs: 50 }));
    endpoint.onInvite = (invite) => invite.accept();
    await endpoint.start();
    return endpoint;
  };
  const common = { userAgent: 'test', tls: settings() };
  return {
    server: (options = {}) =>
      start({ ...common, listen: [{ transport: 'tls', host: '127.0.0.1', port: 0 }], ...options }),
    client: (options = {}) => start({ ...common, tls: TRUST, listen: [], connect: ['tls'], ...options }),
  };
}

export function tlsPort(endpoint: SipEndpoint): number {
  return endpoint.addresses.find(({ transport }) => transport === 'tls')!.port;
}

/** An OPTIONS request, byte by byte. */
export function optionsRequest(uri: string, branch: string, via = 'SIP/2.0/TLS 127.0.0.1'): string {
  const head = [
    `OPTIONS ${uri} SIP/2.0`,
    `Via: ${via};branch=z9hG4bK${branch}`,
    'Max-Forwards: 70',
    'From: <sip:a@127.0.0.1>;tag=1',
    `To: <${uri}>`,
    `Call-ID: ${branch}`,
    'CSeq: 1 OPTIONS',
    'Content-Length: 0',
  ];
  return `${head.join('\r\n')}\r\n\r\n`;
}

/** A TLS client of node's own: connects, and gives what the handshake brought or the error that ended it. */
export async function handshake(port: number, options: tls.ConnectionOptions = {}): Promise<tls.TLSSocket> {
  const socket = tls.connect({
    host: '127.0.0.1',
    port,
    ca: AUTHORITY.cert,
    checkServerIdentity: () => undefined,
    ...options,
  });
  await once(socket, 'secureConnect');
  return socket;
}

/** The first bytes that come, as text; '' when the connection ends without any. */
export async function reply(socket: net.Socket): Promise<string> {
  return await new Promise((resolve) => {
    socket.once('data', (bytes) => resolve(String(bytes)));
    socket.once('close', () => resolve(''));
    socket.on('error', () => {});
  });
}

/** A plain TCP connection. */
export async function connectTcp(port: number): Promise<net.Socket> {
  const socket = net.connect(port, '127.0.0.1');
  await once(socket, 'connect');
  return socket;
}
