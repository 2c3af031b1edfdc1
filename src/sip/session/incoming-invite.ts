/** An INVITE that asks for a new session (RFC 3261 13.3): ringing, accepted, refused, or cancelled by its sender. */
import { Dialog, recordRoutes } from '../dialog/index.ts';
import { parseDigits, type SipBody, type SipRequest } from '../message/index.ts';
import { Alarm, type ServerTransaction } from '../transaction/index.ts';
import type { SessionHost } from './host.ts';
import { ReliableProvisionals } from './reliable-provisional.ts';
import { SipSession } from './session.ts';
import { answerTimer } from './session-timer.ts';
import { sourceOf } from './source.ts';
import type { ContactIdentity, SipAnswer, SipContent, SipSource } from './types.ts';

/** An application that answers later than this doesn't answer at all. */
const LONGEST_RINGING_MS = 180_000;

/** A new INVITE that passed the checks of a user agent server. Answer it by `accept` or `reject`, now or later. */
export class IncomingInvite {
  readonly request: SipRequest;
  readonly source: SipSource;
  /** The session that this one replaces (RFC 3891); it is ended when this one is accepted. */
  readonly replaces: SipSession | null;
  /** Called when the INVITE was cancelled, or ended unanswered, before a final response. It has been answered already. */
  onCancel: () => void = () => {};
  /** The body of a PRACK: the answer to an offer in `ringing`, or a new offer, which what comes back answers (RFC 3262 5). */
  onPrackBody: (body: SipBody) => SipBody | null = () => null;
  readonly #host: SessionHost;
  readonly #transaction: ServerTransaction;
  readonly #session: SipSession;
  #provisionals: ReliableProvisionals | null = null;
  #known = false;
  #waitingAnswer: SipContent | null = null;
  #expiry: Alarm | null = null;
  #onSettled: (() => void) | null = null;

  constructor(host: SessionHost, request: SipRequest, transaction: ServerTransaction, replaces: SipSession | null) {
    this.#host = host;
    this.request = request;
    this.replaces = replaces;
    this.#transaction = transaction;
    this.source = sourceOf(transaction.from);
    this.#session = new SipSession(host, Dialog.ofServer(request, transaction.localTag), transaction.from, false);
    this.#session.notePeer(request);
    transaction.onCancel = () => this.#cancelled(487, 'Request Terminated');
  }

  /** The session of this INVITE. It is early, and takes no requests of ours, until `accept`. */
  get session(): SipSession {
    return this.#session;
  }

  /** True once it was accepted, refused or cancelled. */
  get answered(): boolean {
    return this.#transaction.answered || this.#waitingAnswer !== null;
  }

  /** The stack's own: true once a final response has been sent. */
  get settled(): boolean {
    return this.#transaction.answered;
  }

  /** The stack's own: called when the application didn't answer at once; bounds how long it may take. */
  startExpiry(onSettled: () => void): void {
    this.#onSettled = onSettled;
    const seconds = parseDigits(this.request.header('expires') ?? '', 6);
    const delayMs = seconds > 0 ? Math.min(seconds * 1_000, LONGEST_RINGING_MS) : LONGEST_RINGING_MS;
    this.#expiry = new Alarm(() => this.#cancelled(487, 'Request Terminated'));
    this.#host.deadlines.set(this.#expiry, this.#host.layer.wire.now() + delayMs);
  }

  /**
   * Sends 180, or another provisional status, with a body for early media; reliably when the caller supports it (RFC 3262). A
   * body that goes reliably is a full offer or answer.
   */
  ringing(answer: Partial<SipAnswer> & ContactIdentity = {}): void {
    if (this.answered) return;
    this.#remember();
    this.#session.identify(answer);
    const status = answer.status ?? 180;
    const headers: [string, string][] = [
      ...recordRoutes(this.request),
      ['Contact', this.#session.contact(this.#transaction.from)],
      ...(answer.headers ?? []),
    ];
    const { reason, body } = answer;
    const reliable = this.request.lists('require', '100rel') || this.request.lists('supported', '100rel');
    if (!reliable) {
      this.#transaction.respond({ status, reason, headers, body });
      return;
    }
    this.#provisionals ??= this.#makeReliable();
    this.#provisionals.send({ status, reason, headers, body });
  }

  #makeReliable(): ReliableProvisionals {
    const provisionals = new ReliableProvisionals(this.#host, this.request, this.#transaction, {
      giveUp: () => this.#cancelled(504, 'No PRACK'),
      onBody: (body) => this.#guard(() => this.onPrackBody(body)) ?? null,
      onAcknowledged: () => this.#acceptWhenAllowed(),
    });
    this.#session.onPrack = (request, transaction) => provisionals.onPrack(request, transaction);
    return provisionals;
  }

  /**
   * Answers 200. Without an offer in the INVITE, `body` is ours and the answer comes by `session.onAck`. While a reliable response
   * with a session description is unacknowledged, the 200 waits for the PRACK; when none comes, the session ends unanswered.
   * Throws an Error when the INVITE was answered or cancelled before.
   */
  accept(content: SipContent & ContactIdentity = {}): SipSession {
    if (this.answered) throw new Error('the INVITE was answered or cancelled already');
    this.#remember();
    this.#session.identify(content);
    this.#waitingAnswer = content;
    this.#session.onEarlyBye = () => this.reject({ status: 480 });
    this.#acceptWhenAllowed();
    return this.#session;
  }

  #acceptWhenAllowed(): void {
    const content = this.#waitingAnswer;
    if (!content || this.settled || this.#provisionals?.holdsUp) return;
    const timer = answerTimer(this.request, this.#host.options);
    this.#settle();
    const session = this.#session;
    const negotiated = timer.kind === 'interval' ? timer : null;
    const headers = [...(negotiated?.headers ?? []), ...(content.headers ?? [])];
    session.accept(this.request, this.#transaction, { body: content.body, headers });
    session.armTimer(negotiated?.interval ?? null);
    if (this.replaces && !this.replaces.over) this.replaces.bye();
  }

  /** Refuses. Ignored when the INVITE was answered or cancelled before. */
  reject(answer: SipAnswer): void {
    if (this.settled) return;
    this.#settle();
    this.#host.reply(this.#transaction, answer);
    this.#session.end({ by: 'local', reason: 'refused' });
  }

  #cancelled(status: number, reason: string): void {
    if (this.settled) return;
    this.#settle();
    this.#host.reply(this.#transaction, { status, reason });
    this.#session.end({ by: 'remote', reason: 'cancelled' });
    this.#guard(() => this.onCancel());
  }

  #guard<T>(call: () => T): T | undefined {
    try {
      return call();
    } catch (error) {
      this.#host.options.log.error({ err: error, callId: this.request.callId }, 'application handler failed');
      return undefined;
    }
  }

  /** The peer ended the early dialog by BYE (15.1.2): the INVITE is answered with 487. */
  endedEarly(): void {
    this.#cancelled(487, 'Request Terminated');
  }

  #remember(): void {
    if (this.#known) return;
    this.#known = true;
    this.#host.remember(this.#session);
  }

  #settle(): void {
    this.#session.onEarlyBye = null;
    this.#provisionals?.stop();
    if (this.#expiry) this.#host.deadlines.clear(this.#expiry);
    this.#onSettled?.();
  }
}
