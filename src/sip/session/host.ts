/** What a session may ask of the user agent that holds it: routing, sending, its own Contact, and to be forgotten. */
import type { RequestDraft, SipRequest } from '../message/index.ts';
import type {
  ClientTransaction,
  ClientUser,
  DeadlineHeap,
  ServerTransaction,
  TransactionLayer,
} from '../transaction/index.ts';
import type { Flow } from '../transport/flow.ts';
import type { SipSession } from './session.ts';
import type { SipAnswer, UserAgentOptions } from './types.ts';

/** A request under way; its transaction changes when it moves to another transport. */
export interface SentRequest {
  transaction: ClientTransaction;
}

export interface SessionHost {
  readonly options: UserAgentOptions;
  readonly layer: TransactionLayer;
  readonly deadlines: DeadlineHeap;
  /**
   * Next hop of a URI. `known` is the flow that the dialog uses already; its connection is kept where it leads there.
   * `secure` is as good as a sips URI: nothing but TLS.
   */
  route(uri: string, known: Flow | null, secure?: boolean): Flow;
  /** Sends a request, over TCP when it is too large for a datagram, and falls back to UDP when TCP fails. */
  send(draft: RequestDraft, to: Flow, user: ClientUser): SentRequest;
  /** Answers with the headers that all our responses carry. */
  reply(transaction: ServerTransaction, answer: SipAnswer): void;
  /** Contact value of requests and responses that go to `to`; a sips URI when `secure` (RFC 3261 8.1.1.8, 12.1.1). */
  contact(to: Flow, secure: boolean): string;
  /** Headers that every INVITE, UPDATE, and 2xx to them, of ours carries. */
  capabilities(to: Flow): [string, string][];
  answerOptions(request: SipRequest): SipAnswer;
  /** Makes a session findable by its tags. */
  remember(session: SipSession): void;
  forget(session: SipSession): void;
}
