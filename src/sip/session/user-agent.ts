/**
 * The user agent core (RFC 3261 8, 13 to 15): takes messages from the transport, refuses what a user agent server must
 * refuse, finds the session of what lies within a dialog, and makes new ones. No I/O and no clock of its own: `wire` has both,
 * `deadlines.next` says when `advance` is due.
 */
import {
  isUsableResponse,
  type Parsed,
  type RequestDraft,
  requestFault,
  type SipRequest,
  type SipResponse,
  writeRequest,
} from '../message/index.ts';
import {
  type ClientUser,
  DeadlineHeap,
  type ServerTransaction,
  TransactionLayer,
  type TransactionUser,
} from '../transaction/index.ts';
import type { Flow, Wire } from '../transport/flow.ts';
import type { NextHop } from '../transport/next-hop.ts';
import { whenAnswered } from './answering.ts';
import { contactValue } from './contact.ts';
import type { SessionHost } from './host.ts';
import { IncomingInvite } from './incoming-invite.ts';
import { findReplaced } from './replaces.ts';
import { SentRequest } from './sent-request.ts';
import type { SipSession } from './session.ts';
import { answerTimer } from './session-timer.ts';
import { sourceOf } from './source.ts';
import { SourceCounts } from './source-counts.ts';
import type { ContactIdentity, SipAnswer, SipSource, UserAgentOptions } from './types.ts';
import { contentRefusal, extensionRefusal, methodRefusal, type Refusal } from './uas-checks.ts';

/** How long a peer that refused TCP is not asked again. */
const STREAM_REFUSED_MS = 60_000;
const MAX_REFUSED_PEERS = 1_024;

/** For a request within a dialog that was set up over TLS and arrives otherwise. */
const OVER_TLS_ONLY: SipAnswer = { status: 403, reason: 'This Dialog Is Over TLS' };

/** Methods that may come outside a dialog and are the application's matter, as far as it allows them. */
const OUTSIDE = new Set(['REGISTER', 'SUBSCRIBE', 'REFER', 'NOTIFY', 'MESSAGE', 'PUBLISH']);

/** What the application does with what arrives. */
export interface UserAgentHandlers {
  onInvite(invite: IncomingInvite): void;
  onOptions(request: SipRequest): SipAnswer;
  /** REGISTER and the like, outside any dialog. */
  onRequest(request: SipRequest, source: SipSource): SipAnswer | Promise<SipAnswer>;
  /** Before anything is kept of a new INVITE, or of what `onRequest` is for; non-null refuses it with 503. */
  admit(request: SipRequest, source: SipSource): { retryAfterSec: number } | null;
}

export class UserAgent implements TransactionUser, SessionHost {
  readonly options: UserAgentOptions;
  readonly deadlines = new DeadlineHeap();
  readonly layer: TransactionLayer;
  readonly counters: Record<string, number> = {
    requestsReceived: 0,
    responsesReceived: 0,
    malformed: 0,
    garbage: 0,
    refused: 0,
    overload: 0,
    invitesReceived: 0,
  };
  readonly #handlers: UserAgentHandlers;
  readonly #sessions = new Map<string, SipSession>();
  readonly #pendingInvites = new Map<string, IncomingInvite>();
  readonly #initial = new Map<string, ServerTransaction>();
  readonly #streamRefused = new Map<string, number>();
  readonly #halfOpen: SourceCounts;

  constructor(options: UserAgentOptions, wire: Wire, handlers: UserAgentHandlers) {
    this.options = options;
    this.#handlers = handlers;
    this.#halfOpen = new SourceCounts(options.maxHalfOpenPerSource);
    this.layer = new TransactionLayer(wire, this.deadlines, this);
  }

  get sessionCount(): number {
    return this.#sessions.size;
  }

  *sessions(): IterableIterator<SipSession> {
    yield* this.#sessions.values();
  }

