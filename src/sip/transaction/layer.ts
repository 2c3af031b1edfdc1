/**
 * The transaction layer (RFC 3261 17): finds the transaction of a message, runs its machine, and carries out what the
 * machine wants. A finished server transaction keeps nothing but its serialised final response.
 */
import {
  isUsableResponse,
  type RequestDraft,
  type ResponseOrigin,
  responseOrigin,
  type SipRequest,
  type SipResponse,
  stampVia,
  writeRequest,
  writeResponse,
} from '../message/index.ts';
import type { Flow, OnSendFailure, SendFailure, Wire } from '../transport/flow.ts';
import type { NextHop } from '../transport/next-hop.ts';
import { ClientTransaction } from './client-transaction.ts';
import type { DeadlineHeap } from './deadlines.ts';
import { clientKey, legacyServerKey, serverKey } from './keys.ts';
import { responseFlow, sentByHop } from './response-flow.ts';
import { ServerTransaction } from './server-transaction.ts';

/** Who sends requests and hears what becomes of them. */
export interface ClientUser {
  onResponse(response: SipResponse): void;
  /** No final response will come: timer B or F, or the transport failed. */
  onFailure(cause: 'timeout' | SendFailure, detail?: string): void;
}

/** Who answers requests. */
export interface TransactionUser {
  /** A new request that is neither ACK nor a retransmission. */
  onRequest(request: SipRequest, transaction: ServerTransaction): void;
  /** ACK of a 2xx: it belongs to no transaction. */
  onAck(request: SipRequest, from: Flow): void;
  /** A final response of which no client transaction knows: a 2xx that must be acknowledged still (13.2.2.4). */
  onStrayResponse(response: SipResponse, from: Flow): void;
}

export interface TransactionCounters {
  [name: string]: number;
}

export class TransactionLayer {
  readonly wire: Wire;
  readonly deadlines: DeadlineHeap;
  readonly servers = new Map<string, ServerTransaction>();
  readonly clients = new Map<string, ClientTransaction>();
  readonly counters: TransactionCounters = {
    retransmissionsReceived: 0,
    retransmissionsSent: 0,
    strayResponses: 0,
    strayAcks: 0,
    timeouts: 0,
  };
  readonly #user: TransactionUser;

  constructor(wire: Wire, deadlines: DeadlineHeap, user: TransactionUser) {
    this.wire = wire;
    this.deadlines = deadlines;
    this.#user = user;
  }

  /** True when the request belongs to a transaction, which has then dealt with it: a retransmission, or an ACK of a non-2xx. */
  absorb(request: SipRequest): boolean {
    const transaction = this.servers.get(serverKey(request, request.method)) ?? this.#legacy(request, request.method);
    if (!transaction) return false;
    this.counters.retransmissionsReceived!++;
    transaction.onRequestAgain(request.method === 'ACK');
    return true;
  }

  /** Takes a well-formed request that `absorb` didn't want. */
  receiveRequest(request: SipRequest, from: Flow): void {
    if (request.method === 'ACK') {
      this.#user.onAck(request, from);
      return;
    }
    this.#user.onRequest(request, this.#serve(request, from));
  }

  /** The INVITE (or other) server transaction that a CANCEL means (9.2). */
  cancelled(cancel: SipRequest): ServerTransaction | undefined {
    return this.servers.get(serverKey(cancel, 'INVITE')) ?? this.#legacy(cancel, 'INVITE');
  }

  #legacy(request: SipRequest, method: string): ServerTransaction | undefined {
    const transaction = this.servers.get(legacyServerKey(request, method));
    // An ACK of a 2xx has a branch of its own, so over RFC 2543 keys only the state tells which one this is.
    return request.method === 'ACK' && transaction?.accepted ? undefined : transaction;
  }

  #serve(request: SipRequest, from: Flow): ServerTransaction {
    const key = serverKey(request, request.method) || legacyServerKey(request, request.method);
    const transaction = new ServerTransaction(this, key, request, from);
    this.servers.set(key, transaction);
    return transaction;
  }

  receiveResponse(response: SipResponse, from: Flow): void {
    if (!isUsableResponse(response)) return;
    const transaction = this.clients.get(clientKey(response.topVia!.branch, response.cseq.method));
    if (transaction) transaction.onResponse(response);
    else {
      this.counters.strayResponses!++;
      this.#user.onStrayResponse(response, from);
    }
  }

  /**
   * Starts a client transaction. `branch` is new and unique; the Via is made here, because it names the transport.
   */
  request(draft: RequestDraft, to: Flow, user: ClientUser): ClientTransaction {
    const transaction = new ClientTransaction(this, draft, to, this.newBranch(), user);
    this.clients.set(transaction.key, transaction);
    transaction.start();
    return transaction;
  }

  /** Sends the ACK of a 2xx: a request without a transaction (13.2.2.4). */
  sendAck(draft: RequestDraft, hop: NextHop): void {
    this.#sendToFirst(hop, (to, next) => this.wire.send(writeRequest(draft, this.via(to, this.newBranch())), to, next));
  }

  /**
   * Sends a response back by the connection of its request. When that is gone and its source can't be reached either, sent-by
   * says where else (RFC 3261 18.2.2, RFC 3263 5).
   */
  sendResponse(bytes: Buffer, to: Flow, sentBy: NextHop | null): void {
    if (sentBy === null || this.wire.isConnected(to)) this.wire.send(bytes, to);
    else this.wire.send(bytes, to, () => this.#sendToFirst(sentBy, (at, next) => this.wire.send(bytes, at, next)));
  }

  /** Target after target until one takes it. */
  #sendToFirst(hop: NextHop, send: (to: Flow, next: OnSendFailure) => void): void {
    const targets = this.wire.locate(hop);
    const next = () => targets.next((to) => to && send(to, next));
    next();
  }

  /** Answers without any state (8.2.7): for what is refused before it costs anything. */
  answerStateless(
    request: SipRequest,
    from: Flow,
    answer: { status: number; reason: string; headers: [string, string][]; toTag?: string },
  ): void {
    if (request.method === 'ACK') return;
    const origin = this.origin(request, from);
    if (!origin) return;
    const { status, reason, headers, toTag = statelessTag(request) } = answer;
    const bytes = writeResponse(origin, status, reason, toTag, headers, null);
    this.sendResponse(bytes, responseFlow(request, from), sentByHop(request, from));
  }

  /** What a response copies; null when the request has no readable Via and so no way back. */
  origin(request: SipRequest, from: Flow): ResponseOrigin | null {
    const via = request.topVia;
    if (!via) return request.rawHeader('via') === undefined ? null : responseOrigin(request, null);
    return responseOrigin(request, stampVia(firstVia(request), via, from));
  }

  newBranch(): string {
    return `z9hG4bK${this.wire.randomHex(12)}`;
  }

  via(to: Flow, branch: string): string {
    const { host, port } = this.wire.local(to);
    const sentBy = port > 0 ? `${host}:${port}` : host;
    return `SIP/2.0/${to.transport.toUpperCase()} ${sentBy};branch=${branch};rport`;
  }
}

function firstVia(request: SipRequest): string {
  const line = request.rawHeader('via') ?? '';
  const comma = line.indexOf(',');
  return comma < 0 ? line : line.slice(0, comma);
}

/** RFC 3261 8.2.7: the tag of a stateless response is the same for each retransmission of the request. */
function statelessTag(request: SipRequest): string {
  let hash = 0x811c9dc5;
  const text = `${request.callId}|${request.fromTag}|${request.rawHeader('cseq')}|${request.topVia?.branch ?? ''}`;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return `s${(hash >>> 0).toString(16)}`;
}
