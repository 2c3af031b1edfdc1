/** One server transaction (RFC 3261 17.2): its machine, its way back and the last response. */
import {
  type HeaderList,
  type ResponseOrigin,
  type SipBody,
  type SipRequest,
  writeResponse,
} from '../message/index.ts';
import { type Flow, isReliable } from '../transport/flow.ts';
import type { NextHop } from '../transport/next-hop.ts';
import type { Timed } from './deadlines.ts';
import type { TransactionLayer } from './layer.ts';
import type { Output } from './machine.ts';
import { responseFlow, sentByHop } from './response-flow.ts';
import { InviteServerMachine, NonInviteServerMachine } from './server-machines.ts';

/** A response as the user gives it; the layer adds what is copied from the request. */
export interface ResponseDraft {
  status: number;
  reason?: string | undefined;
  headers?: HeaderList;
  body?: SipBody | null | undefined;
}

export class ServerTransaction implements Timed {
  deadline = Infinity;
  heapIndex = -1;
  readonly key: string;
  readonly method: string;
  /** Where the request came from. */
  readonly from: Flow;
  /** Tag that responses add to To. Made once, so that all responses agree. */
  readonly localTag: string;
  /** Called once when no ACK came for a non-2xx response, or when the transaction is over. */
  onEnd: ((cause: 'timeout' | 'terminated') => void) | null = null;
  /** Called by the session layer's CANCEL handling. */
  onCancel: (() => void) | null = null;
  readonly #layer: TransactionLayer;
  readonly #machine: InviteServerMachine | NonInviteServerMachine;
  readonly #to: Flow;
  readonly #sentBy: NextHop | null;
  #origin: ResponseOrigin | null;
  #last: Buffer | null = null;

  constructor(layer: TransactionLayer, key: string, request: SipRequest, from: Flow) {
    this.#layer = layer;
    this.key = key;
    this.method = request.method;
    this.from = from;
    this.#to = responseFlow(request, from);
    this.#sentBy = sentByHop(request, from);
    this.#origin = layer.origin(request, from);
    this.localTag = request.toTag === '' ? layer.wire.randomHex(8) : '';
    const reliable = isReliable(from.transport);
    const now = layer.wire.now();
    this.#machine =
      request.method === 'INVITE' ? new InviteServerMachine(now, reliable) : new NonInviteServerMachine(now, reliable);
    layer.deadlines.set(this, this.#machine.deadline);
  }

  /** True once a final response was given. */
  get answered(): boolean {
    return this.#machine.state !== 'proceeding' && this.#machine.state !== 'trying';
  }

  get accepted(): boolean {
    return this.#machine.state === 'accepted';
  }

  /** Sends a response; one after the final response is ignored. */
  respond(draft: ResponseDraft): void {
    if (this.#origin) this.respondBytes(draft.status, this.compose(draft));
  }

  /** Sends bytes once more, for the 2xx that the session retransmits (13.3.1.4). */
  resend(bytes: Buffer): void {
    this.#layer.counters.retransmissionsSent!++;
    this.#send(bytes);
  }

  /** The bytes of a response that has not been sent yet: what `resend` repeats. */
  compose(draft: ResponseDraft): Buffer {
    const { status, reason, headers = [], body = null } = draft;
    return writeResponse(this.#origin!, status, reason, status === 100 ? '' : this.localTag, headers, body);
  }

  /** Sends a composed response. */
  respondBytes(status: number, bytes: Buffer): void {
    if (this.answered) return;
    this.#last = bytes;
    this.#apply(this.#machine.onRespond(status, this.#layer.wire.now()));
    if (!this.answered) return;
    // What remains for timer H, J or L is the bytes; the request and whoever answered it may go.
    this.#origin = null;
    this.onCancel = null;
    // The session retransmits a 2xx itself.
    if (this.accepted) this.#last = null;
  }

  onRequestAgain(isAck: boolean): void {
    const machine = this.#machine;
    if (!isAck) this.#apply(machine.onRetransmission());
    else if (machine instanceof InviteServerMachine) this.#apply(machine.onAck(this.#layer.wire.now()));
  }

  onDeadline(now: number): void {
    const outputs = this.#machine.onDeadline(now);
    if (outputs[0] === 'send') this.#layer.counters.retransmissionsSent!++;
    this.#apply(outputs);
  }

  #apply(outputs: readonly Output[]): void {
    for (const output of outputs) {
      if (output === 'send' && this.#last) this.#send(this.#last);
      else if (output === 'trying' && this.#origin) {
        this.#last = writeResponse(this.#origin, 100, undefined, '', [], null);
        this.#send(this.#last);
      } else if (output === 'timeout') {
        this.#layer.counters.timeouts!++;
        this.#end('timeout');
      } else if (output === 'terminated') this.#forget();
    }
    if (this.#machine.deadline !== this.deadline) this.#layer.deadlines.set(this, this.#machine.deadline);
  }

  #send(bytes: Buffer): void {
    this.#layer.sendResponse(bytes, this.#to, this.#sentBy);
  }

  #forget(): void {
    this.#layer.servers.delete(this.key);
    this.#last = null;
    this.#origin = null;
    this.#end('terminated');
  }

  #end(cause: 'timeout' | 'terminated'): void {
    const onEnd = this.onEnd;
    this.onEnd = null;
    onEnd?.(cause);
  }
}
