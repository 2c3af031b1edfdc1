/**
 * A network in memory on a virtual clock: user agents and scripted peers, whose messages arrive at once and in order unless a
 * test drops them. Time moves only by `advance`, deadline by deadline.
 */
import assert from 'node:assert/strict';
import { parseMessage, SipRequest, SipResponse } from '../../src/sip/index.ts';
import {
  type IncomingInvite,
  OutgoingInvite,
  OutsideRequest,
  type SipAnswer,
  type SipSource,
  UserAgent,
  type UserAgentOptions,
} from '../../src/sip/session/index.ts';
import { type InviteRequest, inviteParts } from '../../src/sip/session/invite-parts.ts';
import {
  type Flow,
  NO_ANSWER,
  namedHop,
  nextHop,
  type SendFailure,
  TargetList,
  type TransportName,
  targetsOf,
  type Wire,
} from '../../src/sip/transport/index.ts';

type Message = SipRequest | SipResponse;

interface Packet {
  from: Flow;
  to: Flow;
  bytes: Buffer;
  onFailure: ((failure: SendFailure) => void) | undefined;
}

interface Node {
  receive(bytes: Buffer, from: Flow): void;
  advance(now: number): void;
  next(): number;
}

const SILENT = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

export const OPTIONS: UserAgentOptions = {
  userAgent: 'test',
  contactUser: 'user',
  contactParams: [],
  supported: ['timer', '100rel', 'replaces', 'siprec'],
  allow: ['INVITE', 'ACK', 'CANCEL', 'BYE', 'OPTIONS', 'UPDATE', 'INFO', 'PRACK'],
  accept: ['application/sdp', 'multipart/mixed'],
  sessionExpiresSec: 0,
  minSeSec: 90,
  forwards: false,
  retryAfterSec: 5,
  maxTransactions: 100_000,
  maxHalfOpenPerSource: 20_000,
  datagramRequestBytes: 1_300,
  transports: ['udp', 'tcp'],
  log: SILENT,
};

export class VirtualNetwork {
  now = 1_000;
  /** Every message sent, in order, dropped ones too. */
  readonly trace: { at: number; from: string; to: string; line: string }[] = [];
  /** Return true to lose a message. */
  drop: (message: Message, from: Flow) => boolean = () => false;
  /** Lose everything that agents send, without looking at it. */
  deaf = false;
  /** Transports that a node refuses: `address|tcp`. */
  readonly refused = new Set<string>();
  readonly #nodes = new Map<string, Node>();
  #queue: Packet[] = [];
  #seed = 1;

