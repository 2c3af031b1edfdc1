/**
 * The transport layer (RFC 3261 18): binds the listen addresses, turns datagrams and streams into parsed messages with the flow
 * they came by, and sends. A fault in one message never gets past here as an exception.
 */

import { formatHost, type Parsed, parseMessage } from '../message/index.ts';
import { MAX_MESSAGE_BYTES } from '../message/limits.ts';
import { DnsLookups } from './dns-lookups.ts';
import { FailedTargets } from './failed-targets.ts';
import type { Flow, ListenAddress, OnSendFailure, TransportName } from './flow.ts';
import type { Framed } from './framer.ts';
import type { HandshakeFailure } from './handshakes.ts';
import { bindAll, type Listener } from './listeners.ts';
import { isWildcard, LocalAddresses } from './local-address.ts';
import { TargetList, targetsOf } from './locating.ts';
import type { NextHop } from './next-hop.ts';
import type { StreamConnection } from './stream-connection.ts';
import { TcpSockets } from './stream-sockets.ts';
import { StreamTransport } from './stream-transport.ts';
import { type TlsSettings, TlsSockets } from './tls-sockets.ts';
import { probeUdp, UdpSocket } from './udp.ts';

const PONG = Buffer.from('\r\n');

export interface TransportEvents {
  onMessage(parsed: Parsed, from: Flow): void;
  /** A fault of the system or of our own code, while a message was handled. */
  onError(error: unknown): void;
  /** A TLS handshake of a client that brought no connection; told once a second at most. */
  onHandshakeFailure(failure: HandshakeFailure): void;
}

/** What the transport layer is made of. */
export interface TransportOptions {
  listen: readonly ListenAddress[];
  /** Host for Via and Contact instead of the listen address. */
  advertisedHost?: string | undefined;
  /** The same over TLS, where it should be a name that the certificate has. */
  tlsHost?: string | undefined;
  tls?: TlsSettings | undefined;
  /** Transports for requests of ours, best first, where neither the URI nor DNS decides. */
  transports: readonly TransportName[];
  /** DNS servers to ask instead of the system's. */
  dnsServers?: readonly string[] | undefined;
  /** From 0 to below 1; decides among SRV records (RFC 2782). */
  random: () => number;
}

const HANDSHAKE_REPORT_MS = 1_000;

export class Transport {
  readonly #options: TransportOptions;
  readonly #events: TransportEvents;
  readonly #now: () => number;
  #listeners: readonly Listener[] = [];
  #udp: readonly UdpSocket[] = [];
  readonly #tlsSockets: TlsSockets;
  readonly #streams: { tcp: StreamTransport; tls: StreamTransport };
  readonly #dns: DnsLookups;
  readonly #failed: FailedTargets;
  readonly #local = new LocalAddresses();
  #keepAlives = 0;
  #handshakesFailed = 0;
  #handshakeReportAt = -Infinity;

  constructor(options: TransportOptions, events: TransportEvents, now: () => number) {
    this.#options = options;
    this.#events = events;
    this.#now = now;
    this.#dns = new DnsLookups(now, options.dnsServers);
    this.#failed = new FailedTargets(now);
    this.#tlsSockets = new TlsSockets(options.tls ?? {}, (failure) => this.#onHandshakeFailure(failure));
    const streamEvents = {
      onFramed: (framed: Framed, connection: StreamConnection) => this.#onFramed(framed, connection),
    };
    this.#streams = {
      tcp: new StreamTransport(new TcpSockets(), streamEvents, now),
      tls: new StreamTransport(this.#tlsSockets, streamEvents, now),
    };
  }

  /** Other certificates for handshakes to come. Throws, and keeps the old ones, when these can't be used. */
  renewTls(settings: TlsSettings): void {
    this.#tlsSockets.renew(settings);
  }

  #onHandshakeFailure(failure: HandshakeFailure): void {
    this.#handshakesFailed++;
    if (this.#now() < this.#handshakeReportAt + HANDSHAKE_REPORT_MS) return;
    this.#handshakeReportAt = this.#now();
    this.#events.onHandshakeFailure(failure);
  }

