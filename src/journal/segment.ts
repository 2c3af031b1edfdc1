/**
 * Segment files: their names, and one of them being written.
 *
 *   lane-<n>.<start time>-<count>.open     being written; after a crash it ends in zeros or a torn block
 *   … .sealed                              closed, synced, cut to its length
 *   … .torn                                given up after an I/O error: good up to its first damage, never beyond,
 *                                          for what follows stands in the next segment again
 *
 * The names sort in the order of writing within a lane.
 */

import { readdirSync } from 'node:fs';
import { type FileHandle, open, rename, unlink } from 'node:fs/promises';
import path from 'node:path';
import { preallocate } from './preallocate.ts';

const SEGMENT_NAME = /^lane-(\d+)\.([0-9a-z]+-[0-9a-z]+)\.(open|sealed|torn)$/;

/** What a segment's file name says. */
export interface SegmentName {
  laneId: number;
  /** Sorts by time of creation. */
  order: string;
  state: 'open' | 'sealed' | 'torn';
}

/** Null for anything that is not a segment's name. */
export function parseSegmentName(name: string): SegmentName | null {
  const match = SEGMENT_NAME.exec(path.basename(name));
  if (!match) return null;
  return { laneId: Number(match[1]), order: match[2] as string, state: match[3] as SegmentName['state'] };
}

/** `startedMs` is the wall time at which the writer was opened, `count` counts its segments. */
export function segmentName(laneId: number, startedMs: number, count: number): string {
  return `lane-${laneId}.${startedMs.toString(36).padStart(9, '0')}-${count.toString(36).padStart(6, '0')}.open`;
}

/**
 * Paths of the segments in a folder, in the order in which they must be demultiplexed.
 * Only meaningful for lanes that nobody writes.
 */
export function leftOverSegments(journalDir: string, laneId?: number): string[] {
  const found: Array<{ name: string; parsed: SegmentName }> = [];
  for (const name of readdirSync(journalDir)) {
    const parsed = parseSegmentName(name);
    if (parsed && (laneId === undefined || parsed.laneId === laneId)) found.push({ name, parsed });
  }
  found.sort((a, b) => a.parsed.laneId - b.parsed.laneId || (a.parsed.order < b.parsed.order ? -1 : 1));
  return found.map(({ name }) => path.join(journalDir, name));
}

/** Makes a folder's entries durable. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** A segment that is being written. Positions advance only over what the system has taken. */
export class Segment {
  readonly path: string;
  readonly capacityBytes: number;
  /** Handed to the system. */
  writtenBytes = 0;
  /** Known to be on the disk. */
  syncedBytes = 0;
  readonly #file: FileHandle;

  private constructor(file: FileHandle, filePath: string, capacityBytes: number) {
    this.#file = file;
    this.path = filePath;
    this.capacityBytes = capacityBytes;
  }

  /** Rejects with the system's error (`code: 'ENOSPC'` if the room cannot be reserved); then no file is left. */
  static async create(filePath: string, preallocateBytes: number, capacityBytes: number): Promise<Segment> {
    const file = await open(filePath, 'wx', 0o600);
    try {
      await preallocate(file, filePath, preallocateBytes);
      await syncFolder(path.dirname(filePath));
      return new Segment(file, filePath, capacityBytes);
    } catch (error) {
      await file.close();
      await unlink(filePath).catch(() => undefined);
      throw error;
    }
  }

  /** Writes all of `bytes` behind what was written before. After an error the position stands where it stood. */
  async write(bytes: Uint8Array): Promise<void> {
    let done = 0;
    while (done < bytes.length) {
      const { bytesWritten } = await this.#file.write(bytes, done, bytes.length - done, this.writtenBytes + done);
      done += bytesWritten;
    }
    this.writtenBytes += bytes.length;
  }

  /** One fdatasync over everything written before the call. */
  async sync(): Promise<void> {
    const upTo = this.writtenBytes;
    if (upTo === this.syncedBytes) return;
    await this.#file.datasync();
    this.syncedBytes = upTo;
  }

  /** Cuts the segment to what was written and closes it. Returns its new path. */
  async seal(state: 'sealed' | 'torn'): Promise<string> {
    const sealedPath = this.path.replace(/\.open$/, `.${state}`);
    // A torn segment's device may refuse all of this: what matters is that reading it stops at the first damage.
    const step = async (work: Promise<unknown>) => {
      if (state === 'torn') await work.catch(() => undefined);
      else await work;
    };
    await step(this.#file.truncate(this.writtenBytes));
    await step(this.#file.close());
    await rename(this.path, sealedPath);
    await step(syncFolder(path.dirname(sealedPath)));
    return sealedPath;
  }

  /** Leaves the segment to the recovery. */
  async abandon(): Promise<void> {
    await this.#file.close().catch(() => undefined);
  }

  /** Closes and removes a segment that holds nothing. */
  async remove(): Promise<void> {
    await this.#file.close().catch(() => undefined);
    await unlink(this.path).catch(() => undefined);
  }
}
