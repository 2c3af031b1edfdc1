/**
 * The journal of one lane: takes blocks without ever blocking, writes them into segments as they come, and makes them
 * durable with one fdatasync per interval for all recordings together.
 *
 * - Bytes stay in memory until they are synced. A sync is never repeated over the same file: after an I/O error the
 *   kernel may have dropped the pages and a second fdatasync would report success. The segment is given up instead and
 *   what was not synced goes into a fresh one.
 * - On a full disk the reserve file is released, so that running calls can go on; the queue is kept; `onState` says
 *   `full` until the reserve could be made again.
 * - The queue is bounded: `write` refuses what does not fit, and the caller counts it as dropped.
 */

import { mkdir, open, rename, unlink } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { preallocate } from './preallocate.ts';
import { TRIM_EVERY_MS } from './resident-range.ts';
import { leftOverSegments, parseSegmentName, Segment, segmentName } from './segment.ts';
import { UnsyncedBytes } from './unsynced.ts';

/** `full`: there is no room for new recordings. `error`: the last I/O error, while it lasts. */
export interface JournalState {
  full: boolean;
  error?: string;
}

export interface JournalOptions {
  dir: string;
  /** Where to go on when `dir` fails with an I/O error. */
  fallbackDir?: string;
  laneId: number;
  /** Size of a segment; 64 MiB. */
  segmentBytes?: number;
  /** Interval of the group sync; 200 ms. */
  syncMs?: number;
  /** Bound of what is held in memory; 64 MiB. */
  maxQueuedBytes?: number;
  /** Room kept back for running calls when the disk fills up; a quarter of a segment. */
  reserveBytes?: number;
  /** How long `close` goes on trying against a full or failing disk; 10 s. */
  closeTimeoutMs?: number;
  /** A segment is closed and complete; in the order of writing. */
  onSealed: (path: string) => void;
  onState: (state: JournalState) => void;
  /** For fault tests. */
  createSegment?: (path: string, preallocateBytes: number, capacityBytes: number) => Promise<Segment>;
}

export interface JournalStats {
  queuedBytes: number;
  writtenBytes: number;
  /** Age of the oldest byte that is not on the disk yet. */
  lagMs: number;
  segments: number;
}

interface Waiter {
  /** Position in the stream of bytes that must be on the disk. */
  position: number;
  resolve: () => void;
  reject: (error: Error) => void;
}

const MIB = 1024 * 1024;
const RETRY_MS = 100;
const RESERVE_RETRY_MS = 1000;
const SMALL_SEGMENT_BYTES = MIB;
const NO_ROOM = new Set(['ENOSPC', 'EDQUOT']);

export class JournalWriter {
  readonly #o: Required<Omit<JournalOptions, 'fallbackDir'>> & { fallbackDir: string | undefined };
  readonly #unsynced: UnsyncedBytes;
  readonly #startedMs = Date.now();
  readonly #timer: NodeJS.Timeout;
  readonly #running: Promise<void>;
  #segment: Segment | null = null;
  #segments = 0;
  #dir: string;
  #acceptedBytes = 0;
  #syncedBytes = 0;
  #oldestMs = 0;
  #state: JournalState = { full: false };
  #hasReserve = false;
  #syncing: Promise<void> | null = null;
  #syncDue = false;
  #failure: Error | null = null;
  #flushWaiters: Waiter[] = [];
  #sealWaiters: Waiter[] = [];
  #closing = false;
  #closeBeforeMs = Infinity;
  #reserveTriedMs = 0;
  #trimmedMs = performance.now();
  #signalled = false;
  #isAsleep = false;
  #resume: (() => void) | null = null;

