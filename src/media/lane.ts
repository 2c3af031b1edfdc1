/**
 * A lane as the main thread sees it: shared memory, a worker that runs it, and the list of what is open, from which a lane that
 * died is started again over fresh memory. Commands wait meanwhile, and those that the death left without an answer are sent again.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { Piscina } from 'piscina';
import {
  type LaneCommand,
  type LaneMessage,
  type LaneTask,
  type MixerSetup,
  type SinkSetup,
  type StreamSetup,
  sinkToWire,
  toWire,
} from './lane-protocol.ts';
import { loadLibc } from './libc.ts';
import {
  createLaneMemory,
  LaneMemory,
  MAX_NOTE_BYTES,
  MAX_RECORDINGS,
  MAX_STREAMS,
  type PacketTotals,
  type StreamCounts,
} from './memory.ts';
import { closeSocketsOf } from './native-sockets.ts';
import { MAX_MIXERS, MAX_PLAYERS, type PlayerSetup } from './player-memory.ts';
import { MAX_SINKS, type SinkCounts, SinkMemory } from './sink-memory.ts';
import { randomStart } from './sinks.ts';
import { openWake, type Wake } from './wake.ts';

export interface LaneOptions {
  laneId: number;
  journalDir: string;
  driver: 'native' | 'dgram';
  /** Of what is sent, native driver only (RFC 2474). */
  dscp: number;
  onSealed: (path: string) => void;
  onJournalState: (full: boolean, error: string | null) => void;
  onRestarted: (error: Error) => void;
}

/** A command that was refused; `code` as Node names it (EADDRINUSE), FAILED, LANE_DIED or LANE_CLOSED. */
export class LaneError extends Error {
  override readonly name = 'LaneError';
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

export class LaneFull extends Error {
  override readonly name = 'LaneFull';
}

const WORKER = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url);
/** A lane that dies more often than this in a row is broken for good: better to say so than to spin. */
const MAX_DEATHS_IN_A_ROW = 7;
const LONG_LIFE_MS = 10_000;
const RESTART_BACKOFF_MS = 50;

interface OpenRecording {
  id: Uint8Array;
  paused: boolean;
  isRecorded: boolean;
}

interface Waiting {
  resolve: () => void;
  reject: (error: Error) => void;
}

class Slots {
  readonly #free: number[];
  constructor(count: number) {
    this.#free = Array.from({ length: count }, (_, i) => count - 1 - i);
  }
  take(what: string): number {
    const slot = this.#free.pop();
    if (slot === undefined) throw new LaneFull(`the lane has no room for another ${what}: use more lanes`);
    return slot;
  }
  giveBack(slot: number): void {
    this.#free.push(slot);
  }
}

export class Lane {
  readonly id: number;
  readonly #options: LaneOptions;
  readonly #wake: Wake;
  /** One thread runs the lane, the other waits with everything loaded for the day that it dies. */
  readonly #pool = new Piscina({ filename: WORKER.href, minThreads: 2, maxThreads: 2, atomics: 'disabled' });
  readonly #recordings = new Map<number, OpenRecording>();
  readonly #streams = new Map<number, StreamSetup>();
  readonly #recordingSlots = new Slots(MAX_RECORDINGS);
  readonly #sinkSlots = new Slots(MAX_SINKS);
  readonly #streamSlots = new Slots(MAX_STREAMS);
  readonly #sinks = new Map<number, SinkSetup>();
  readonly #players = new Map<number, PlayerSetup>();
  readonly #mixers = new Map<number, MixerSetup>();
  readonly #playerSlots = new Slots(MAX_PLAYERS);
  readonly #mixerSlots = new Slots(MAX_MIXERS);
  readonly #waiting = new Map<number, Waiting>();
  #shared: WebAssembly.Memory | null = null;
  /** Of lives whose records and sockets no life has taken over yet. */
  #before: WebAssembly.Memory[] = [];
  #memory!: LaneMemory;
  #port!: MessagePort;
  #bornUs = 0;
  /** Packets of the lives before. */
  #earlier: PacketTotals | null = null;
  /** By slot, for each stream until it is closed: what the lives before have counted. */
  readonly #earlierOfStream = new Map<number, StreamCounts>();
  /** Rejects when the present life ends other than by `close`. */
  #ended: Promise<void> = Promise.resolve();
  /** Pending while the lane is being started again; rejected when it is gone for good. */
  #up = Promise.withResolvers<void>();
  #isUp = false;
  #supervised: Promise<void> = Promise.resolve();
  #nextRequest = 1;
  #life = 0;
  #closing = false;

