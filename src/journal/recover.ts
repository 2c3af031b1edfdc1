/**
 * What a crash of the process leaves to say about a recording: the call was running, and nothing is known after its
 * last record. Said once, as a note in its packet file; after that the ordinary way goes on.
 */

import { open } from 'node:fs/promises';
import { KIND_NOTE, noteBlock, RECOVERY_LANE, records } from './format.ts';
import { type ReadReport, readBlocks } from './reader.ts';

/** Note types that conclude a recording. */
const CONCLUDING = new Set(['end', 'recovered']);

/**
 * Appends `{type:'recovered', atMs: nowMs}` to a packet file that has no end, behind its last good block. True if it
 * did; false if the recording had ended (then nothing is changed) or the file holds no block at all.
 */
export async function markRecovered(packetFile: string, nowMs: number): Promise<boolean> {
  const report: ReadReport = { validBytes: 0, damagedBytes: 0 };
  let last: { recordingId: string; monoUs: number } | null = null;
  for await (const { header, bytes } of readBlocks(packetFile, { report })) {
    last = { recordingId: header.recordingId, monoUs: header.monoUs };
    for (const record of records(bytes)) {
      if (record.kind === KIND_NOTE && CONCLUDING.has(noteType(record.payload))) return false;
    }
  }
  if (!last) return false;
  const block = noteBlock({ ...last, blockSeq: BigInt(nowMs) << 20n, wallUs: nowMs * 1000, laneId: RECOVERY_LANE }, [
    { type: 'recovered', atMs: nowMs },
  ]);
  const file = await open(packetFile, 'r+');
  try {
    await file.truncate(report.validBytes);
    await file.write(block, 0, block.length, report.validBytes);
    await file.datasync();
  } finally {
    await file.close();
  }
  return true;
}

function noteType(payload: Uint8Array): string {
  try {
    const note = JSON.parse(Buffer.from(payload.buffer, payload.byteOffset, payload.length).toString('utf8'));
    return typeof note?.type === 'string' ? note.type : '';
  } catch {
    return '';
  }
}
