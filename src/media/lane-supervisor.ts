/**
 * Keeps a lane alive: one life after another, each with everything open that was, over fresh memory. The next one waits on a thread of its
 * own, with everything loaded and the streams open in its memory. Commands wait while there is none, and those that a death left without an
 * answer are sent again.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { Piscina } from 'piscina';
import type { OpenContents } from './lane-contents.ts';
import { LaneCounts } from './lane-counts.ts';
import { LaneError, LaneLife } from './lane-life.ts';
import type { LaneCommand, RefusedStream } from './lane-protocol.ts';
import { loadLibc } from './libc.ts';
import { createLaneMemory } from './memory.ts';
import { closeSocketsOf } from './native-sockets.ts';
import { openWake, type Wake } from './wake.ts';

export interface LaneOptions {
  laneId: number;
  journalDir: string;
  driver: 'native' | 'dgram';
  /** Of what is sent, native driver only (RFC 2474). */
  dscp: number;
  /** Memory of the look-back rings. */
  lookBackBytes: number;
  onSealed: (path: string) => void;
  onJournalState: (full: boolean, error: string | null) => void;
  onRestarted: (error: Error) => void;
}

export interface Restart {
  error: Error;
  /** Lives so far, without the present one. */
  lives: number;
  refused: RefusedStream[];
}

const WORKER = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url);
/** A lane that dies more often than this in a row is broken for good: better to say so than to spin. */
const MAX_DEATHS_IN_A_ROW = 7;
const LONG_LIFE_MS = 10_000;
const RESTART_BACKOFF_MS = 50;
/** A thread that has not loaded after so long what it needs never will: it was ended. */
const LOADING_MS = 2_000;
/**
 * What a turn of the lane leaves behind is dead at once: much room for it would only be resident, 45 MB with V8's own choice. With little room it
 * is collected so often that what waits for the disk is taken for something that lasts, and stays for hours (seen: 44 KB a minute with
 * V8's least, 7 with this). V8 looks at its flag when a thread begins; others that begin later in the process have the same least.
 */
const SEMI_SPACE_MB = 4;
const YOUNG_GENERATION_MB = 3 * SEMI_SPACE_MB;

