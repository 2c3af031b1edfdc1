/**
 * The way from the journal to the recording: sealed segments are demultiplexed into one packet file per recording,
 * and the packet files of ended recordings are finalised. Both run as short tasks in a pool of their own, so that
 * they cannot starve a lane.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Piscina } from 'piscina';
import type { Recording } from '../store/recording.ts';
import { settlesWithin } from './bounded-wait.ts';

export interface FinaliserOptions {
  packetsDir: string;
  recordingsDir: string;
  threads: number;
  keepPackets: boolean;
  /** Close the lane's open segment; resolves once {@link Finaliser.sealed} has been told of it. */
  seal: (lane: number) => Promise<void>;
  onComplete: (recording: Recording) => void;
  /** After each attempt at a recording. */
  onAttempt?: (result: 'complete' | 'failed', sec: number) => void;
  onFailed: (recordingId: string, error: Error) => void;
  onSegmentFailed: (segment: string, error: Error) => void;
}

const WORKER = new URL(
  import.meta.url.endsWith('.ts') ? '../recording/worker.ts' : '../recording/worker.js',
  import.meta.url,
);

/** Between attempts, while the disk is full or failing. */
const RETRY_MS = 1000;
/** One recording may take its time; when nothing at all comes to an end for so long, the disk is to blame. */
const STALLED_MS = 60_000;
/** An error of a worker thread comes without its code. */
const NO_ROOM = /\b(ENOSPC|EDQUOT)\b/;

/** How long ended recordings wait for company before their lane's segment is closed for them. */
const SEAL_EVERY_MS = 500;

export class Finaliser {
  readonly #options: FinaliserOptions;
  readonly #pool: Piscina;
  /** By lane: recordings that ended, the last packets of which may still be in the lane's open segment. */
  readonly #ended = new Map<number, Set<string>>();
  /** By lane: segments are demultiplexed in order, for packet files are appended to. */
  readonly #demultiplexed = new Map<number, Promise<boolean>>();
  readonly #running = new Set<Promise<void>>();
  readonly #timer: NodeJS.Timeout;
  /** Nothing is tried again: what fails now is taken up by the next start. */
  #leaving = false;

  constructor(options: FinaliserOptions) {
    this.#options = options;
    this.#pool = new Piscina({ filename: WORKER.href, minThreads: 0, maxThreads: options.threads });
    this.#timer = setInterval(() => this.#closeSegments(), SEAL_EVERY_MS);
  }

  /** Recordings that wait, and tasks that run. */
  get queueLength(): number {
    let waiting = 0;
    for (const ids of this.#ended.values()) waiting += ids.size;
    return waiting + this.#running.size;
  }

  /** The recording is over and all its records are in the lane's journal. */
  ended(recordingId: string, lane: number): void {
    const ids = this.#ended.get(lane) ?? new Set();
    ids.add(recordingId);
    this.#ended.set(lane, ids);
  }

  /** The lane has closed a segment; segments come in the order in which they were written. */
  sealed(lane: number, segment: string): void {
    const before = this.#demultiplexed.get(lane) ?? Promise.resolve(true);
    const after = before.then((isDone) => isDone && this.#demultiplexAtLast(segment));
    this.#demultiplexed.set(lane, after);
    this.#track(after);
  }

  /** @returns ids of the recordings that have packets in the segment, which is gone afterwards. */
  async demultiplex(segment: string): Promise<string[]> {
    return (await this.#pool.run({ do: 'demux', segment, packetsDir: this.#options.packetsDir })) as string[];
  }

  /** Makes the recording's files from its packet file. Failures go to `onFailed`; the packet file is kept then. */
  finalise(recordingId: string): Promise<void> {
    const { packetsDir, recordingsDir, keepPackets } = this.#options;
    const task = { do: 'finalise', recordingId, packetsDir, recordingsDir, keepPackets };
    const startedMs = performance.now();
    const attempted = (result: 'complete' | 'failed') =>
      this.#options.onAttempt?.(result, (performance.now() - startedMs) / 1000);
    const made = this.#pool.run(task);
    made.then(
      () => attempted('complete'),
      () => attempted('failed'),
    );
    const work = made
      .then(
        (recording) => this.#options.onComplete(recording as Recording),
        (error: Error) => this.#finaliseLater(recordingId, error),
      )
      .catch((error: Error) => this.#options.onFailed(recordingId, error));
    this.#track(work);
    return work;
  }

  /** A full disk passes: the packets are safe until then. */
  async #finaliseLater(recordingId: string, error: Error): Promise<void> {
    if (!NO_ROOM.test(error.message)) return this.#options.onFailed(recordingId, error);
    if (this.#leaving) return;
    await delay(RETRY_MS);
    await this.finalise(recordingId);
  }

  /**
   * Until it works: later segments, and the recordings in this one, must not go before it, or packets would be missing.
   * @returns false if it did not before this server ends; the segment is left to the next start.
   */
  async #demultiplexAtLast(segment: string): Promise<boolean> {
    for (let tries = 0; ; tries++) {
      try {
        await this.demultiplex(segment);
        return true;
      } catch (error) {
        if (tries === 0) this.#options.onSegmentFailed(segment, error as Error);
        if (this.#leaving) return false;
        await delay(RETRY_MS);
      }
    }
  }

  /** The recording is in the catalogue: its packet file goes, once its files are seen to be what the manifest says. */
  release(recordingId: string): void {
    const { packetsDir, recordingsDir } = this.#options;
    const work = this.#pool.run({ do: 'release', recordingId, packetsDir, recordingsDir }).then(
      (released) => {
        if (!released) this.#options.onFailed(recordingId, new Error('the files differ from the manifest'));
      },
      (error: Error) => this.#options.onFailed(recordingId, error),
    );
    this.#track(work);
  }

  /**
   * Finishes what can be finished now. What cannot, for the disk is full or failing, stays for the next start.
   * @returns how much that is
   */
  async drain(): Promise<number> {
    this.#leaving = true;
    while (this.queueLength > 0) {
      this.#closeSegments();
      if (!(await settlesWithin(STALLED_MS, Promise.race(this.#running)))) break;
    }
    return this.queueLength;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#pool.destroy();
  }

  #closeSegments(): void {
    for (const [lane, ids] of this.#ended) {
      this.#ended.delete(lane);
      this.#track(this.#finaliseAll(lane, ids));
    }
  }

  async #finaliseAll(lane: number, ids: Set<string>): Promise<void> {
    try {
      await this.#options.seal(lane);
    } catch {
      if (this.#leaving) return;
      await delay(SEAL_EVERY_MS); // the lane is being started again
      for (const id of ids) this.ended(id, lane);
      return;
    }
    const isDone = (await this.#demultiplexed.get(lane)) ?? true;
    if (isDone) for (const id of ids) void this.finalise(id);
  }

  #track(work: Promise<unknown>): void {
    const tracked: Promise<void> = work.then(
      () => void this.#running.delete(tracked),
      () => void this.#running.delete(tracked),
    );
    this.#running.add(tracked);
  }
}
