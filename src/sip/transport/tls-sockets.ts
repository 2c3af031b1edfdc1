/**
 * TLS under SIP (RFC 3261 26.3.1, RFC 5922): TLS 1.2 and 1.3 over node:tls, in both roles, with mutual authentication (RFC 7866
 * 12.2). A server's certificate must name the domain of the URI, whatever DNS said. Certificates can be renewed while
 * connections run. Handshakes are bounded in time and number.
 */
import { createPrivateKey, randomBytes, X509Certificate } from 'node:crypto';
import net from 'node:net';
import tls from 'node:tls';
import { provesIdentity, sipIdentities } from './certificate-identity.ts';
import type { SendFailure } from './flow.ts';
import { type HandshakeFailure, Handshakes } from './handshakes.ts';
import type { StreamSockets, StreamTarget } from './stream-sockets.ts';
import { IdentityMismatch, tlsFailure } from './tls-failure.ts';

/** Certificates and what is asked of peers; all texts are PEM. */
export interface TlsSettings {
  /** Own certificate, with those between it and its authority. Needed to listen; shown to servers that ask for one. */
  cert?: string | undefined;
  /** Private key of `cert`. */
  key?: string | undefined;
  /** Authorities that vouch for peers, in both roles; those that Node brings when left out. */
  ca?: string | undefined;
  /**
   * Certificates of clients that connect: not asked for (the default), asked for and checked when there is one, or needed.
   */
  clientCertificate?: 'none' | 'request' | 'require' | undefined;
}

const HANDSHAKE_TIMEOUT_MS = 10_000;
const TICKET_KEY_BYTES = 48;

export class TlsSockets implements StreamSockets {
  readonly transport = 'tls';
  readonly connectTimeoutMs = 8_000;
  readonly #servers = new Set<tls.Server>();
  readonly #handshakes: Handshakes;
  #settings: TlsSettings;
  #client: tls.SecureContext | null = null;

  constructor(settings: TlsSettings, onHandshakeFailure: (failure: HandshakeFailure) => void) {
    this.#settings = settings;
    this.#handshakes = new Handshakes(onHandshakeFailure);
  }

  /**
   * New handshakes use these settings; connections that run are left alone. Tickets of old sessions are void, or they would
   * outlive the authorities that vouched for them. Throws an Error, and changes nothing, when the settings can't be used.
   */
  renew(settings: TlsSettings): void {
    if (this.#servers.size > 0) requireServerSettings(settings);
    this.#client = checkedContext(settings);
    this.#settings = settings;
    for (const server of this.#servers) {
      server.setSecureContext(contextOptions(settings));
      server.setTicketKeys(randomBytes(TICKET_KEY_BYTES));
    }
  }

  createServer(onStream: (socket: net.Socket, identities: readonly string[]) => void): net.Server {
    const settings = this.#settings;
    requireServerSettings(settings);
    checkedContext(settings);
    const mode = settings.clientCertificate ?? 'none';
    const server = tls.createServer({
      ...contextOptions(settings),
      requestCert: mode !== 'none',
      rejectUnauthorized: mode === 'require',
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    });
    server.on('connection', (raw: net.Socket) => this.#handshakes.begin(raw));
    server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
      this.#handshakes.note(socket, error.code ?? error.message);
      socket.destroy();
    });
    server.on('secureConnection', (socket) => {
      const certificate = socket.getPeerCertificate();
      const shown = Object.keys(certificate ?? {}).length > 0;
      // Asked for but not needed: whoever shows one must show a good one.
      if (shown && !socket.authorized) {
        this.#handshakes.note(socket, String(socket.authorizationError));
        socket.destroy();
        return;
      }
      this.#handshakes.succeeded(socket);
      socket.disableRenegotiation();
      onStream(socket, shown ? sipIdentities(certificate) : []);
    });
    this.#servers.add(server);
    server.on('close', () => this.#servers.delete(server));
    return server;
  }

  connect(to: StreamTarget, onReady: () => void): net.Socket {
    this.#client ??= checkedContext(this.#settings);
    const domain = to.domain || to.address;
    return tls.connect(
      {
        host: to.address,
        port: to.port,
        secureContext: this.#client,
        // RFC 6066 3: names only, no addresses.
        servername: net.isIP(domain) === 0 ? domain : '',
        checkServerIdentity: (_host, certificate) =>
          provesIdentity(certificate, domain) ? undefined : new IdentityMismatch(sipIdentities(certificate)),
      },
      onReady,
    );
  }

  /** A connection stands in only for another to the same domain: its certificate was not asked for any other. */
  poolKey(to: StreamTarget): string {
    return `${to.address}|${to.port}|${to.domain}`;
  }

  failureOf(error: NodeJS.ErrnoException, to: StreamTarget): { failure: SendFailure; detail?: string } {
    return tlsFailure(error, to);
  }

  /** Handshakes under way would keep a server from closing. */
  abandon(): void {
    this.#handshakes.abandon();
  }
}

function contextOptions({ cert, key, ca }: TlsSettings): tls.SecureContextOptions {
  return {
    ...(cert && { cert }),
    ...(key && { key }),
    ...(ca && { ca }),
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.3',
  };
}

/** OpenSSL's own words about certificates and keys are of no use to an operator. */
function checkedContext(settings: TlsSettings): tls.SecureContext {
  const { cert, key } = settings;
  if ((cert === undefined) !== (key === undefined)) {
    throw new Error(`a certificate and its private key belong together: ${cert ? 'tls.key' : 'tls.cert'} is missing`);
  }
  if (cert !== undefined) checkCertificate(cert, settings.key ?? '');
  try {
    return tls.createSecureContext(contextOptions(settings));
  } catch (error) {
    throw new Error(`tls.cert, tls.key or tls.ca can't be used: ${(error as Error).message}`, { cause: error });
  }
}

function checkCertificate(cert: string, key: string): void {
  const certificate = readPem('tls.cert holds no certificate in PEM form', () => new X509Certificate(cert));
  const privateKey = readPem('tls.key holds no private key in PEM form', () => createPrivateKey(key));
  if (!certificate.checkPrivateKey(privateKey))
    throw new Error('tls.key is not the key of the certificate in tls.cert');
  if (Date.parse(certificate.validTo) < Date.now()) {
    throw new Error(`the certificate in tls.cert has expired on ${certificate.validTo}`);
  }
}

function readPem<T>(complaint: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new Error(complaint, { cause: error });
  }
}

function requireServerSettings({ cert, key, ca, clientCertificate = 'none' }: TlsSettings): void {
  if (cert === undefined || key === undefined) {
    throw new Error('listening for TLS needs a certificate (tls.cert) and its private key (tls.key)');
  }
  if (clientCertificate !== 'none' && ca === undefined) {
    throw new Error('checking the certificates of clients needs those of their authorities (tls.ca)');
  }
}
