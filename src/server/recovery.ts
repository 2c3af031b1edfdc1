/**
 * Taking up what a server that died has left: segments are demultiplexed as ever, and every packet file without a
 * finished recording is finalised. The ordinary path, run at start-up (nothing here knows how to "repair").
 */
import { readdirSync } from 'node:fs';
import { leftOverSegments, markRecovered, PACKETS_SUFFIX, packetFilePath } from '../journal/index.ts';
import type { Catalogue } from '../store/catalogue.ts';
import type { DataFolder } from './data-folder.ts';
import type { Finaliser } from './finaliser.ts';

export interface Recovery {
  segments: number;
  /** Ids of what was finalised now. */
  recordings: string[];
  /** Ids of calls of which nothing had reached the journal. */
  lost: string[];
}

/** A packet file goes when its recording is in the catalogue: each that is there has something left to do. */
function leftOverPackets(folder: DataFolder): string[] {
  const names = readdirSync(folder.packets).filter((name) => name.endsWith(PACKETS_SUFFIX));
  return names.map((name) => name.slice(0, -PACKETS_SUFFIX.length));
}

/** Runs before any lane opens a journal, so that every segment found belongs to the past. */
export async function recover(
  folder: DataFolder,
  finaliser: Finaliser,
  catalogue: Catalogue,
  nowMs: number,
): Promise<Recovery> {
  const segments = leftOverSegments(folder.journal);
  for (const segment of segments) await finaliser.demultiplex(segment);
  const recordings = leftOverPackets(folder);
  for (const id of recordings) await markRecovered(packetFilePath(folder.packets, id), nowMs);
  await Promise.all(recordings.map((id) => finaliser.finalise(id)));
  return { segments: segments.length, recordings, lost: settleRows(catalogue) };
}

/** Rows that still say a call is running, though nothing of it is left to make a recording of. */
function settleRows(catalogue: Catalogue): string[] {
  const lost: string[] = [];
  for (const state of ['recording', 'finalising'] as const) {
    for (;;) {
      const { items } = catalogue.search({ state, limit: 100 });
      if (items.length === 0) break;
      for (const row of items) {
        const warning = 'the server died before anything of this call had reached the journal';
        catalogue.put({ ...row, state: 'failed', recovered: true, warnings: [...row.warnings, warning] });
        lost.push(row.id);
      }
    }
  }
  return lost;
}
