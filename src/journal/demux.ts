/**
 * Demultiplexes a segment: appends each block to the packet file of its recording, and deletes the segment.
 *
 * Idempotent after a crash at any point. Before anything is appended, a plan says how long every packet file is; if
 * the plan is still there with the segment, the files are cut back to those lengths and the work is done again.
 * Segments of one lane must be demultiplexed one at a time and in order; different lanes are independent, for all
 * streams of a recording live in one lane.
 */

import { mkdir, open, readFile, rename, stat, truncate, unlink } from 'node:fs/promises';
import path from 'node:path';
import { type BlockWindow, readWindows } from './reader.ts';
import { parseSegmentName, syncFolder } from './segment.ts';

export const PACKETS_SUFFIX = '.packets';

/** Bytes collected before they are written, over all packet files. */
const COLLECT_BYTES = 16 * 1024 * 1024;
const PARALLEL_FILES = 4;

/** Path of a recording's packet file. */
export function packetFilePath(packetsDir: string, recordingId: string): string {
  return path.join(packetsDir, recordingId + PACKETS_SUFFIX);
}

/**
 * Moves the blocks of a segment into `<packetsDir>/<recording id>.packets`, made durable, and deletes the segment.
 * Returns the ids of the recordings in it. A segment that is already gone gives an empty list. Rejects with the
 * system's error (disk full, I/O) and can then be called again.
 */
export async function demultiplex(segmentPath: string, packetsDir: string): Promise<string[]> {
  await mkdir(packetsDir, { recursive: true });
  const planPath = path.join(packetsDir, `${path.basename(segmentPath).replace(/\.[a-z]+$/, '')}.plan`);
  if (!(await exists(segmentPath))) {
    await unlink(planPath).catch(ignoreMissing);
    return [];
  }
  await undo(planPath, packetsDir);
  const ids = await recordingIds(segmentPath);
  await writePlan(planPath, packetsDir, ids);
  await append(segmentPath, packetsDir);
  await syncFolder(packetsDir);
  await unlink(segmentPath);
  await syncFolder(path.dirname(segmentPath));
  await unlink(planPath).catch(ignoreMissing);
  return ids;
}

/** Lengths of the packet files before the segment was appended; -1 for one that did not exist. */
type Plan = Record<string, number>;

async function undo(planPath: string, packetsDir: string): Promise<void> {
  const text = await readFile(planPath, 'utf8').catch(ignoreMissing);
  if (text === undefined) return;
  for (const [id, lengthBytes] of Object.entries(JSON.parse(text) as Plan)) {
    const packetFile = packetFilePath(packetsDir, id);
    if (lengthBytes < 0) await unlink(packetFile).catch(ignoreMissing);
    else await truncate(packetFile, lengthBytes).catch(ignoreMissing);
  }
}

async function recordingIds(segmentPath: string): Promise<string[]> {
  const ids = new Set<string>();
  for await (const window of readSegment(segmentPath)) {
    for (const { header } of window.blocks) ids.add(header.recordingId);
  }
  return [...ids];
}

async function writePlan(planPath: string, packetsDir: string, ids: string[]): Promise<void> {
  const plan: Plan = {};
  for (const id of ids) {
    const found = await stat(packetFilePath(packetsDir, id)).catch(ignoreMissing);
    plan[id] = found ? found.size : -1;
  }
  const file = await open(`${planPath}.tmp`, 'w', 0o600);
  try {
    await file.writeFile(JSON.stringify(plan));
    await file.datasync();
  } finally {
    await file.close();
  }
  await rename(`${planPath}.tmp`, planPath);
  await syncFolder(packetsDir);
}

/** A torn segment is followed by one that repeats what came after its first damage: nothing is skipped over there. */
function readSegment(segmentPath: string): AsyncGenerator<BlockWindow> {
  return readWindows(segmentPath, { stopAtDamage: parseSegmentName(segmentPath)?.state === 'torn' });
}

interface Target {
  packetFile: string;
  parts: Uint8Array[];
  bytes: number;
}

async function append(segmentPath: string, packetsDir: string): Promise<void> {
  const targets = new Map<string, Target>();
  let collected = 0;
  for await (const window of readSegment(segmentPath)) {
    for (const { header, bytes } of window.blocks) {
      let target = targets.get(header.recordingId);
      if (!target) {
        target = { packetFile: packetFilePath(packetsDir, header.recordingId), parts: [], bytes: 0 };
        targets.set(header.recordingId, target);
      }
      target.parts.push(Buffer.from(bytes));
      target.bytes += bytes.length;
      collected += bytes.length;
    }
    if (collected < COLLECT_BYTES) continue;
    await flushAll(targets);
    collected = 0;
  }
  await flushAll(targets);
}

/** Files are open only while they are written: a segment may hold more recordings than a process may hold files. */
async function flushAll(targets: Map<string, Target>): Promise<void> {
  const waiting = [...targets.values()];
  targets.clear();
  const worker = async () => {
    for (let target = waiting.pop(); target; target = waiting.pop()) await flush(target);
  };
  await Promise.all(Array.from({ length: PARALLEL_FILES }, worker));
}

async function flush({ packetFile, parts, bytes }: Target): Promise<void> {
  const file = await open(packetFile, 'a', 0o600);
  try {
    await file.appendFile(Buffer.concat(parts, bytes));
    await file.datasync();
  } finally {
    await file.close();
  }
}

async function exists(file: string): Promise<boolean> {
  return (await stat(file).catch(ignoreMissing)) !== undefined;
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT') return undefined;
  throw error;
}
