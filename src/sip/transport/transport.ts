/**
 * The transport layer (RFC 3261 18): binds the listen addresses, turns datagrams and streams into parsed messages with the flow
 * they came by, and sends. A fault in one message never gets past here as an exception.
 */

import { formatHost, type Parsed, parseMessage } from '../message/index.ts';
import { MAX_MESSAGE_BYTES } from '../message/limits.ts';
import type { Flow, ListenAddress, SendFailure } from './flow.ts';
import type { Framed } from './framer.ts';
import { isWildcard, LocalAddresses } from './local-address.ts';
import { Resolver } from './resolver.ts';
import { type TcpConnection, TcpTransport } from './tcp.ts';
import { probeUdp, UdpSocket } from './udp.ts';

const PONG = Buffer.from('\r\n');

export interface TransportEvents {
  onMessage(parsed: Parsed, from: Flow): void;
  /** A fault of the system or of our own code, while a message was handled. */
  onError(error: unknown): void;
}

export class Transport {
  readonly #listen: readonly ListenAddress[];
  readonly #advertisedHost: string | undefined;
  readonly #events: TransportEvents;
  readonly #udp: UdpSocket[] = [];
  readonly #tcp: TcpTransport;
  readonly #resolver: Resolver;
  readonly #local = new LocalAddresses();
  readonly #bound: ListenAddress[] = [];
  #keepAlives = 0;

  constructor(
    listen: readonly ListenAddress[],
    advertisedHost: string | undefined,
    events: TransportEvents,
    now: () => number,
  ) {
    this.#listen = listen;
    this.#advertisedHost = advertisedHost;
    this.#events = events;
    this.#resolver = new Resolver(now);
    this.#tcp = new TcpTransport({ onFramed: (framed, connection) => this.#onFramed(framed, connection) }, now);
  }

  /** Listen addresses with their actual ports, once started. */
  get addresses(): readonly ListenAddress[] {
    return this.#bound;
  }

  /** Binds all addresses; when one fails, frees the others and rejects, naming it. */
  async start(): Promise<void> {
    for (const address of this.#listen) {
      try {
        this.#bound.push(address.transport === 'udp' ? await this.#bindUdp(address) : await this.#tcp.listen(address));
      } catch (error) {
        await this.close();
        const code = (error as NodeJS.ErrnoException).code;
        const why =
          code === 'EADDRINUSE' ? 'the address is in use' : code === 'EACCES' ? 'no permission' : String(code ?? error);
        const where = `${address.transport}:${formatHost(address.host)}:${address.port}`;
        throw new Error(`cannot listen on ${where}: ${why}`, { cause: error });
      }
    }
  }

  async #bindUdp(address: ListenAddress): Promise<ListenAddress> {
    const socket = new UdpSocket(
      address,
      (bytes, host, port) => this.#receive(bytes, { transport: 'udp', address: host, port, connection: 0 }),
      (error) => this.#events.onError(error),
    );
    await socket.bind();
    this.#udp.push(socket);
    return socket.address;
  }

  #receive(bytes: Buffer, from: Flow): void {
    try {
      const parsed = parseMessage(bytes);
      if (parsed.kind === 'keep-alive') this.#keepAlives++;
      else this.#events.onMessage(parsed, from);
    } catch (error) {
      this.#events.onError(error);
    }
  }

  #onFramed(framed: Framed, connection: TcpConnection): void {
    const { address, port, id } = connection;
    const from: Flow = { transport: 'tcp', address, port, connection: id };
    if (framed.kind === 'message') this.#receive(framed.bytes, from);
    else if (framed.kind === 'ping') {
      this.#keepAlives++;
      connection.send(PONG, undefined);
    } else {
      this.#answerBroken(framed, from);
      connection.end();
    }
  }

  /** Says what was wrong where the head can be read, before the connection is closed. */
  #answerBroken(framed: { status: number; reason: string; head: Buffer }, from: Flow): void {
    const parsed = parseMessage(framed.head.subarray(0, MAX_MESSAGE_BYTES));
    if (parsed.kind !== 'request' && parsed.kind !== 'fault') return;
    const { status, reason } = framed;
    this.#events.onMessage({ kind: 'fault', status, reason, message: parsed.message }, from);
  }

  send(bytes: Buffer, to: Flow, onFailure?: (failure: SendFailure) => void): void {
    if (to.transport === 'tcp' && this.#tcp.connection(to.connection)) {
      this.#tcp.send(bytes, to, onFailure);
      return;
    }
    this.#resolver.resolve(to.address, (address) => {
      if (address === null) onFailure?.('unreachable');
      else if (to.transport === 'tcp') this.#tcp.send(bytes, { ...to, address }, onFailure);
      else this.#sendDatagram(bytes, address, to.port, onFailure);
    });
  }

  #sendDatagram(bytes: Buffer, address: string, port: number, onFailure?: (failure: SendFailure) => void): void {
    const v6 = address.includes(':');
    const socket = this.#udp.find((one) => one.v6 === v6);
    if (socket) socket.send(bytes, address, port, onFailure);
    else onFailure?.('unreachable');
  }

  probe(to: Flow, onFailure: (failure: SendFailure) => void): void {
    if (to.transport !== 'udp') return;
    this.#resolver.resolve(to.address, (address) => {
      if (address !== null) probeUdp(address, to.port, onFailure);
    });
  }

  /** Own host (bracketed when IPv6) and port of the listener that a peer at `to` should talk to. */
  local(to: Flow): { host: string; port: number } {
    const v6 = to.address.includes(':');
    const candidates = this.#bound.filter((one) => one.transport === to.transport);
    const listener = candidates.find((one) => one.host.includes(':') === v6) ?? candidates[0] ?? this.#bound[0];
    const port = listener?.port ?? 5060;
    if (this.#advertisedHost !== undefined) return { host: formatHost(this.#advertisedHost), port };
    if (listener && !isWildcard(listener.host)) return { host: formatHost(listener.host), port };
    const own = this.#tcp.connection(to.connection)?.localAddress;
    return { host: formatHost(own || this.#local.towards(to.address)), port };
  }

  /** Closes stalled connections; to be called every few seconds. */
  sweep(): void {
    this.#tcp.sweep();
  }

  stats(): Record<string, number> {
    return { connections: this.#tcp.connectionCount, keepAlives: this.#keepAlives };
  }

  async close(): Promise<void> {
    await Promise.all([...this.#udp.map((socket) => socket.close()), this.#tcp.close()]);
    this.#udp.length = 0;
  }
}
