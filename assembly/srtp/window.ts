/**
 * Replay protection (RFC 3711 section 3.3.2) by packet index: a ring of bits for RTP, as wide as the window in which RTP itself tells
 * duplicates from late packets, and 128 bits for SRTCP. To be moved only by what has been authenticated.
 */
import {
  RTCP_WINDOW_PACKETS,
  SOURCE_FLAGS_AT,
  SOURCE_INDEX_AT,
  SOURCE_RTCP_INDEX_AT,
  SOURCE_RTCP_WINDOW_AT,
  SOURCE_SENT_RTCP,
  SOURCE_SENT_RTP,
  SOURCE_WINDOW_AT,
  SRTP_WINDOW_PACKETS,
} from '../layout';

const RTP_PACKETS: u64 = SRTP_WINDOW_PACKETS;
const RTCP_PACKETS: u32 = RTCP_WINDOW_PACKETS;

/** The packet has been seen, or is so old that it might have been. */
export function isReplayed(source: usize, index: u64): bool {
  if (source == 0 || (load<u32>(source, SOURCE_FLAGS_AT) & SOURCE_SENT_RTP) == 0) return false;
  const top = load<u64>(source, SOURCE_INDEX_AT);
  if (index > top) return false;
  if (top - index >= RTP_PACKETS) return true;
  return (load<u64>(word(source, index)) & bit(index)) != 0;
}

export function markSeen(source: usize, index: u64): void {
  const flags = load<u32>(source, SOURCE_FLAGS_AT);
  const top = load<u64>(source, SOURCE_INDEX_AT);
  if ((flags & SOURCE_SENT_RTP) == 0) restart(source, index);
  else if (index > top) advance(source, top, index);
  store<u64>(word(source, index), load<u64>(word(source, index)) | bit(index));
}

/** Forgets what was seen: the source begins at `index`. */
export function restart(source: usize, index: u64): void {
  memory.fill(source + SOURCE_WINDOW_AT, 0, SRTP_WINDOW_PACKETS / 8);
  store<u64>(source, index, SOURCE_INDEX_AT);
  store<u32>(source, load<u32>(source, SOURCE_FLAGS_AT) | SOURCE_SENT_RTP, SOURCE_FLAGS_AT);
}

function advance(source: usize, top: u64, index: u64): void {
  store<u64>(source, index, SOURCE_INDEX_AT);
  if (index - top >= RTP_PACKETS) {
    memory.fill(source + SOURCE_WINDOW_AT, 0, SRTP_WINDOW_PACKETS / 8);
    return;
  }
  // The packet's own bit is about to be set.
  for (let i = top + 1; i < index; i++) store<u64>(word(source, i), load<u64>(word(source, i)) & ~bit(i));
}

function word(source: usize, index: u64): usize {
  return source + SOURCE_WINDOW_AT + ((((index as u32) & (SRTP_WINDOW_PACKETS - 1)) >>> 6) << 3);
}

function bit(index: u64): u64 {
  return (1 as u64) << (index & 63);
}

/** Of a 31-bit SRTCP index; the window's lowest bit stands for the highest index. */
export function isRtcpReplayed(source: usize, index: u32): bool {
  if (source == 0 || (load<u32>(source, SOURCE_FLAGS_AT) & SOURCE_SENT_RTCP) == 0) return false;
  const top = load<u32>(source, SOURCE_RTCP_INDEX_AT);
  if (index > top) return false;
  const behind = top - index;
  if (behind >= RTCP_PACKETS) return true;
  return ((load<u64>(source + ((behind >> 6) << 3), SOURCE_RTCP_WINDOW_AT) >> (behind & 63)) & 1) != 0;
}

export function markRtcpSeen(source: usize, index: u32): void {
  const flags = load<u32>(source, SOURCE_FLAGS_AT);
  const top = load<u32>(source, SOURCE_RTCP_INDEX_AT);
  if ((flags & SOURCE_SENT_RTCP) == 0) {
    store<u32>(source, flags | SOURCE_SENT_RTCP, SOURCE_FLAGS_AT);
    v128.store(source + SOURCE_RTCP_WINDOW_AT, i64x2(1, 0));
    store<u32>(source, index, SOURCE_RTCP_INDEX_AT);
  } else if (index > top) {
    shiftRtcpWindow(source, index - top);
    store<u32>(source, index, SOURCE_RTCP_INDEX_AT);
  } else {
    const at: usize = source + (((top - index) >> 6) << 3);
    store<u64>(at, load<u64>(at, SOURCE_RTCP_WINDOW_AT) | ((1 as u64) << ((top - index) & 63)), SOURCE_RTCP_WINDOW_AT);
  }
}

function shiftRtcpWindow(source: usize, by: u32): void {
  let low = load<u64>(source, SOURCE_RTCP_WINDOW_AT);
  let high = load<u64>(source, SOURCE_RTCP_WINDOW_AT + 8);
  if (by >= RTCP_PACKETS) {
    low = 0;
    high = 0;
  } else if (by >= 64) {
    high = low << (by - 64);
    low = 0;
  } else {
    high = (high << by) | (low >> (64 - by));
    low = low << by;
  }
  store<u64>(source, low | 1, SOURCE_RTCP_WINDOW_AT);
  store<u64>(source, high, SOURCE_RTCP_WINDOW_AT + 8);
}
