/** What the session layer and the application exchange. */
import type { HeaderList, SipBody, SipRequest, SipResponse } from '../message/index.ts';
import type { ListenAddress, TransportName } from '../transport/flow.ts';

/** Structured log: an object of facts, then a message. Header values belong into the object, never into the message. */
export interface SipLog {
  debug(facts: object, message: string): void;
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
  error(facts: object, message: string): void;
}

/** What the application answers to a request. */
export interface SipAnswer {
  status: number;
  reason?: string;
  body?: SipBody;
  headers?: [string, string][];
}

/** Body and headers of a request or response that the application sends. */
export interface SipContent {
  body?: SipBody | undefined;
  headers?: [string, string][] | undefined;
}

/** Our Contact in one dialog, where it differs from the endpoint's. */
export interface ContactIdentity {
  contactUser?: string | undefined;
  /** Parameters behind the address, such as `+sip.src`. */
  contactParams?: readonly string[] | undefined;
}

/** Where a request came from. */
export interface SipSource {
  address: string;
  port: number;
  transport: TransportName;
  /** The stream connection that it came by; 0 over UDP. */
  connection: number;
  /** SIP identities that the client's certificate proves, over TLS (RFC 5922 7.1). */
  identities: readonly string[];
}

/** How a session ended. `request` is the BYE when the peer sent one; metadata may be in its body. */
export interface SessionEnd {
  by: 'local' | 'remote' | 'timeout' | 'error';
  request?: SipRequest;
  reason: string;
}

/** A request of ours was refused, timed out (status 408) or could not be delivered (status 503). */
export class SipFailure extends Error {
  override readonly name = 'SipFailure';
  readonly status: number;
  /** The refusal; null when none was received. */
  readonly response: SipResponse | null;

  constructor(status: number, reason: string, response: SipResponse | null = null) {
    super(`${status} ${reason}`);
    this.status = status;
    this.response = response;
  }
}

/** What a user agent is and may do. */
export interface UserAgentOptions {
  userAgent: string;
  contactUser: string;
  /** Parameters behind the Contact address, such as `+sip.srs`. */
  contactParams: readonly string[];
  /** Option tags for Supported; a Require with any other is refused. */
  supported: readonly string[];
  allow: readonly string[];
  /** Media types for Accept; a session body of another type is refused. */
  accept: readonly string[];
  /** RFC 4028 session interval offered and taken at most; 0 leaves session timers to the peer. */
  sessionExpiresSec: number;
  minSeSec: number;
  /** The application sends on what it gets, as a back-to-back user agent: an INVITE with no hops left is refused with 483. */
  forwards: boolean;
  retryAfterSec: number;
  maxTransactions: number;
  /** INVITEs of one source address that may be neither refused nor acknowledged at a time. */
  maxHalfOpenPerSource: number;
  /** Requests above this size go over TCP (RFC 3261 18.1.1); Infinity keeps them on UDP. */
  datagramRequestBytes: number;
  /** Transports with a listener. */
  transports: readonly TransportName[];
  log: SipLog;
}

export type { HeaderList, ListenAddress };
