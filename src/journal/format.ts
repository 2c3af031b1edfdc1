/**
 * The journal format: blocks of records, little endian. The offsets stand in assembly/layout.ts, because the media
 * core writes the blocks; this file gives them to the code that reads.
 *
 *   block  = 64-byte header | records             all records of one recording from one flush, in order of arrival
 *   record = 24-byte header | payload | padding   to a multiple of 8
 *
 * A segment holds the blocks of one lane back to back, a packet file those of one recording. Zero bytes (from
 * preallocation) end a segment. A crash may leave a torn block at the end, or a block twice: readers stop at the
 * first, and skip a block whose sequence number does not rise within its lane.
 */

import {
  BLOCK_BYTES_AT,
  BLOCK_CRC_AT,
  BLOCK_HEADER_BYTES,
  BLOCK_LANE_AT,
  BLOCK_MAGIC,
  BLOCK_MAGIC_AT,
  BLOCK_MONO_US_AT,
  BLOCK_RECORD_COUNT_AT,
  BLOCK_RECORDING_ID_AT,
  BLOCK_SEQ_AT,
  BLOCK_WALL_US_AT,
  KIND_NOTE,
  RECORD_ARRIVAL_US_AT,
  RECORD_EPOCH_AT,
  RECORD_EXT_SEQ_AT,
  RECORD_FLAGS_AT,
  RECORD_HEADER_BYTES,
  RECORD_KIND_AT,
  RECORD_PAYLOAD_BYTES_AT,
  RECORD_STREAM_AT,
} from '../../assembly/layout.ts';
import { crc32c } from './crc32c.ts';

export {
  BLOCK_HEADER_BYTES,
  BLOCK_MAGIC,
  KIND_DROPPED,
  KIND_DUPLICATE,
  KIND_NOTE,
  KIND_PAUSED,
  KIND_RTCP,
  KIND_RTP,
  RECORD_HEADER_BYTES,
} from '../../assembly/layout.ts';

/** `stream` of a record that belongs to the recording as a whole. */
export const NO_STREAM = 0xffff;
/** Lane number of the blocks that the recovery writes (it has no lane). */
export const RECOVERY_LANE = 0xffff_ffff;
/** A longer block is damage: a flush of one recording is some kilobytes. */
export const MAX_BLOCK_BYTES = 8 * 1024 * 1024;

/** Header of one block. */
export interface BlockHeader {
  /** Header and records together, in bytes; a multiple of 8. */
  blockBytes: number;
  recordCount: number;
  /** UUID in its text form. */
  recordingId: string;
  /** Rises strictly within a lane. 64 bits: a number would lose the low ones. */
  blockSeq: bigint;
  /** Lane clock at the flush, in microseconds; not wall time. */
  monoUs: number;
  /** Wall time of the flush, in microseconds since 1970. */
  wallUs: number;
  laneId: number;
}

/** Epochs of a lane that was started again begin at a multiple of this, so that none is used twice. */
export const EPOCHS_PER_LIFE = 0x10000;

/** One record; `payload` is a view into the block. */
export interface JournalRecord {
  kind: number;
  flags: number;
  /** Index of the stream within the recording, or NO_STREAM. */
  stream: number;
  extSeq: number;
  /** Counts the sources (SSRC) and restarts of the stream, from 0. */
  epoch: number;
  arrivalUs: number;
  payload: Uint8Array;
}

/** What stands at a position: a whole block, nothing more, not enough bytes, or damage. */
export type BlockCheck = 'block' | 'end' | 'short' | 'damaged';

/** Looks at the bytes at `at` without reading past `bytes`. `damaged` covers a wrong magic, size or check sum. */
export function checkBlock(bytes: Uint8Array, at: number): BlockCheck {
  if (bytes.length - at < BLOCK_HEADER_BYTES) return isZero(bytes, at, bytes.length) ? 'end' : 'short';
  const magic = uint32(bytes, at + BLOCK_MAGIC_AT);
  if (magic === 0 && isZero(bytes, at, at + BLOCK_HEADER_BYTES)) return 'end';
  if (magic !== BLOCK_MAGIC) return 'damaged';
  const blockBytes = uint32(bytes, at + BLOCK_BYTES_AT);
  if (blockBytes < BLOCK_HEADER_BYTES || blockBytes > MAX_BLOCK_BYTES || blockBytes % 8 !== 0) return 'damaged';
  if (bytes.length - at < blockBytes) return 'short';
  return crc32c(bytes, at + BLOCK_CRC_AT + 4, at + blockBytes) === uint32(bytes, at + BLOCK_CRC_AT)
    ? 'block'
    : 'damaged';
}

/** Little endian; a block is looked at too often for a DataView of its own. */
function uint32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)) >>>
    0
  );
}

function isZero(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at] !== 0) return false;
  return true;
}

