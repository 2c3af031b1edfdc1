/**
 * The SIP endpoint: user agent, sockets, the one timer and the clock, put together. Everything below is driven from here; the
 * state machines neither read a clock nor touch a socket.
 */
import { randomFillSync } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import type { DigestCredentials } from './digest/index.ts';
import {
  DATAGRAM_REQUEST_BYTES,
  isToken,
  type SipBody,
  type SipRequest,
  type SipResponse,
  uriScheme,
} from './message/index.ts';
import {
  type IncomingInvite,
  OutgoingInvite,
  OutsideRequest,
  type SipAnswer,
  type SipLog,
  type SipSource,
  UserAgent,
  type UserAgentOptions,
} from './session/index.ts';
import { inviteParts } from './session/invite-parts.ts';
import type { InviteParts } from './session/outgoing-invite.ts';
import {
  type Flow,
  type ListenAddress,
  type NextHop,
  namedHop,
  nextHop,
  type TlsSettings,
  Transport,
  type TransportName,
  type Wire,
} from './transport/index.ts';

/** How a SipEndpoint is set up. Times are in seconds where the name says so. */
export interface SipEndpointOptions {
  /** Where to listen; port 0 lets the system choose. */
  listen: ListenAddress[];
  /** User-Agent and Server header. */
  userAgent: string;
  /** User part of our Contact. */
  contactUser?: string;
  /** Parameters behind our Contact, such as `+sip.srs`. */
  contactParams?: string[];
  /** Option tags that the application supports, beside `timer`, `100rel` and `replaces`, which the stack does itself. */
  supported?: string[];
  /** Methods to allow; all that the stack answers by itself when left out. Name those of `onRequest` and `onOther` here. */
  allow?: string[];
  /** Media types that a session body may have. */
  accept?: string[];
  /** Host for Via and Contact when peers must not use the listen address. */
  advertisedHost?: string;
  /** The same over TLS, where it should be a name that our certificate has. */
  tlsHost?: string;
  /** Certificates; needed to listen for TLS, and to call over it where Node's own authorities don't do. */
  tls?: TlsSettings;
  /** Transports for requests of ours beside those listened on; peers can answer, but not call us. */
  connect?: TransportName[];
  /** DNS servers to ask, as `192.0.2.53` or `192.0.2.53:5353`, instead of those of the system. */
  dnsServers?: string[];
  /** Session interval of RFC 4028, 1800 when left out; 0 leaves session timers to the peer. */
  sessionExpiresSec?: number;
  /** A back-to-back user agent: an INVITE with no hops left is refused with 483 (RFC 3261 16.3). */
  forwards?: boolean;
  /** Smallest session interval taken, 90 when left out. */
  minSeSec?: number;
  log?: SipLog;
  /** Server transactions at most; above, new requests get a stateless 503. 100,000 when left out. */
  maxTransactions?: number;
  /** INVITEs of one source address that may be neither refused nor acknowledged at a time, 20,000 when left out. */
  maxHalfOpenPerSource?: number;
  /** Retry-After of that 503, 5 when left out. */
  retryAfterSec?: number;
  /** Requests above this size go over TCP first (RFC 3261 18.1.1), 1300 when left out; Infinity never does. */
  datagramRequestBytes?: number;
}

/** An INVITE to be sent. */
export interface InviteOptions {
  /** SIP URI or name-addr of the callee; also the Request-URI and next hop, where `uri` and `nextHop` don't say otherwise. */
  to: string;
  /** Request-URI. */
  uri?: string;
  /**
   * SIP URI to send to instead of the Request-URI. One of `flowUri` sends to where a peer sent from, over its connection when
   * there was one, and keeps the whole dialog there.
   */
  nextHop?: string;
  /** Answers challenges (401, 407) of the INVITE and of what follows in its dialog. */
  credentials?: DigestCredentials;
  /** User part and parameters of our Contact in this dialog. */
  contactUser?: string;
  contactParams?: string[];
  /** 70 when left out; a back-to-back user agent takes one off what it got (`SipRequest.maxForwards`). */
  maxForwards?: number;
  /** When it must be known before; has to be unique. */
  callId?: string;
  /** Transport when the URI names none. */
  transport?: TransportName;
  /** SIP URI or name-addr of the caller; made of `contactUser` and our address when left out. */
  from?: string;
  body?: SipBody;
  headers?: [string, string][];
  /** Option tags for Require. */
  require?: string[];
  /** Answers the callee's offer when `body` is left out (delayed offer); goes out in the ACK or PRACK. */
  answer?: (response: SipResponse) => SipBody | null;
}

