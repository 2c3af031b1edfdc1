/**
 * RTCP: validity of a compound packet (RFC 3550 A.2), what a sender report tells (6.4.1), and the receiver report that a
 * recorder owes each source (6.4.2, A.3) with its CNAME (6.5.1).
 */
import {
  FLAG_STARTED,
  KIND_RTCP,
  STATUS_DROPPED,
  STATUS_INVALID,
  STATUS_RTCP,
  STREAM_BASE_SEQ_AT,
  STREAM_CNAME_AT,
  STREAM_EPOCH_AT,
  STREAM_EXPECTED_PRIOR_AT,
  STREAM_FLAGS_AT,
  STREAM_INVALID_AT,
  STREAM_JITTER_AT,
  STREAM_LAST_SR_AT,
  STREAM_LAST_SR_US_AT,
  STREAM_MAX_SEQ_AT,
  STREAM_OWN_SSRC_AT,
  STREAM_RECEIVED_AT,
  STREAM_RECEIVED_PRIOR_AT,
  STREAM_REPORT_EPOCH_AT,
  STREAM_REPORT_NTP_AT,
  STREAM_REPORT_TIMESTAMP_AT,
  STREAM_SSRC_AT,
} from '../layout';
import { count, journal } from './stream';

export const SENDER_REPORT: u32 = 200;
export const RECEIVER_REPORT: u32 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
export const GOODBYE: u32 = 203;
const CNAME: u8 = 1;
export const SENDER_REPORT_BYTES: u32 = 28;
/** A report counts loss in 24 bits, signed (section 6.4.1). */
const MAX_CUMULATIVE_LOST: i32 = 0x7fffff;

export function receiveRtcp(stream: usize, at: usize, bytes: u32, arrivalUs: u64): u32 {
  if (!isCompound(at, bytes)) {
    count(stream, STREAM_INVALID_AT);
    return STATUS_INVALID;
  }
  if (load<u8>(at, 1) == SENDER_REPORT && packetBytes(at) >= SENDER_REPORT_BYTES) {
    keepReport(stream, at, bytes, arrivalUs);
  }
  return journal(stream, KIND_RTCP, 0, arrivalUs, at, bytes) ? STATUS_RTCP : STATUS_DROPPED;
}

/** Of the packet of a compound one that lies there. */
export function packetBytes(at: usize): u32 {
  return ((bswap<u16>(load<u16>(at, 2)) as u32) + 1) << 2;
}

/** Reports of other sources than the one received now say nothing about it. */
function keepReport(stream: usize, at: usize, bytes: u32, arrivalUs: u64): void {
  const ssrc = bswap<u32>(load<u32>(at, 4));
  if ((load<u32>(stream, STREAM_FLAGS_AT) & FLAG_STARTED) == 0) store<u32>(stream, ssrc, STREAM_SSRC_AT);
  if (ssrc != load<u32>(stream, STREAM_SSRC_AT)) return;
  store<u32>(stream, bswap<u32>(load<u32>(at, 10)), STREAM_LAST_SR_AT); // the middle of the 64-bit NTP time at 8
  store<u64>(stream, arrivalUs, STREAM_LAST_SR_US_AT);
  // Of a source that has sent no packet yet, nobody knows which epoch it begins.
  if ((load<u32>(stream, STREAM_FLAGS_AT) & FLAG_STARTED) == 0) return;
  store<u64>(stream, bswap<u64>(load<u64>(at, 8)), STREAM_REPORT_NTP_AT);
  store<u32>(stream, bswap<u32>(load<u32>(at, 16)), STREAM_REPORT_TIMESTAMP_AT);
  store<u32>(stream, load<u32>(stream, STREAM_EPOCH_AT), STREAM_REPORT_EPOCH_AT);
  keepCname(stream, at, bytes);
}

/** Of the first chunk of a compound packet, which is that of its sender (6.1, 6.5.1); none is as long as 0. */
function keepCname(stream: usize, at: usize, bytes: u32): void {
  const end = at + bytes;
  while (at < end && load<u8>(at, 1) != SOURCE_DESCRIPTION) at += packetBytes(at);
  store<u8>(stream, 0, STREAM_CNAME_AT);
  if (at == end || (load<u8>(at) & 31) == 0) return;
  const chunkEnd = at + packetBytes(at);
  let item = at + 8;
  while (item + 2 <= chunkEnd && load<u8>(item) != 0) {
    const textBytes = load<u8>(item, 1) as u32;
    if (item + 2 + textBytes > chunkEnd) return;
    if (load<u8>(item) == CNAME) return memory.copy(stream + STREAM_CNAME_AT, item + 1, textBytes + 1);
    item += 2 + textBytes;
  }
}

