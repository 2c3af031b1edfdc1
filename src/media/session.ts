/** A session of the media engine: the streams of a call, received on one lane, recorded or not, sent on to sinks and listened to. */
import { randomInt } from 'node:crypto';
import { addressBytes } from './address.ts';
import type { MediaEngine } from './engine.ts';
import type { Lane } from './lane.ts';
import type { StreamSetup } from './lane-protocol.ts';
import { Listeners, type Listening, type ListenOptions } from './listening.ts';
import { type MixOptions, MixSink } from './mixes.ts';
import { Sink, type SinkOptions, type SinkPlace } from './sinks.ts';
import { checkSrtpKeys, type StreamSrtp } from './srtp-suites.ts';

/** An RTP payload type as the session description maps it (RFC 8866 section 6.6). `clockRate` in Hz. */
export interface PayloadType {
  payloadType: number;
  encoding: string;
  clockRate: number;
  channels: number;
  fmtp: string | null;
}

export interface StreamOptions {
  label: string;
  channel: number;
  payloadTypes: PayloadType[];
  /** The signalled source; null: not known, the first sender becomes it. */
  remote: { address: string; rtpPort: number; rtcpPort: number } | null;
  rtcpMux: boolean;
  /** That was signalled (RFC 5576), for streams of one source that are to share a port; null or left out: none was. */
  ssrc?: number | null;
  /** Keys of both directions when the stream is SRTP; null or left out: it comes in the clear. */
  srtp?: StreamSrtp | null;
  /** Keeps its packets of so many seconds, 60 at most, for sinks that look back; as the engine's options say when left out. */
  lookBackSeconds?: number;
}

/** Where a stream is received. */
export interface StreamMedia {
  index: number;
  address: string;
  rtpPort: number;
  rtcpPort: number;
}

export interface StreamCounters {
  index: number;
  received: number;
  invalid: number;
  unauthorised: number;
  duplicate: number;
  dropped: number;
  unauthenticated: number;
}

const DEFAULT_CLOCK_RATE = 8000;
/** The pool of the lane ends it earlier when there are many. */
const MAX_LOOK_BACK_SECONDS = 3_600;
const AUXILIARY = new Set(['CN', 'TELEPHONE-EVENT', 'RED']);

interface OpenStream {
  slot: number;
  setup: StreamSetup;
  payloadTypes: PayloadType[];
}

export class MediaSession {
  readonly id: string;
  readonly #engine: MediaEngine;
  readonly #lane: Lane;
  readonly #slot: number;
  readonly #onClosed: () => void;
  readonly #listeners: Listeners;
  readonly #streams = new Map<number, OpenStream>();
  readonly #openedUs = Number(process.hrtime.bigint() / 1000n);
  /** With the streams that each needs. */
  readonly #sinks = new Map<Sink, number[]>();
  /** With the stream that it leaves via, if it does. */
  readonly #mixes = new Map<MixSink, number | undefined>();
  readonly #adding = new Set<Promise<unknown>>();
  #nextIndex = 0;
  #closed: Promise<void> | null = null;

  constructor(engine: MediaEngine, lane: Lane, id: string, slot: number, onClosed: () => void) {
    this.id = id;
    this.#engine = engine;
    this.#lane = lane;
    this.#slot = slot;
    this.#onClosed = onClosed;
    this.#listeners = new Listeners(lane, slot + 1);
  }

  get lane(): number {
    return this.#lane.id;
  }

  /** Rejects with NoPortLeft or LaneFull; nothing is open then. */
  addStream(options: StreamOptions): Promise<StreamMedia> {
    return this.#await(this.#add(options));
  }

  /** What closes the session closes this too, once it is there. */
  async #await<T>(adding: Promise<T>): Promise<T> {
    this.#adding.add(adding);
    return await adding.finally(() => this.#adding.delete(adding));
  }