/** A request outside any dialog. */
export interface RequestOptions {
  method: string;
  /** SIP URI or name-addr; also the Request-URI and next hop, where `uri` and `nextHop` don't say otherwise. */
  to: string;
  uri?: string;
  /** As in InviteOptions. */
  nextHop?: string;
  from?: string;
  transport?: TransportName;
  headers?: [string, string][];
  body?: SipBody;
  credentials?: DigestCredentials;
  maxForwards?: number;
  callId?: string;
  /** Gives up then, when that is earlier than the 32 s of RFC 3261. */
  timeoutMs?: number;
}

const METHODS = ['INVITE', 'ACK', 'CANCEL', 'BYE', 'OPTIONS', 'UPDATE', 'INFO', 'PRACK'];
const OWN_EXTENSIONS = ['timer', '100rel', 'replaces'];
const SILENT: SipLog = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const SWEEP_MS = 5_000;
const MAX_TIMER_MS = 0x7fffffff;

export class SipEndpoint {
  /** A new INVITE that passed the checks of RFC 3261 8.2. Refused with 480 until the application sets this. */
  onInvite: (invite: IncomingInvite) => void = (invite) => invite.reject({ status: 480 });
  /** OPTIONS, within a dialog or without; Allow, Accept and Supported are added. */
  onOptions: (request: SipRequest) => SipAnswer = () => ({ status: 200 });
  /** A request outside any dialog that is neither INVITE nor OPTIONS: REGISTER, MESSAGE …, as far as `allow` names them. */
  onRequest: (request: SipRequest, source: SipSource) => SipAnswer | Promise<SipAnswer> = () => ({ status: 481 });
  /**
   * Asked before anything is kept of a new INVITE, or of a request for `onRequest`; non-null refuses it with a stateless 503 and
   * Retry-After.
   */
  admit: ((request: SipRequest, source: SipSource) => { retryAfterSec: number } | null) | undefined;
  readonly #agent: UserAgent;
  readonly #transport: Transport;
  readonly #random = new RandomHex();
  readonly #log: SipLog;
  #timer: NodeJS.Timeout | null = null;
  #timerAt = Infinity;
  #sweeper: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(options: SipEndpointOptions) {
    this.#log = options.log ?? SILENT;
    const now = () => performance.now();
    this.#transport = new Transport(
      { ...options, transports: transportsOf(options), random: () => this.#random.number() },
      {
        onMessage: (parsed, from) => this.#agent.receive(parsed, from),
        onError: (error) => this.#log.error({ err: error }, 'SIP transport error'),
        onHandshakeFailure: (facts) => this.#log.warn(facts, 'a TLS handshake failed'),
      },
      now,
    );
    const wire: Wire = {
      now,
      randomHex: (count) => this.#random.take(count),
      send: (bytes, to, onFailure) => this.#transport.send(bytes, to, onFailure),
      local: (to) => this.#transport.local(to),
      locate: (hop) => this.#transport.locate(hop),
      noteFailed: (target, forMs) => this.#transport.noteFailed(target, forMs),
      isConnected: (flow) => this.#transport.isConnected(flow),
      probe: (to, onFailure) => this.#transport.probe(to, onFailure),
    };
    this.#agent = new UserAgent(agentOptions(options, this.#log), wire, {
      onInvite: (invite) => this.onInvite(invite),
      onOptions: (request) => this.onOptions(request),
      onRequest: (request, source) => this.onRequest(request, source),
      admit: (request, source) => this.admit?.(request, source) ?? null,
    });
    this.#agent.deadlines.onEarlier = () => this.#arm();
  }

  /** Binds. Rejects with an Error that names the address which is in use. */
  async start(): Promise<void> {
    await this.#transport.start();
    this.#sweeper = setInterval(() => this.#transport.sweep(), SWEEP_MS);
    this.#sweeper.unref();
  }

  /** Listen addresses with their actual ports, once started. */
  get addresses(): ListenAddress[] {
    return [...this.#transport.addresses];
  }

  /**
   * Other certificates for connections to come; those that run are left alone. Throws an Error that says what is wrong, and
   * goes on with the old ones, when they can't be used.
   */
  renewTls(settings: TlsSettings): void {
    this.#transport.renewTls(settings);
  }

  /** Sends an INVITE. Throws a TypeError when `to` is no SIP URI or a header value holds a line break. */
  invite(options: InviteOptions): OutgoingInvite {
    const { parts, hop } = this.#prepare(options);
    return new OutgoingInvite(this.#agent, parts, hop);
  }

  /**
   * Sends a request outside any dialog; gives its final response, whatever the status. Rejects with a SipFailure when none came (408) or
   * nobody was reached (503), with a TypeError as `invite` throws it.
   */
  async request(options: RequestOptions): Promise<SipResponse> {
    const { parts, hop } = this.#prepare(options);
    if (!isToken(options.method)) throw new TypeError(`not a method: ${JSON.stringify(options.method)}`);
    return new OutsideRequest(this.#agent, options.method, parts, hop, options.timeoutMs ?? null).answered;
  }

  #prepare(options: InviteOptions | RequestOptions): { parts: InviteParts; hop: NextHop } {
    const hex = (count: number) => this.#random.take(count);
    const headers = [...(options.headers ?? [])];
    const parts = inviteParts({ ...options, headers }, hex, (to) => this.#ownUri(to));
    const known: Flow | null = options.transport
      ? { transport: options.transport, address: '', port: 0, connection: 0 }
      : null;
    const hop = options.nextHop === undefined ? nextHop(parts.uri, known) : namedHop(options.nextHop, known);
    return { parts, hop };
  }

  #ownUri(to: string): string {
    const { host: address, transport, connection } = nextHop(to, null);
    const { host } = this.#transport.local({
      address,
      transport: transport ?? this.#agent.options.transports[0]!,
      connection,
    });
    const scheme = uriScheme(to) === 'sips' ? 'sips' : 'sip';
    const user = this.#agent.options.contactUser;
    return user === '' ? `${scheme}:${host}` : `${scheme}:${user}@${host}`;
  }

  /** Counters and table sizes. */
  stats(): Record<string, number> {
    return { ...this.#agent.stats(), ...this.#transport.stats() };
  }

  /**
   * Refuses unanswered INVITEs, sends BYE in all sessions, waits up to `graceMs` (500 when left out) for the answers, then
   * closes the sockets.
   */
  async close(options: { graceMs?: number } = {}): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.admit = () => ({ retryAfterSec: this.#agent.options.retryAfterSec });
    for (const invite of this.#agent.unansweredInvites) invite.reject({ status: 503 });
    const ends = [...this.#agent.sessions()].map((session) => session.bye());
    if (ends.length > 0) await Promise.race([Promise.all(ends), delay(options.graceMs ?? 500)]);
    if (this.#timer) clearTimeout(this.#timer);
    if (this.#sweeper) clearInterval(this.#sweeper);
    this.#timer = null;
    this.#agent.deadlines.onEarlier = () => {};
    await this.#transport.close();
  }

  /** One timer for all: set to the earliest deadline, and only moved when an earlier one appears. */
  #arm(): void {
    const next = this.#agent.deadlines.next;
    if (next >= this.#timerAt) return;
    if (this.#timer) clearTimeout(this.#timer);
    this.#timerAt = next;
    const delayMs = Math.min(Math.max(1, Math.ceil(next - performance.now())), MAX_TIMER_MS);
    this.#timer = setTimeout(() => this.#onTimer(), delayMs);
  }

  #onTimer(): void {
    this.#timer = null;
    // Until the due ones have run, no need to set the timer for what they add.
    this.#timerAt = -Infinity;
    try {
      this.#agent.advance(performance.now());
    } catch (error) {
      this.#log.error({ err: error }, 'SIP timer error');
    }
    this.#timerAt = Infinity;
    if (!this.#closed || this.#agent.deadlines.next < Infinity) this.#arm();
  }
}

function agentOptions(options: SipEndpointOptions, log: SipLog): UserAgentOptions {
  const supported = [...OWN_EXTENSIONS, ...(options.supported ?? []).map((tag) => tag.toLowerCase())];
  const accept = options.accept ?? ['application/sdp', 'multipart/mixed'];
  return {
    userAgent: options.userAgent,
    contactUser: options.contactUser ?? '',
    contactParams: options.contactParams ?? [],
    supported: [...new Set(supported)],
    allow: options.allow ?? METHODS,
    accept: accept.map((type) => type.toLowerCase()),
    sessionExpiresSec: options.sessionExpiresSec ?? 1_800,
    minSeSec: options.minSeSec ?? 90,
    forwards: options.forwards ?? false,
    retryAfterSec: options.retryAfterSec ?? 5,
    maxTransactions: options.maxTransactions ?? 100_000,
    maxHalfOpenPerSource: options.maxHalfOpenPerSource ?? 20_000,
    datagramRequestBytes: options.datagramRequestBytes ?? DATAGRAM_REQUEST_BYTES,
    transports: transportsOf(options),
    log,
  };
}

function transportsOf({ listen, connect = [] }: SipEndpointOptions): TransportName[] {
  return [...new Set([...listen.map((one) => one.transport), ...connect])];
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Cryptographically random hexadecimal text, drawn in bulk: a call needs a dozen of these. */
class RandomHex {
  readonly #bytes = Buffer.alloc(4_096);
  #at = this.#bytes.length;

  take(count: number): string {
    if (this.#at + count > this.#bytes.length) {
      randomFillSync(this.#bytes);
      this.#at = 0;
    }
    this.#at += count;
    return this.#bytes.toString('hex', this.#at - count, this.#at);
  }

  /** From 0 to below 1. */
  number(): number {
    return Number.parseInt(this.take(6), 16) / 2 ** 48;
  }
}
