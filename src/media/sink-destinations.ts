/**
 * Where the sinks of a lane go: to an address, or where the packets of the stream that they leave via come from (symmetric RTP, RFC 4961).
 * What follows a stream waits while its source is not known.
 */
import { isDeepStrictEqual } from 'node:util';
import { addressBytes, addressText } from './address.ts';
import type { MediaCore } from './core.ts';
import type { Destination } from './lane-protocol.ts';
import type { LaneSockets } from './sockets.ts';

export class SinkDestinations {
  readonly #core: MediaCore;
  readonly #sockets: Pick<LaneSockets, 'openSink' | 'closeSink'>;
  /** Those that are known, by sink. */
  readonly #known = new Map<number, Destination>();
  /** Sinks that follow a stream, with its slot. */
  readonly #following = new Map<number, number>();
  #changes = 0;

  constructor(core: MediaCore, sockets: Pick<LaneSockets, 'openSink' | 'closeSink'>) {
    this.#core = core;
    this.#sockets = sockets;
  }

  of(sink: number): Destination | null {
    return this.#known.get(sink) ?? null;
  }

  open(sink: number, via: number, remote: Destination | 'learned'): void {
    if (remote !== 'learned') return this.#set(sink, via, remote);
    this.#following.set(sink, via);
    this.#core.sinks.setWaiting(sink, true);
    this.#followOne(sink, via);
  }

  close(sink: number): void {
    this.#following.delete(sink);
    this.#known.delete(sink);
    this.#sockets.closeSink(sink);
  }

  /** After a batch, and before it is replicated: sources that it came from may be new. */
  follow(): void {
    if (this.#following.size > 0 && this.#core.memory.sourceChanges !== this.#changes) this.followAll();
  }

  followAll(): void {
    this.#changes = this.#core.memory.sourceChanges;
    for (const [sink, via] of this.#following) this.#followOne(sink, via);
  }

  #followOne(sink: number, via: number): void {
    const source = this.#core.memory.sourceOf(via);
    const to = source && { ...source, address: addressText(source.address) };
    if (isDeepStrictEqual(to, this.of(sink))) return;
    if (to) this.#set(sink, via, to);
    else this.#forget(sink);
  }

  #set(sink: number, via: number, to: Destination): void {
    const isNew = !this.#known.has(sink);
    this.#known.set(sink, to);
    this.#sockets.openSink(sink, via, to.address, to.rtpPort);
    this.#core.setSinkReceiver(sink, addressBytes(to.address), to.rtcpPort ?? to.rtpPort + 1);
    if (isNew) this.#core.sinks.setWaiting(sink, false);
  }

  #forget(sink: number): void {
    this.#known.delete(sink);
    this.#sockets.closeSink(sink);
    this.#core.setSinkReceiver(sink, new Uint8Array(16), 0);
    this.#core.sinks.setWaiting(sink, true);
  }
}