/** A.2: begins with a report, version 2 throughout, and the lengths add up to the datagram. */
export function isCompound(at: usize, bytes: u32): bool {
  if (bytes < 8 || (bytes & 3) != 0) return false;
  const type = load<u8>(at, 1) as u32;
  if (type != SENDER_REPORT && type != RECEIVER_REPORT) return false;
  if ((load<u8>(at) & 0xe0) != 0x80) return false; // padding only in the last packet
  const end = at + bytes;
  while (at + 4 <= end) {
    if (load<u8>(at) >> 6 != 2) return false;
    at += packetBytes(at);
  }
  return at == end;
}

/** Writes a receiver report and a CNAME to `to`; gives its length. `cname` must be shorter than 256 bytes. */
export function writeReport(stream: usize, to: usize, nowUs: u64, cname: usize, cnameBytes: u32): u32 {
  const own = bswap<u32>(load<u32>(stream, STREAM_OWN_SSRC_AT));
  const hasBlock = (load<u32>(stream, STREAM_FLAGS_AT) & FLAG_STARTED) != 0;
  store<u8>(to, hasBlock ? 0x81 : 0x80);
  store<u8>(to, RECEIVER_REPORT as u8, 1);
  store<u16>(to, bswap<u16>(hasBlock ? 7 : 1), 2);
  store<u32>(to, own, 4);
  if (hasBlock) writeReportBlock(stream, to + 8, nowUs);
  const reportBytes: u32 = hasBlock ? 32 : 8;
  return reportBytes + writeCname(to + reportBytes, own, cname, cnameBytes);
}

function writeReportBlock(stream: usize, to: usize, nowUs: u64): void {
  const max = load<u32>(stream, STREAM_MAX_SEQ_AT);
  const expected = max - load<u32>(stream, STREAM_BASE_SEQ_AT) + 1;
  const received = load<u32>(stream, STREAM_RECEIVED_AT);
  const lost = clampLost((expected - received) as i32);
  const expectedNow = expected - load<u32>(stream, STREAM_EXPECTED_PRIOR_AT);
  const lostNow = (expectedNow - (received - load<u32>(stream, STREAM_RECEIVED_PRIOR_AT))) as i32;
  store<u32>(stream, expected, STREAM_EXPECTED_PRIOR_AT);
  store<u32>(stream, received, STREAM_RECEIVED_PRIOR_AT);
  const fraction: u32 = expectedNow == 0 || lostNow <= 0 ? 0 : min<u32>(255, ((lostNow as u32) << 8) / expectedNow);
  store<u32>(to, bswap<u32>(load<u32>(stream, STREAM_SSRC_AT)));
  store<u32>(to, bswap<u32>((fraction << 24) | ((lost as u32) & 0xffffff)), 4);
  store<u32>(to, bswap<u32>(max - 0x10000), 8); // our first cycle is 1, the standard's is 0
  store<u32>(to, bswap<u32>(load<u32>(stream, STREAM_JITTER_AT) >>> 4), 12);
  const lastReport = load<u32>(stream, STREAM_LAST_SR_AT);
  const delayUs = nowUs - load<u64>(stream, STREAM_LAST_SR_US_AT);
  store<u32>(to, bswap<u32>(lastReport), 16);
  store<u32>(to, lastReport == 0 ? 0 : bswap<u32>(((delayUs * 65536) / 1000000) as u32), 20);
}

function clampLost(lost: i32): i32 {
  return lost > MAX_CUMULATIVE_LOST ? MAX_CUMULATIVE_LOST : lost < ~MAX_CUMULATIVE_LOST ? ~MAX_CUMULATIVE_LOST : lost;
}

/** One SDES chunk: SSRC, CNAME item, at least one zero byte, to a multiple of four. */
export function writeCname(to: usize, ssrc: u32, cname: usize, bytes: u32): u32 {
  const length = (4 + 4 + 2 + bytes + 1 + 3) & ~3;
  memory.fill(to, 0, length);
  store<u8>(to, 0x81);
  store<u8>(to, SOURCE_DESCRIPTION, 1);
  store<u16>(to, bswap<u16>(((length >> 2) - 1) as u16), 2);
  store<u32>(to, ssrc, 4);
  store<u8>(to, CNAME, 8);
  store<u8>(to, bytes as u8, 9);
  memory.copy(to + 10, cname, bytes);
  return length;
}
