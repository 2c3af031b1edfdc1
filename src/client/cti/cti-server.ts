/**
 * The CTI link's server: T-Lib's model over WebSocket and JSON, on a port of its own. What a client does, or fails to do, never reaches
 * the switch's calls: the switch only appends to a log here, and every client reads it at its own pace.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { hostname } from 'node:os';
import websocket from '@fastify/websocket';
import fastify, { type FastifyInstance } from 'fastify';
import type { WebSocket } from 'ws';
import { callEvent, MAX_MESSAGE_BYTES, ReplayLog, recordUserData } from '../../cti/index.ts';
import type { CtiConfig } from '../config/types.ts';
import { type CallControl, CallNotFound, type SwitchEvent } from '../switch/call-control.ts';
import { CtiAccess } from './access.ts';
import { CtiSession, type CtiSessionOptions, type SessionLog } from './cti-session.ts';

/** What a link's clients may use, each with a default. */
export interface CtiLimits {
  maxClients: number;
  /** Events that are kept for those who are slow or away. */
  keptEvents: number;
  keptCharacters: number;
  keepAliveMs: number;
  /** Requests of one client. */
  requestsPerSec: number;
  burst: number;
  floodAfter: number;
  highWaterBytes: number;
  /** For an answer of the switch. */
  requestTimeoutMs: number;
}

const LIMITS: CtiLimits = {
  maxClients: 100,
  keptEvents: 50_000,
  keptCharacters: 32 * 1024 * 1024,
  keepAliveMs: 15_000,
  requestsPerSec: 50,
  burst: 100,
  floodAfter: 1000,
  highWaterBytes: 256 * 1024,
  requestTimeoutMs: 10_000,
};

export interface CtiServerOptions {
  config: CtiConfig;
  calls: CallControl;
  /** Whether the switch has that DN: an extension, or a trunk by its name. */
  knowsDn: (dn: string) => boolean;
  supervises: (dn: string, targetDn: string) => boolean;
  log: SessionLog & { info(fields: object, message: string): void };
  limits?: Partial<CtiLimits>;
  /** Goes into GSIP_REC_FN; this machine's name when left out. */
  host?: string;
}

export const CTI_PATH = '/cti';
const HANDSHAKE_TIMEOUT_MS = 10_000;
/**
 * A client that is told of the end and does not answer is not waited for any longer: `ws` would hold up a stop for half a minute. Its
 * published types do not have this option yet.
 */
const FAREWELL = { closeTimeout: 1_000 };
/** Beyond the clients: for those that are told so. */
const SPARE_CONNECTIONS = 64;
/** Refused handshakes are logged once in so long. */
const REFUSALS_LOGGED_EVERY_MS = 1000;

export class CtiServer {
  readonly #options: CtiServerOptions;
  readonly #limits: CtiLimits;
  readonly #access: CtiAccess;
  readonly #log: ReplayLog;
  readonly #linkId = randomUUID();
  readonly #sessions = new Set<CtiSession>();
  readonly #host: string;
  #app: FastifyInstance | null = null;
  #stopListening: (() => void) | null = null;
  #keepAliveTimer: NodeJS.Timeout | null = null;
  #isPumpDue = false;
  #refusals = 0;
  #refusalTimer: NodeJS.Timeout | null = null;

  /** @throws Error when the configuration lets nobody in, or anybody. */
  constructor(options: CtiServerOptions) {
    const { tokens, tls } = options.config;
    if (tokens.length === 0 && (!tls?.ca || tls.clientCertificate === 'none' || !tls.clientCertificate)) {
      throw new Error(
        'the CTI link needs cti.tokens, or cti.tls with ca and clientCertificate "require": otherwise anybody could use it',
      );
    }
    this.#options = options;
    this.#limits = { ...LIMITS, ...options.limits };
    this.#access = new CtiAccess(tokens);
    this.#host = options.host ?? hostname();
    this.#log = new ReplayLog({ maxEvents: this.#limits.keptEvents, maxCharacters: this.#limits.keptCharacters });
  }

  /** Listens; events of the switch count from here on. */
  async start(): Promise<void> {
    const { config, calls, log } = this.#options;
    this.#stopListening = calls.on((event) => this.#onSwitchEvent(event));
    try {
      this.#app = await this.#createApp();
      await this.#app.listen({ host: config.host, port: config.port });
    } catch (error) {
      await this.close();
      throw error;
    }
    this.#keepAliveTimer = setInterval(() => {
      for (const session of this.#sessions) session.keepAlive();
    }, this.#limits.keepAliveMs);
    this.#keepAliveTimer.unref();
    if (!config.tls) log.info({ url: this.url }, 'the CTI link is not encrypted: tokens can be read on the way');
  }

  /** Clients that are connected. */
  get clients(): number {
    return this.#sessions.size;
  }

  get url(): string {
    const address = this.#app?.server.address();
    if (!address || typeof address === 'string') throw new Error('the CTI link is not listening');
    const host = address.family === 'IPv6' ? `[${address.address}]` : address.address;
    return `${this.#options.config.tls ? 'wss' : 'ws'}://${host}:${address.port}${CTI_PATH}`;
  }

