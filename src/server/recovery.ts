/**
 * Taking up what a server that died has left: segments are demultiplexed as ever, and every packet file without a
 * finished recording is finalised. The ordinary path, run at start-up (nothing here knows how to "repair").
 */
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { leftOverSegments, markRecovered } from '../journal/index.ts';
import type { DataFolder } from './data-folder.ts';
import type { Finaliser } from './finaliser.ts';

export interface Recovery {
  segments: number;
  recordings: string[];
}

const PACKETS = '.packets';

/** Packet files that no finished recording stands for. */
function unfinished(folder: DataFolder): string[] {
  return readdirSync(folder.packets)
    .filter((name) => name.endsWith(PACKETS))
    .map((name) => name.slice(0, -PACKETS.length))
    .filter((id) => !existsSync(path.join(folder.recordings, id, 'manifest.json')));
}

/** Runs before any lane opens a journal, so that every segment found belongs to the past. */
export async function recover(folder: DataFolder, finaliser: Finaliser, nowMs: number): Promise<Recovery> {
  const segments = leftOverSegments(folder.journal);
  for (const segment of segments) await finaliser.demultiplex(segment);
  const recordings = unfinished(folder);
  for (const id of recordings) await markRecovered(path.join(folder.packets, id + PACKETS), nowMs);
  await Promise.all(recordings.map((id) => finaliser.finalise(id)));
  return { segments: segments.length, recordings };
}
