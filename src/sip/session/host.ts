/** What a session may ask of the user agent that holds it: routing, sending, its own Contact, and to be forgotten. */
import type { RequestDraft, SipRequest } from '../message/index.ts';
import type { ClientUser, DeadlineHeap, ServerTransaction, TransactionLayer } from '../transaction/index.ts';
import type { Flow } from '../transport/flow.ts';
import type { NextHop } from '../transport/next-hop.ts';
import type { SentRequest } from './sent-request.ts';
import type { SipSession } from './session.ts';
import type { ContactIdentity, SipAnswer, UserAgentOptions } from './types.ts';

export interface SessionHost {
  readonly options: UserAgentOptions;
  readonly layer: TransactionLayer;
  readonly deadlines: DeadlineHeap;
  /** Sends a request to the first target of the hop that takes it; it is composed for each that is tried. */
  send(hop: NextHop, compose: (to: Flow) => RequestDraft, user: ClientUser): SentRequest;
  /** Answers with the headers that all our responses carry. */
  reply(transaction: ServerTransaction, answer: SipAnswer): void;
  /** Contact value of requests and responses that go to `to`; a sips URI when `secure` (RFC 3261 8.1.1.8, 12.1.1). */
  contact(to: Flow, secure: boolean, identity: ContactIdentity): string;
  /** Headers that every INVITE, UPDATE, and 2xx to them, of ours carries. */
  capabilities(to: Flow): [string, string][];
  answerOptions(request: SipRequest): SipAnswer;
  /** Makes a session findable by its tags. */
  remember(session: SipSession): void;
  forget(session: SipSession): void;
}
