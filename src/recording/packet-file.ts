/**
 * A packet file as the finaliser reads it: its blocks once each and in order, its records indexed in the core's memory.
 */

import { BLOCK_HEADER_BYTES, KIND_NOTE, RECOVERY_LANE } from '../journal/format.ts';
import { type BlockHeader, type ReadReport, readWindows } from '../journal/index.ts';
import { ENTRY, type FinaliserCore } from '../media/render.ts';

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
  for await (const window of readWindows(path, { report })) {
    for (const { header, bytes } of window.blocks) {
      recordingId ??= header.recordingId;
      const last = lastSeq.get(header.laneId);
      if ((last !== undefined && header.blockSeq <= last) || header.recordingId !== recordingId) {
        report.repeatedBlocks++;
        continue;
      }
      lastSeq.set(header.laneId, header.blockSeq);
      // The recovery's block says when a crash was found, not when it was.
      if (header.laneId !== RECOVERY_LANE) report.lastWallUs = header.wallUs;
      const reading = readBlock(core, bytes, header, sink, report);
      if (reading) await reading;
    }
  }
  return report;
}

/** Nearly always done when it returns; otherwise what it returns is to be awaited. */
function readBlock(
  core: FinaliserCore,
  bytes: Uint8Array,
  header: BlockHeader,
  sink: RecordSink,
  report: PacketFileReport,
): Promise<void> | null {
  const range = core.load(bytes);
  range.at += BLOCK_HEADER_BYTES;
  return readRecordsFrom(core, range, { count: 0, next: 0 }, header, sink, report);
}

/** Goes on with the records between `range.at` and its end, of which `indexed.next` to `count` are indexed. */
function readRecordsFrom(
  core: FinaliserCore,
  range: { at: number; end: number },
  indexed: { count: number; next: number },
  header: BlockHeader,
  sink: RecordSink,
  report: PacketFileReport,
): Promise<void> | null {
  for (;;) {
    if (indexed.next === indexed.count) {
      if (range.at >= range.end) return null;
      indexed.count = core.index(range);
      indexed.next = 0;
      if (indexed.count === 0) return null;
    }
    const i = indexed.next++;
    const word = i * ENTRY.words;
    const double = i * ENTRY.doubles;
    if (core.words[word + ENTRY.kind] !== KIND_NOTE) {
      const arrivalUs = core.doubles[double + ENTRY.arrivalUs] as number;
      if (Number.isNaN(report.firstUs)) report.firstUs = arrivalUs;
      report.lastUs = arrivalUs;
    }
    const wait = sink(word, double, header);
    if (wait) return wait.then(() => readRecordsFrom(core, range, indexed, header, sink, report) ?? undefined);
  }
}

/** A record's payload as text. */
export function payloadText(core: FinaliserCore, word: number): string {
  const at = core.words[word + ENTRY.payloadAt] as number;
  // The decoder does not take shared memory: a copy.
  return Buffer.from(core.bytes.subarray(at, at + (core.words[word + ENTRY.payloadBytes] as number))).toString('utf8');
}
