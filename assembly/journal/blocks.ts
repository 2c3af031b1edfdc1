/**
 * Journal records wait in a staging region, chained per recording, until a flush writes them out as one block per recording.
 * The format stands in ../layout.ts. A full staging region refuses the record: the caller counts it as dropped.
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
  BLOCKS_AT,
  LANE_AT,
  LANE_BLOCK_SEQ_AT,
  LANE_DIRTY_HEAD_AT,
  LANE_DIRTY_TAIL_AT,
  LANE_ID_AT,
  LANE_STAGED_BYTES_AT,
  MAX_RECORDINGS,
  RECORD_ARRIVAL_US_AT,
  RECORD_EPOCH_AT,
  RECORD_EXT_SEQ_AT,
  RECORD_FLAGS_AT,
  RECORD_HEADER_BYTES,
  RECORD_KIND_AT,
  RECORD_PAYLOAD_BYTES_AT,
  RECORD_STREAM_AT,
  RECORDING_BYTES,
  RECORDING_COUNT_AT,
  RECORDING_HEAD_AT,
  RECORDING_ID_AT,
  RECORDING_NEXT_DIRTY_AT,
  RECORDING_STAGED_BYTES_AT,
  RECORDING_TAIL_AT,
  RECORDINGS_AT,
  STAGING_AT,
  STAGING_BYTES,
} from '../layout';
import { crc32c } from './crc32c';

/** In front of each staged record: address of the recording's next one, 0 at the end. */
const LINK_BYTES: u32 = 8;

export function recordingAt(recording: u32): usize {
  return RECORDINGS_AT + recording * RECORDING_BYTES;
}

export function recordBytes(payloadBytes: u32): u32 {
  return RECORD_HEADER_BYTES + ((payloadBytes + 7) & ~7);
}

/** Chains a record to its recording; false when the staging region is full. */
export function appendRecord(
  recording: u32,
  stream: u32,
  kind: u32,
  extSeq: u32,
  epoch: u32,
  arrivalUs: u64,
  payload: usize,
  payloadBytes: u32,
): bool {
  const bytes = recordBytes(payloadBytes);
  const staged = load<u32>(LANE_AT, LANE_STAGED_BYTES_AT);
  if (staged + LINK_BYTES + bytes > (STAGING_BYTES as u32)) return false;
  store<u32>(LANE_AT, staged + LINK_BYTES + bytes, LANE_STAGED_BYTES_AT);
  const link = STAGING_AT + staged;
  store<u64>(link, 0);
  const at = link + LINK_BYTES;
  store<u64>(at + bytes - 8, 0); // the padding; a payload's last bytes overwrite it
  store<u32>(at, payloadBytes, RECORD_PAYLOAD_BYTES_AT);
  store<u16>(at, stream as u16, RECORD_STREAM_AT);
  store<u8>(at, kind as u8, RECORD_KIND_AT);
  store<u8>(at, 0, RECORD_FLAGS_AT);
  store<u32>(at, extSeq, RECORD_EXT_SEQ_AT);
  store<u32>(at, epoch, RECORD_EPOCH_AT);
  store<u64>(at, arrivalUs, RECORD_ARRIVAL_US_AT);
  memory.copy(at + RECORD_HEADER_BYTES, payload, payloadBytes);
  chain(recording, link, bytes);
  return true;
}

function chain(recording: u32, link: usize, bytes: u32): void {
  const entry = recordingAt(recording);
  const count = load<u32>(entry, RECORDING_COUNT_AT);
  if (count == 0) {
    store<u32>(entry, link as u32, RECORDING_HEAD_AT);
    markDirty(recording, entry);
  } else store<u32>(load<u32>(entry, RECORDING_TAIL_AT), link as u32);
  store<u32>(entry, link as u32, RECORDING_TAIL_AT);
  store<u32>(entry, count + 1, RECORDING_COUNT_AT);
  store<u32>(entry, load<u32>(entry, RECORDING_STAGED_BYTES_AT) + bytes, RECORDING_STAGED_BYTES_AT);
}

/** Recordings with staged records are chained by number + 1, so that 0 can mean none. */
function markDirty(recording: u32, entry: usize): void {
  store<u32>(entry, 0, RECORDING_NEXT_DIRTY_AT);
  const tail = load<u32>(LANE_AT, LANE_DIRTY_TAIL_AT);
  if (tail == 0) store<u32>(LANE_AT, recording + 1, LANE_DIRTY_HEAD_AT);
  else store<u32>(recordingAt(tail - 1), recording + 1, RECORDING_NEXT_DIRTY_AT);
  store<u32>(LANE_AT, recording + 1, LANE_DIRTY_TAIL_AT);
}

/** Writes everything staged as blocks from BLOCKS_AT on and empties the staging region. Gives the bytes written. */
export function flushBlocks(monoUs: u64, wallUs: u64): u32 {
  let at: usize = BLOCKS_AT;
  let next = load<u32>(LANE_AT, LANE_DIRTY_HEAD_AT);
  // Both chains are followed by count: those of a lane that died may be damaged, and must not lead in circles.
  for (let n = 0; next != 0 && n < MAX_RECORDINGS; n++) {
    const entry = recordingAt(next - 1);
    at += writeBlock(at, entry, monoUs, wallUs);
    next = load<u32>(entry, RECORDING_NEXT_DIRTY_AT);
    store<u32>(entry, 0, RECORDING_COUNT_AT);
    store<u32>(entry, 0, RECORDING_STAGED_BYTES_AT);
  }
  store<u32>(LANE_AT, 0, LANE_DIRTY_HEAD_AT);
  store<u32>(LANE_AT, 0, LANE_DIRTY_TAIL_AT);
  store<u32>(LANE_AT, 0, LANE_STAGED_BYTES_AT);
  return (at - BLOCKS_AT) as u32;
}

function writeBlock(at: usize, entry: usize, monoUs: u64, wallUs: u64): u32 {
  const bytes = BLOCK_HEADER_BYTES + load<u32>(entry, RECORDING_STAGED_BYTES_AT);
  const sequence = load<u64>(LANE_AT, LANE_BLOCK_SEQ_AT);
  store<u64>(LANE_AT, sequence + 1, LANE_BLOCK_SEQ_AT);
  store<u32>(at, BLOCK_MAGIC, BLOCK_MAGIC_AT);
  store<u32>(at, bytes, BLOCK_BYTES_AT);
  store<u32>(at, load<u32>(entry, RECORDING_COUNT_AT), BLOCK_RECORD_COUNT_AT);
  memory.copy(at + BLOCK_RECORDING_ID_AT, entry + RECORDING_ID_AT, 16);
  store<u64>(at, sequence, BLOCK_SEQ_AT);
  store<u64>(at, monoUs, BLOCK_MONO_US_AT);
  store<u64>(at, wallUs, BLOCK_WALL_US_AT);
  store<u64>(at, load<u32>(LANE_AT, LANE_ID_AT) as u64, BLOCK_LANE_AT);
  let to = at + BLOCK_HEADER_BYTES;
  let link: usize = load<u32>(entry, RECORDING_HEAD_AT);
  for (let n = load<u32>(entry, RECORDING_COUNT_AT); n != 0; n--) {
    const record = link + LINK_BYTES;
    const length = recordBytes(load<u32>(record, RECORD_PAYLOAD_BYTES_AT));
    memory.copy(to, record, length);
    to += length;
    link = load<u32>(link);
  }
  store<u32>(at, crc32c(at + BLOCK_RECORD_COUNT_AT, bytes - BLOCK_RECORD_COUNT_AT), BLOCK_CRC_AT);
  return bytes;
}