  /** Listen addresses with their actual ports, once started. */
  get addresses(): readonly ListenAddress[] {
    return this.#listeners.map(({ address }) => address);
  }

  /** Binds all addresses; when one fails, frees the others and rejects, naming it. */
  async start(): Promise<void> {
    try {
      this.#listeners = await bindAll(this.#options.listen, (address) => this.#bind(address));
    } catch (error) {
      await this.close();
      throw error;
    }
    this.#udp = this.#listeners.filter((listener) => listener instanceof UdpSocket);
  }

  async #bind(address: ListenAddress): Promise<Listener> {
    if (address.transport !== 'udp') return this.#streams[address.transport].listen(address);
    const socket = new UdpSocket(
      address,
      (bytes, host, port) => this.#receive(bytes, { transport: 'udp', address: host, port, connection: 0 }),
      (error) => this.#events.onError(error),
    );
    await socket.bind();
    return socket;
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

  #onFramed(framed: Framed, connection: StreamConnection): void {
    const { transport, address, port, id, identities } = connection;
    const from: Flow = { transport, address, port, connection: id, identities };
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

  send(bytes: Buffer, to: Flow, onFailure?: OnSendFailure): void {
    if (to.transport === 'udp') this.#sendDatagram(bytes, to.address, to.port, onFailure);
    else this.#streams[to.transport].send(bytes, { ...to, domain: to.domain ?? to.address }, onFailure);
  }

  #sendDatagram(bytes: Buffer, address: string, port: number, onFailure?: OnSendFailure): void {
    const v6 = address.includes(':');
    const socket = this.#udp.find((one) => one.v6 === v6);
    if (socket) socket.send(bytes, address, port, onFailure);
    else onFailure?.('unreachable');
  }

  probe(to: Flow, onFailure: OnSendFailure): void {
    if (to.transport === 'udp') probeUdp(to.address, to.port, onFailure);
  }

  /** The targets of a next hop (RFC 3263). */
  locate(hop: NextHop): TargetList {
    const { transports, random } = this.#options;
    return new TargetList(
      targetsOf(hop, transports, random),
      (question, answer) => this.#dns.ask(question, answer),
      (target) => this.#failed.has(target),
    );
  }

  noteFailed(target: Flow, forMs?: number): void {
    this.#failed.note(target, forMs);
  }

  isConnected(flow: Flow): boolean {
    return flow.transport !== 'udp' && this.#streams[flow.transport].connection(flow.connection) !== undefined;
  }

  /**
   * Own host (bracketed when IPv6) and port of the listener that a peer at `to` should talk to; port 0 without one: then the
   * peer has only the connection that we opened.
   */
  local(to: Pick<Flow, 'transport' | 'address' | 'connection'>): { host: string; port: number } {
    const v6 = to.address.includes(':');
    const candidates = this.#listeners.filter(({ address }) => address.transport === to.transport);
    const listener = (candidates.find(({ address }) => address.host.includes(':') === v6) ?? candidates[0])?.address;
    const port = listener?.port ?? 0;
    const { advertisedHost, tlsHost } = this.#options;
    const advertised = (to.transport === 'tls' ? tlsHost : undefined) ?? advertisedHost;
    if (advertised !== undefined) return { host: formatHost(advertised), port };
    if (listener && !isWildcard(listener.host)) return { host: formatHost(listener.host), port };
    const own = to.transport === 'udp' ? '' : this.#streams[to.transport].connection(to.connection)?.localAddress;
    return { host: formatHost(own || this.#local.towards(to.address)), port };
  }

  /** Closes stalled connections; to be called every few seconds. */
  sweep(): void {
    for (const stream of Object.values(this.#streams)) stream.sweep();
  }

  stats(): Record<string, number> {
    const { tcp, tls } = this.#streams;
    const connections = tcp.connectionCount + tls.connectionCount;
    return { connections, keepAlives: this.#keepAlives, handshakesFailed: this.#handshakesFailed };
  }

  async close(): Promise<void> {
    this.#dns.close();
    const closed = this.#listeners.map((listener) => listener.close());
    for (const stream of Object.values(this.#streams)) stream.close();
    await Promise.all(closed);
    this.#udp = [];
  }
}