  randomHex(count: number): string {
    let hex = '';
    while (hex.length < count * 2) {
      this.#seed = (Math.imul(this.#seed, 1_103_515_245) + 12_345) >>> 0;
      hex += (this.#seed >>> 8).toString(16).padStart(6, '0').slice(-6);
    }
    return hex.slice(0, count * 2);
  }

  add(address: string, node: Node): void {
    this.#nodes.set(address, node);
  }

  send(packet: Packet): void {
    if (this.deaf) return;
    const parsed = parseMessage(packet.bytes);
    assert.ok(parsed.kind === 'request' || parsed.kind === 'response', `unparsable output: ${packet.bytes}`);
    const message = parsed.message;
    const line =
      message instanceof SipRequest ? message.method : `${(message as SipResponse).status} ${message.cseq.method}`;
    this.trace.push({ at: this.now, from: packet.from.address, to: packet.to.address, line });
    if (!this.drop(message, packet.from)) this.#queue.push(packet);
  }

  /** Sends whatever it is, even what is no message. */
  sendRaw(packet: Packet): void {
    this.#queue.push(packet);
  }

  /** Delivers what is under way, and what that causes. */
  settle(): void {
    for (let packet = this.#queue.shift(); packet; packet = this.#queue.shift()) {
      const { to, from, bytes, onFailure } = packet;
      const node = this.#nodes.get(to.address);
      if (!node || this.refused.has(`${to.address}|${to.transport}`)) onFailure?.('refused');
      else node.receive(bytes, { ...from, transport: to.transport, connection: to.transport === 'tcp' ? 1 : 0 });
    }
  }

  /** Lets `ms` milliseconds pass. */
  advance(ms: number): void {
    const end = this.now + ms;
    this.settle();
    for (;;) {
      const next = Math.min(...[...this.#nodes.values()].map((node) => node.next()));
      if (next > end) break;
      this.now = Math.max(this.now, next);
      for (const node of this.#nodes.values()) node.advance(this.now);
      this.settle();
    }
    this.now = end;
  }

  /** Times, relative to `since`, at which `from` sent messages of this kind. */
  times(from: string, line: string, since = 0): number[] {
    return this.trace.filter((entry) => entry.from === from && entry.line === line).map((entry) => entry.at - since);
  }

  lines(): string[] {
    return this.trace.map((entry) => `${entry.from} ${entry.line}`);
  }
}

/** A user agent of ours at an address of the virtual network. */
export class Agent {
  readonly address: string;
  readonly agent: UserAgent;
  readonly network: VirtualNetwork;
  onInvite: (invite: IncomingInvite) => void = (invite) => invite.reject({ status: 480 });
  onOptions: (request: SipRequest) => SipAnswer = () => ({ status: 200 });
  onRequest: (request: SipRequest, source: SipSource) => SipAnswer | Promise<SipAnswer> = () => ({ status: 481 });
  admit: () => { retryAfterSec: number } | null = () => null;

  constructor(network: VirtualNetwork, address: string, options: Partial<UserAgentOptions> = {}) {
    this.network = network;
    this.address = address;
    const wire: Wire = {
      now: () => network.now,
      randomHex: (count) => network.randomHex(count),
      local: () => ({ host: address, port: 5060 }),
      // Addresses of this network are names or numbers, as it comes.
      locate: (hop) => {
        const addresses = targetsOf(hop, options.transports ?? OPTIONS.transports, () => 0);
        return new TargetList(addresses, ({ type, name }, answer) =>
          answer(type === 'ADDRESS' ? { ...NO_ANSWER, addresses: [name] } : NO_ANSWER),
        );
      },
      noteFailed: () => {},
      isConnected: (flow) => flow.connection > 0,
      send: (bytes, to, onFailure) =>
        network.send({ from: { transport: to.transport, address, port: 5060, connection: 0 }, to, bytes, onFailure }),
    };
    this.agent = new UserAgent({ ...OPTIONS, ...options }, wire, {
      onInvite: (invite) => this.onInvite(invite),
      onOptions: (request) => this.onOptions(request),
      onRequest: (request, source) => this.onRequest(request, source),
      admit: () => this.admit(),
    });
    network.add(address, {
      receive: (bytes, from) => this.agent.receive(parseMessage(bytes), from),
      advance: (now) => this.agent.advance(now),
      next: () => this.agent.deadlines.next,
    });
  }

  invite(
    to: string,
    request: Partial<InviteRequest> & { transport?: TransportName; nextHop?: string } = {},
  ): OutgoingInvite {
    const parts = inviteParts(
      { to, headers: [], ...request },
      (count) => this.network.randomHex(count),
      () => `sip:user@${this.address}`,
    );
    const known = request.transport ? { transport: request.transport, address: '', port: 0, connection: 0 } : null;
    const hop = request.nextHop === undefined ? nextHop(parts.uri, known) : namedHop(request.nextHop, known);
    return new OutgoingInvite(this.agent, parts, hop);
  }

  request(method: string, to: string, request: Partial<InviteRequest> & { timeoutMs?: number } = {}): OutsideRequest {
    const parts = inviteParts(
      { to, headers: [], ...request },
      (count) => this.network.randomHex(count),
      () => `sip:user@${this.address}`,
    );
    return new OutsideRequest(this.agent, method, parts, nextHop(parts.uri, null), request.timeoutMs ?? null);
  }

  /** Everything that a leak would show in. */
  get held(): Record<string, number> {
    const {
      sessions = 0,
      unansweredInvites = 0,
      serverTransactions = 0,
      clientTransactions = 0,
      deadlines = 0,
    } = this.agent.stats();
    return { sessions, unansweredInvites, serverTransactions, clientTransactions, deadlines };
  }
}

export const NOTHING_HELD = {
  sessions: 0,
  unansweredInvites: 0,
  serverTransactions: 0,
  clientTransactions: 0,
  deadlines: 0,
};

/** A peer that does nothing by itself: tests write its messages and read what it was sent. */
export class Peer {
  readonly address: string;
  readonly network: VirtualNetwork;
  readonly transport: TransportName;
  readonly received: Message[] = [];
  #to = '';

  constructor(network: VirtualNetwork, address: string, to: string, transport: TransportName = 'udp') {
    this.network = network;
    this.address = address;
    this.transport = transport;
    this.#to = to;
    network.add(address, {
      receive: (bytes) => {
        const parsed = parseMessage(bytes);
        assert.ok(parsed.kind === 'request' || parsed.kind === 'response');
        this.received.push(parsed.message);
      },
      advance: () => {},
      next: () => Infinity,
    });
  }

  /** Sends lines as they are; an empty line and the body's length are added. */
  send(lines: string[], body = ''): void {
    const text = `${lines.join('\r\n')}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    this.sendRaw(Buffer.from(text));
  }

  sendRaw(bytes: Buffer): void {
    const flow = (address: string): Flow => ({ transport: this.transport, address, port: 5060, connection: 0 });
    this.network.sendRaw({ from: flow(this.address), to: flow(this.#to), bytes, onFailure: undefined });
    this.network.settle();
  }

  /** Takes what was received since the last call. */
  take(): Message[] {
    return this.received.splice(0);
  }

  takeResponse(status: number): SipResponse {
    const found = this.received.find((one): one is SipResponse => one instanceof SipResponse && one.status === status);
    assert.ok(found, `no ${status} among ${this.describe()}`);
    this.received.splice(this.received.indexOf(found), 1);
    return found;
  }

  takeRequest(method: string): SipRequest {
    const found = this.received.find((one): one is SipRequest => one instanceof SipRequest && one.method === method);
    assert.ok(found, `no ${method} among ${this.describe()}`);
    this.received.splice(this.received.indexOf(found), 1);
    return found;
  }

  describe(): string {
    return this.received
      .map((one) => (one instanceof SipRequest ? one.method : String((one as SipResponse).status)))
      .join(' ');
  }

  /** Answers a request of ours by its own headers. */
  answer(request: SipRequest, status: number, options: { tag?: string; headers?: string[]; body?: string } = {}): void {
    const to = request.header('to') ?? '';
    const tag = options.tag === undefined || request.toTag !== '' ? '' : `;tag=${options.tag}`;
    this.send(
      [
        `SIP/2.0 ${status} Reason`,
        ...request.headers('via').map((via) => `Via: ${via}`),
        `From: ${request.header('from')}`,
        `To: ${to}${tag}`,
        `Call-ID: ${request.callId}`,
        `CSeq: ${request.header('cseq')}`,
        ...(options.headers ?? []),
      ],
      options.body ?? '',
    );
  }
}

/** Lines of a request from a scripted peer. */
export function requestLines(
  method: string,
  o: {
    from: string;
    to: string;
    branch: string;
    cseq?: number;
    fromTag?: string;
    toTag?: string;
    callId?: string;
    headers?: string[];
    uri?: string;
    transport?: string;
  },
): string[] {
  const toTag = o.toTag ? `;tag=${o.toTag}` : '';
  const fromTag = o.fromTag === '' ? '' : `;tag=${o.fromTag ?? 'peer'}`;
  return [
    `${method} ${o.uri ?? `sip:user@${o.to}`} SIP/2.0`,
    `Via: SIP/2.0/${o.transport ?? 'UDP'} ${o.from}:5060;branch=${o.branch}`,
    'Max-Forwards: 70',
    `From: <sip:peer@${o.from}>${fromTag}`,
    `To: <sip:user@${o.to}>${toTag}`,
    `Call-ID: ${o.callId ?? 'call'}`,
    `CSeq: ${o.cseq ?? 1} ${method}`,
    `Contact: <sip:peer@${o.from}:5060>`,
    ...(o.headers ?? []),
  ];
}

export const SDP = { contentType: 'application/sdp', content: Buffer.from('v=0\r\n') };