  /** INVITEs that the application has not answered yet. */
  get unansweredInvites(): readonly IncomingInvite[] {
    return [...this.#pendingInvites.values()];
  }

  /** Runs what is due at `now`. */
  advance(now: number): void {
    this.deadlines.run(now);
  }

  // Messages that arrive

  /** One message from the transport. */
  receive(parsed: Parsed, from: Flow): void {
    if (parsed.kind === 'request') this.#receiveRequest(parsed.message, from);
    else if (parsed.kind === 'response') {
      this.counters.responsesReceived!++;
      if (isUsableResponse(parsed.message)) this.layer.receiveResponse(parsed.message, from);
      else this.counters.garbage!++;
    } else if (parsed.kind === 'fault') this.#refuseMalformed(parsed.message, from, parsed.status, parsed.reason);
    else if (parsed.kind === 'garbage') this.counters.garbage!++;
  }

  #refuseMalformed(request: SipRequest, from: Flow, status: number, reason: string): void {
    this.counters.malformed!++;
    this.layer.answerStateless(request, from, { status, reason, headers: [['Server', this.options.userAgent]] });
    const { method, callId } = request;
    this.options.log.debug({ status, reason, method, callId, source: from.address }, 'malformed SIP request');
  }

  #receiveRequest(request: SipRequest, from: Flow): void {
    this.counters.requestsReceived!++;
    if (this.layer.absorb(request)) return;
    const fault = requestFault(request);
    if (fault) {
      this.#refuseMalformed(request, from, fault.status, fault.reason);
      return;
    }
    const refusal = methodRefusal(request, this.options) ?? this.#overload(request, from);
    if (refusal) this.#refuse(request, from, refusal);
    else if (request.method === 'CANCEL') this.#onCancel(request, from);
    else if (request.toTag !== '' || request.method === 'ACK') this.layer.receiveRequest(request, from);
    else this.#receiveInitial(request, from);
  }

  /** RFC 3261 21.5.4. Requests that end or acknowledge something are always welcome. */
  #overload(request: SipRequest, from: Flow): Refusal | null {
    const { method } = request;
    if (method === 'ACK' || method === 'BYE' || method === 'CANCEL' || method === 'PRACK') return null;
    const { maxTransactions, retryAfterSec } = this.options;
    const invites = method === 'INVITE' && request.toTag === '';
    const full = this.layer.servers.size >= maxTransactions || (invites && this.#halfOpen.isFull(from.address));
    const asked = invites || (OUTSIDE.has(method) && request.toTag === '');
    const verdict = full ? { retryAfterSec } : asked ? this.#handlers.admit(request, sourceOf(from)) : null;
    if (!verdict) return null;
    this.counters.overload!++;
    return { status: 503, reason: 'Service Unavailable', headers: [['Retry-After', String(verdict.retryAfterSec)]] };
  }

  /** A request outside any dialog. What is refused here costs no state (8.2.7). */
  #receiveInitial(request: SipRequest, from: Flow): void {
    const refusal =
      extensionRefusal(request, this.options) ??
      this.#mergedRefusal(request) ??
      contentRefusal(request, this.options) ??
      this.#timerRefusal(request) ??
      this.#hopsRefusal(request);
    const { method } = request;
    if (refusal) this.#refuse(request, from, refusal);
    else if (method === 'INVITE' || method === 'OPTIONS' || OUTSIDE.has(method))
      this.layer.receiveRequest(request, from);
    else this.#refuse(request, from, { status: 481, reason: 'Call/Transaction Does Not Exist', headers: [] });
  }

  /** RFC 3261 8.2.2.2: the same INVITE by another way. */
  #mergedRefusal(request: SipRequest): Refusal | null {
    const merged = request.method === 'INVITE' && this.#initial.has(mergeKey(request));
    return merged ? { status: 482, reason: 'Loop Detected', headers: [] } : null;
  }

  /** RFC 4028 9: a session interval that is too small is refused before the application hears of the call. */
  #timerRefusal(request: SipRequest): Refusal | null {
    const timer = request.method === 'INVITE' ? answerTimer(request, this.options) : null;
    if (timer?.kind !== 'too-small') return null;
    return { status: 422, reason: 'Session Interval Too Small', headers: timer.headers };
  }

  /** RFC 3261 16.3: what goes on to someone else has hops left. */
  #hopsRefusal(request: SipRequest): Refusal | null {
    const loops = this.options.forwards && request.method === 'INVITE' && request.maxForwards === 0;
    return loops ? { status: 483, reason: 'Too Many Hops', headers: [] } : null;
  }

  #refuse(request: SipRequest, from: Flow, refusal: Refusal): void {
    this.counters.refused!++;
    const headers: [string, string][] = [['Server', this.options.userAgent], ...refusal.headers];
    this.layer.answerStateless(request, from, { ...refusal, headers });
  }

  /** RFC 3261 9.2: the CANCEL gets its own 200; the INVITE a 487 unless it was answered before. */
  #onCancel(cancel: SipRequest, from: Flow): void {
    const target = this.layer.cancelled(cancel);
    // What came over TLS is not for others to cancel.
    if (!target || (target.from.transport === 'tls' && from.transport !== 'tls')) {
      this.#refuse(cancel, from, { status: 481, reason: 'Call/Transaction Does Not Exist', headers: [] });
      return;
    }
    const headers: [string, string][] = [['Server', this.options.userAgent]];
    this.layer.answerStateless(cancel, from, { status: 200, reason: 'OK', headers, toTag: target.localTag });
    if (!target.answered) target.onCancel?.();
  }

  onRequest(request: SipRequest, transaction: ServerTransaction): void {
    if (request.toTag === '') {
      if (request.method === 'INVITE') this.#onInvite(request, transaction);
      else if (request.method === 'OPTIONS') this.reply(transaction, this.answerOptions(request));
      else this.#onOutside(request, transaction);
      return;
    }
    const session = this.#find(request.callId, request.toTag, request.fromTag);
    const refusal = session ? extensionRefusal(request, this.options) : null;
    if (!session) this.reply(transaction, { status: 481 });
    else if (!session.takesFrom(transaction.from)) this.reply(transaction, OVER_TLS_ONLY);
    else if (refusal) this.reply(transaction, refusal);
    else if (request.method === 'BYE' && session.state === 'early') this.#endEarly(request, session, transaction);
    else session.onRequest(request, transaction);
  }

  #onOutside(request: SipRequest, transaction: ServerTransaction): void {
    whenAnswered(
      () => this.#handlers.onRequest(request, sourceOf(transaction.from)),
      (error) => this.#failed(request, error),
      (answer) => this.reply(transaction, answer),
    );
  }

  #failed({ callId }: SipRequest, error: unknown): SipAnswer {
    this.options.log.error({ err: error, callId }, 'application handler failed');
    return { status: 500 };
  }

  #endEarly(request: SipRequest, session: SipSession, transaction: ServerTransaction): void {
    const invite = this.#pendingInvites.get(session.localTag);
    session.onRequest(request, transaction);
    invite?.endedEarly();
  }

  #onInvite(request: SipRequest, transaction: ServerTransaction): void {
    this.counters.invitesReceived!++;
    const replaced = findReplaced(request, (callId, toTag, fromTag) => this.#find(callId, toTag, fromTag));
    if (replaced.refusal) {
      this.reply(transaction, replaced.refusal);
      return;
    }
    const key = mergeKey(request);
    this.#initial.set(key, transaction);
    transaction.onEnd = () => {
      if (this.#initial.get(key) === transaction) this.#initial.delete(key);
    };
    const invite = new IncomingInvite(this, request, transaction, replaced.session);
    invite.session.onSettled = this.#halfOpen.take(transaction.from.address);
    try {
      this.#handlers.onInvite(invite);
    } catch (error) {
      invite.reject(this.#failed(request, error));
    }
    if (invite.settled) return;
    this.#pendingInvites.set(transaction.localTag, invite);
    invite.startExpiry(() => this.#pendingInvites.delete(transaction.localTag));
  }

  onAck(request: SipRequest, from: Flow): void {
    const session = this.#find(request.callId, request.toTag, request.fromTag);
    if (session?.takesFrom(from)) session.onAckRequest(request);
    else this.layer.counters.strayAcks!++;
  }

  /** A 2xx after its transaction has gone: the callee still waits for the ACK. */
  onStrayResponse(response: SipResponse): void {
    if (response.cseq.method !== 'INVITE' || response.status < 200 || response.status >= 300) return;
    this.#find(response.callId, response.fromTag, response.toTag)?.acknowledgeAgain(response);
  }

  answerOptions(request: SipRequest): SipAnswer {
    let answer: SipAnswer;
    try {
      answer = this.#handlers.onOptions(request);
    } catch (error) {
      answer = this.#failed(request, error);
    }
    const headers: [string, string][] = [
      ['Allow', this.options.allow.join(', ')],
      ['Accept', this.options.accept.join(', ')],
      ['Supported', this.options.supported.join(', ')],
    ];
    return { ...answer, headers: [...headers, ...(answer.headers ?? [])] };
  }

  // Services for sessions

  reply(transaction: ServerTransaction, answer: SipAnswer): void {
    const headers: [string, string][] = [['Server', this.options.userAgent], ...(answer.headers ?? [])];
    if (answer.status === 415 && !headers.some(([name]) => name.toLowerCase() === 'accept')) {
      headers.push(['Accept', this.options.accept.join(', ')]);
    }
    transaction.respond({ status: answer.status, reason: answer.reason, headers, body: answer.body });
  }

  contact(to: Flow, secure: boolean, identity: ContactIdentity): string {
    const own = this.layer.wire.local(secure ? { ...to, transport: 'tls' } : to);
    const { contactUser = this.options.contactUser, contactParams = this.options.contactParams } = identity;
    return contactValue(own, to.transport, secure, { contactUser, contactParams });
  }

  capabilities(): [string, string][] {
    return [
      ['User-Agent', this.options.userAgent],
      ['Allow', this.options.allow.join(', ')],
      ['Supported', this.options.supported.join(', ')],
      ['Accept', this.options.accept.join(', ')],
    ];
  }

  send(hop: NextHop, compose: (to: Flow) => RequestDraft, user: ClientUser): SentRequest {
    return new SentRequest({
      layer: this.layer,
      targets: this.layer.wire.locate(hop),
      compose,
      needsStream: (draft, to) => hop.isFlow !== true && this.#needsStream(draft, to),
      onStreamRefused: (to) => this.#noteRefused(to),
      user,
    });
  }

  /** RFC 3261 18.1.1: too large for a datagram, unless the peer was found not to take TCP. */
  #needsStream(draft: RequestDraft, to: Flow): boolean {
    if (to.transport !== 'udp' || !this.options.transports.includes('tcp')) return false;
    const limit = this.options.datagramRequestBytes;
    const body = draft.body?.content.length ?? 0;
    // Only a large one is worth measuring exactly: heads stay far below the rest of the limit.
    if (body + 900 <= limit && draft.headers.length <= 16) return false;
    if (writeRequest(draft, this.layer.via(to, 'z9hG4bK000000000000000000000000')).length <= limit) return false;
    return (this.#streamRefused.get(peerKey(to)) ?? 0) <= this.layer.wire.now();
  }

  #noteRefused(to: Flow): void {
    if (this.#streamRefused.size >= MAX_REFUSED_PEERS) this.#streamRefused.clear();
    this.#streamRefused.set(peerKey(to), this.layer.wire.now() + STREAM_REFUSED_MS);
  }

  remember(session: SipSession): void {
    this.#sessions.set(sessionKey(session.callId, session.localTag, session.remoteTag), session);
  }

  forget(session: SipSession): void {
    this.#sessions.delete(sessionKey(session.callId, session.localTag, session.remoteTag));
  }

  #find(callId: string, localTag: string, remoteTag: string): SipSession | undefined {
    return this.#sessions.get(sessionKey(callId, localTag, remoteTag));
  }

  /** Sizes of all tables, for metrics and leak tests. */
  stats(): Record<string, number> {
    return {
      ...this.counters,
      ...this.layer.counters,
      sessions: this.#sessions.size,
      halfOpenSources: this.#halfOpen.size,
      unansweredInvites: this.#pendingInvites.size,
      serverTransactions: this.layer.servers.size,
      clientTransactions: this.layer.clients.size,
      deadlines: this.deadlines.size,
    };
  }
}

function sessionKey(callId: string, localTag: string, remoteTag: string): string {
  return `${localTag}|${remoteTag}|${callId}`;
}

function mergeKey(request: SipRequest): string {
  return `${request.callId}|${request.fromTag}|${request.cseq.number}`;
}

function peerKey(to: Flow): string {
  return `${to.address}:${to.port}`;
}