  private constructor(options: LaneOptions) {
    this.id = options.laneId;
    this.#options = options;
    this.#wake = openWake(options.driver);
    this.#pool.on('error', () => {}); // what concerns the lane rejects its task
  }

  static async start(options: LaneOptions): Promise<Lane> {
    const lane = new Lane(options);
    try {
      await lane.#begin();
    } catch (error) {
      await lane.#pool.destroy();
      lane.#closeSockets();
      throw error;
    }
    lane.#rise();
    lane.#supervised = lane.#supervise();
    return lane;
  }

  get memory(): LaneMemory {
    return this.#memory;
  }

  /** Memory of the present life, for readers of what is played. */
  get shared(): WebAssembly.Memory {
    return this.#shared!;
  }

  /** When the present life began, monotonic: what memory says goes back to then. */
  get bornUs(): number {
    return this.#bornUs;
  }

  get streamCount(): number {
    return this.#streams.size;
  }

  /** For placement: a recording counts before its streams are there, so that a burst of them is spread. */
  get load(): number {
    return this.#streams.size + this.#recordings.size;
  }

  /** Of all lives. */
  totals(): PacketTotals {
    const totals = this.#memory.totals();
    return this.#earlier ? sumOf(totals, this.#earlier) : totals;
  }

  /** Of all lives; the last packet is that of the present one. */
  streamCounters(slot: number): StreamCounts {
    const counts = this.#memory.streamCounters(slot);
    const earlier = this.#earlierOfStream.get(slot) ?? NO_COUNTS;
    return { ...sumOf(counts, earlier), lastPacketUs: counts.lastPacketUs };
  }

  /** `isRecorded`: what it receives goes into the journal. */
  async openRecording(id: Uint8Array, isRecorded: boolean): Promise<number> {
    const slot = this.#recordingSlots.take('recording');
    this.#recordings.set(slot, { id, paused: false, isRecorded });
    await this.#command({ do: 'open-recording', slot, id, paused: false, isRecorded });
    return slot;
  }

  /** Resolves when all its records are on the disk. */
  async closeRecording(slot: number): Promise<void> {
    await this.#command({ do: 'close-recording', slot });
    this.#recordings.delete(slot);
    this.#recordingSlots.giveBack(slot);
  }

  async pause(slot: number, paused: boolean): Promise<void> {
    this.#recordings.get(slot)!.paused = paused;
    await this.#command({ do: 'pause', slot, paused });
  }

  /** Rejects with the LaneError of a port that is taken; nothing is open then. */
  async openStream(setup: StreamSetup): Promise<number> {
    const slot = this.#streamSlots.take('stream');
    try {
      await this.#command({ do: 'open-stream', slot, setup: toWire(setup) });
      this.#streams.set(slot, setup);
      this.#earlierOfStream.set(slot, NO_COUNTS);
      return slot;
    } catch (error) {
      this.#streamSlots.giveBack(slot);
      throw error;
    }
  }