export class LaneSupervisor {
  readonly counts = new LaneCounts();
  readonly #options: LaneOptions;
  readonly #contents: OpenContents;
  readonly #onRestarted: (restart: Restart) => void;
  readonly #wake: Wake;
  /**
   * One thread runs the lane, the other has the life that waits for the day that it dies. The pool itself does not replace one that died: a
   * thread that starts takes time from the one that is to open everything.
   */
  readonly #pool = new Piscina({
    filename: WORKER.href,
    ...{ minThreads: 1, maxThreads: 2, idleTimeout: Number.POSITIVE_INFINITY, atomics: 'disabled' },
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
  });
  #life: LaneLife;
  #lives = 0;
  /** Has the streams in its memory, and waits for the end of the present one. Null: there is none yet, or its thread has ended. */
  #next: LaneLife | null = null;
  /** Of lives whose records and sockets no life has taken over yet. */
  #before: WebAssembly.Memory[] = [];
  /** Resolves when the lives so far have closed their journals. */
  #gone: Promise<unknown> = Promise.resolve();
  /** Pending while the lane is being started again; rejected when it is gone for good. */
  #up = Promise.withResolvers<void>();
  #isUp = false;
  #supervised: Promise<void> = Promise.resolve();
  /** Resolves when the other thread may be ended: it must not be before. */
  #loaded: Promise<void> = Promise.resolve();
  #closing = false;

  private constructor(options: LaneOptions, contents: OpenContents, onRestarted: (restart: Restart) => void) {
    this.#options = options;
    this.#contents = contents;
    this.#onRestarted = onRestarted;
    this.#wake = openWake(options.driver);
    this.#pool.on('error', () => {}); // what concerns the lane rejects its task
    this.#contents.streams.onChange = (slot, setup) => this.#next?.tell(slot, setup);
    this.#life = this.#begin();
  }

  static async start(
    options: LaneOptions,
    contents: OpenContents,
    onRestarted: (restart: Restart) => void,
  ): Promise<LaneSupervisor> {
    setFlagsFromString(`--min-semi-space-size=${SEMI_SPACE_MB}`);
    const supervisor = new LaneSupervisor(options, contents, onRestarted);
    try {
      await supervisor.#life.ready;
      await supervisor.#openJournal();
    } catch (error) {
      await supervisor.#pool.destroy();
      supervisor.#closeSockets();
      throw error;
    }
    supervisor.#rise();
    supervisor.#keepNext();
    supervisor.#supervised = supervisor.#supervise();
    return supervisor;
  }

  /** The present one. */
  get life(): LaneLife {
    return this.#life;
  }

  /** Is with the worker when this returns, unless the lane is being started again: what happens next comes behind it. */
  async command(command: LaneCommand): Promise<void> {
    for (;;) {
      if (!this.#isUp) await this.#up.promise;
      try {
        return await this.#life.send(command);
      } catch (error) {
        if (!(error instanceof LaneError && error.code === 'LANE_DIED')) throw error;
      }
    }
  }

  async close(): Promise<void> {
    this.#closing = true;
    await this.#up.promise.then(() => this.#life.send({ do: 'stop' })).catch(() => {});
    await this.#supervised;
    await this.#gone;
    await Promise.race([this.#loaded.then(() => this.#next?.dismiss()), delay(LOADING_MS, null, { ref: false })]);
    await this.#pool.destroy();
    this.#closeSockets();
  }

  #begin(): LaneLife {
    const life = this.#next ?? this.#newLife(this.#lives, null);
    this.#next = null;
    life.begin({ ...this.#contents.renewed(), before: this.#before });
    return life;
  }

  /** `rehearsal`: a memory to rehearse on while it waits. */
  #newLife(life: number, rehearsal: WebAssembly.Memory | null): LaneLife {
    const { laneId, journalDir, driver, dscp, lookBackBytes, onSealed, onJournalState } = this.#options;
    const sockets = { driver, dscp, wakeFd: this.#wake.fd };
    const task = { laneId, journalDir, sockets, life, rehearsal };
    const made = new LaneLife({ pool: this.#pool, wake: this.#wake, task, lookBackBytes, onSealed, onJournalState });
    for (const [slot, setup] of this.#contents.streams.open) made.tell(slot, setup);
    return made;
  }

  /** Of the present life, when those before have closed theirs. */
  async #openJournal(): Promise<void> {
    const life = this.#life;
    const before = this.#gone;
    this.#gone = Promise.all([before, life.gone]);
    await before;
    await life.send({ do: 'open-journal' });
    if (this.#life === life) this.#before = [];
  }

  /** Starts the lane again whenever it dies. Ends when it is closed, or dies too often. */
  async #supervise(): Promise<void> {
    let bornMs = performance.now();
    let deaths = 0;
    for (;;) {
      const error = await this.#life.ended;
      this.#fall();
      if (!error || this.#closing) return this.#end(error);
      deaths = performance.now() - bornMs < LONG_LIFE_MS ? deaths + 1 : 1;
      if (deaths > MAX_DEATHS_IN_A_ROW) return this.#end(error);
      if (deaths > 1) await delay(RESTART_BACKOFF_MS * 2 ** (deaths - 2));
      bornMs = performance.now();
      await this.#restart(error).catch(() => {}); // it died again: the next turn sees to it
    }
  }

  async #restart(error: Error): Promise<void> {
    const before = this.#life;
    this.#before = [...this.#before, before.shared];
    this.#lives += 1;
    this.#life = this.#begin();
    this.counts.keep(before.memory);
    this.#openJournal().then(
      () => this.#keepNext(),
      () => {}, // a life that cannot have a journal dies of it
    );
    const refused = await this.#life.ready;
    this.#rise();
    this.#onRestarted({ error, lives: this.#lives, refused });
  }

  /** When the lane is up and has its journal: until then a thread that starts would take time from it. */
  #keepNext(): void {
    if (this.#closing) return;
    const loaded = this.#pool.run({}, { name: 'load' }).then(() => {
      if (this.#closing || this.#next) return;
      // Other sockets cannot be taken over: with them a life does not begin at once in any case.
      const rehearsal = this.#options.driver === 'native' ? createLaneMemory(0) : null;
      const next = this.#newLife(this.#lives + 1, rehearsal);
      this.#next = next;
      void next.ended.then(() => {
        if (this.#next === next) this.#next = null;
        if (rehearsal) this.#closeSocketsOf([rehearsal]);
      });
    });
    this.#loaded = loaded.catch(() => {}); // the next life starts a thread then
  }

  #rise(): void {
    this.#isUp = true;
    this.#up.resolve();
  }

  #fall(): void {
    if (this.#isUp) this.#up = Promise.withResolvers<void>();
    this.#isUp = false;
  }

  #end(error: Error | null): void {
    const { laneId, onJournalState } = this.#options;
    this.#up.promise.catch(() => {}); // also when nobody asks any more
    this.#up.reject(new LaneError('LANE_CLOSED', `lane ${laneId} is closed`));
    if (error) onJournalState(true, `lane ${laneId} is gone for good: ${error.message}`);
  }

  #closeSockets(): void {
    this.#closeSocketsOf([...this.#before, this.#life.shared]);
    this.#wake.close();
  }

  /** Those that a life which did not end well has left. */
  #closeSocketsOf(memories: WebAssembly.Memory[]): void {
    const libc = this.#options.driver === 'native' ? loadLibc() : 'dgram';
    if (typeof libc === 'string') return;
    for (const memory of memories) closeSocketsOf(memory, libc);
  }
}