/** Reads the header of a block that `checkBlock` called a block (or of which at least the header is there). */
export function readBlockHeader(bytes: Uint8Array, at: number): BlockHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, BLOCK_HEADER_BYTES);
  return {
    blockBytes: view.getUint32(BLOCK_BYTES_AT, true),
    recordCount: view.getUint32(BLOCK_RECORD_COUNT_AT, true),
    recordingId: uuidText(bytes.subarray(at + BLOCK_RECORDING_ID_AT, at + BLOCK_RECORDING_ID_AT + 16)),
    blockSeq: view.getBigUint64(BLOCK_SEQ_AT, true),
    monoUs: Number(view.getBigUint64(BLOCK_MONO_US_AT, true)),
    wallUs: Number(view.getBigUint64(BLOCK_WALL_US_AT, true)),
    laneId: view.getUint32(BLOCK_LANE_AT, true),
  };
}

/** The records of one block, in order. Stops silently where a length leads out of the block. */
export function* records(bytes: Uint8Array, at = 0): Generator<JournalRecord> {
  const { blockBytes, recordCount } = readBlockHeader(bytes, at);
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, Math.min(blockBytes, bytes.length - at));
  let position = BLOCK_HEADER_BYTES;
  for (let i = 0; i < recordCount && position + RECORD_HEADER_BYTES <= view.byteLength; i++) {
    const payloadBytes = view.getUint32(position + RECORD_PAYLOAD_BYTES_AT, true);
    const start = position + RECORD_HEADER_BYTES;
    if (start + payloadBytes > view.byteLength) return;
    yield {
      kind: view.getUint8(position + RECORD_KIND_AT),
      flags: view.getUint8(position + RECORD_FLAGS_AT),
      stream: view.getUint16(position + RECORD_STREAM_AT, true),
      extSeq: view.getUint32(position + RECORD_EXT_SEQ_AT, true),
      epoch: view.getUint32(position + RECORD_EPOCH_AT, true),
      arrivalUs: Number(view.getBigUint64(position + RECORD_ARRIVAL_US_AT, true)),
      payload: bytes.subarray(at + start, at + start + payloadBytes),
    };
    position = start + roundUp8(payloadBytes);
  }
}

/** Makes a block of notes; for what is said about a recording outside its lane. */
export function noteBlock(header: Omit<BlockHeader, 'blockBytes' | 'recordCount'>, notes: object[]): Uint8Array {
  const payloads = notes.map((note) => new TextEncoder().encode(JSON.stringify(note)));
  const blockBytes = payloads.reduce(
    (sum, payload) => sum + RECORD_HEADER_BYTES + roundUp8(payload.length),
    BLOCK_HEADER_BYTES,
  );
  const bytes = new Uint8Array(blockBytes);
  const view = new DataView(bytes.buffer);
  let at = BLOCK_HEADER_BYTES;
  for (const payload of payloads) {
    view.setUint32(at + RECORD_PAYLOAD_BYTES_AT, payload.length, true);
    view.setUint16(at + RECORD_STREAM_AT, NO_STREAM, true);
    view.setUint8(at + RECORD_KIND_AT, KIND_NOTE);
    view.setBigUint64(at + RECORD_ARRIVAL_US_AT, BigInt(header.monoUs), true);
    bytes.set(payload, at + RECORD_HEADER_BYTES);
    at += RECORD_HEADER_BYTES + roundUp8(payload.length);
  }
  view.setUint32(BLOCK_MAGIC_AT, BLOCK_MAGIC, true);
  view.setUint32(BLOCK_BYTES_AT, blockBytes, true);
  view.setUint32(BLOCK_RECORD_COUNT_AT, notes.length, true);
  bytes.set(uuidBytes(header.recordingId), BLOCK_RECORDING_ID_AT);
  view.setBigUint64(BLOCK_SEQ_AT, header.blockSeq, true);
  view.setBigUint64(BLOCK_MONO_US_AT, BigInt(header.monoUs), true);
  view.setBigUint64(BLOCK_WALL_US_AT, BigInt(header.wallUs), true);
  view.setUint32(BLOCK_LANE_AT, header.laneId, true);
  view.setUint32(BLOCK_CRC_AT, crc32c(bytes, BLOCK_CRC_AT + 4), true);
  return bytes;
}

function roundUp8(bytes: number): number {
  return (bytes + 7) & ~7;
}

/** The last UUID that was put into text: nearly always the next one too. */
const lastUuid = { bytes: new Uint8Array(16), text: '00000000-0000-0000-0000-000000000000' };

/** RFC 9562 section 4: the text form of 16 bytes. */
export function uuidText(bytes: Uint8Array): string {
  let same = 0;
  while (same < 16 && bytes[same] === lastUuid.bytes[same]) same++;
  if (same === 16) return lastUuid.text;
  lastUuid.bytes.set(bytes.subarray(0, 16));
  lastUuid.text = formatUuid(bytes);
  return lastUuid.text;
}

function formatUuid(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset, 16).toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** The 16 bytes of a UUID in text form. Throws a TypeError for anything else. */
export function uuidBytes(text: string): Uint8Array {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)) throw new TypeError(`not a UUID: ${text}`);
  return Buffer.from(text.replaceAll('-', ''), 'hex');
}
