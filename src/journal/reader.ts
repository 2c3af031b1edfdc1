/**
 * Reads segments and packet files: whole blocks whose check sum is right, in bounded memory.
 *
 * A damaged block whose length still leads to a good block is skipped and counted; otherwise reading stops there. It
 * never searches for the next magic: a packet's payload may hold a forged block.
 */

import { open } from 'node:fs/promises';
import { BLOCK_HEADER_BYTES, type BlockHeader, checkBlock, MAX_BLOCK_BYTES, readBlockHeader } from './format.ts';

/** One good block. `bytes` is valid until the next step of the iterator. */
export interface Block {
  header: BlockHeader;
  bytes: Uint8Array;
  /** Position in the file. */
  at: number;
}

/** What a reader met beside good blocks. */
export interface ReadReport {
  /** Position behind the last good block: where a writer may append. */
  validBytes: number;
  /** Bytes that are neither good blocks nor zero: skipped within, or left at the end. */
  damagedBytes: number;
}

/** The good blocks of `bytes`; with `stopAtDamage` only those before the first that is not. */
export function* blocks(bytes: Uint8Array, report?: ReadReport, stopAtDamage = false): Generator<Block> {
  let at = 0;
  while (at < bytes.length) {
    const check = checkBlock(bytes, at);
    if (check === 'block') {
      const header = readBlockHeader(bytes, at);
      yield { header, bytes: bytes.subarray(at, at + header.blockBytes), at };
      at += header.blockBytes;
      if (report) report.validBytes = at;
      continue;
    }
    const next = check === 'damaged' && !stopAtDamage ? skipDamaged(bytes, at) : 0;
    if (next === 0) {
      if (report && check !== 'end') report.damagedBytes += trimZeros(bytes, at) - at;
      return;
    }
    if (report) report.damagedBytes += next - at;
    at = next;
  }
}

/** Position of the good block that the length of the damaged one at `at` leads to, or 0. */
function skipDamaged(bytes: Uint8Array, at: number): number {
  const next = at + readBlockHeader(bytes, at).blockBytes;
  if (next <= at || next > bytes.length - BLOCK_HEADER_BYTES) return 0;
  return checkBlock(bytes, next) === 'block' ? next : 0;
}

function trimZeros(bytes: Uint8Array, start: number): number {
  let end = bytes.length;
  while (end > start && bytes[end - 1] === 0) end--;
  return end;
}

export interface ReadOptions {
  report?: ReadReport;
  /** Bytes read at once; 1 MiB. */
  chunkBytes?: number;
  /** Where to begin: the start of a block. */
  fromBytes?: number;
  /** Give nothing that stands behind damage. */
  stopAtDamage?: boolean;
}

/** A part of a file that begins with a block, and the blocks that are whole in it. Valid until the next step. */
export interface BlockWindow {
  bytes: Uint8Array;
  /** To be used up before the next step. */
  blocks: Iterable<Block>;
}

/** The good blocks of a file, read in chunks. Memory: one chunk, or one block if that is larger. */
export async function* readBlocks(path: string, o: ReadOptions = {}): AsyncGenerator<Block> {
  for await (const window of readWindows(path, o)) yield* window.blocks;
}

/** The same in parts: for those who have to do with so many blocks that waiting for each would take longest. */
export async function* readWindows(path: string, o: ReadOptions = {}): AsyncGenerator<BlockWindow> {
  const report = o.report ?? { validBytes: 0, damagedBytes: 0 };
  const file = await open(path, 'r');
  try {
    let start = o.fromBytes ?? 0;
    // One byte more than is left tells the end of the file.
    const leftBytes = Math.max(0, (await file.stat()).size - start) + 1;
    let buffer = Buffer.allocUnsafe(Math.max(Math.min(o.chunkBytes ?? 1 << 20, leftBytes), BLOCK_HEADER_BYTES));
    report.validBytes = start;
    for (;;) {
      const held = await fill(file, buffer, start);
      const bytes = buffer.subarray(0, held);
      const isLast = held < buffer.length;
      const consumed = { bytes: 0 };
      const how = { isLast, stopAtDamage: o.stopAtDamage ?? false };
      yield { bytes, blocks: windowBlocks(bytes, start, how, report, consumed) };
      if (isLast) return;
      if (held - consumed.bytes >= BLOCK_HEADER_BYTES && checkBlock(bytes, consumed.bytes) === 'end') return;
      start += consumed.bytes;
      if (consumed.bytes > 0) continue;
      // Nothing fitted: either the block at the front is longer than the buffer, or it is damage.
      if (buffer.length >= 2 * MAX_BLOCK_BYTES) {
        report.damagedBytes += held;
        return;
      }
      buffer = Buffer.allocUnsafe(buffer.length * 2);
    }
  } finally {
    await file.close();
  }
}

function* windowBlocks(
  window: Uint8Array,
  start: number,
  how: { isLast: boolean; stopAtDamage: boolean },
  report: ReadReport,
  consumed: { bytes: number },
): Generator<Block> {
  const local: ReadReport = { validBytes: 0, damagedBytes: 0 };
  for (const block of blocks(window, local, how.stopAtDamage)) {
    consumed.bytes = block.at + block.header.blockBytes;
    report.validBytes = start + consumed.bytes;
    yield { header: block.header, bytes: block.bytes, at: start + block.at };
  }
  // Unless this is the end of the file, what is left over at the end of the window will be looked at again.
  if (how.isLast) report.damagedBytes += local.damagedBytes;
  else report.damagedBytes += damageBefore(window, consumed.bytes, local);
}

/** Damage that was skipped before the last good block of a window. */
function damageBefore(window: Uint8Array, consumedBytes: number, local: ReadReport): number {
  const leftOver = trimZeros(window, consumedBytes) - consumedBytes;
  return Math.max(0, local.damagedBytes - leftOver);
}

async function fill(file: Awaited<ReturnType<typeof open>>, buffer: Buffer, position: number): Promise<number> {
  let held = 0;
  while (held < buffer.length) {
    const { bytesRead } = await file.read(buffer, held, buffer.length - held, position + held);
    if (bytesRead === 0) break;
    held += bytesRead;
  }
  return held;
}
