/**
 * The media engine: lanes, and recordings placed on them for life. It knows nothing of SIP: whoever uses it says which streams a
 * recording has and where they come from.
 */

import { randomInt, randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { addressBytes } from './address.ts';
import { Lane, LaneError, LaneFull } from './lane.ts';
import type { StreamSetup } from './lane-protocol.ts';
import { Listeners, type Listening, type ListenOptions } from './listening.ts';
import type { LookBackState, PacketTotals } from './memory.ts';
import { NoPortLeft, PortLeases } from './ports.ts';
import { Sink, type SinkOptions, type SinkPlace } from './sinks.ts';
import { chooseDriver, type SocketDriver } from './sockets.ts';
import { checkSrtpKeys, type StreamSrtp } from './srtp-suites.ts';
import { uuidBytes } from './uuid.ts';

/** An RTP payload type as the session description maps it (RFC 8866 section 6.6). `clockRate` in Hz. */
export interface PayloadType {
  payloadType: number;
  encoding: string;
  clockRate: number;
  channels: number;
  fmtp: string | null;
}

export interface EngineOptions {
  /** One per core that is to be used; 1. */
  lanes?: number;
  /** Local IP address of the media sockets. */
  address: string;
  /** Both inclusive. */
  ports: { lo: number; hi: number };
  journalDir: string;
  /** Take a stream's first sender for its source, whatever was signalled. */
  learnSource?: boolean;
  /** How media is received; `auto`: native batches where they can be had, else node:dgram. */
  sockets?: SocketDriver;
  /** How many seconds of its packets a stream keeps for sinks that are yet to come, unless it is told otherwise; 0. */
  lookBackSeconds?: number;
  /** Differentiated services code point of what is sent (RFC 2474), with native sockets; 46, expedited forwarding. */
  dscp?: number;
  onEvent: (event: LaneEvent) => void;
}

export type LaneEvent =
  | { type: 'journal-sealed'; lane: number; path: string }
  | { type: 'disk-full'; lane: number; error: string | null }
  | { type: 'disk-ok'; lane: number; error: string | null }
  | { type: 'lane-restarted'; lane: number; error: string }
  | { type: 'silent'; recordingId: string; forMs: number };

export interface StreamOptions {
  label: string;
  channel: number;
  payloadTypes: PayloadType[];
  /** The signalled source; null: not known, the first sender becomes it. */
  remote: { address: string; rtpPort: number; rtcpPort: number } | null;
  rtcpMux: boolean;
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

export interface LaneStats {
  lane: number;
  streams: number;
  packets: PacketTotals;
  journal: { queuedBytes: number; writtenBytes: number; lagMs: number };
  /** Share of the time in which the lane was busy, over about five seconds. */
  loopLoad: number;
  /** How long 99 % of the ticks of the last second were at most: the time in which the lane looks at no socket. 0: not known. */
  tickP99Ms: number;
  lookBack: LookBackState;
}

/** What there is too little of. */
export type Overload = 'processor' | 'disk';

const MAX_LOOP_LOAD = 0.95;
/** Sockets hold seconds of media; what is listened to or forwarded bears less. */
const MAX_TICK_P99_MS = 250;
const MAX_JOURNAL_LAG_MS = 5_000;
const MAX_JOURNAL_QUEUED_BYTES = 24 * 1024 * 1024;
const DEFAULT_CLOCK_RATE = 8000;
const MAX_LOOK_BACK_SECONDS = 60;
/** Of a stream that receives nothing. */
const NO_STREAM = { index: 0, clockRate: DEFAULT_CLOCK_RATE, rtcpMux: false, reportTo: null, srtp: null };
const SILENCE_LOOK_EVERY_MS = 1_000;
const PORT_TRIES = 64;
const AUXILIARY = new Set(['CN', 'TELEPHONE-EVENT', 'RED']);
const EXPEDITED_FORWARDING = 46;
const NO_DESCRIPTOR = new Set(['EMFILE', 'ENFILE']);

export class MediaEngine {
  readonly options: EngineOptions;
  readonly ports: PortLeases;
  /** Which of the drivers receives, and why not the native one if not. */
  readonly sockets: { driver: 'native' | 'dgram'; reason: string | null };
  readonly #lanes: Lane[] = [];
  readonly #recordings = new Map<string, RecordingMedia>();
  readonly #senders = new Map<Lane, Promise<SinkPlace['local'] & { slot: number }>>();
  readonly #silenceTimer: NodeJS.Timeout;

  private constructor(options: EngineOptions) {
    this.options = options;
    this.ports = new PortLeases(options.ports.lo, options.ports.hi);
    this.sockets = chooseDriver(options.sockets ?? 'auto');
    this.#silenceTimer = setInterval(() => this.#lookForSilence(), SILENCE_LOOK_EVERY_MS);
    this.#silenceTimer.unref();
  }

  static async start(options: EngineOptions): Promise<MediaEngine> {
    addressBytes(options.address); // a wrong one is the caller's mistake: say so before anything runs
    mkdirSync(options.journalDir, { recursive: true });
    const engine = new MediaEngine(options);
    try {
      for (let laneId = 0; laneId < (options.lanes ?? 1); laneId++) engine.#lanes.push(await engine.#startLane(laneId));
    } catch (error) {
      await engine.close();
      throw error;
    }
    return engine;
  }

  /**
   * Whether one more recording could be more than this machine can bear, judged by the lane that it would be placed on: the processor's
   * time, the time in which no socket is looked at, and how far the disk is behind. Nothing is lost yet when it says so.
   */
  overload(): Overload | null {
    const { loopLoad, tickP99Ms, lagMs, queuedBytes } = this.#leastLoaded().memory.workerState;
    if (lagMs > MAX_JOURNAL_LAG_MS || queuedBytes > MAX_JOURNAL_QUEUED_BYTES) return 'disk';
    return loopLoad > MAX_LOOP_LOAD || tickP99Ms > MAX_TICK_P99_MS ? 'processor' : null;
  }

  /** @param id UUID. The recording is placed on the lane with the least to do, and stays there. */
  async openRecording(id: string): Promise<RecordingMedia> {
    return await this.#open(id, true);
  }

  /** Streams that are received for their sinks alone: nothing of them goes into the journal. */
  async openSession(): Promise<RecordingMedia> {
    return await this.#open(randomUUID(), false);
  }

  async #open(id: string, isRecorded: boolean): Promise<RecordingMedia> {
    const lane = this.#leastLoaded();
    const slot = await lane.openRecording(uuidBytes(id), isRecorded);
    const recording = new RecordingMedia(this, lane, id, slot, () => this.#recordings.delete(id));
    this.#recordings.set(id, recording);
    return recording;
  }

  /** A pair of ports of a lane that sinks send from when they have none of their own: nothing is taken there. */
  senders(lane: Lane): Promise<SinkPlace['local'] & { slot: number }> {
    const opened = this.#senders.get(lane) ?? this.#openSenders(lane);
    this.#senders.set(lane, opened);
    return opened;
  }

  async #openSenders(lane: Lane): Promise<SinkPlace['local'] & { slot: number }> {
    const recording = await lane.openRecording(uuidBytes(randomUUID()), false);
    const nobody = { address: addressBytes('0.0.0.0'), rtpPort: 0, rtcpPort: 0 };
    const setup = { ...NO_STREAM, recording, remote: nobody, ownSsrc: randomInt(1, 0xffff_ffff) };
    try {
      const { slot, rtpPort } = await this.bind(lane, setup);
      return { slot, address: this.options.address, rtpPort, rtcpPort: rtpPort + 1 };
    } catch (error) {
      this.#senders.delete(lane); // the next sink tries again
      await lane.closeRecording(recording);
      throw error;
    }
  }

  /** Opens a stream on a leased pair of ports. Rejects with NoPortLeft or LaneFull; nothing is open then. */
  async bind(lane: Lane, setup: Omit<StreamSetup, 'address' | 'rtpPort' | 'rtcpPort'>) {
    const { address } = this.options;
    for (let tries = 0; tries < PORT_TRIES; tries++) {
      const rtpPort = this.ports.lease(performance.now());
      const bound: StreamSetup = { ...setup, address, rtpPort, rtcpPort: setup.rtcpMux ? null : rtpPort + 1 };
      try {
        return { slot: await lane.openStream(bound), rtpPort, setup: bound };
      } catch (error) {
        this.ports.giveBack(rtpPort, performance.now());
        if (!(error instanceof LaneError)) throw error;
        if (NO_DESCRIPTOR.has(error.code)) {
          throw new NoPortLeft('no file descriptor left for another media socket: raise the limit (ulimit -n)');
        }
        if (error.code !== 'EADDRINUSE') throw error;
      }
    }
    throw new NoPortLeft(
      `${PORT_TRIES} media ports in a row are in use by others: give the recorder a range of its own`,
    );
  }

  /** Closes the lane's open journal segment; its path is told by `journal-sealed` before this resolves. */
  async seal(lane: number): Promise<void> {
    await this.#lanes[lane]?.seal();
  }

  /** Of the lane that the next recording would be placed on, 0 to 1. */
  load(): number {
    return this.#leastLoaded().memory.workerState.loopLoad;
  }

  stats(): { lanes: LaneStats[] } {
    return {
      lanes: this.#lanes.map((lane) => {
        const { queuedBytes, writtenBytes, lagMs, loopLoad, tickP99Ms } = lane.memory.workerState;
        const journal = { queuedBytes, writtenBytes, lagMs };
        const { lookBack } = lane.memory;
        const packets = lane.totals();
        return { lane: lane.id, streams: lane.streamCount, packets, journal, loopLoad, tickP99Ms, lookBack };
      }),
    };
  }

  async close(): Promise<void> {
    clearInterval(this.#silenceTimer);
    await Promise.all(this.#lanes.map((lane) => lane.close()));
  }

  #leastLoaded(): Lane {
    return this.#lanes.reduce((least, one) => (one.load < least.load ? one : least));
  }

  #startLane(laneId: number): Promise<Lane> {
    const { journalDir, onEvent, dscp = EXPEDITED_FORWARDING } = this.options;
    const { driver } = this.sockets;
    return Lane.start({
      ...{ laneId, journalDir, driver, dscp },
      onSealed: (path) => onEvent({ type: 'journal-sealed', lane: laneId, path }),
      onJournalState: (full, error) => onEvent({ type: full ? 'disk-full' : 'disk-ok', lane: laneId, error }),
      onRestarted: (error) => onEvent({ type: 'lane-restarted', lane: laneId, error: error.message }),
    });
  }

  #lookForSilence(): void {
    const nowUs = Number(process.hrtime.bigint() / 1000n);
    for (const recording of this.#recordings.values()) {
      const forMs = (nowUs - recording.lastPacketUs()) / 1000;
      if (forMs >= SILENCE_LOOK_EVERY_MS) this.options.onEvent({ type: 'silent', recordingId: recording.id, forMs });
    }
  }
}

