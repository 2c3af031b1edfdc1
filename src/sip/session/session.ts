/**
 * One INVITE dialog and the session in it, in either role: offers and answers carried by re-INVITE and UPDATE (RFC 3261 14,
 * RFC 3311), INFO (RFC 6086), session timers (RFC 4028), 2xx until ACK (13.3.1.4) and the end by BYE (15).
 * What the bodies mean is the application's matter.
 */
import { type Dialog, recordRoutes } from '../dialog/index.ts';
import type { DigestClient } from '../digest/index.ts';
import type { SipBody, SipRequest, SipResponse } from '../message/index.ts';
import { type ServerTransaction, T2 } from '../transaction/index.ts';
import { FAILURE_REASONS, type Flow } from '../transport/flow.ts';
import { flowHop, type NextHop, nextHop } from '../transport/next-hop.ts';
import { whenAnswered } from './answering.ts';
import type { SessionHost } from './host.ts';
import { OfferQueue, type Outcome } from './offer-queue.ts';
import { PeerOffers } from './peer-offers.ts';
import { requestHeaders } from './request-headers.ts';
import { Retransmitter } from './retransmitter.ts';
import { SessionKeeper } from './session-keeper.ts';
import { acceptedInterval, type Interval } from './session-timer.ts';
import { type ContactIdentity, type SessionEnd, type SipAnswer, type SipContent, SipFailure } from './types.ts';

/** Methods of `onOther`. */
const OTHERS = new Set(['REFER', 'NOTIFY', 'SUBSCRIBE', 'MESSAGE', 'PUBLISH']);

/** What a session takes over from whoever made it. */
export interface SessionSetting {
  /** Answers challenges of requests in the dialog, too. */
  digest?: DigestClient | null;
  identity?: ContactIdentity;
  staysOnFlow?: boolean;
}

/** `accepted`: our 2xx waits for its ACK. `ending`: a BYE of ours is under way. */
export type SessionState = 'early' | 'accepted' | 'confirmed' | 'ending' | 'ended';

/** One INVITE dialog, in either role. Made by `IncomingInvite.accept` or `OutgoingInvite.answered`. */
export class SipSession {
  /** Answers a re-INVITE or an UPDATE of the peer; `request.method` tells which. A rejected promise becomes a 500. */
  onReInvite: (request: SipRequest) => SipAnswer | Promise<SipAnswer> = (request) =>
    request.body.length > 0 || request.method === 'INVITE' ? { status: 488 } : { status: 200 };
  /** Answers an INFO of the peer. */
  onInfo: (request: SipRequest) => SipAnswer = (request) => ({ status: request.body.length > 0 ? 415 : 200 });
  /** Answers a REFER, NOTIFY, SUBSCRIBE or MESSAGE of the peer, as far as the endpoint allows them. */
  onOther: (request: SipRequest) => SipAnswer | Promise<SipAnswer> = () => ({ status: 405 });
  /** The peer acknowledged a 2xx of ours; the body is its answer when the offer was ours. */
  onAck: (body: SipBody | null) => void = () => {};
  /** Called exactly once, when the session is over for whatever reason. */
  onEnded: (end: SessionEnd) => void = () => {};
  /** The stack's own: answers PRACK while the dialog is early. */
  onPrack: ((request: SipRequest, transaction: ServerTransaction) => void) | null = null;
  /** The stack's own: what `bye` means while our 2xx waits for a PRACK. */
  onEarlyBye: (() => void) | null = null;
  /** The stack's own: called once, when the INVITE of a peer is no longer half open: acknowledged, refused or over. */
  onSettled: (() => void) | null = null;

  readonly dialog: Dialog;
  /** True when we sent the INVITE that made the dialog, and so own its Call-ID. */
  readonly isCaller: boolean;
  readonly #host: SessionHost;
  readonly #queue: OfferQueue;
  readonly #offers: PeerOffers;
  readonly #keeper: SessionKeeper;
  readonly #flow: Flow;
  readonly #digest: DigestClient | null;
  #identity: ContactIdentity;
  #staysOnFlow: boolean;
  #state: SessionState = 'early';
  #answer: Retransmitter | null = null;
  #answeredCSeq = -1;
  #ack: { cseq: number; body: SipBody | null; headers: [string, string][] } | null = null;
  #peerAllowsUpdate = false;
  #lastBody: SipBody | null = null;
  #byeWhenAllowed: (() => void) | null = null;

