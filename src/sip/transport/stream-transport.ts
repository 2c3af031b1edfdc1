/**
 * SIP over TCP (RFC 3261 18): connections are used again in both directions (RFC 5923 in spirit), cost a bounded amount each,
 * and those that never speak, or stop in the middle of a message, are closed.
 */
import net from 'node:net';
import type { ListenAddress, SendFailure } from './flow.ts';
import { type Framed, StreamFramer } from './framer.ts';
import { plainAddress } from './local-address.ts';

/** A connection must complete its first message, and any message that it has begun, within this time. */
const MESSAGE_DEADLINE_MS = 20_000;
const CONNECT_TIMEOUT_MS = 4_000;
/** Bytes that a peer may leave unread before it counts as gone. */
const MAX_UNSENT_BYTES = 2 * 1_024 * 1_024;
const MAX_CONNECTIONS = 8_192;

type Failure = ((failure: SendFailure) => void) | undefined;

/** Called for what a connection receives. */
export interface StreamEvents {
  onFramed(framed: Framed, connection: TcpConnection): void;
}

export class TcpConnection {
  readonly id: number;
  readonly address: string;
  readonly port: number;
  /** When it has to have completed a message; Infinity while nothing is under way. */
  messageDeadline: number;
  readonly #socket: net.Socket;
  readonly #framer = new StreamFramer();
  readonly #unsettled = new Set<(failure: SendFailure) => void>();
  #failure: SendFailure = 'closed';

  constructor(id: number, socket: net.Socket, address: string, port: number, deadline: number) {
    this.id = id;
    this.#socket = socket;
    this.address = address;
    this.port = port;
    this.messageDeadline = deadline;
    socket.setNoDelay(true);
  }

  get localAddress(): string {
    return plainAddress(this.#socket.localAddress ?? '');
  }

  attach(events: StreamEvents, now: () => number, onClosed: () => void): void {
    this.#socket.on('data', (chunk) => {
      for (const framed of this.#framer.push(chunk)) events.onFramed(framed, this);
      if (this.#framer.pendingBytes === 0) this.messageDeadline = Infinity;
      else if (this.messageDeadline === Infinity) this.messageDeadline = now() + MESSAGE_DEADLINE_MS;
    });
    this.#socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#failure =
        error.code === 'ECONNREFUSED' ? 'refused' : error.code === 'ETIMEDOUT' ? 'timeout' : 'unreachable';
    });
    this.#socket.on('close', () => {
      onClosed();
      for (const fail of [...this.#unsettled]) fail(this.#failure);
      this.#unsettled.clear();
    });
  }

  /**
   * Sends. The callback hears of a connection that is lost within the next moments, too: bytes that the system took may never
   * have arrived.
   */
  send(bytes: Buffer, onFailure: Failure): void {
    if (this.#socket.writableLength > MAX_UNSENT_BYTES) this.fail('timeout');
    if (this.#socket.destroyed) {
      onFailure?.('closed');
      return;
    }
    this.#socket.write(bytes);
    if (onFailure) this.watch(onFailure);
  }

  /** At most the last few hundred requests are told of a loss; a stack that has more under way has timers for the rest. */
  watch(onFailure: (failure: SendFailure) => void): void {
    if (this.#unsettled.size >= 256) {
      const [oldest] = this.#unsettled;
      if (oldest) this.#unsettled.delete(oldest);
    }
    this.#unsettled.add(onFailure);
  }

  fail(failure: SendFailure): void {
    this.#failure = failure;
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

export class TcpTransport {
  readonly #events: StreamEvents;
  readonly #now: () => number;
  readonly #servers: net.Server[] = [];
  readonly #connections = new Map<number, TcpConnection>();
  readonly #byPeer = new Map<string, TcpConnection>();
  #nextId = 1;
  #closed = false;

  constructor(events: StreamEvents, now: () => number) {
    this.#events = events;
    this.#now = now;
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  connection(id: number): TcpConnection | undefined {
    return this.#connections.get(id);
  }

  /** Binds; gives the address with its actual port. */
  listen(address: ListenAddress): Promise<ListenAddress> {
    const server = net.createServer({ noDelay: true }, (socket) => this.#accepted(socket));
    server.maxConnections = MAX_CONNECTIONS;
    this.#servers.push(server);
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host: address.host, port: address.port, backlog: 1_024, exclusive: true }, () => {
        server.removeListener('error', reject);
        server.on('error', () => {});
        const bound = server.address();
        resolve({ ...address, port: typeof bound === 'object' && bound ? bound.port : address.port });
      });
    });
  }

  #accepted(socket: net.Socket): void {
    const address = plainAddress(socket.remoteAddress ?? '');
    if (address === '' || this.#connections.size >= MAX_CONNECTIONS) socket.destroy();
    else this.#adopt(socket, address, socket.remotePort ?? 0, this.#now() + MESSAGE_DEADLINE_MS);
  }

  #adopt(socket: net.Socket, address: string, port: number, deadline: number): TcpConnection {
    const connection = new TcpConnection(this.#nextId++, socket, address, port, deadline);
    const peer = peerKey(address, port);
    this.#connections.set(connection.id, connection);
    this.#byPeer.set(peer, connection);
    connection.attach(this.#events, this.#now, () => {
      this.#connections.delete(connection.id);
      if (this.#byPeer.get(peer) === connection) this.#byPeer.delete(peer);
    });
    return connection;
  }

  /** Sends over the given connection if it still lives, else over one to the peer, which is opened when there is none. */
  send(bytes: Buffer, to: { address: string; port: number; connection: number }, onFailure: Failure): void {
    const known = this.#connections.get(to.connection) ?? this.#byPeer.get(peerKey(to.address, to.port));
    if (known) known.send(bytes, onFailure && ((failure) => this.#sendAgain(bytes, to, failure, onFailure)));
    else if (this.#connections.size >= MAX_CONNECTIONS) onFailure?.('unreachable');
    else this.#connect(to.address, to.port).send(bytes, onFailure);
  }

  /**
   * A connection that was used again may have been closed by the peer just before: one new one is tried. The peer knows by
   * the branch that the request isn't new.
   */
  #sendAgain(
    bytes: Buffer,
    to: { address: string; port: number },
    failure: SendFailure,
    onFailure: (failure: SendFailure) => void,
  ): void {
    if (this.#closed || failure === 'refused' || this.#connections.size >= MAX_CONNECTIONS) onFailure(failure);
    else this.#connect(to.address, to.port).send(bytes, onFailure);
  }

  #connect(address: string, port: number): TcpConnection {
    const socket = net.connect({ host: address, port });
    const connection = this.#adopt(socket, address, port, Infinity);
    const giveUp = () => connection.fail('timeout');
    socket.setTimeout(CONNECT_TIMEOUT_MS, giveUp);
    socket.once('connect', () => {
      socket.setTimeout(0);
      socket.removeListener('timeout', giveUp);
    });
    return connection;
  }

  /** Closes the connections that have kept a message waiting for too long. */
  sweep(): void {
    const now = this.#now();
    for (const connection of this.#connections.values()) if (connection.messageDeadline <= now) connection.destroy();
  }

  async close(): Promise<void> {
    this.#closed = true;
    const closed = this.#servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve())));
    for (const connection of this.#connections.values()) connection.destroy();
    await Promise.all(closed);
  }
}

function peerKey(address: string, port: number): string {
  return `${address}|${port}`;
}
