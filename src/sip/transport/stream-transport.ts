/**
 * SIP over a stream transport, TCP or TLS (RFC 3261 18): connections are used again in both directions (RFC 5923 in spirit),
 * cost a bounded amount each, and those that never speak, or stop in the middle of a message, are closed.
 */
import { once } from 'node:events';
import type net from 'node:net';
import type { ListenAddress, OnSendFailure } from './flow.ts';
import type { Listener } from './listeners.ts';
import { plainAddress } from './local-address.ts';
import { MESSAGE_DEADLINE_MS, StreamConnection, type StreamEvents } from './stream-connection.ts';
import type { StreamSockets, StreamTarget } from './stream-sockets.ts';

const MAX_CONNECTIONS = 8_192;

/** Where to send: over this connection if it still lives, else to this peer. */
export interface StreamDestination extends StreamTarget {
  connection: number;
}

export class StreamTransport {
  readonly #sockets: StreamSockets;
  readonly #events: StreamEvents;
  readonly #now: () => number;
  readonly #connections = new Map<number, StreamConnection>();
  readonly #pool = new Map<string, StreamConnection>();
  #nextId = 1;
  #closed = false;

  constructor(sockets: StreamSockets, events: StreamEvents, now: () => number) {
    this.#sockets = sockets;
    this.#events = events;
    this.#now = now;
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  connection(id: number): StreamConnection | undefined {
    return this.#connections.get(id);
  }

  async listen(address: ListenAddress): Promise<Listener> {
    const server = this.#sockets.createServer((socket, identities) => this.#accepted(socket, identities));
    server.maxConnections = MAX_CONNECTIONS;
    server.listen({ host: address.host, port: address.port, backlog: 1_024, exclusive: true });
    await once(server, 'listening');
    server.on('error', () => {});
    return {
      address: { ...address, port: (server.address() as net.AddressInfo).port },
      close: () => new Promise((resolve) => server.close(() => resolve())),
    };
  }

  #accepted(socket: net.Socket, identities: readonly string[]): void {
    const address = plainAddress(socket.remoteAddress ?? '');
    if (address === '' || this.#connections.size >= MAX_CONNECTIONS) {
      socket.destroy();
      return;
    }
    // Nobody's certificate was asked for a name here: over TLS, only what came by this connection may use it again.
    const target = { address, port: socket.remotePort ?? 0, domain: '' };
    this.#adopt(socket, target, identities, this.#now() + MESSAGE_DEADLINE_MS, true);
  }

  #adopt(
    socket: net.Socket,
    target: StreamTarget,
    identities: readonly string[],
    messageDeadline: number,
    ready: boolean,
  ): StreamConnection {
    const { address, port } = target;
    const { transport } = this.#sockets;
    const id = this.#nextId++;
    const connection = new StreamConnection({
      id,
      transport,
      socket,
      address,
      port,
      identities,
      messageDeadline,
      ready,
    });
    const key = this.#sockets.poolKey(target);
    this.#connections.set(id, connection);
    this.#pool.set(key, connection);
    const events = {
      onFramed: this.#events.onFramed,
      failureOf: (error: Error) => this.#sockets.failureOf(error, target),
    };
    connection.attach(events, this.#now, () => {
      this.#connections.delete(id);
      if (this.#pool.get(key) === connection) this.#pool.delete(key);
    });
    return connection;
  }

  /** Sends over the given connection if it still lives, else over one to the peer, which is opened when there is none. */
  send(bytes: Buffer, to: StreamDestination, onFailure: OnSendFailure | undefined): void {
    const known = this.#connections.get(to.connection) ?? this.#pool.get(this.#sockets.poolKey(to));
    if (known) {
      known.send(bytes, onFailure && ((failure, detail) => this.#sendAgain(bytes, to, failure, detail, onFailure)));
    } else if (this.#connections.size >= MAX_CONNECTIONS) onFailure?.('unreachable');
    else this.#connect(to).send(bytes, onFailure);
  }

  /**
   * A connection that was used again may have been closed by the peer just before: one new one is tried. The peer knows by
   * the branch that the request isn't new.
   */
  #sendAgain(
    bytes: Buffer,
    to: StreamTarget,
    failure: Parameters<OnSendFailure>[0],
    detail: string | undefined,
    onFailure: OnSendFailure,
  ): void {
    const hopeless = this.#closed || failure === 'refused' || failure === 'untrusted';
    if (hopeless || this.#connections.size >= MAX_CONNECTIONS) onFailure(failure, detail);
    else this.#connect(to).send(bytes, onFailure);
  }

  #connect(to: StreamTarget): StreamConnection {
    const socket = this.#sockets.connect(to, () => {
      clearTimeout(giveUp);
      connection.ready();
    });
    const connection = this.#adopt(socket, to, [], Infinity, false);
    const { transport, connectTimeoutMs } = this.#sockets;
    const giveUp = setTimeout(
      () => connection.fail('unreachable', `no ${transport} connection within ${connectTimeoutMs / 1_000} s`),
      connectTimeoutMs,
    );
    socket.once('close', () => clearTimeout(giveUp));
    return connection;
  }

  /** Closes the connections that have kept a message waiting for too long. */
  sweep(): void {
    const now = this.#now();
    for (const connection of this.#connections.values()) if (connection.messageDeadline <= now) connection.destroy();
  }

  /** Ends all connections; what listens is closed by itself. */
  close(): void {
    this.#closed = true;
    for (const connection of this.#connections.values()) connection.destroy();
    this.#sockets.abandon();
  }
}
