/**
 * Reliable provisional responses, server role (RFC 3262 3): RSeq, retransmission until PRACK, 504 after 64*T1. One is under way
 * at a time; the next one waits for the PRACK of the one before.
 */
import { parseDigits, type SipBody, type SipRequest } from '../message/index.ts';
import type { ServerTransaction } from '../transaction/index.ts';
import { T1_64 } from '../transaction/index.ts';
import type { SessionHost } from './host.ts';
import { Retransmitter } from './retransmitter.ts';

export interface Provisional {
  status: number;
  reason: string | undefined;
  headers: [string, string][];
  body: SipBody | undefined;
}

/** What the INVITE does when something becomes of its provisional responses. */
export interface ProvisionalActions {
  /** No PRACK came within 64*T1. */
  giveUp(): void;
  /** A PRACK has a body: an offer, or the answer to that of our response (RFC 3262 5). What comes back answers it. */
  onBody(body: SipBody): SipBody | null;
  /** A PRACK has come, and has been answered. */
  onAcknowledged(): void;
}

export class ReliableProvisionals {
  readonly #host: SessionHost;
  readonly #invite: SipRequest;
  readonly #transaction: ServerTransaction;
  readonly #actions: ProvisionalActions;
  readonly #waiting: Provisional[] = [];
  #rseq: number;
  #repeat: Retransmitter | null = null;
  #underWay: Provisional | null = null;

  constructor(host: SessionHost, invite: SipRequest, transaction: ServerTransaction, actions: ProvisionalActions) {
    this.#host = host;
    this.#invite = invite;
    this.#transaction = transaction;
    this.#actions = actions;
    // RFC 3262 3: the first number is chosen uniformly between 1 and 2**31 - 1.
    this.#rseq = 1 + (Number.parseInt(host.layer.wire.randomHex(4), 16) & 0x3fffffff);
  }

  /** RFC 3262 3: no 2xx before the PRACK of a response with a session description. */
  get holdsUp(): boolean {
    return this.#underWay?.body !== undefined || this.#waiting.some(({ body }) => body !== undefined);
  }

  send(provisional: Provisional): void {
    this.#waiting.push(provisional);
    if (!this.#underWay) this.#next();
  }

  #next(): void {
    const provisional = this.#waiting.shift();
    if (!provisional || this.#transaction.answered) return;
    const headers: [string, string][] = [...provisional.headers, ['Require', '100rel'], ['RSeq', String(++this.#rseq)]];
    const { status, reason, body } = provisional;
    const bytes = this.#transaction.compose({ status, reason, headers, body });
    this.#underWay = provisional;
    const { deadlines, layer } = this.#host;
    this.#repeat = new Retransmitter(deadlines, layer.wire.now(), T1_64, {
      resend: () => this.#transaction.resend(bytes),
      giveUp: () => {
        this.#repeat = null;
        this.#underWay = null;
        this.#actions.giveUp();
      },
    });
    this.#transaction.respondBytes(status, bytes);
  }

  /** RAck = response-num LWS CSeq-num LWS Method (RFC 3262 7.2): 200 when it names what is under way, 481 otherwise. */
  onPrack(request: SipRequest, transaction: ServerTransaction): void {
    const [rseq = '', cseq = '', method = ''] = (request.header('rack') ?? '').split(/[ \t]+/, 4);
    const matches =
      this.#underWay !== null &&
      parseDigits(rseq, 10) === this.#rseq &&
      parseDigits(cseq, 10) === this.#invite.cseq.number &&
      method === 'INVITE';
    if (!matches) {
      this.#host.reply(transaction, { status: 481 });
      return;
    }
    this.stop();
    this.#underWay = null;
    const body = request.body.length > 0 ? { contentType: request.contentType ?? '', content: request.body } : null;
    const answer = body && this.#actions.onBody(body);
    this.#host.reply(transaction, answer ? { status: 200, body: answer } : { status: 200 });
    this.#next();
    this.#actions.onAcknowledged();
  }

  /** A final response was sent: provisional ones are not repeated any more, and their PRACK is answered all the same (RFC 3262 3). */
  stop(): void {
    this.#repeat?.stop();
    this.#repeat = null;
  }
}
