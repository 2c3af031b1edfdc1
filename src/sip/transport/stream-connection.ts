/**
 * One stream connection (RFC 3261 18), TCP or TLS: frames what arrives, holds back what is sent until the connection is ready
 * for it, and tells the senders when it is lost.
 */
import type net from 'node:net';
import type { OnSendFailure, SendFailure, StreamTransportName } from './flow.ts';
import { type Framed, StreamFramer } from './framer.ts';
import { plainAddress } from './local-address.ts';

/** A connection must complete its first message, and any message that it has begun, within this time. */
export const MESSAGE_DEADLINE_MS = 20_000;
/** Bytes that a peer may leave unread before it counts as gone. */
const MAX_UNSENT_BYTES = 2 * 1_024 * 1_024;
const MAX_UNSETTLED = 256;
/** Dead peers behind a silent network are found by the system. */
const KEEP_ALIVE_MS = 60_000;

/** Called for what a connection receives. */
export interface StreamEvents {
  onFramed(framed: Framed, connection: StreamConnection): void;
}

/** What is known of a connection when it begins. */
export interface ConnectionStart {
  id: number;
  transport: StreamTransportName;
  socket: net.Socket;
  address: string;
  port: number;
  /** SIP identities that the peer's certificate proves (RFC 5922 7.1); none without a certificate. */
  identities: readonly string[];
  messageDeadline: number;
  /** False while a connection or handshake is under way: nothing is sent before the peer is who it should be. */
  ready: boolean;
}

export class StreamConnection {
  readonly id: number;
  readonly transport: StreamTransportName;
  readonly address: string;
  readonly port: number;
  readonly identities: readonly string[];
  /** When it has to have completed a message; Infinity while nothing is under way. */
  messageDeadline: number;
  readonly #socket: net.Socket;
  readonly #framer = new StreamFramer();
  readonly #unsettled = new Set<OnSendFailure>();
  #held: Buffer[] | null;
  #heldBytes = 0;
  #failure: SendFailure = 'closed';
  #detail: string | undefined;

  constructor(start: ConnectionStart) {
    this.id = start.id;
    this.transport = start.transport;
    this.address = start.address;
    this.port = start.port;
    this.identities = start.identities;
    this.messageDeadline = start.messageDeadline;
    this.#socket = start.socket;
    this.#held = start.ready ? null : [];
    start.socket.setNoDelay(true);
    start.socket.setKeepAlive(true, KEEP_ALIVE_MS);
  }

  get localAddress(): string {
    return plainAddress(this.#socket.localAddress ?? '');
  }

  attach(
    events: StreamEvents & { failureOf(error: Error): { failure: SendFailure; detail?: string } },
    now: () => number,
    onClosed: () => void,
  ): void {
    this.#socket.on('data', (chunk: Buffer) => {
      for (const framed of this.#framer.push(chunk)) events.onFramed(framed, this);
      if (this.#framer.pendingBytes === 0) this.messageDeadline = Infinity;
      else if (this.messageDeadline === Infinity) this.messageDeadline = now() + MESSAGE_DEADLINE_MS;
    });
    this.#socket.on('error', (error) => {
      const { failure, detail } = events.failureOf(error);
      this.#failure = failure;
      this.#detail = detail;
    });
    this.#socket.on('close', () => {
      onClosed();
      for (const fail of [...this.#unsettled]) fail(this.#failure, this.#detail);
      this.#unsettled.clear();
    });
  }

  /** The peer is there, and over TLS it is who it should be: what was held back goes out. */
  ready(): void {
    const held = this.#held ?? [];
    this.#held = null;
    this.#heldBytes = 0;
    for (const bytes of held) this.#socket.write(bytes);
  }

  /**
   * Sends. The callback hears of a connection that is lost within the next moments, too: bytes that the system took may never
   * have arrived.
   */
  send(bytes: Buffer, onFailure: OnSendFailure | undefined): void {
    if (this.#socket.writableLength + this.#heldBytes > MAX_UNSENT_BYTES) this.fail('timeout');
    if (this.#socket.destroyed) {
      onFailure?.('closed');
      return;
    }
    if (this.#held) {
      this.#held.push(bytes);
      this.#heldBytes += bytes.length;
    } else this.#socket.write(bytes);
    if (onFailure) this.#watch(onFailure);
  }

  /** At most the last few hundred requests are told of a loss; a stack that has more under way has timers for the rest. */
  #watch(onFailure: OnSendFailure): void {
    if (this.#unsettled.size >= MAX_UNSETTLED) {
      const [oldest] = this.#unsettled;
      if (oldest) this.#unsettled.delete(oldest);
    }
    this.#unsettled.add(onFailure);
  }

  fail(failure: SendFailure, detail?: string): void {
    this.#failure = failure;
    this.#detail = detail;
    this.#socket.destroy();
  }

  /** Sends what is queued, then closes. */
  end(): void {
    this.#socket.end();
    this.messageDeadline = Math.min(this.messageDeadline, 0);
  }

  destroy(): void {
    this.#socket.destroy();
  }
}
