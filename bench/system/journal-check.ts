/** Reads what a recorder has written and looks whether every packet that was sent is in it, whole, in the clear and in order. */
import { records } from '../../src/journal/format.ts';
import { readBlocks } from '../../src/journal/reader.ts';
import { leftOverSegments } from '../../src/journal/segment.ts';
import { readPacket } from './load/packets.ts';

const KIND_RTP = 1;

export interface JournalCounts {
  /** Whole packets, each once and in order. */
  packets: number;
  /** Others. */
  faulty: number;
}

export async function checkJournal(journalDir: string, streams: number): Promise<JournalCounts> {
  const next = new Int32Array(streams).fill(-1);
  const counts: JournalCounts = { packets: 0, faulty: 0 };
  for (const file of leftOverSegments(journalDir)) await checkSegment(file, next, counts);
  return counts;
}

/** @param next by stream, the number of the packet that is to come; -1: any */
export async function checkSegment(file: string, next: Int32Array, counts: JournalCounts): Promise<void> {
  for await (const { bytes } of readBlocks(file)) {
    for (const { kind, payload } of records(bytes)) {
      if (kind !== KIND_RTP) continue;
      const told = readPacket(Buffer.from(payload.buffer, payload.byteOffset, payload.length), 0, payload.length);
      if (told && (next[told.stream] === -1 || next[told.stream] === told.n)) counts.packets++;
      else counts.faulty++;
      if (told) next[told.stream] = told.n + 1;
    }
  }
}
