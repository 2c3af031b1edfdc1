/** One client transaction (RFC 3261 17.1): its machine, its request and its user. */
import { type RequestDraft, type SipResponse, writeRequest } from '../message/index.ts';
import { type Flow, isReliable, type SendFailure } from '../transport/flow.ts';
import { InviteClientMachine, NonInviteClientMachine } from './client-machines.ts';
import type { Timed } from './deadlines.ts';
import { clientKey } from './keys.ts';
import type { ClientUser, TransactionLayer } from './layer.ts';
import type { Output } from './machine.ts';

export class ClientTransaction implements Timed {
  deadline = Infinity;
  heapIndex = -1;
  readonly key: string;
  readonly to: Flow;
  readonly draft: RequestDraft;
  readonly #layer: TransactionLayer;
  readonly #user: ClientUser;
  readonly #via: string;
  readonly #machine: InviteClientMachine | NonInviteClientMachine;
  #bytes: Buffer | null;
  #ack: Buffer | null = null;
  #resends = 0;

  constructor(layer: TransactionLayer, draft: RequestDraft, to: Flow, branch: string, user: ClientUser) {
    this.#layer = layer;
    this.draft = draft;
    this.to = to;
    this.#user = user;
    this.key = clientKey(branch, draft.method);
    this.#via = layer.via(to, branch);
    this.#bytes = writeRequest(draft, this.#via);
    const reliable = isReliable(to.transport);
    const now = layer.wire.now();
    this.#machine =
      draft.method === 'INVITE' ? new InviteClientMachine(now, reliable) : new NonInviteClientMachine(now, reliable);
  }

  /** Size of the request on the wire, in bytes. */
  get bytes(): number {
    return this.#bytes?.length ?? 0;
  }

  start(): void {
    this.#send();
    this.#layer.deadlines.set(this, this.#machine.deadline);
  }

  /** INVITE only: true when a provisional but no final response has come, so that a CANCEL may be sent (9.1). */
  get proceeding(): boolean {
    return this.#machine.state === 'proceeding';
  }

  /**
   * The CANCEL of this INVITE (9.1): same Request-URI, Route, top Via, From, To, Call-ID and CSeq number.
   * From now on a final response is awaited for 64*T1 only.
   */
  cancel(headers: [string, string][] = []): void {
    const user: ClientUser = { onResponse: () => {}, onFailure: () => {} };
    const draft: RequestDraft = { ...this.draft, method: 'CANCEL', headers, body: null };
    const branch = this.key.slice(0, this.key.indexOf('|'));
    const transaction = new ClientTransaction(this.#layer, draft, this.to, branch, user);
    this.#layer.clients.set(transaction.key, transaction);
    transaction.start();
    if (this.#machine instanceof InviteClientMachine) {
      this.#machine.onCancelled(this.#layer.wire.now());
      this.#layer.deadlines.set(this, this.#machine.deadline);
    }
  }

  onResponse(response: SipResponse): void {
    this.#apply(this.#machine.onResponse(response.status, this.#layer.wire.now()), response);
  }

  onDeadline(now: number): void {
    const outputs = this.#machine.onDeadline(now);
    if (outputs[0] === 'send') this.#beforeResend();
    this.#apply(outputs, null);
  }

  /** A silent UDP peer may be no peer at all: ask the system once (18.4, ICMP). */
  #beforeResend(): void {
    this.#layer.counters.retransmissionsSent!++;
    if (this.#resends++ === 0 && this.#machine.state !== 'proceeding') {
      this.#layer.wire.probe?.(this.to, (failure) => this.#fail(failure));
    }
  }

  #send(): void {
    if (this.#bytes) this.#layer.wire.send(this.#bytes, this.to, (failure, detail) => this.#fail(failure, detail));
  }

  #fail(cause: SendFailure, detail?: string): void {
    if (this.#machine.state !== 'calling' && this.#machine.state !== 'trying' && this.#machine.state !== 'proceeding')
      return;
    this.#forget();
    this.#user.onFailure(cause, detail);
  }

  #apply(outputs: readonly Output[], response: SipResponse | null): void {
    if (outputs.includes('terminated')) this.#forget();
    else if (this.#machine.deadline !== this.deadline) this.#layer.deadlines.set(this, this.#machine.deadline);
    if (response && response.status >= 200) this.#bytes = null;
    for (const output of outputs) {
      if (output === 'send') this.#send();
      else if (output === 'ack' && response) this.#acknowledge(response);
      else if (output === 'deliver' && response) this.#user.onResponse(response);
      else if (output === 'timeout') {
        this.#layer.counters.timeouts!++;
        this.#user.onFailure('timeout');
      }
    }
  }

  /** ACK of a non-2xx (17.1.1.3): the INVITE's Request-URI, top Via and Route, the response's To. */
  #acknowledge(response: SipResponse): void {
    if (!this.#ack) {
      const to = response.rawHeader('to') ?? this.draft.to;
      this.#ack = writeRequest({ ...this.draft, method: 'ACK', to, headers: [], body: null }, this.#via);
    }
    this.#layer.wire.send(this.#ack, this.to);
  }

  #forget(): void {
    this.#layer.deadlines.clear(this);
    this.#layer.clients.delete(this.key);
    this.#bytes = null;
  }
}
