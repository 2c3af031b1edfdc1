/**
 * A packet file as the finaliser reads it: its blocks once each and in order, its records indexed in the core's memory.
 */

import { BLOCK_HEADER_BYTES, KIND_NOTE, RECOVERY_LANE } from '../journal/format.ts';
import { type BlockHeader, type ReadReport, readBlocks } from '../journal/index.ts';
import { ENTRY, type FinaliserCore, MAX_INPUT_BYTES } from '../media/render.ts';

export interface PacketFileReport extends ReadReport {
  /** Blocks that stood there twice (a crash while segments were being copied, an I/O error while writing). */
  repeatedBlocks: number;
  /** Time of the first and last record, and the wall time of the last flush, in microseconds. */
  firstUs: number;
  lastUs: number;
  lastWallUs: number;
}

/**
 * Called for each record: positions of its entry in the core's `words` and `doubles`. What it returns, if anything, is
 * awaited before the next record.
 */
export type RecordSink = (word: number, double: number, header: BlockHeader) => Promise<void> | null;

/** Reads all records of a packet file into `sink`. Every call sees the same records in the same order. */
export async function readRecords(core: FinaliserCore, path: string, sink: RecordSink): Promise<PacketFileReport> {
  const report = { validBytes: 0, damagedBytes: 0, repeatedBlocks: 0, firstUs: NaN, lastUs: NaN, lastWallUs: NaN };
  const lastSeq = new Map<number, bigint>();
  let recordingId: string | null = null;
  for await (const { header, bytes } of readBlocks(path, { report })) {
    recordingId ??= header.recordingId;
    const last = lastSeq.get(header.laneId);
    if ((last !== undefined && header.blockSeq <= last) || header.recordingId !== recordingId) {
      report.repeatedBlocks++;
      continue;
    }
    lastSeq.set(header.laneId, header.blockSeq);
    if (bytes.length > MAX_INPUT_BYTES) {
      report.damagedBytes += bytes.length;
      continue;
    }
    await readBlock(core, bytes, header, sink, report);
  }
  return report;
}

async function readBlock(
  core: FinaliserCore,
  bytes: Uint8Array,
  header: BlockHeader,
  sink: RecordSink,
  report: PacketFileReport,
): Promise<void> {
  const range = core.load(bytes);
  range.at += BLOCK_HEADER_BYTES;
  // The recovery's block says when a crash was found, not when it was.
  if (header.laneId !== RECOVERY_LANE) report.lastWallUs = header.wallUs;
  for (let count = core.index(range); count > 0; count = core.index(range)) {
    for (let i = 0; i < count; i++) {
      const word = i * ENTRY.words;
      const double = i * ENTRY.doubles;
      const arrivalUs = core.doubles[double + ENTRY.arrivalUs] as number;
      if (core.words[word + ENTRY.kind] !== KIND_NOTE) {
        if (Number.isNaN(report.firstUs)) report.firstUs = arrivalUs;
        report.lastUs = arrivalUs;
      }
      const wait = sink(word, double, header);
      if (wait) await wait;
    }
  }
}

/** A record's payload as text. */
export function payloadText(core: FinaliserCore, word: number): string {
  const at = core.words[word + ENTRY.payloadAt] as number;
  // The decoder does not take shared memory: a copy.
  return Buffer.from(core.bytes.subarray(at, at + (core.words[word + ENTRY.payloadBytes] as number))).toString('utf8');
}
