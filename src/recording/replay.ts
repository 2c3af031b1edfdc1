/**
 * Makes the recordings of a journal again, leaving the journal as it is. Byte-identical to the first time, for the
 * finaliser is a function of the packet file.
 */

import { copyFile, mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import {
  demultiplex,
  leftOverSegments,
  PACKETS_SUFFIX,
  packetFilePath,
  parseSegmentName,
  readBlocks,
} from '../journal/index.ts';
import { type Finalised, finalise } from './finalise.ts';

/**
 * Finalises every recording found at `source` into `<outDir>/<recording id>`. `source` may be a packet file, a segment,
 * or a folder that holds such files, itself or below (a journal folder, a data folder, a recording's folder). What a
 * segment holds of a recording comes behind what its packet file holds.
 */
export async function replay(source: string, outDir: string): Promise<Finalised[]> {
  await mkdir(outDir, { recursive: true });
  const scratch = await mkdtemp(path.join(outDir, '.replay-'));
  try {
    const packetFiles = await collect(source, scratch);
    const made: Finalised[] = [];
    for (const [id, packetFile] of packetFiles) made.push(await finalise(packetFile, path.join(outDir, id)));
    return made;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Packet file by recording; those that segments add to are copies. */
async function collect(source: string, scratch: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  const segments: string[] = [];
  for (const file of await journalFiles(source, scratch)) {
    if (parseSegmentName(file)) segments.push(file);
    else {
      const id = await recordingIdOf(file);
      if (id !== null && !found.has(id)) found.set(id, file);
    }
  }
  for (const segment of segments) {
    for (const id of await recordingIdsOf(segment)) {
      const packetFile = packetFilePath(scratch, id);
      const known = found.get(id);
      if (known !== undefined && known !== packetFile) await copyFile(known, packetFile);
      found.set(id, packetFile);
    }
    const copy = path.join(scratch, path.basename(segment));
    await copyFile(segment, copy);
    await demultiplex(copy, scratch);
  }
  return found;
}

async function journalFiles(source: string, scratch: string): Promise<string[]> {
  if ((await stat(source)).isFile()) return [source];
  const files: string[] = [];
  for (const entry of await readdir(source, { withFileTypes: true })) {
    const at = path.join(source, entry.name);
    if (entry.isDirectory() && path.resolve(at) !== path.resolve(scratch))
      files.push(...(await journalFiles(at, scratch)));
    else if (entry.isFile() && entry.name.endsWith(PACKETS_SUFFIX)) files.push(at);
  }
  return [...files.sort(), ...leftOverSegments(source)];
}

async function recordingIdOf(packetFile: string): Promise<string | null> {
  for await (const { header } of readBlocks(packetFile)) return header.recordingId;
  return null;
}

async function recordingIdsOf(segment: string): Promise<Set<string>> {
  const ids = new Set<string>();
  for await (const { header } of readBlocks(segment)) ids.add(header.recordingId);
  return ids;
}
