/**
 * The ABI between TypeScript and WebAssembly: the only place where an offset, a size, a limit or a status code is written.
 * Nothing but `export const NAME = <integer expression>`; `asc` and `tsc` both read it.
 */

// --- journal format: blocks of records, little endian (see src/journal/format.ts) ---

export const BLOCK_MAGIC = 0x31425444; // 'DTB1'
export const BLOCK_HEADER_BYTES = 64;
export const BLOCK_MAGIC_AT = 0;
export const BLOCK_BYTES_AT = 4;
export const BLOCK_CRC_AT = 8;
export const BLOCK_RECORD_COUNT_AT = 12;
export const BLOCK_RECORDING_ID_AT = 16;
export const BLOCK_SEQ_AT = 32;
export const BLOCK_MONO_US_AT = 40;
export const BLOCK_WALL_US_AT = 48;
export const BLOCK_LANE_AT = 56;

export const RECORD_HEADER_BYTES = 24;
export const RECORD_PAYLOAD_BYTES_AT = 0;
export const RECORD_STREAM_AT = 4;
export const RECORD_KIND_AT = 6;
export const RECORD_FLAGS_AT = 7;
export const RECORD_EXT_SEQ_AT = 8;
export const RECORD_EPOCH_AT = 12;
export const RECORD_ARRIVAL_US_AT = 16;

export const KIND_RTP = 1;
export const KIND_RTCP = 2;
export const KIND_NOTE = 3;
export const KIND_DUPLICATE = 4;
export const KIND_PAUSED = 5;
export const KIND_DROPPED = 6;