  private constructor(o: JournalOptions) {
    const segmentBytes = o.segmentBytes ?? 64 * MIB;
    this.#o = {
      segmentBytes,
      syncMs: 200,
      maxQueuedBytes: 64 * MIB,
      reserveBytes: Math.ceil(segmentBytes / 4),
      closeTimeoutMs: 10_000,
      createSegment: Segment.create,
      ...o,
      fallbackDir: o.fallbackDir,
    };
    this.#dir = o.dir;
    this.#unsynced = new UnsyncedBytes(this.#o.maxQueuedBytes);
    this.#timer = setInterval(() => this.#tick(), this.#o.syncMs);
    this.#running = this.#run();
  }

  /**
   * Begins a journal. Segments that a dead writer of the same lane left in `dir` are handed to `onSealed` first.
   * A full disk is no reason to reject: it is reported as state. Rejects if the folder cannot be made or read.
   */
  static async open(o: JournalOptions): Promise<JournalWriter> {
    await mkdir(o.dir, { recursive: true });
    for (const left of leftOverSegments(o.dir, o.laneId)) o.onSealed(await adopt(left));
    const writer = new JournalWriter(o);
    await writer.#makeReserve();
    return writer;
  }

  /** Copies the blocks in and returns at once. False: there is no room, nothing was taken. */
  write(bytes: Uint8Array): boolean {
    if (this.#closing) return false;
    if (this.#unsynced.heldBytes === 0) this.#oldestMs = performance.now();
    if (!this.#unsynced.push(bytes)) return false;
    this.#acceptedBytes += bytes.length;
    this.#wake();
    return true;
  }

  /** I/O is under way. */
  get isWorking(): boolean {
    return !this.#isAsleep || this.#syncing !== null;
  }

  /** Resolves when everything written so far is on the disk. */
  flushed(): Promise<void> {
    if (this.#syncedBytes === this.#acceptedBytes) return Promise.resolve();
    const done = this.#waitIn(this.#flushWaiters);
    this.#syncDue = true;
    this.#wake();
    return done;
  }

  /** Closes the segment and begins the next; resolves after `onSealed`. Nothing happens to an empty segment. */
  seal(): Promise<void> {
    if (this.#acceptedBytes === 0) return Promise.resolve();
    const done = this.#waitIn(this.#sealWaiters);
    this.#wake();
    return done;
  }

  stats(): JournalStats {
    const queuedBytes = this.#unsynced.heldBytes;
    return {
      queuedBytes,
      writtenBytes: this.#acceptedBytes - this.#unsynced.unwrittenBytes,
      lagMs: queuedBytes === 0 ? 0 : performance.now() - this.#oldestMs,
      segments: this.#segments,
    };
  }

  /** Writes, syncs and seals what is there. Rejects if that was not possible within `closeTimeoutMs`. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#closeBeforeMs = performance.now() + this.#o.closeTimeoutMs;
    this.#wake();
    await this.#running;
    clearInterval(this.#timer);
    if (this.#hasReserve) await unlink(this.#reservePath).catch(() => undefined);
    if (this.#syncedBytes < this.#acceptedBytes) {
      const missing = this.#acceptedBytes - this.#syncedBytes;
      throw new Error(`journal of lane ${this.#o.laneId}: ${missing} bytes could not be written`, {
        cause: this.#failure,
      });
    }
  }

  #waitIn(waiters: Waiter[]): Promise<void> {
    const position = this.#acceptedBytes;
    return new Promise((resolve, reject) => waiters.push({ position, resolve, reject }));
  }

  #tick(): void {
    this.#syncDue = true;
    if (performance.now() - this.#trimmedMs > TRIM_EVERY_MS) {
      this.#unsynced.trim();
      this.#trimmedMs = performance.now();
    }
    this.#wake();
  }

  /** The only place that changes the segment: everything else sets flags and wakes it. */
  async #run(): Promise<void> {
    let wait = 0;
    for (;;) {
      this.#signalled = false;
      try {
        wait = (await this.#step()) ? 0 : -1;
        if (wait === -1 && this.#closing && (await this.#sealSegment())) break;
      } catch (error) {
        wait = await this.#failed(error as NodeJS.ErrnoException);
        if (performance.now() > this.#closeBeforeMs) break;
      }
      if (wait === 0) continue;
      this.#isAsleep = true;
      await this.#sleep(wait);
      this.#isAsleep = false;
    }
    await this.#syncing;
    await this.#segment?.abandon();
    const error = new Error('journal closed before the bytes were on the disk');
    for (const waiter of [...this.#flushWaiters, ...this.#sealWaiters]) waiter.reject(error);
  }

  /** Does one thing. False if there is nothing to do. */
  async #step(): Promise<boolean> {
    if (this.#failure) throw this.#failure;
    if (this.#sealDue()) {
      await this.#sealSegment();
      const due = this.#sealWaiters.filter((waiter) => waiter.position <= this.#syncedBytes);
      this.#sealWaiters = this.#sealWaiters.filter((waiter) => waiter.position > this.#syncedBytes);
      for (const waiter of due) waiter.resolve();
      return true;
    }
    const bytes = this.#unsynced.next();
    if (bytes) {
      const segment = this.#segment;
      if (!segment) await this.#nextSegment();
      else if (segment.writtenBytes > 0 && segment.writtenBytes + bytes.length > segment.capacityBytes)
        await this.#sealSegment();
      else {
        await segment.write(bytes);
        this.#unsynced.written(bytes.length);
        if (this.#syncDue) this.#startSync();
      }
      return true;
    }
    if (this.#syncDue) this.#startSync();
    if (this.#state.full && performance.now() - this.#reserveTriedMs > RESERVE_RETRY_MS) await this.#makeReserve();
    return false;
  }

  #sealDue(): boolean {
    const writtenBytes = this.#acceptedBytes - this.#unsynced.unwrittenBytes;
    return this.#sealWaiters.some((waiter) => waiter.position <= writtenBytes);
  }

  /** Runs beside the writing: a slow sync must not delay what a crash of this process would lose. */
  #startSync(): void {
    const segment = this.#segment;
    if (this.#syncing || !segment || segment.syncedBytes === segment.writtenBytes) return;
    this.#syncDue = false;
    this.#syncing = this.#sync(segment)
      .catch((error: Error) => {
        this.#failure = error;
      })
      .finally(() => {
        this.#syncing = null;
        this.#wake();
      });
  }

  async #sync(segment: Segment): Promise<void> {
    const startedMs = performance.now();
    const before = segment.syncedBytes;
    await segment.sync();
    this.#unsynced.synced(segment.syncedBytes - before);
    this.#syncedBytes += segment.syncedBytes - before;
    this.#oldestMs = startedMs;
    const done = this.#flushWaiters.filter((waiter) => waiter.position <= this.#syncedBytes);
    this.#flushWaiters = this.#flushWaiters.filter((waiter) => waiter.position > this.#syncedBytes);
    for (const waiter of done) waiter.resolve();
    if (this.#flushWaiters.length > 0) this.#syncDue = true;
    if (this.#state.error !== undefined) this.#report({ full: this.#state.full });
  }

  /** Syncs, cuts and closes the segment. Always true, so that the loop can end on it. */
  async #sealSegment(): Promise<true> {
    await this.#syncing;
    if (this.#failure) throw this.#failure;
    const segment = this.#segment;
    if (!segment) return true;
    await this.#sync(segment);
    this.#segment = null;
    if (segment.writtenBytes === 0) await segment.remove();
    else this.#o.onSealed(await segment.seal('sealed'));
    return true;
  }

  async #nextSegment(): Promise<void> {
    const { segmentBytes, reserveBytes, laneId, createSegment } = this.#o;
    const sizes = this.#state.full ? [reserveBytes, SMALL_SEGMENT_BYTES, 0] : [segmentBytes];
    for (const [i, bytes] of sizes.entries()) {
      const name = segmentName(laneId, this.#startedMs, this.#segments);
      try {
        this.#segment = await createSegment(path.join(this.#dir, name), bytes, bytes || SMALL_SEGMENT_BYTES);
        this.#segments++;
        return;
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (!NO_ROOM.has(code ?? '') || i === sizes.length - 1) throw error;
      }
    }
  }

  /** What to do about an error: returns how long to wait before the next attempt. */
  async #failed(error: NodeJS.ErrnoException): Promise<number> {
    await this.#syncing;
    this.#failure = null;
    if (NO_ROOM.has(error.code ?? '')) {
      const hadReserve = this.#hasReserve;
      if (hadReserve) await unlink(this.#reservePath).catch(() => undefined);
      this.#hasReserve = false;
      if (!this.#state.full) this.#report({ full: true, error: error.message });
      return hadReserve ? 0 : RETRY_MS;
    }
    this.#report({ full: this.#state.full, error: error.message });
    const torn = this.#segment;
    this.#segment = null;
    this.#unsynced.rewind();
    if (this.#o.fallbackDir !== undefined) await this.#changeFolder();
    if (!torn) return RETRY_MS;
    // It keeps what it took without a sync, for as long as the copy is only in memory.
    if (torn.writtenBytes === 0) await torn.remove();
    else await torn.seal('torn').then(this.#o.onSealed, () => this.#o.onSealed(torn.path));
    return 0;
  }

  async #changeFolder(): Promise<void> {
    const { dir, fallbackDir } = this.#o;
    this.#dir = this.#dir === dir && fallbackDir !== undefined ? fallbackDir : dir;
    await mkdir(this.#dir, { recursive: true }).catch(() => undefined);
  }

  get #reservePath(): string {
    return path.join(this.#o.dir, `lane-${this.#o.laneId}.reserve`);
  }

  /** Makes the reserve file; with it there, the disk counts as not full. */
  async #makeReserve(): Promise<void> {
    this.#reserveTriedMs = performance.now();
    if (this.#o.reserveBytes > 0 && !this.#hasReserve) {
      try {
        const file = await open(`${this.#reservePath}.tmp`, 'w', 0o600);
        await preallocate(file, `${this.#reservePath}.tmp`, this.#o.reserveBytes).finally(() => file.close());
        await rename(`${this.#reservePath}.tmp`, this.#reservePath);
      } catch (error) {
        await unlink(`${this.#reservePath}.tmp`).catch(() => undefined);
        if (!this.#state.full) this.#report({ full: true, error: (error as Error).message });
        return;
      }
      this.#hasReserve = true;
    }
    if (this.#state.full) this.#report({ full: false });
  }

  #report(state: JournalState): void {
    this.#state = state;
    this.#o.onState(state);
  }

  #wake(): void {
    this.#signalled = true;
    this.#resume?.();
  }

  /** Until woken (-1), or for a time: new bytes do not make a failing disk better. */
  async #sleep(ms: number): Promise<void> {
    if (ms > 0) return await delay(ms);
    if (this.#signalled) return;
    await new Promise<void>((resolve) => {
      this.#resume = resolve;
    });
    this.#resume = null;
  }
}

/** A segment that its writer left open gets the name of a sealed one. */
async function adopt(segmentPath: string): Promise<string> {
  if (parseSegmentName(segmentPath)?.state !== 'open') return segmentPath;
  const sealedPath = segmentPath.replace(/\.open$/, '.sealed');
  await rename(segmentPath, sealedPath);
  return sealedPath;
}
