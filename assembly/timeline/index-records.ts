/**
 * Walks the records of a journal block and lays out what the finaliser asks of each in fixed entries, so that the
 * TypeScript side reads numbers and never bytes. RTP headers are parsed here (RFC 3550 section 5.1):
 *
 *    0                   1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   |V=2|P|X|  CC   |M|     PT      |       sequence number         |
 *   |                           timestamp                           |
 *   |           synchronization source (SSRC) identifier            |
 */

import {
  ENTRY_ARRIVAL_US_AT,
  ENTRY_BYTES,
  ENTRY_EPOCH_AT,
  ENTRY_EXT_SEQ_AT,
  ENTRY_KIND_AT,
  ENTRY_MEDIA_AT_AT,
  ENTRY_MEDIA_BYTES_AT,
  ENTRY_PAYLOAD_AT_AT,
  ENTRY_PAYLOAD_BYTES_AT,
  ENTRY_PAYLOAD_TYPE_AT,
  ENTRY_SSRC_AT,
  ENTRY_STREAM_AT,
  ENTRY_TIMESTAMP_AT,
  FINALISER_INDEX_AT,
  FINALISER_NEXT_AT,
  KIND_DUPLICATE,
  KIND_PAUSED,
  KIND_RTP,
  NOT_RTP,
  RECORD_ARRIVAL_US_AT,
  RECORD_EPOCH_AT,
  RECORD_EXT_SEQ_AT,
  RECORD_HEADER_BYTES,
  RECORD_KIND_AT,
  RECORD_PAYLOAD_BYTES_AT,
  RECORD_STREAM_AT,
} from '../layout';

/**
 * Indexes at most `maxRecords` records from `at` on, none beyond `end`. Returns the number of entries at
 * FINALISER_INDEX_AT; the position of the next record, or `end`, stands at FINALISER_NEXT_AT.
 */
export function finaliserIndex(at: usize, end: usize, maxRecords: u32): u32 {
  let entry: usize = FINALISER_INDEX_AT;
  let count: u32 = 0;
  while (count < maxRecords && at + RECORD_HEADER_BYTES <= end) {
    const payloadBytes = load<u32>(at, RECORD_PAYLOAD_BYTES_AT);
    const payload = at + RECORD_HEADER_BYTES;
    if (payloadBytes > <u32>(end - payload)) {
      at = end;
      break;
    }
    const kind = <u32>load<u8>(at, RECORD_KIND_AT);
    store<u32>(entry, kind, ENTRY_KIND_AT);
    store<u32>(entry, <u32>load<u16>(at, RECORD_STREAM_AT), ENTRY_STREAM_AT);
    store<u32>(entry, load<u32>(at, RECORD_EXT_SEQ_AT), ENTRY_EXT_SEQ_AT);
    store<u32>(entry, load<u32>(at, RECORD_EPOCH_AT), ENTRY_EPOCH_AT);
    store<f64>(entry, <f64>load<u64>(at, RECORD_ARRIVAL_US_AT), ENTRY_ARRIVAL_US_AT);
    store<u32>(entry, <u32>payload, ENTRY_PAYLOAD_AT_AT);
    store<u32>(entry, payloadBytes, ENTRY_PAYLOAD_BYTES_AT);
    store<u32>(entry, NOT_RTP, ENTRY_PAYLOAD_TYPE_AT);
    if (kind === KIND_RTP || kind === KIND_DUPLICATE || kind === KIND_PAUSED) {
      indexRtp(entry, payload, payloadBytes, kind === KIND_RTP);
    }
    entry += ENTRY_BYTES;
    count++;
    at = payload + ((payloadBytes + 7) & ~7);
  }
  if (at + RECORD_HEADER_BYTES > end) at = end;
  store<u32>(FINALISER_NEXT_AT, <u32>at);
  return count;
}

/** Fills the RTP part of an entry; leaves NOT_RTP in it if the header does not hold. */
function indexRtp(entry: usize, packet: usize, bytes: u32, isWhole: bool): void {
  if (bytes < 12 || load<u8>(packet) >> 6 !== 2) return;
  const first = <u32>load<u8>(packet);
  let headerBytes: u32 = 12;
  let mediaBytes: u32 = 0;
  if (isWhole) {
    headerBytes += (first & 0x0f) << 2;
    if (first & 0x10) {
      if (headerBytes + 4 > bytes) return;
      headerBytes += 4 + ((<u32>bswap<u16>(load<u16>(packet + headerBytes, 2))) << 2);
    }
    if (headerBytes > bytes) return;
    mediaBytes = bytes - headerBytes;
    if (first & 0x20 && mediaBytes > 0) {
      const paddingBytes = <u32>load<u8>(packet + bytes - 1);
      if (paddingBytes === 0 || paddingBytes > mediaBytes) return;
      mediaBytes -= paddingBytes;
    }
  }
  store<u32>(entry, <u32>load<u8>(packet, 1) & 0x7f, ENTRY_PAYLOAD_TYPE_AT);
  store<u32>(entry, bswap<u32>(load<u32>(packet, 4)), ENTRY_TIMESTAMP_AT);
  store<u32>(entry, bswap<u32>(load<u32>(packet, 8)), ENTRY_SSRC_AT);
  store<u32>(entry, <u32>packet + headerBytes, ENTRY_MEDIA_AT_AT);
  store<u32>(entry, mediaBytes, ENTRY_MEDIA_BYTES_AT);
}