  async #add(options: StreamOptions): Promise<StreamMedia> {
    this.#assertOpen();
    const index = this.#nextIndex++;
    const { slot, setup } = await this.#engine.ports.bind(this.#lane, this.#setup(index, options));
    this.#streams.set(index, { slot, setup, payloadTypes: options.payloadTypes });
    return { index, address: setup.address, rtpPort: setup.rtpPort, rtcpPort: setup.rtcpPort ?? setup.rtpPort };
  }

  /**
   * Replicates a stream to somebody, from its next packet on, or with a look-back from an earlier one. Rejects with LaneFull, or with
   * RangeError for what cannot be; nothing is sent then.
   */
  async addSink(index: number, options: SinkOptions): Promise<Sink> {
    const { slot: stream, setup } = this.#stream(index);
    const place: SinkPlace = {
      ...{ stream, clockRate: setup.clockRate, lookBackSeconds: setup.lookBackSeconds ?? 0 },
      ...(await this.#wayOut(options.via)),
    };
    const sink = await Sink.open(this.#lane, place, options, (removed) => this.#sinks.delete(removed));
    this.#sinks.set(sink, options.via === undefined ? [index] : [index, options.via]);
    return sink;
  }

  /**
   * Sends a mixture of streams to somebody: each is played as by `listen`, and mixed with the others. It is sent from now on, whether or not there
   * is something to be heard. A paused session is silent. Rejects with LaneFull, or with RangeError for what cannot be; nothing is sent then.
   */
  addMix(options: MixOptions): Promise<MixSink> {
    return this.#await(this.#addMix(options));
  }

  async #addMix(options: MixOptions): Promise<MixSink> {
    this.#assertOpen();
    const { via } = options;
    const place = await this.#wayOut(via);
    const find = (index: number) => this.#stream(index);
    const onRemoved = (removed: MixSink) => void this.#mixes.delete(removed);
    const mix = await MixSink.open(this.#lane, this.#listeners, place, options, find, onRemoved);
    this.#mixes.set(mix, via);
    // A stream may have gone meanwhile.
    if (via !== undefined && !this.#streams.has(via)) {
      await mix.remove();
      this.#stream(via);
    }
    for (const index of mix.streams) if (!this.#streams.has(index)) await mix.forget(index);
    return mix;
  }

  /** From the ports of a stream, or from those that the lane sends from. */
  async #wayOut(via: number | undefined): Promise<Pick<SinkPlace, 'via' | 'local'>> {
    const way = via === undefined ? await this.#engine.ports.senders(this.#lane) : this.#stream(via);
    const { address, rtpPort, rtcpPort } = way.setup;
    return { via: way.slot, local: { address, rtpPort, rtcpPort: rtcpPort ?? rtpPort } };
  }

  #assertOpen(): void {
    if (this.#closed) throw new RangeError(`session ${this.id} is closed`);
  }

  /** Where sinks leave from that have no `via`: what an offer names before it is known where they go. Rejects with NoPortLeft or LaneFull. */
  async sendingPorts(): Promise<{ address: string; rtpPort: number; rtcpPort: number }> {
    return (await this.#wayOut(undefined)).local;
  }

  /** How far back the packets of the stream are kept. */
  lookBackSeconds(index: number): number {
    return this.#stream(index).setup.lookBackSeconds ?? 0;
  }

  /** A new source or other payload types for a stream that goes on, on the same ports. */
  async updateStream(index: number, options: Omit<StreamOptions, 'channel' | 'lookBackSeconds'>): Promise<void> {
    const stream = this.#stream(index);
    const { ownSsrc, address, rtpPort, rtcpPort, host, lookBackSeconds = 0 } = stream.setup;
    const updated = this.#setup(index, { ...options, channel: 0 });
    const setup = { ...updated, ownSsrc, address, rtpPort, rtcpPort, host, lookBackSeconds };
    await this.#lane.updateStream(stream.slot, setup);
    this.#engine.ports.moved(this.#lane, stream.setup, setup);
    stream.setup = setup;
    stream.payloadTypes = options.payloadTypes;
    await this.#listeners.update(index, stream);
    await Promise.all([...this.#mixes.keys()].map((mix) => mix.follow(index)));
  }

  /**
   * What is received, as sound, while it runs. A paused session is silent. Rejects with RangeError when a stream has no codec that
   * can be listened to, and with LaneFull.
   */
  async listen(options: ListenOptions = {}): Promise<Listening> {
    const streams = options.streams ?? [...this.#streams.keys()];
    return await this.#listeners.listen(new Map(streams.map((index) => [index, this.#stream(index)])), options);
  }

  /** Resolves to what the stream has counted to its end. */
  async removeStream(index: number): Promise<StreamCounters> {
    const { slot, setup } = this.#stream(index);
    this.#streams.delete(index);
    await this.#listeners.end(index);
    await Promise.all([...this.#mixes].map(([mix, via]) => (via === index ? mix.remove() : mix.forget(index))));
    const sinks = [...this.#sinks].filter(([, streams]) => streams.includes(index));
    await Promise.all(sinks.map(([sink]) => sink.remove()));
    try {
      return { index, ...(await this.#lane.closeStream(slot)) };
    } finally {
      this.#engine.ports.release(this.#lane, setup);
    }
  }

  /** Packets are discarded from now on; each is accounted for in the journal without its payload. */
  async pause(on: boolean): Promise<void> {
    await this.#lane.pause(this.#slot, on);
  }

  /** Nothing that comes from now on is kept for sinks that are yet to come; those that there are get it as ever. */
  async pauseLookBack(on: boolean): Promise<void> {
    await this.#lane.pauseLookBack(this.#slot, on);
  }

  /**
   * A fact about the recording, kept in the journal in order with the packets. Without effect on a closed session.
   * @throws RangeError when it is longer than a megabyte.
   */
  note(json: object): void {
    if (!this.#closed) this.#lane.note(this.#slot, json);
  }

  counters(): StreamCounters[] {
    return [...this.#streams].map(([index, { slot }]) => ({ index, ...this.#lane.streamCounters(slot) }));
  }

  /** When the last packet of any stream came, monotonic; when it was opened, or its lane started again, if none has since. */
  lastPacketUs(): number {
    let lastUs = Math.max(this.#openedUs, this.#lane.bornUs);
    for (const { slot } of this.#streams.values()) lastUs = Math.max(lastUs, this.#lane.memory.lastPacketUs(slot));
    return lastUs;
  }

  /** Closes all streams; resolves when everything is on the disk. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    await Promise.allSettled(this.#adding);
    try {
      await Promise.all([...this.#mixes.keys()].map((mix) => mix.remove()));
      await Promise.all([...this.#streams.keys()].map((index) => this.removeStream(index)));
      await this.#lane.closeRecording(this.#slot);
    } finally {
      this.#onClosed();
    }
  }

  #stream(index: number): OpenStream {
    const stream = this.#streams.get(index);
    if (!stream) throw new RangeError(`session ${this.id} has no stream ${index}`);
    return stream;
  }

  #setup(index: number, options: StreamOptions) {
    const { learnSource, lookBackSeconds: usual = 0 } = this.#engine.options;
    const { payloadTypes, remote, rtcpMux, srtp = null, ssrc = null, lookBackSeconds = usual } = options;
    if (!(lookBackSeconds >= 0 && lookBackSeconds <= MAX_LOOK_BACK_SECONDS)) {
      throw new RangeError(`a look-back of ${lookBackSeconds} s: 0 to ${MAX_LOOK_BACK_SECONDS}`);
    }
    if (srtp) for (const keys of [srtp.receive, srtp.send]) checkSrtpKeys(keys);
    const known = remote && !learnSource;
    return {
      recording: this.#slot,
      index,
      clockRate: payloadTypes.find((type) => !AUXILIARY.has(type.encoding))?.clockRate ?? DEFAULT_CLOCK_RATE,
      ownSsrc: randomInt(1, 0xffff_ffff),
      rtcpMux,
      remote: known ? { ...remote, address: addressBytes(remote.address) } : null,
      reportTo: remote ? { address: remote.address, port: rtcpMux ? remote.rtpPort : remote.rtcpPort } : null,
      srtp,
      signalledSsrc: ssrc,
      lookBackSeconds,
    };
  }
}
