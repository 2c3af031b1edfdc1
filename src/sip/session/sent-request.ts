/**
 * A request of ours on its way (RFC 3263 4.3): target after target, each with a client transaction of its own, until one
 * answers. A large one goes over TCP first (RFC 3261 18.1.1). Another target is tried when the transport fails, when nobody
 * answers at all, and after a 503.
 */
import { parseDigits, type RequestDraft, type SipResponse } from '../message/index.ts';
import type { ClientTransaction, ClientUser, TransactionLayer } from '../transaction/index.ts';
import type { Flow, SendFailure } from '../transport/flow.ts';
import type { TargetList } from '../transport/locating.ts';

/** What a request needs to find its way. */
export interface RequestPlan {
  layer: TransactionLayer;
  targets: TargetList;
  /** The request as it goes to this target: Contact depends on the transport. */
  compose(to: Flow): RequestDraft;
  /** True when the request is too large for a datagram to this target, and TCP may be tried. */
  needsStream(draft: RequestDraft, to: Flow): boolean;
  onStreamRefused(to: Flow): void;
  user: ClientUser;
}

type Outcome = { response: SipResponse } | { cause: 'timeout' | SendFailure; detail: string | undefined };

export class SentRequest {
  readonly #plan: RequestPlan;
  #transaction: ClientTransaction | null = null;
  /** The datagram way of a request that is tried over TCP first. */
  #datagram: Flow | null = null;
  #outcome: Outcome = { cause: 'unreachable', detail: 'no address was found' };
  #attempts = 0;
  #givenUp = false;

  constructor(plan: RequestPlan) {
    this.#plan = plan;
    this.#next();
  }

  /** The flow that is used; null until a target is known. */
  get to(): Flow | null {
    return this.#transaction?.to ?? null;
  }

  /** INVITE only: true when a provisional but no final response has come, so that a CANCEL may be sent (9.1). */
  get proceeding(): boolean {
    return this.#transaction?.proceeding ?? false;
  }

  cancel(headers: [string, string][]): void {
    this.#transaction?.cancel(headers);
  }

  /** No further target is tried. */
  giveUp(): void {
    this.#givenUp = true;
  }

  #next(): void {
    if (this.#givenUp) return this.#end();
    this.#plan.targets.next((target) => {
      if (target === null || this.#givenUp) return this.#end();
      const draft = this.#plan.compose(target);
      const stream = this.#plan.needsStream(draft, target);
      this.#datagram = stream ? target : null;
      this.#attempt(stream ? { ...target, transport: 'tcp', connection: 0 } : target, draft);
    });
  }

  #attempt(to: Flow, draft: RequestDraft): void {
    const attempt = ++this.#attempts;
    let responded = false;
    const transaction = this.#plan.layer.request(draft, to, {
      onResponse: (response) => {
        responded = true;
        if (response.status === 503) this.#refused(response, to);
        else this.#plan.user.onResponse(response);
      },
      onFailure: (cause, detail) => {
        if (responded) this.#plan.user.onFailure(cause, detail);
        else if (this.#datagram && cause !== 'timeout') this.#overDatagram(this.#datagram);
        else {
          this.#plan.layer.wire.noteFailed(to);
          this.#failed({ cause, detail });
        }
      },
    });
    // A connection that is refused at once has made another attempt already.
    if (attempt === this.#attempts) this.#transaction = transaction;
  }

  #overDatagram(to: Flow): void {
    this.#plan.onStreamRefused(to);
    this.#datagram = null;
    this.#attempt(to, this.#plan.compose(to));
  }

  /** RFC 3261 21.5.4: nothing more for that server until Retry-After has passed. */
  #refused(response: SipResponse, by: Flow): void {
    const retryAfterSec = parseDigits(/^\d+/.exec(response.header('retry-after') ?? '')?.[0] ?? '', 6);
    if (retryAfterSec > 0) this.#plan.layer.wire.noteFailed(by, retryAfterSec * 1_000);
    this.#failed({ response });
  }

  #failed(outcome: Outcome): void {
    // Why nobody could be trusted is worth more than that the last one was not there.
    const telling = 'cause' in this.#outcome && this.#outcome.cause === 'untrusted' && 'cause' in outcome;
    if (!telling) this.#outcome = outcome;
    this.#next();
  }

  #end(): void {
    const outcome = this.#outcome;
    if ('response' in outcome) this.#plan.user.onResponse(outcome.response);
    else this.#plan.user.onFailure(outcome.cause, outcome.detail);
  }
}
