/**
 * One request of ours outside any dialog that makes none (RFC 3261 8.1): OPTIONS, REGISTER, MESSAGE and the like. Challenges are
 * answered; time may be given up earlier than timer F does.
 */
import type { DigestClient } from '../digest/index.ts';
import type { RequestDraft, SipResponse } from '../message/index.ts';
import { uriScheme } from '../message/index.ts';
import { Alarm, type ClientUser } from '../transaction/index.ts';
import { FAILURE_REASONS, type Flow, type SendFailure } from '../transport/flow.ts';
import type { NextHop } from '../transport/next-hop.ts';
import type { SessionHost } from './host.ts';
import type { InviteParts } from './outgoing-invite.ts';
import type { SentRequest } from './sent-request.ts';
import { SipFailure } from './types.ts';

/** Those that carry no Contact of ours by themselves: it would mean something else, or nothing (RFC 3261 10.2, RFC 3428 4). */
const WITHOUT_CONTACT = new Set(['REGISTER', 'MESSAGE', 'PUBLISH']);

export class OutsideRequest implements ClientUser {
  /** The final response, whatever its status. Rejects with a SipFailure: 408 when there was none, 503 when nobody was reached. */
  readonly answered: Promise<SipResponse>;
  readonly #host: SessionHost;
  readonly #method: string;
  readonly #parts: InviteParts;
  readonly #hop: NextHop;
  readonly #digest: DigestClient | null;
  readonly #giveUp: Alarm;
  #resolve!: (response: SipResponse) => void;
  #reject!: (failure: SipFailure) => void;
  #sent: SentRequest | null = null;
  #cseq = 1;

  constructor(host: SessionHost, method: string, parts: InviteParts, hop: NextHop, timeoutMs: number | null) {
    this.#host = host;
    this.#method = method;
    this.#parts = parts;
    this.#hop = hop;
    this.#digest = parts.digest;
    this.answered = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#giveUp = new Alarm(() => this.#onTimeout(timeoutMs ?? 0));
    if (timeoutMs !== null) host.deadlines.set(this.#giveUp, host.layer.wire.now() + timeoutMs);
    this.#send();
  }

  #send(): void {
    const cseq = this.#cseq;
    this.#sent = this.#host.send(this.#hop, (to) => this.#compose(cseq, to), this);
  }

  #compose(cseq: number, target: Flow): RequestDraft {
    const { uri, from, localTag, to, callId, body, maxForwards } = this.#parts;
    const own = this.#parts.headers;
    const headers: [string, string][] = [['User-Agent', this.#host.options.userAgent], ...own];
    if (!WITHOUT_CONTACT.has(this.#method) && !own.some(([name]) => name.toLowerCase() === 'contact')) {
      headers.push(['Contact', this.#host.contact(target, uriScheme(uri) === 'sips', this.#parts.identity)]);
    }
    headers.push(...(this.#digest?.headers(this.#method, uri) ?? []));
    const addresses = { uri, routes: [], from: `${from};tag=${localTag}`, to, callId };
    return { method: this.#method, ...addresses, cseq, headers, body, maxForwards };
  }

  onResponse(response: SipResponse): void {
    if (response.status < 200) return;
    if (this.#digest?.take(response)) {
      this.#cseq++;
      this.#send();
      return;
    }
    this.#host.deadlines.clear(this.#giveUp);
    this.#resolve(response);
  }

  onFailure(cause: 'timeout' | SendFailure, detail: string = FAILURE_REASONS[cause]): void {
    this.#host.deadlines.clear(this.#giveUp);
    this.#reject(new SipFailure(cause === 'timeout' ? 408 : 503, `${this.#method}: ${detail}`));
  }

  /** What comes later is heard by nobody. */
  #onTimeout(timeoutMs: number): void {
    this.#sent?.giveUp();
    this.#reject(new SipFailure(408, `${this.#method}: no answer within ${timeoutMs} ms`));
  }
}