interface OpenStream {
  slot: number;
  setup: StreamSetup;
  payloadTypes: PayloadType[];
}

export class RecordingMedia {
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
  readonly #adding = new Set<Promise<StreamMedia>>();
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
    const adding = this.#add(options);
    this.#adding.add(adding);
    return adding.finally(() => this.#adding.delete(adding));
  }

  async #add(options: StreamOptions): Promise<StreamMedia> {
    if (this.#closed) throw new RangeError(`recording ${this.id} is closed`);
    const index = this.#nextIndex++;
    const { slot, setup } = await this.#engine.bind(this.#lane, this.#setup(index, options));
    this.#streams.set(index, { slot, setup, payloadTypes: options.payloadTypes });
    return { index, address: setup.address, rtpPort: setup.rtpPort, rtcpPort: setup.rtcpPort ?? setup.rtpPort };
  }

  /**
   * Replicates a stream to somebody, from its next packet on, or with a look-back from an earlier one. Rejects with LaneFull, or with RangeError for what cannot be; nothing is
   * sent then.
   */
  async addSink(index: number, options: SinkOptions): Promise<Sink> {
    const { slot: stream, setup } = this.#stream(index);
    const way = options.via === undefined ? null : this.#stream(options.via);
    const senders = way ? null : await this.#engine.senders(this.#lane);
    const local = senders ?? { ...way!.setup, rtcpPort: way!.setup.rtcpPort ?? way!.setup.rtpPort };
    const place: SinkPlace = {
      ...{ stream, clockRate: setup.clockRate, lookBackSeconds: setup.lookBackSeconds ?? 0 },
      ...{ via: senders?.slot ?? way!.slot },
      local: { address: local.address, rtpPort: local.rtpPort, rtcpPort: local.rtcpPort },
    };
    const sink = await Sink.open(this.#lane, place, options, (removed) => this.#sinks.delete(removed));
    this.#sinks.set(sink, options.via === undefined ? [index] : [index, options.via]);
    return sink;
  }

  /** A new source or other payload types for a stream that goes on, on the same ports. */
  async updateStream(index: number, options: Omit<StreamOptions, 'channel' | 'lookBackSeconds'>): Promise<void> {
    const stream = this.#stream(index);
    const { rtpPort, ownSsrc, lookBackSeconds = 0 } = stream.setup;
    const { address, rtcpPort } = stream.setup;
    const updated = this.#setup(index, { ...options, channel: 0 });
    const setup = { ...updated, ownSsrc, address, rtpPort, rtcpPort, lookBackSeconds };
    await this.#lane.updateStream(stream.slot, setup);
    stream.setup = setup;
    stream.payloadTypes = options.payloadTypes;
    await this.#listeners.update(index, stream);
  }

  /**
   * What is received, as sound, while it runs. A paused recording is silent. Rejects with RangeError when a stream has no codec that
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
    const sinks = [...this.#sinks].filter(([, streams]) => streams.includes(index));
    await Promise.all(sinks.map(([sink]) => sink.remove()));
    try {
      const { lastPacketUs, ...counters } = await this.#lane.closeStream(slot);
      return { index, ...counters };
    } finally {
      this.#engine.ports.giveBack(setup.rtpPort, performance.now());
    }
  }

  /** Packets are discarded from now on; each is accounted for in the journal without its payload. */
  async pause(on: boolean): Promise<void> {
    await this.#lane.pause(this.#slot, on);
  }

  /**
   * A fact about the recording, kept in the journal in order with the packets. Without effect on a closed recording.
   * @throws RangeError when it is longer than a megabyte.
   */
  note(json: object): void {
    if (!this.#closed) this.#lane.note(this.#slot, json);
  }

  counters(): StreamCounters[] {
    return [...this.#streams].map(([index, { slot }]) => {
      const { lastPacketUs, ...counters } = this.#lane.streamCounters(slot);
      return { index, ...counters };
    });
  }

  /** When the last packet of any stream came, monotonic; when it was opened, or its lane started again, if none has since. */
  lastPacketUs(): number {
    const times = [...this.#streams.values()].map(({ slot }) => this.#lane.memory.streamCounters(slot).lastPacketUs);
    return Math.max(this.#openedUs, this.#lane.bornUs, ...times);
  }

  /** Closes all streams; resolves when everything is on the disk. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    await Promise.allSettled(this.#adding);
    try {
      await Promise.all([...this.#streams.keys()].map((index) => this.removeStream(index)));
      await this.#lane.closeRecording(this.#slot);
    } finally {
      this.#onClosed();
    }
  }

  #stream(index: number): OpenStream {
    const stream = this.#streams.get(index);
    if (!stream) throw new RangeError(`recording ${this.id} has no stream ${index}`);
    return stream;
  }

  #setup(index: number, options: StreamOptions) {
    const { learnSource, lookBackSeconds: usual = 0 } = this.#engine.options;
    const { payloadTypes, remote, rtcpMux, srtp = null, lookBackSeconds = usual } = options;
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
      lookBackSeconds,
    };
  }
}

export { LaneFull };
