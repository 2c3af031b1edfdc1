/**
 * Reliable provisional responses, server role (RFC 3262 3): RSeq, retransmission until PRACK, 504 after 64*T1. One is under way
 * at a time; the next one waits for the PRACK of the one before.
 */
import { parseDigits, type SipRequest } from '../message/index.ts';
import type { ServerTransaction } from '../transaction/index.ts';
import { T1_64 } from '../transaction/index.ts';
import type { SessionHost } from './host.ts';
import { Retransmitter } from './retransmitter.ts';

interface Provisional {
  status: number;
  reason: string | undefined;
  headers: [string, string][];
}

export class ReliableProvisionals {
  readonly #host: SessionHost;
  readonly #invite: SipRequest;
  readonly #transaction: ServerTransaction;
  readonly #giveUp: () => void;
  readonly #waiting: Provisional[] = [];
  #rseq: number;
  #repeat: Retransmitter | null = null;

  /** `giveUp` is called when no PRACK came within 64*T1. */
  constructor(host: SessionHost, invite: SipRequest, transaction: ServerTransaction, giveUp: () => void) {
    this.#host = host;
    this.#invite = invite;
    this.#transaction = transaction;
    this.#giveUp = giveUp;
    // RFC 3262 3: the first number is chosen uniformly between 1 and 2**31 - 1.
    this.#rseq = 1 + (Number.parseInt(host.layer.wire.randomHex(4), 16) & 0x3fffffff);
  }

  send(status: number, reason: string | undefined, headers: [string, string][]): void {
    this.#waiting.push({ status, reason, headers });
    if (!this.#repeat) this.#next();
  }

  #next(): void {
    const provisional = this.#waiting.shift();
    if (!provisional || this.#transaction.answered) return;
    const headers: [string, string][] = [...provisional.headers, ['Require', '100rel'], ['RSeq', String(++this.#rseq)]];
    const bytes = this.#transaction.compose({ status: provisional.status, reason: provisional.reason, headers });
    const { deadlines, layer } = this.#host;
    this.#repeat = new Retransmitter(deadlines, layer.wire.now(), T1_64, {
      resend: () => this.#transaction.resend(bytes),
      giveUp: () => {
        this.#repeat = null;
        this.#giveUp();
      },
    });
    this.#transaction.respondBytes(provisional.status, bytes);
  }

  /** RAck = response-num LWS CSeq-num LWS Method (RFC 3262 7.2): 200 when it names what is under way, 481 otherwise. */
  onPrack(request: SipRequest, transaction: ServerTransaction): void {
    const [rseq = '', cseq = '', method = ''] = (request.header('rack') ?? '').split(/[ \t]+/, 4);
    const matches =
      this.#repeat !== null &&
      parseDigits(rseq, 10) === this.#rseq &&
      parseDigits(cseq, 10) === this.#invite.cseq.number &&
      method === 'INVITE';
    this.#host.reply(transaction, { status: matches ? 200 : 481 });
    if (!matches) return;
    this.stop();
    this.#next();
  }

  /** A final response was sent: provisional ones are of no interest any more (RFC 3262 3). */
  stop(): void {
    this.#repeat?.stop();
    this.#repeat = null;
  }
}
