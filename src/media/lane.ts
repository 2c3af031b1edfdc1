/**
 * A lane as the main thread sees it: shared memory, a worker that runs it, and the list of what is open, from which a lane that
 * died is started again over fresh memory.
 */
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { Piscina } from 'piscina';
import type { LaneCommand, LaneMessage, StreamSetup } from './lane-protocol.ts';
import { createLaneMemory, LaneMemory, MAX_RECORDINGS, MAX_STREAMS } from './memory.ts';

export interface LaneOptions {
  laneId: number;
  journalDir: string;
  onSealed: (path: string) => void;
  onJournalState: (full: boolean, error: string | null) => void;
  onRestarted: (error: Error) => void;
}

/** A command that the worker refused; `code` as Node names it (EADDRINUSE) or FAILED. */
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
/** Epochs of a lane that was started again begin here, so that they differ from those before. */
const EPOCHS_PER_LIFE = 0x10000;
/** A lane that dies more often than this in a row is broken for good: better to say so than to spin. */
const MAX_DEATHS_IN_A_ROW = 10;
const LONG_LIFE_MS = 10_000;

interface OpenRecording {
  id: Uint8Array;
  paused: boolean;
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
  readonly #pool = new Piscina({ filename: WORKER.href, minThreads: 1, maxThreads: 1, atomics: 'disabled' });
  readonly #recordings = new Map<number, OpenRecording>();
  readonly #streams = new Map<number, StreamSetup>();
  readonly #recordingSlots = new Slots(MAX_RECORDINGS);
  readonly #streamSlots = new Slots(MAX_STREAMS);
  readonly #waiting = new Map<number, Waiting>();
  #memory!: LaneMemory;
  #port!: MessagePort;
  #task: Promise<void> = Promise.resolve();
  #nextRequest = 1;
  #life = 0;
  #deaths = 0;
  #closing = false;

  private constructor(options: LaneOptions) {
    this.id = options.laneId;
    this.#options = options;
  }

  static async start(options: LaneOptions): Promise<Lane> {
    const lane = new Lane(options);
    await lane.#run();
    return lane;
  }

  get memory(): LaneMemory {
    return this.#memory;
  }

  get streamSlots(): Iterable<number> {
    return this.#streams.keys();
  }

  get streamCount(): number {
    return this.#streams.size;
  }

  async openRecording(id: Uint8Array): Promise<number> {
    const slot = this.#recordingSlots.take('recording');
    this.#recordings.set(slot, { id, paused: false });
    await this.command({ do: 'open-recording', slot, id, paused: false });
    return slot;
  }

  /** Resolves when all its records are on the disk. */
  async closeRecording(slot: number): Promise<void> {
    await this.command({ do: 'close-recording', slot });
    this.#recordings.delete(slot);
    this.#recordingSlots.giveBack(slot);
  }

  async pause(slot: number, paused: boolean): Promise<void> {
    this.#recordings.get(slot)!.paused = paused;
    await this.command({ do: 'pause', slot, paused });
  }

  /** Rejects with the LaneError of a port that is taken; nothing is open then. */
  async openStream(setup: StreamSetup): Promise<number> {
    const slot = this.#streamSlots.take('stream');
    try {
      await this.command({ do: 'open-stream', slot, setup: { ...setup, firstEpoch: this.#life * EPOCHS_PER_LIFE } });
      this.#streams.set(slot, setup);
      return slot;
    } catch (error) {
      this.#streamSlots.giveBack(slot);
      throw error;
    }
  }

  async updateStream(slot: number, setup: StreamSetup): Promise<void> {
    this.#streams.set(slot, setup);
    await this.command({ do: 'update-stream', slot, setup });
  }

  async closeStream(slot: number): Promise<void> {
    this.#streams.delete(slot);
    await this.command({ do: 'close-stream', slot });
    this.#streamSlots.giveBack(slot);
  }

  note(slot: number, json: object): void {
    this.command({ do: 'note', slot, json }).catch(() => {}); // a dead lane: its restart is reported by itself
  }

  async seal(): Promise<void> {
    await this.command({ do: 'seal' });
  }

  async close(): Promise<void> {
    this.#closing = true;
    await this.command({ do: 'stop' }).catch(() => {});
    await this.#task.catch(() => {});
    await this.#pool.destroy();
  }

  command(command: LaneCommand): Promise<void> {
    const request = this.#nextRequest++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(request, { resolve, reject });
      this.#port.postMessage({ ...command, request });
    });
  }

  async #run(): Promise<void> {
    const memory = createLaneMemory();
    const { port1, port2 } = new MessageChannel();
    this.#memory = new LaneMemory(memory);
    this.#port = port1;
    const bornMs = performance.now();
    const { laneId, journalDir } = this.#options;
    const task = { memory, port: port2, laneId, journalDir };
    this.#task = this.#pool.run(task, { transferList: [port2] });
    const ready = new Promise<void>((resolve) => {
      port1.on('message', (message: LaneMessage) => (message.type === 'ready' ? resolve() : this.#onMessage(message)));
    });
    const failed = this.#task.then(() => {
      if (!this.#closing) throw new Error('the lane ended by itself');
    });
    failed.catch((error: Error) => this.#onDeath(error, performance.now() - bornMs));
    await Promise.race([ready, failed]);
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

  #onDeath(error: Error, livedMs: number): void {
    if (this.#closing) return;
    for (const { reject } of this.#waiting.values())
      reject(new LaneError('LANE_DIED', `the lane died: ${error.message}`));
    this.#waiting.clear();
    this.#deaths = livedMs < LONG_LIFE_MS ? this.#deaths + 1 : 1;
    if (this.#life === 0 && livedMs < 1000 && this.#recordings.size === 0) return; // start() tells its caller
    if (this.#deaths > MAX_DEATHS_IN_A_ROW)
      return this.#options.onJournalState(true, `lane ${this.id} keeps dying: ${error.message}`);
    this.#life += 1;
    void this.#run().then(
      () => this.#reopen(error),
      () => {},
    );
  }

  /** Everything that was open is open again, on the same ports. */
  async #reopen(error: Error): Promise<void> {
    for (const [slot, { id, paused }] of this.#recordings) {
      await this.command({ do: 'open-recording', slot, id, paused });
      this.note(slot, { type: 'event', name: 'lane-restarted', reason: error.message });
    }
    for (const [slot, setup] of this.#streams) {
      const again = { ...setup, firstEpoch: this.#life * EPOCHS_PER_LIFE };
      await this.command({ do: 'open-stream', slot, setup: again }).catch(() => {});
    }
    this.#options.onRestarted(error);
  }
}
