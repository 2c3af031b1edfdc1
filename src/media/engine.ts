/**
 * The media engine: lanes, and sessions (./session.ts) placed on them for life. It knows nothing of SIP: whoever uses it says which
 * streams a session has and where they come from.
 */
import { randomInt, randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { addressBytes } from './address.ts';
import { Lane } from './lane.ts';
import { LaneError } from './lane-life.ts';
import type { StreamSetup } from './lane-protocol.ts';
import type { PacketTotals } from './memory.ts';
import { NoPortLeft, PortLeases } from './ports.ts';
import { MediaSession } from './session.ts';
import type { SinkPlace } from './sinks.ts';
import { chooseDriver, type SocketDriver } from './sockets.ts';
import { uuidBytes } from './uuid.ts';

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

export interface LaneStats {
  lane: number;
  streams: number;
  packets: PacketTotals;
  journal: { queuedBytes: number; writtenBytes: number; lagMs: number };
  /** Share of the time in which the lane was busy, over about five seconds. */
  loopLoad: number;
  /** How long 99 % of the ticks of the last second were at most: the time in which the lane looks at no socket. 0: not known. */
  tickP99Ms: number;
}

/** What there is too little of. */
export type Overload = 'processor' | 'disk';

const MAX_LOOP_LOAD = 0.95;
/** Sockets hold seconds of media; what is listened to or forwarded bears less. */
const MAX_TICK_P99_MS = 250;
const MAX_JOURNAL_LAG_MS = 5_000;
const MAX_JOURNAL_QUEUED_BYTES = 24 * 1024 * 1024;
/** Of a stream that receives nothing. */
const NO_STREAM = { index: 0, clockRate: 8000, rtcpMux: false, reportTo: null, srtp: null };
const SILENCE_LOOK_EVERY_MS = 1_000;
const PORT_TRIES = 64;
const EXPEDITED_FORWARDING = 46;
const NO_DESCRIPTOR = new Set(['EMFILE', 'ENFILE']);

export class MediaEngine {
  readonly options: EngineOptions;
  readonly ports: PortLeases;
  /** Which of the drivers receives, and why not the native one if not. */
  readonly sockets: { driver: 'native' | 'dgram'; reason: string | null };
  readonly #lanes: Lane[] = [];
  readonly #sessions = new Map<string, MediaSession>();
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
  async openRecording(id: string): Promise<MediaSession> {
    return await this.#open(id, true);
  }

  /** Streams that are received for their sinks alone: nothing of them goes into the journal. */
  async openSession(): Promise<MediaSession> {
    return await this.#open(randomUUID(), false);
  }

  async #open(id: string, isRecorded: boolean): Promise<MediaSession> {
    const lane = this.#leastLoaded();
    const slot = await lane.openRecording(uuidBytes(id), isRecorded);
    const session = new MediaSession(this, lane, id, slot, () => this.#sessions.delete(id));
    this.#sessions.set(id, session);
    return session;
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
        return { lane: lane.id, streams: lane.streamCount, packets: lane.totals(), journal, loopLoad, tickP99Ms };
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
    for (const session of this.#sessions.values()) {
      const forMs = (nowUs - session.lastPacketUs()) / 1000;
      if (forMs >= SILENCE_LOOK_EVERY_MS) this.options.onEvent({ type: 'silent', recordingId: session.id, forMs });
    }
  }
}
