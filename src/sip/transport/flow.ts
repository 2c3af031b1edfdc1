/** Addresses and the two directions of the transport, as the layers above see them (RFC 3261 18). */

import type { TargetList } from './locating.ts';
import type { NextHop } from './next-hop.ts';

/** Transports that can be listened on. */
export type TransportName = 'udp' | 'tcp' | 'tls';

/** Transports that carry a stream of bytes over a connection. */
export type StreamTransportName = Exclude<TransportName, 'udp'>;

/** A place to listen on. Port 0 lets the system choose. */
export interface ListenAddress {
  transport: TransportName;
  host: string;
  port: number;
}

/** Where a message came from, or where one should go. */
export interface Flow {
  transport: TransportName;
  /** IP address. */
  address: string;
  port: number;
  /** The stream connection it came by; 0 when there is none (UDP) or any will do. */
  connection: number;
  /** TLS only: what the URI named before DNS; the peer's certificate must name it, too (RFC 5922 7.3). */
  domain?: string;
  /** TLS only, of what arrived: SIP identities that the peer's certificate proves. */
  identities?: readonly string[];
}

/** Why bytes could not be sent. `refused` says that nobody listens there, `untrusted` that the certificate won't do. */
export type SendFailure = 'refused' | 'unreachable' | 'timeout' | 'closed' | 'untrusted';

/** The same for a person, with the next step. */
export const FAILURE_REASONS: Record<SendFailure, string> = {
  refused: 'refused: nobody listens there; is the peer running, and is that its port?',
  unreachable: 'unreachable: no way leads there from this machine',
  timeout: 'timeout: no answer; is the address right, and does a firewall stand between?',
  closed: 'closed: the peer ended the connection; does it speak SIP over this transport on that port?',
  untrusted: 'untrusted: the certificate of the peer does not prove who it is',
};

/** Hears of a failure, with words for a person where there is more to say. */
export type OnSendFailure = (failure: SendFailure, detail?: string) => void;

/** The world as the user agent core sees it: a clock, entropy and a way out. */
export interface Wire {
  /** Monotonic milliseconds. */
  now(): number;
  /** `count` random bytes as hexadecimal text, from a cryptographic source outside tests. */
  randomHex(count: number): string;
  /** Sends; failures, also late ones, come back by the callback, at most once. */
  send(bytes: Buffer, to: Flow, onFailure?: OnSendFailure): void;
  /** Where a request may go, best first (RFC 3263). */
  locate(hop: NextHop): TargetList;
  /** A target did not take a request: for some time, `forMs` where it said so itself, others come first. */
  noteFailed(target: Flow, forMs?: number): void;
  /** Whether the connection of a flow still lives. */
  isConnected(flow: Flow): boolean;
  /** Own host and port as the peer at `to` should see them, for Via and Contact; port 0 without a listener. */
  local(to: Flow): { host: string; port: number };
  /** Asks whether anyone listens on a silent UDP peer; the callback is called only when nobody does. */
  probe?(to: Flow, onFailure: OnSendFailure): void;
}

/** RFC 3261 18: whether the transport itself delivers, so that nothing is retransmitted. */
export function isReliable(transport: TransportName): boolean {
  return transport !== 'udp';
}

/** RFC 3261 18.2.1: 5060, and 5061 for TLS. */
export function defaultPort(transport: TransportName): number {
  return transport === 'tls' ? 5061 : 5060;
}
