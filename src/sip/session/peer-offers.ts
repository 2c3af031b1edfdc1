/**
 * Re-INVITE and UPDATE of the peer (RFC 3261 14.2, RFC 3311 5.2): one at a time, never across an offer of ours, and answered by
 * the application at once or later.
 */
import type { SipRequest } from '../message/index.ts';
import type { ServerTransaction } from '../transaction/index.ts';
import { whenAnswered } from './answering.ts';
import type { SessionHost } from './host.ts';
import { mayOffer } from './offer-queue.ts';
import { answerTimer, type Interval } from './session-timer.ts';
import type { SipAnswer } from './types.ts';
import { contentRefusal } from './uas-checks.ts';

/** What the session does for its peer's offers. */
export interface PeerOfferActions {
  ask(request: SipRequest): SipAnswer | Promise<SipAnswer>;
  reply(transaction: ServerTransaction, answer: SipAnswer): void;
  /** Answers 2xx; `interval` is the session timer agreed on. */
  accept(request: SipRequest, transaction: ServerTransaction, answer: SipAnswer, interval: Interval | null): void;
  /** The peer's offer has been answered, so our own may follow. */
  settled(): void;
  failed(error: unknown): SipAnswer;
  random(below: number): number;
}

export class PeerOffers {
  readonly #host: SessionHost;
  readonly #actions: PeerOfferActions;
  #pending: ServerTransaction | null = null;

  constructor(host: SessionHost, actions: PeerOfferActions) {
    this.#host = host;
    this.#actions = actions;
  }

  get pending(): boolean {
    return this.#pending !== null;
  }

  /** `blocked` says why no offer may come now: the session is early, or an offer of ours is unanswered. */
  take(request: SipRequest, transaction: ServerTransaction, blocked: 'early' | 'ours' | null): void {
    const { reply, random } = this.#actions;
    if (this.#pending || blocked === 'early') {
      const headers: [string, string][] = [['Retry-After', String(random(11))]];
      reply(transaction, { status: 500, reason: 'Request Pending', headers });
      return;
    }
    const { method, body, contentType = '' } = request;
    if (blocked === 'ours' && mayOffer(method, body.length > 0 ? { contentType } : undefined)) {
      reply(transaction, { status: 491 });
      return;
    }
    const refusal = contentRefusal(request, this.#host.options);
    const timer = answerTimer(request, this.#host.options);
    if (refusal) reply(transaction, refusal);
    else if (timer.kind === 'too-small') reply(transaction, { status: 422, headers: timer.headers });
    else this.#ask(request, transaction);
  }

  /** The session ends while an offer is unanswered (RFC 3261 15.1.2). */
  abandon(): void {
    const pending = this.#pending;
    this.#pending = null;
    if (pending) this.#actions.reply(pending, { status: 487 });
  }

  #ask(request: SipRequest, transaction: ServerTransaction): void {
    this.#pending = transaction;
    transaction.onCancel = () => this.#answer(request, transaction, { status: 487 });
    whenAnswered(
      () => this.#actions.ask(request),
      (error) => this.#actions.failed(error),
      (answer) => this.#answer(request, transaction, answer),
    );
  }

  #answer(request: SipRequest, transaction: ServerTransaction, answer: SipAnswer): void {
    if (this.#pending !== transaction) return;
    this.#pending = null;
    if (answer.status < 200 || answer.status >= 300) this.#actions.reply(transaction, answer);
    else {
      const timer = answerTimer(request, this.#host.options);
      const negotiated = timer.kind === 'interval' ? timer : null;
      const headers = [...(negotiated?.headers ?? []), ...(answer.headers ?? [])];
      this.#actions.accept(request, transaction, { ...answer, headers }, negotiated?.interval ?? null);
    }
    this.#actions.settled();
  }
}
