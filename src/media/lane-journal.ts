/**
 * A lane's journal as its worker keeps it. A life does not wait for it: what is received before it is open stays in the staging region,
 * for the life before may have its segment to close still.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { ResidentRange, TRIM_EVERY_MS } from '../journal/resident-range.ts';
import { type JournalOptions, JournalWriter } from '../journal/writer.ts';
import { MediaCore } from './core.ts';

/** Notes share one sync of the journal. */
const NOTE_SYNC_MS = 200;
/** While the writer holds more than this, blocks stay in the staging region, which drops and counts when it is full. */
const WRITER_HIGH_WATER_BYTES = 48 * 1024 * 1024;
/** What a busy lane has for a flush, with some room: half of it was seen at four fifths of a core's capacity. */
const USUAL_BYTES = 1024 * 1024;

export class LaneJournal {
  readonly #core: MediaCore;
  readonly #nowUs: () => bigint;
  readonly #opened = Promise.withResolvers<void>();
  /** Notes that found no room; they go before anything else once there is some. */
  readonly #waitingNotes: { slot: number; note: Uint8Array }[] = [];
  #writer: JournalWriter | null = null;
  #opening: Promise<void> | null = null;
  #isOpen = false;
  #noteSync: Promise<void> | null = null;
  #isOver = false;
  readonly #staging: ResidentRange;
  readonly #blocks: ResidentRange;
  #trimmedMs = performance.now();

  constructor(core: MediaCore, nowUs: () => bigint) {
    this.#core = core;
    this.#nowUs = nowUs;
    const { staging, blocks } = core.memory.journalRegions;
    this.#staging = new ResidentRange(staging, USUAL_BYTES);
    this.#blocks = new ResidentRange(blocks, USUAL_BYTES);
  }

  /** @param before memories of lives that have journaled their last: what they had received and not flushed is written first. */
  open(options: JournalOptions, before: WebAssembly.Memory[]): Promise<void> {
    this.#opening = this.#open(options, before);
    return this.#opening;
  }

  async #open(options: JournalOptions, before: WebAssembly.Memory[]): Promise<void> {
    const writer = await JournalWriter.open(options);
    this.#writer = writer;
    if (this.#isOver) return;
    // Readers skip blocks whose number does not rise: a wall clock that was set back must not make it fall.
    let blockSeq = BigInt(Date.now()) << 20n;
    for (const memory of before) {
      const afterLast = this.#rescue(memory, writer);
      if (afterLast > blockSeq) blockSeq = afterLast;
    }
    this.#core.memory.setLane(options.laneId, blockSeq);
    this.#isOpen = true;
    this.#opened.resolve();
  }

  /** I/O is under way. */
  get isWorking(): boolean {
    return this.#writer?.isWorking ?? true;
  }

  get hasWork(): boolean {
    if (!this.#writer || !this.#isOpen) return false;
    const isStaged = this.#core.memory.stagedBytes > 0 || this.#waitingNotes.length > 0;
    return isStaged || this.#writer.stats().queuedBytes > 0;
  }

  /** False while nothing may be added: the writer has so much to do, or is not there yet. */
  flush(): boolean {
    if (!this.#writer || !this.#isOpen) return false;
    if (this.#isOver) throw new Error('the lane has ended');
    const { queuedBytes, writtenBytes, lagMs } = this.#writer.stats();
    this.#core.memory.tellJournal({ queuedBytes, writtenBytes, lagMs });
    if (queuedBytes > WRITER_HIGH_WATER_BYTES) return false;
    this.#staging.use(this.#core.memory.stagedBytes);
    const blocks = this.#core.flush(this.#nowUs(), BigInt(Date.now()) * 1000n);
    this.#blocks.use(blocks.length);
    if (blocks.length > 0 && !this.#writer.write(blocks))
      throw new Error('the journal refused blocks below its high water mark');
    this.#trim();
    while (this.#waitingNotes.length > 0) {
      const { slot, note } = this.#waitingNotes[0]!;
      if (!this.#core.note(slot, note, this.#nowUs())) break;
      this.#waitingNotes.shift();
    }
    return true;
  }

  /** Behind a flush, when both regions are empty. */
  #trim(): void {
    if (performance.now() - this.#trimmedMs < TRIM_EVERY_MS) return;
    this.#trimmedMs = performance.now();
    this.#staging.trim(0);
    this.#blocks.trim(0);
  }

  /** Everything that was received or noted so far is on the disk. */
  async flushed(): Promise<void> {
    await this.#opened.promise;
    let isAll = false;
    while (!isAll) {
      const hadWaiting = this.#waitingNotes.length > 0;
      isAll = this.flush() && !hadWaiting;
      await this.#writer!.flushed();
      if (this.#isOver) throw new Error('the lane has ended');
    }
  }

  /** Of each of these recordings. Resolves when it is on the disk. */
  async note(slots: number[], note: Uint8Array): Promise<void> {
    for (const slot of slots) {
      const isTaken = this.#waitingNotes.length === 0 && this.#core.note(slot, note, this.#nowUs());
      if (!isTaken) this.#waitingNotes.push({ slot, note });
    }
    this.#noteSync ??= delay(NOTE_SYNC_MS).then(() => {
      this.#noteSync = null;
      return this.flushed();
    });
    await this.#noteSync;
  }

  async seal(): Promise<void> {
    await this.flushed();
    await this.#writer!.seal();
  }

  /** Nothing more is taken from the lane's memory: it may be another life's to read. */
  stop(): void {
    this.#isOver = true;
  }

  /** Resolves when what it has taken is on the disk. */
  async close(): Promise<void> {
    await this.#opening?.catch(() => {});
    await this.#writer?.close();
  }

  /** @returns the number of the next block. */
  #rescue(before: WebAssembly.Memory, writer: JournalWriter): bigint {
    const core = new MediaCore(before);
    try {
      writer.write(core.flush(this.#nowUs(), BigInt(Date.now()) * 1000n));
    } catch (error) {
      // The records themselves may be what the core trapped on: then they are lost, as the restart tells.
      if (!(error instanceof WebAssembly.RuntimeError)) throw error;
    }
    return core.memory.nextBlockSeq;
  }
}
