/**
 * The SIP endpoint: user agent, sockets, the one timer and the clock, put together. Everything below is driven from here; the
 * state machines neither read a clock nor touch a socket.
 */
import { randomFillSync } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import {
  DATAGRAM_REQUEST_BYTES,
  type HeaderList,
  type SipBody,
  type SipRequest,
  type SipResponse,
  uriScheme,
} from './message/index.ts';
import {
  type IncomingInvite,
  OutgoingInvite,
  type SipAnswer,
  type SipLog,
  UserAgent,
  type UserAgentOptions,
} from './session/index.ts';
import { inviteParts } from './session/invite-parts.ts';
import {
  type Flow,
  type ListenAddress,
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
  /** Methods to allow; all that the stack knows when left out. */
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
  /** SIP URI or name-addr of the callee; also the Request-URI and next hop. */
  to: string;
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
  /** Asked before anything is kept of a new INVITE; non-null refuses it with a stateless 503 and Retry-After. */
  admit: (() => { retryAfterSec: number } | null) | undefined;
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
      admit: () => this.admit?.() ?? null,
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
    const agent = this.#agent;
    const headers: HeaderList = options.headers ?? [];
    const hex = (count: number) => this.#random.take(count);
    const parts = inviteParts({ ...options, headers: [...headers] as [string, string][] }, hex, (to) =>
      this.#ownUri(to),
    );
    const known: Flow | null = options.transport
      ? { transport: options.transport, address: '', port: 0, connection: 0 }
      : null;
    return new OutgoingInvite(agent, parts, nextHop(parts.uri, known));
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