  constructor(host: SessionHost, dialog: Dialog, flow: Flow, isCaller: boolean, setting: SessionSetting = {}) {
    this.#host = host;
    this.dialog = dialog;
    this.#flow = flow;
    this.isCaller = isCaller;
    this.#digest = setting.digest ?? null;
    this.#identity = setting.identity ?? {};
    this.#staysOnFlow = setting.staysOnFlow ?? false;
    this.#keeper = new SessionKeeper(host.deadlines, {
      refresh: () => this.#refresh(),
      expire: () => this.#sendBye({}, 'timeout', 'session expired'),
    });
    this.#queue = new OfferQueue(host.deadlines, {
      now: () => host.layer.wire.now(),
      mayStart: () => this.#state === 'confirmed' && !this.#offers.pending,
      transact: (method, content, settle) => this.#transact(method, content, settle),
      glareDelayMs: () => (isCaller ? 2_100 + 10 * this.#random(191) : 10 * this.#random(201)),
    });
    this.#offers = new PeerOffers(host, {
      ask: (request) => this.onReInvite(request),
      reply: (transaction, answer) => this.#reply(transaction, answer),
      accept: (request, transaction, answer, interval) => this.#acceptOffer(request, transaction, answer, interval),
      settled: () => this.#queue.pump(),
      failed: (error) => this.#failed(error),
      random: (below) => this.#random(below),
    });
  }

  get callId(): string {
    return this.dialog.callId;
  }

  get localTag(): string {
    return this.dialog.localTag;
  }

  get remoteTag(): string {
    return this.dialog.remoteTag;
  }

  /** Remote target: the peer's Contact URI as last heard. */
  get remoteUri(): string {
    return this.dialog.remoteTarget;
  }

  get state(): SessionState {
    return this.#state;
  }

  /** True from the moment on that the session is given up, although a BYE may still be under way. */
  get over(): boolean {
    return this.#state === 'ending' || this.#state === 'ended';
  }

  /** The agreed session interval (RFC 4028); null when there is none. */
  get sessionInterval(): Interval | null {
    return this.#keeper.interval;
  }

  /** RFC 3261 18, RFC 5630: what began over TLS takes nothing that comes otherwise. */
  takesFrom(from: Flow): boolean {
    return this.#flow.transport !== 'tls' || from.transport === 'tls';
  }

  /** Where requests of this dialog go now. */
  get nextHop(): NextHop {
    if (this.#staysOnFlow && !this.dialog.hasRoutes) return flowHop(this.#flow);
    return nextHop(this.dialog.nextHop, this.#flow, this.dialog.secure);
  }

  /**
   * Requests of ours go to where the dialog's first message came from, whatever Contact says: for a phone behind a NAT, or one
   * that listens on nothing but the connection it opened. A route set counts more.
   */
  stayOnFlow(): void {
    this.#staysOnFlow = true;
  }

  /** Our Contact in this dialog from now on. */
  identify(identity: ContactIdentity): void {
    const { contactUser = this.#identity.contactUser, contactParams = this.#identity.contactParams } = identity;
    this.#identity = { contactUser, contactParams };
  }

  /** Our Contact value, for a message to `to`. */
  contact(to: Flow): string {
    return this.#host.contact(to, this.dialog.secure, this.#identity);
  }

  // Requests of ours

  /**
   * Sends a request within the dialog and gives its final response. INVITE and UPDATE wait for their turn (RFC 3261 14.1) and
   * are repeated after a 491; the ACK of an INVITE is sent here. Rejects with a SipFailure when no response came.
   */
  request(method: string, content: SipContent = {}): Promise<SipResponse> {
    return new Promise((resolve, reject) => {
      const settle = (outcome: Outcome) => (outcome instanceof SipFailure ? reject(outcome) : resolve(outcome));
      if (this.over) settle(new SipFailure(481, 'The session has ended'));
      else if (method === 'BYE') this.#sendBye(content, 'local', 'bye', settle);
      else if (method === 'INVITE' || method === 'UPDATE') this.#queue.add(method, content, settle);
      else this.#transact(method, content, settle);
    });
  }

  /** Ends the session. Resolves when the BYE was answered, or nobody answered it; never rejects. */
  bye(content: SipContent = {}): Promise<void> {
    return this.request('BYE', content).then(
      () => {},
      () => {},
    );
  }

  #transact(method: string, content: SipContent, settle: (outcome: Outcome) => void): void {
    const cseq = this.dialog.nextCSeq();
    const own = content.headers ?? [];
    const compose = (to: Flow) => {
      const headers = requestHeaders(this.#host, this.contact(to), method, to, own, this.#keeper.interval);
      const draft = this.dialog.draft(method, cseq, [...headers, ...own], content.body ?? null);
      if (!this.#digest) return draft;
      return { ...draft, headers: [...draft.headers, ...this.#digest.headers(method, draft.uri)] };
    };
    if (content.body && (method === 'INVITE' || method === 'UPDATE')) this.#lastBody = content.body;
    this.#host.send(this.nextHop, compose, {
      onResponse: (response) => {
        if (response.status < 200) return;
        const repeated = method === 'INVITE' && response.status < 300 && this.#ack?.cseq === cseq;
        if (repeated) return this.acknowledgeAgain(response);
        if (this.#digest?.take(response)) return this.#transact(method, content, settle);
        this.#takeResponse(method, response, cseq);
        settle(response);
      },
      onFailure: (cause, detail = FAILURE_REASONS[cause]) => {
        const status = cause === 'timeout' ? 408 : 503;
        // A connection that failed ends no dialog (RFC 5057 5.1, 503): the peer may be reached again, or times out.
        if (method !== 'BYE' && status === 408) this.#lost(status, `no answer to ${method}: ${cause}`);
        settle(new SipFailure(status, `${method}: ${detail}`));
      },
    });
  }

  /**
   * RFC 3261 12.2.1.2: 481 and 408 end the dialog, but for the 481 to a PRACK, which is about a provisional response (RFC 3262 3). A 2xx moves
   * the target and renews the session timer.
   */
  #takeResponse(method: string, response: SipResponse, cseq: number): void {
    const offer = method === 'INVITE' || method === 'UPDATE';
    if (offer && response.status < 300) {
      this.dialog.refreshTarget(response);
      if (method === 'INVITE') this.acknowledge(cseq, null);
      this.notePeer(response);
      this.armTimer(acceptedInterval(response));
    } else if (((response.status === 481 && method !== 'PRACK') || response.status === 408) && method !== 'BYE') {
      this.#lost(response.status, `${response.status} to ${method}`);
    }
  }

  /** After a 408 the peer may still live although our request got lost: tell it, without waiting for an answer. */
  #lost(status: number, reason: string): void {
    if (this.over) return;
    if (status === 408) this.#sendBye({}, 'timeout', reason);
    else this.end({ by: 'error', reason });
  }

  /** Sends the ACK of a 2xx (13.2.2.4). */
  acknowledge(cseq: number, body: SipBody | null): void {
    this.#sendAck({ cseq, body, headers: this.#digest?.ofInvite ?? [] });
  }

  #sendAck(ack: { cseq: number; body: SipBody | null; headers: [string, string][] }): void {
    this.#ack = ack;
    const headers: [string, string][] = [['User-Agent', this.#host.options.userAgent], ...ack.headers];
    this.#host.layer.sendAck(this.dialog.draft('ACK', ack.cseq, headers, ack.body), this.nextHop);
  }

  /** A 2xx of an INVITE of ours came again: so does the ACK. */
  acknowledgeAgain(response: SipResponse): void {
    if (this.#ack?.cseq === response.cseq.number) this.#sendAck(this.#ack);
  }

  #refresh(): void {
    const method = this.#peerAllowsUpdate ? 'UPDATE' : 'INVITE';
    const body = method === 'INVITE' ? this.#lastBody : null;
    this.#queue.add(method, body ? { body } : {}, () => {});
  }

  #sendBye(
    content: SipContent,
    by: SessionEnd['by'],
    reason: string,
    settle: (outcome: Outcome) => void = () => {},
  ): void {
    if (this.over) return settle(new SipFailure(481, 'The session has ended'));
    if (this.#state === 'early' && this.onEarlyBye) {
      this.onEarlyBye();
      return settle(new SipFailure(487, 'The INVITE was refused'));
    }
    if (this.#state === 'accepted') {
      // RFC 3261 15: the callee must not send BYE until its 2xx was acknowledged or has timed out.
      this.#byeWhenAllowed = () => this.#sendBye(content, by, reason, settle);
      return;
    }
    this.#state = 'ending';
    this.#quiet();
    this.#transact('BYE', content, (outcome) => {
      this.#forget();
      settle(outcome);
    });
    this.#guard(() => this.onEnded({ by, reason }));
  }

  // Requests of the peer

  /** A request within the dialog, other than ACK, CANCEL and retransmissions. */
  onRequest(request: SipRequest, transaction: ServerTransaction): void {
    if (!this.dialog.acceptCSeq(request.cseq.number)) {
      this.#reply(transaction, { status: 500, reason: 'CSeq out of order' });
    } else if (request.method === 'BYE') this.#onBye(request, transaction);
    else if (this.over) this.#reply(transaction, { status: 481 });
    else if (request.method === 'INVITE' || request.method === 'UPDATE') {
      this.#offers.take(request, transaction, this.#state === 'early' ? 'early' : this.#queue.active ? 'ours' : null);
    } else if (request.method === 'INFO') this.#ask(request, transaction, () => this.onInfo(request));
    else if (request.method === 'OPTIONS') this.#reply(transaction, this.#host.answerOptions(request));
    else if (request.method === 'PRACK' && this.onPrack) this.onPrack(request, transaction);
    else if (OTHERS.has(request.method)) this.#ask(request, transaction, () => this.onOther(request));
    else this.#reply(transaction, { status: 481 });
  }

  #ask(request: SipRequest, transaction: ServerTransaction, ask: () => SipAnswer | Promise<SipAnswer>): void {
    whenAnswered(
      ask,
      (error) => this.#failed(error),
      (answer) => this.#reply(transaction, this.#completed(request, transaction, answer)),
    );
  }

  /** RFC 3515 2.4.2, RFC 6665 4.2.1.1: what makes a subscription says where it lives. RFC 3261 21.4.6: what would be allowed. */
  #completed({ method }: SipRequest, transaction: ServerTransaction, answer: SipAnswer): SipAnswer {
    const headers = answer.headers ?? [];
    const subscribes = method === 'REFER' || method === 'SUBSCRIBE';
    if (answer.status === 405)
      return { ...answer, headers: [['Allow', this.#host.options.allow.join(', ')], ...headers] };
    if (!subscribes || answer.status >= 300) return answer;
    return { ...answer, headers: [['Contact', this.contact(transaction.from)], ...headers] };
  }

  #onBye(request: SipRequest, transaction: ServerTransaction): void {
    this.#reply(transaction, { status: 200 });
    this.#offers.abandon();
    if (!this.over) this.end({ by: 'remote', request, reason: 'bye' });
  }

  #acceptOffer(
    request: SipRequest,
    transaction: ServerTransaction,
    answer: SipAnswer,
    interval: Interval | null,
  ): void {
    if (this.over) {
      this.#reply(transaction, { status: 481 });
      return;
    }
    this.dialog.refreshTarget(request);
    this.notePeer(request);
    this.armTimer(interval);
    this.accept(request, transaction, answer);
  }

  /** Sends a 2xx; that of an INVITE is repeated until its ACK. */
  accept(request: SipRequest, transaction: ServerTransaction, content: SipContent): void {
    const headers: [string, string][] = [
      ...(this.#state === 'early' ? recordRoutes(request) : []),
      ['Contact', this.contact(transaction.from)],
      ...this.#host.capabilities(transaction.from),
      ...(content.headers ?? []),
    ];
    const bytes = transaction.compose({ status: 200, headers, body: content.body });
    if (content.body) this.#lastBody = content.body;
    if (request.method === 'INVITE') {
      this.#state = 'accepted';
      this.#answeredCSeq = request.cseq.number;
      this.#answer?.stop();
      this.#answer = new Retransmitter(this.#host.deadlines, this.#host.layer.wire.now(), T2, {
        resend: () => transaction.resend(bytes),
        giveUp: () => this.#onAckTimeout(),
      });
    }
    transaction.respondBytes(200, bytes);
  }

  /** ACK of a 2xx. One that is too late or for another INVITE is ignored. */
  onAckRequest(request: SipRequest): void {
    if (request.cseq.number !== this.#answeredCSeq || !this.#answer) return;
    this.#answer.stop();
    this.#answer = null;
    if (this.#state !== 'accepted') return;
    this.#state = 'confirmed';
    this.#settled();
    const body = request.body.length > 0 ? { contentType: request.contentType ?? '', content: request.body } : null;
    this.#guard(() => this.onAck(body));
    this.#afterAck();
  }

  #afterAck(): void {
    const bye = this.#byeWhenAllowed;
    this.#byeWhenAllowed = null;
    if (bye) bye();
    else this.#queue.pump();
  }

  /** RFC 3261 13.3.1.4: without an ACK within 64*T1 the dialog is confirmed, but the session SHOULD be ended. */
  #onAckTimeout(): void {
    this.#answer = null;
    if (this.over) return;
    this.#state = 'confirmed';
    if (this.#byeWhenAllowed) this.#afterAck();
    else this.#sendBye({}, 'timeout', 'no ACK');
  }

  // Life

  /** The client role has its 2xx. */
  confirm(): void {
    if (this.#state !== 'early') return;
    this.#state = 'confirmed';
    this.#queue.pump();
  }

  /** What the peer says about itself in an INVITE, UPDATE or their 2xx. */
  notePeer(message: SipRequest | SipResponse): void {
    if (message.rawHeader('allow') !== undefined) this.#peerAllowsUpdate = message.lists('allow', 'UPDATE');
  }

  /** The body that a refresh by re-INVITE repeats. */
  noteBody(body: SipBody | null): void {
    if (body) this.#lastBody = body;
  }

  /** Sets the session timer; null switches it off. */
  armTimer(interval: Interval | null): void {
    if (!this.over) this.#keeper.arm(interval, this.#host.layer.wire.now());
  }

  /** The session is over; tells the application once and leaves the tables. */
  end(end: SessionEnd): void {
    if (this.#state === 'ended') return;
    const told = this.#state === 'ending';
    this.#forget();
    if (!told) this.#guard(() => this.onEnded(end));
  }

  #forget(): void {
    this.#state = 'ended';
    this.#quiet();
    this.#host.forget(this);
  }

  #settled(): void {
    const settled = this.onSettled;
    this.onSettled = null;
    settled?.();
  }

  #quiet(): void {
    this.#settled();
    this.#answer?.stop();
    this.#answer = null;
    this.#keeper.stop();
    this.#queue.close();
    const bye = this.#byeWhenAllowed;
    this.#byeWhenAllowed = null;
    bye?.();
  }

  #reply(transaction: ServerTransaction, answer: SipAnswer): void {
    this.#host.reply(transaction, answer);
  }

  /** Runs application code: what it throws costs this request, not the stack. */
  #guard<T>(call: () => T): T | { status: 500 } {
    try {
      return call();
    } catch (error) {
      return this.#failed(error);
    }
  }

  #failed(error: unknown): { status: 500 } {
    this.#host.options.log.error({ err: error, callId: this.callId }, 'application handler failed');
    return { status: 500 };
  }

  #random(below: number): number {
    return Number.parseInt(this.#host.layer.wire.randomHex(3), 16) % below;
  }
}