  async updateStream(slot: number, setup: StreamSetup): Promise<void> {
    const before = this.#streams.get(slot);
    this.#streams.set(slot, setup);
    try {
      await this.#command({ do: 'update-stream', slot, setup: toWire(setup) });
    } catch (error) {
      // Refused, it is as it was, after a restart too.
      if (before && this.#streams.has(slot)) this.#streams.set(slot, before);
      throw error;
    }
  }

  /** Resolves to all that it has counted. */
  async closeStream(slot: number): Promise<StreamCounts> {
    this.#streams.delete(slot);
    try {
      await this.#command({ do: 'close-stream', slot });
      return this.streamCounters(slot);
    } finally {
      this.#earlierOfStream.delete(slot);
      this.#streamSlots.giveBack(slot);
    }
  }

  /** @throws LaneFull */
  async openSink(setup: SinkSetup): Promise<number> {
    const slot = this.#sinkSlots.take('sink');
    this.#sinks.set(slot, setup);
    try {
      await this.#command({ do: 'open-sink', slot, setup: sinkToWire(setup) });
      return slot;
    } catch (error) {
      this.#sinks.delete(slot);
      this.#sinkSlots.giveBack(slot);
      throw error;
    }
  }

  async pauseSink(slot: number, paused: boolean): Promise<void> {
    this.sinkSetup(slot).paused = paused;
    await this.#command({ do: 'pause-sink', slot, paused });
  }

  /** Resolves to what it has sent. */
  async closeSink(slot: number): Promise<SinkCounts> {
    this.#sinks.delete(slot);
    await this.#command({ do: 'close-sink', slot });
    const counts = this.sinkCounts(slot);
    this.#sinkSlots.giveBack(slot);
    return counts;
  }

  sinkSetup(slot: number): SinkSetup {
    return this.#sinks.get(slot)!;
  }

  /** Of the present life. */
  sinkCounts(slot: number): SinkCounts {
    return new SinkMemory(this.#shared!).counts(slot);
  }

  /** @throws LaneFull */
  async openPlayer(setup: PlayerSetup): Promise<number> {
    const slot = this.#playerSlots.take('player');
    this.#players.set(slot, setup);
    await this.#command({ do: 'open-player', slot, setup });
    return slot;
  }

  /** Other payload types. */
  async updatePlayer(slot: number, setup: PlayerSetup): Promise<void> {
    this.#players.set(slot, setup);
    await this.#command({ do: 'update-player', slot, setup });
  }

  async closePlayer(slot: number): Promise<void> {
    this.#players.delete(slot);
    await this.#command({ do: 'close-player', slot }).finally(() => this.#playerSlots.giveBack(slot));
  }

  /** @throws LaneFull */
  async openMixer(setup: MixerSetup): Promise<number> {
    const slot = this.#mixerSlots.take('mixer');
    this.#mixers.set(slot, setup);
    await this.#command({ do: 'open-mixer', slot, setup });
    return slot;
  }

  async closeMixer(slot: number): Promise<void> {
    this.#mixers.delete(slot);
    await this.#command({ do: 'close-mixer', slot }).finally(() => this.#mixerSlots.giveBack(slot));
  }

  /** Kept until it is on the disk, over the death of the worker too: it is written at least once. @throws RangeError when it can never fit. */
  note(slot: number, json: object): void {
    const note = Buffer.from(JSON.stringify(json));
    if (note.length > MAX_NOTE_BYTES) throw new RangeError(`a note of ${note.length} bytes: at most ${MAX_NOTE_BYTES}`);
    this.#command({ do: 'note', slot, note }).catch(() => {}); // a lane that is gone for good is reported by itself
  }

  async seal(): Promise<void> {
    await this.#command({ do: 'seal' });
  }

  async close(): Promise<void> {
    this.#closing = true;
    await this.#up.promise.then(() => this.#send({ do: 'stop' })).catch(() => {});
    await this.#supervised;
    await this.#pool.destroy();
    this.#closeSockets();
  }

  /** Is with the worker when this returns, unless the lane is being started again: what happens next comes behind it. */
  async #command(command: LaneCommand): Promise<void> {
    for (;;) {
      if (!this.#isUp) await this.#up.promise;
      try {
        return await this.#send(command);
      } catch (error) {
        if (!(error instanceof LaneError && error.code === 'LANE_DIED')) throw error;
      }
    }
  }

  #send(command: LaneCommand): Promise<void> {
    const request = this.#nextRequest++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(request, { resolve, reject });
      this.#port.postMessage({ ...command, request });
      this.#wake.wake();
    });
  }

  /** Begins a life; resolves when the worker serves. */
  async #begin(): Promise<void> {
    if (this.#shared) {
      this.#keepCounts();
      this.#before.push(this.#shared);
    }
    const memory = createLaneMemory();
    const { port1, port2 } = new MessageChannel();
    const { laneId, journalDir, driver, dscp } = this.#options;
    const task: LaneTask = {
      ...{ memory, port: port2, laneId, journalDir },
      sockets: { driver, dscp, wakeFd: this.#wake.fd },
      before: this.#before,
      life: this.#life,
    };
    this.#shared = memory;
    this.#memory = new LaneMemory(memory);
    this.#port = port1;
    this.#bornUs = Number(process.hrtime.bigint() / 1000n);
    const ready = new Promise<void>((resolve) => {
      port1.on('message', (message: LaneMessage) => (message.type === 'ready' ? resolve() : this.#onMessage(message)));
    });
    this.#ended = this.#pool.run(task, { transferList: [port2] }).then(() => {
      if (!this.#closing) throw new Error('the lane ended by itself');
    });
    await Promise.race([ready, this.#ended]);
    this.#before = [];
  }

  #onMessage(message: LaneMessage): void {
    if (message.type === 'journal-sealed') return this.#options.onSealed(message.path);
    if (message.type === 'journal-state') return this.#options.onJournalState(message.full, message.error);
    if (message.type === 'ready') return;
    const waiting = this.#waiting.get(message.request);
    this.#waiting.delete(message.request);
    if (message.type === 'done') waiting?.resolve();
    else waiting?.reject(new LaneError(message.code, message.message));
  }

  /** Starts the lane again whenever it dies. Ends when it is closed, or dies too often. */
  async #supervise(): Promise<void> {
    let bornMs = performance.now();
    let deaths = 0;
    for (;;) {
      const error = await this.#ended.then(
        () => null,
        (reason: Error) => reason,
      );
      if (!error || this.#closing) return this.#end(error);
      deaths = performance.now() - bornMs < LONG_LIFE_MS ? deaths + 1 : 1;
      this.#die(error);
      if (deaths > MAX_DEATHS_IN_A_ROW) return this.#end(error);
      if (deaths > 1) await delay(RESTART_BACKOFF_MS * 2 ** (deaths - 2));
      bornMs = performance.now();
      await this.#begin()
        .then(() => Promise.race([this.#reopen(error), this.#ended]))
        .catch(() => {}); // it died again: the next turn sees to it
    }
  }

  #rise(): void {
    this.#isUp = true;
    this.#up.resolve();
  }

  #die(error: Error): void {
    if (this.#isUp) this.#up = Promise.withResolvers<void>();
    this.#isUp = false;
    this.#life += 1;
    this.#port.close();
    this.#rejectWaiting(new LaneError('LANE_DIED', `the lane died: ${error.message}`));
  }

  /** What the present life has counted, before its memory goes. */
  #keepCounts(): void {
    this.#earlier = this.totals();
    for (const slot of this.#earlierOfStream.keys()) this.#earlierOfStream.set(slot, this.streamCounters(slot));
  }

  /** As other sources: what was sent under a key must not be sent again under other numbers. */
  #reopenSinks(): Promise<void>[] {
    return [...this.#sinks].map(([slot, before]) => {
      const setup = { ...before, ...randomStart() };
      this.#sinks.set(slot, setup);
      return this.#send({ do: 'open-sink', slot, setup: sinkToWire(setup) });
    });
  }

  #end(error: Error | null): void {
    if (this.#isUp) this.#up = Promise.withResolvers<void>();
    this.#isUp = false;
    this.#up.promise.catch(() => {}); // also when nobody asks any more
    const closed = new LaneError('LANE_CLOSED', `lane ${this.id} is closed`);
    this.#up.reject(closed);
    this.#rejectWaiting(closed);
    if (error) this.#options.onJournalState(true, `lane ${this.id} is gone for good: ${error.message}`);
  }

  /** Those that a life which did not end well has left. */
  #closeSockets(): void {
    const libc = this.#options.driver === 'native' ? loadLibc() : 'dgram';
    if (this.#shared && typeof libc !== 'string') {
      for (const memory of [...this.#before, this.#shared]) closeSocketsOf(memory, libc);
    }
    this.#wake.close();
  }

  #rejectWaiting(error: Error): void {
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of waiting) reject(error);
  }

  /** Everything that was open is open again, on the same ports. */
  async #reopen(error: Error): Promise<void> {
    const recordings = [...this.#recordings].map(([slot, recording]) =>
      this.#send({ do: 'open-recording', slot, ...recording }),
    );
    const reopened = [...this.#streams].map(([slot, setup]) =>
      this.#send({ do: 'open-stream', slot, setup: toWire(setup) }).catch((refused: LaneError) => {
        if (refused.code === 'LANE_DIED') throw refused;
        const text = `stream ${setup.index} could not be received again: ${refused.message}`;
        this.note(setup.recording, { type: 'warning', text });
      }),
    );
    const players = [...this.#players].map(([slot, setup]) => this.#send({ do: 'open-player', slot, setup }));
    const mixers = [...this.#mixers].map(([slot, setup]) => this.#send({ do: 'open-mixer', slot, setup }));
    await Promise.all([...recordings, ...reopened, ...players, ...mixers, ...this.#reopenSinks()]);
    this.#rise();
    for (const slot of this.#recordings.keys()) {
      this.note(slot, { type: 'event', name: 'lane-restarted', restart: this.#life, reason: error.message });
    }
    this.#options.onRestarted(error);
  }
}

const NO_COUNTS: StreamCounts = {
  ...{ received: 0, invalid: 0, unauthorised: 0, duplicate: 0, dropped: 0, unauthenticated: 0 },
  lastPacketUs: 0,
};

/** Member by member; both have the same. */
function sumOf<T extends { [K in keyof T]: number }>(a: T, b: T): T {
  const sums = Object.keys(a).map((name) => [name, a[name as keyof T] + b[name as keyof T]]);
  return Object.fromEntries(sums) as T;
}
