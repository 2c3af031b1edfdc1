/**
 * The media engine: lanes, and sessions (./session.ts) placed on them for life. It knows nothing of SIP: whoever uses it says which
 * streams a session has and where they come from.
 */
import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { addressBytes } from './address.ts';
import { Lane } from './lane.ts';
import { LOOK_BACK_BYTES, type LookBackState, MAX_LOOK_BACK_BYTES, type PacketTotals } from './memory.ts';
import { MediaSession } from './session.ts';
import { chooseDriver, type SocketDriver } from './sockets.ts';
import { StreamPorts } from './stream-ports.ts';
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
  /**
   * So many streams share a port, told apart by where their packets come from (address, port, and SSRC when it was signalled); 1. A stream
   * whose source is not known has a port of its own all the same.
   */
  streamsPerPort?: number;
  /** How media is received; `auto`: native batches where they can be had, else node:dgram. */
  sockets?: SocketDriver;
  /** How many seconds of its packets a stream keeps for sinks that are yet to come, unless it is told otherwise; 0. */
  lookBackSeconds?: number;
  /**
   * Memory for what streams keep, of each lane: 128 MiB, three hours of G.711, at most 3 GiB. The system provides what is used. A stream
   * that finds none gives up its own oldest packets, which are counted.
   */
  lookBackBytes?: number;
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
  lookBack: LookBackState;
}

/** What there is too little of. */
export type Overload = 'processor' | 'disk';

const MAX_LOOP_LOAD = 0.95;
/** Sockets hold seconds of media; what is listened to or forwarded bears less. */
const MAX_TICK_P99_MS = 250;
const MAX_JOURNAL_LAG_MS = 5_000;
const MAX_JOURNAL_QUEUED_BYTES = 24 * 1024 * 1024;
const SILENCE_LOOK_EVERY_MS = 1_000;
const EXPEDITED_FORWARDING = 46;

export class MediaEngine {
  readonly options: EngineOptions;
  readonly ports: StreamPorts;
  /** Which of the drivers receives, and why not the native one if not. */
  readonly sockets: { driver: 'native' | 'dgram'; reason: string | null };
  readonly #lanes: Lane[] = [];
  readonly #sessions = new Map<string, MediaSession>();
  readonly #silenceTimer: NodeJS.Timeout;

  private constructor(options: EngineOptions) {
    this.options = options;
    const { address, ports, streamsPerPort = 1 } = options;
    this.ports = new StreamPorts({ address, ports, streamsPerPort });
    this.sockets = chooseDriver(options.sockets ?? 'auto');
    this.#silenceTimer = setInterval(() => this.#lookForSilence(), SILENCE_LOOK_EVERY_MS);
    this.#silenceTimer.unref();
  }

  static async start(options: EngineOptions): Promise<MediaEngine> {
    addressBytes(options.address); // a wrong one is the caller's mistake: say so before anything runs
    const { lookBackBytes = 0 } = options;
    if (!(lookBackBytes >= 0 && lookBackBytes <= MAX_LOOK_BACK_BYTES)) {
      throw new RangeError(`${lookBackBytes} bytes for look-back: 0 to ${MAX_LOOK_BACK_BYTES}`);
    }
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
    const { journalDir, onEvent, dscp = EXPEDITED_FORWARDING, lookBackBytes = LOOK_BACK_BYTES } = this.options;
    const { driver } = this.sockets;
    return Lane.start({
      ...{ laneId, journalDir, driver, dscp, lookBackBytes },
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