  async close(): Promise<void> {
    this.#stopListening?.();
    this.#stopListening = null;
    if (this.#keepAliveTimer) clearInterval(this.#keepAliveTimer);
    if (this.#refusalTimer) clearTimeout(this.#refusalTimer);
    for (const session of this.#sessions) session.close();
    await this.#app?.close();
    this.#app = null;
  }

  async #createApp(): Promise<FastifyInstance> {
    const { tls } = this.#options.config;
    const https = tls && {
      ...{ cert: tls.cert, key: tls.key, ca: tls.ca, minVersion: 'TLSv1.2' as const },
      requestCert: tls.clientCertificate === 'request' || tls.clientCertificate === 'require',
      rejectUnauthorized: tls.clientCertificate === 'require',
    };
    const requestTimeout = HANDSHAKE_TIMEOUT_MS;
    const app = (https
      ? fastify({ https, requestTimeout })
      : fastify({ requestTimeout })) as unknown as FastifyInstance;
    app.server.maxConnections = this.#limits.maxClients + SPARE_CONNECTIONS;
    await app.register(websocket, {
      options: { maxPayload: MAX_MESSAGE_BYTES, perMessageDeflate: false, clientTracking: true, ...FAREWELL },
      errorHandler: (error, socket) => {
        this.#options.log.error({ err: error }, 'a CTI connection failed');
        socket.terminate();
      },
    });
    app.get(
      CTI_PATH,
      {
        websocket: true,
        preValidation: async (request, reply) => {
          const status = this.#refusal(request.raw);
          if (status === null) return;
          this.#onRefused(request.ip, status);
          const headers = status === 401 ? { 'www-authenticate': 'Bearer realm="cti"' } : { 'retry-after': '10' };
          return reply.code(status).headers(headers).send();
        },
      },
      (socket, request) => this.#onConnection(socket, request.raw),
    );
    return app;
  }

  #refusal(request: IncomingMessage): number | null {
    return this.#access.refusal(request) ?? (this.#sessions.size >= this.#limits.maxClients ? 503 : null);
  }

  /** Guessing is slow enough over the network; the log must not be flooded by it. */
  #onRefused(from: string, status: number): void {
    this.#refusals += 1;
    this.#refusalTimer ??= setTimeout(() => {
      this.#refusalTimer = null;
      this.#options.log.warn({ refused: this.#refusals, from, status }, 'CTI clients refused');
      this.#refusals = 0;
    }, REFUSALS_LOGGED_EVERY_MS).unref();
  }

  #onConnection(socket: WebSocket, { socket: connection }: IncomingMessage): void {
    const actor = `CTI client ${connection.remoteAddress}:${connection.remotePort}`;
    const session = new CtiSession(socket, actor, this.#sessionOptions());
    this.#sessions.add(session);
    socket.on('close', () => this.#sessions.delete(session));
    this.#options.log.debug({ actor }, 'CTI client connected');
  }

  #sessionOptions(): CtiSessionOptions {
    const { calls, config, knowsDn, supervises, log: logger } = this.#options;
    const { keepAliveMs, highWaterBytes, requestTimeoutMs, requestsPerSec, burst, floodAfter } = this.#limits;
    return {
      ...{ calls, knowsDn, supervises, logger, keepAliveMs, highWaterBytes },
      ...{ log: this.#log, linkId: this.#linkId, timeoutMs: requestTimeoutMs },
      rate: { perSec: requestsPerSec, burst, floodAfter },
      privateMessages: config.privateMessages,
    };
  }

  /** Called by the switch in the middle of a call: takes a note and returns. */
  #onSwitchEvent(event: SwitchEvent): void {
    try {
      this.#log.append(callEvent(event, this.#options.config.privateMessages));
      if (event.type === 'recording') this.#attachState(event);
      if (this.#isPumpDue) return;
      this.#isPumpDue = true;
      setImmediate(() => this.#pumpAll());
    } catch (error) {
      this.#options.log.error({ err: error, event: event.type, call: event.call.id }, 'an event could not be told');
    }
  }

  /** GSIP_RECORD and GSIP_REC_FN, behind the event that they follow from. */
  #attachState({ call: { id } }: SwitchEvent): void {
    queueMicrotask(() => {
      const { calls, log } = this.#options;
      try {
        const call = calls.call(id);
        const data = call && call.state !== 'ended' ? recordUserData(call, this.#host) : null;
        if (data) calls.attach(id, data);
      } catch (error) {
        if (!(error instanceof CallNotFound)) log.error({ err: error, call: id }, 'GSIP_RECORD could not be attached');
      }
    });
  }

  #pumpAll(): void {
    this.#isPumpDue = false;
    for (const session of this.#sessions) {
      try {
        session.pump();
      } catch (error) {
        this.#options.log.error({ err: error, actor: session.actor }, 'a CTI client could not be told of events');
      }
    }
  }
}
