/**
 * What the receiver of a sink tells of it: report blocks (RFC 3550 section 6.4.1) and BYE (6.6). It comes to the sockets that the sink leaves
 * from, and only what comes from the receiver counts; for a sink with keys it must be authentic too.
 */
import {
  CONTEXT_BYTES,
  CONTEXTS_AT,
  DESCRIPTOR_ARRIVAL_US_AT,
  DESCRIPTOR_LENGTH_AT,
  DESCRIPTOR_OFFSET_AT,
  DESCRIPTOR_SOURCE_AT,
  DESCRIPTOR_SOURCE_PORT_AT,
  DESCRIPTOR_STREAM_AT,
  SINK_FLAGS_AT,
  SINK_GONE_AT,
  SINK_INVALID_REPORTS_AT,
  SINK_REPORT_CONTEXTS,
  SINK_REPORT_HIGHEST_SEQ_AT,
  SINK_REPORT_JITTER_AT,
  SINK_REPORT_LOSS_AT,
  SINK_REPORT_US_AT,
  SINK_ROUND_TRIP_AT,
  SINK_SENT_REPORT_AT,
  SINK_SENT_REPORT_BEFORE_AT,
  SINK_SENT_REPORT_BEFORE_US_AT,
  SINK_SENT_REPORT_US_AT,
  SINK_SRTP,
  SINK_SRTP_REPORTS,
  SINK_SSRC_AT,
  SINK_UNAUTHENTICATED_REPORTS_AT,
  SRTP_INVALID,
  SRTP_OK,
  SRTP_REPLAYED,
  STATUS_ADMITTED_REPORT,
  STATUS_DUPLICATE,
  STATUS_INVALID,
  STATUS_PROTECTED_REPORT,
  STATUS_RTCP,
  STATUS_UNAUTHENTICATED,
  STATUS_UNAUTHORISED,
  WORK_LENGTH_AT,
  WORK_STATUS_AT,
} from '../layout';
import { looksLikeRtcp } from '../rtp/header';
import { GOODBYE, isCompound, packetBytes, RECEIVER_REPORT, SENDER_REPORT, SENDER_REPORT_BYTES } from '../rtp/rtcp';
import { count } from '../rtp/stream';
import { firstSinkTo, nextSinkTo } from './receivers';
import { sinkAt } from './sink';

const BLOCK_BYTES: u32 = 24;

/** A datagram that is not from its stream's source: of the receiver of a sink? With rtcp-mux it comes to the RTP port (RFC 5761). */
export function admitReport(descriptor: usize): u32 {
  if (!looksLikeRtcp(load<u32>(descriptor, DESCRIPTOR_OFFSET_AT), load<u32>(descriptor, DESCRIPTOR_LENGTH_AT))) {
    return STATUS_UNAUTHORISED;
  }
  const sink = firstOf(descriptor);
  if (sink == 0) return STATUS_UNAUTHORISED;
  const flags = load<u32>(sinkAt(sink - 1), SINK_FLAGS_AT);
  if ((flags & SINK_SRTP) == 0) return STATUS_ADMITTED_REPORT;
  return (flags & SINK_SRTP_REPORTS) != 0 ? STATUS_PROTECTED_REPORT : refuse(descriptor);
}

/** Of a report that is to be unprotected. All that one receiver says comes under the same keys. */
export function contextOfReport(descriptor: usize): u32 {
  return CONTEXTS_AT + (SINK_REPORT_CONTEXTS + firstOf(descriptor) - 1) * CONTEXT_BYTES;
}

export function receiveProtectedReport(descriptor: usize, work: usize): u32 {
  const status = load<u32>(work, WORK_STATUS_AT);
  if (status == SRTP_REPLAYED) return STATUS_DUPLICATE;
  if (status == SRTP_INVALID) return countInvalid(descriptor);
  if (status != SRTP_OK) return refuse(descriptor);
  store<u32>(descriptor, load<u32>(work, WORK_LENGTH_AT), DESCRIPTOR_LENGTH_AT);
  return receiveReport(descriptor, true);
}

/** Of somebody whom nothing is received from. */
export function receiveReport(descriptor: usize, isAuthentic: bool): u32 {
  const at: usize = load<u32>(descriptor, DESCRIPTOR_OFFSET_AT);
  if (!isCompound(at, load<u32>(descriptor, DESCRIPTOR_LENGTH_AT))) return countInvalid(descriptor);
  return readReports(descriptor, isAuthentic) ? STATUS_RTCP : STATUS_INVALID;
}

/** Reads a valid compound packet. False when what it has of reports does not fit into it: then it changes nothing. */
export function readReports(descriptor: usize, isAuthentic: bool): bool {
  if (firstOf(descriptor) == 0) return true;
  const start: usize = load<u32>(descriptor, DESCRIPTOR_OFFSET_AT);
  const end = start + load<u32>(descriptor, DESCRIPTOR_LENGTH_AT);
  for (let at = start; at < end; at += packetBytes(at)) {
    if (fixedBytes(at) + itemBytes(at) <= packetBytes(at)) continue;
    countInvalid(descriptor);
    return false;
  }
  const reporter = load<u32>(start, 4);
  for (let at = start; at < end; at += packetBytes(at)) {
    const type = load<u8>(at, 1) as u32;
    if (type == SENDER_REPORT || type == RECEIVER_REPORT) readBlocks(descriptor, at, isAuthentic);
    else if (type == GOODBYE && names(at, reporter)) setGone(descriptor, isAuthentic);
  }
  return true;
}

/** What stands before report blocks, or before the SSRCs of a BYE. */
function fixedBytes(at: usize): u32 {
  const type = load<u8>(at, 1) as u32;
  return type == SENDER_REPORT ? SENDER_REPORT_BYTES : type == RECEIVER_REPORT ? 8 : 4;
}

function itemBytes(at: usize): u32 {
  const type = load<u8>(at, 1) as u32;
  if (type == GOODBYE) return itemsOf(at) * 4;
  return type == SENDER_REPORT || type == RECEIVER_REPORT ? itemsOf(at) * BLOCK_BYTES : 0;
}

function itemsOf(at: usize): u32 {
  return (load<u8>(at) as u32) & 31;
}

function readBlocks(descriptor: usize, at: usize, isAuthentic: bool): void {
  let block = at + fixedBytes(at);
  for (let n = itemsOf(at); n > 0; n--) {
    const ssrc = wordAt(block);
    for (let sink = firstOf(descriptor); sink != 0; sink = nextOf(descriptor, sink)) {
      const entry = sinkAt(sink - 1);
      if (load<u32>(entry, SINK_SSRC_AT) != ssrc || !isBelieved(entry, isAuthentic)) continue;
      keepBlock(entry, block, load<u64>(descriptor, DESCRIPTOR_ARRIVAL_US_AT));
    }
    block += BLOCK_BYTES;
  }
}

/** Of a sink with keys, only what is authentic; the rest is counted. */
function isBelieved(sink: usize, isAuthentic: bool): bool {
  if (isAuthentic || (load<u32>(sink, SINK_FLAGS_AT) & SINK_SRTP) == 0) return true;
  count(sink, SINK_UNAUTHENTICATED_REPORTS_AT);
  return false;
}

function keepBlock(sink: usize, block: usize, arrivalUs: u64): void {
  store<u32>(sink, wordAt(block + 4), SINK_REPORT_LOSS_AT);
  store<u32>(sink, wordAt(block + 8), SINK_REPORT_HIGHEST_SEQ_AT);
  store<u32>(sink, wordAt(block + 12), SINK_REPORT_JITTER_AT);
  store<u32>(sink, roundTripOf(sink, wordAt(block + 16), wordAt(block + 20), arrivalUs), SINK_ROUND_TRIP_AT);
  store<u64>(sink, arrivalUs, SINK_REPORT_US_AT);
  store<u32>(sink, 0, SINK_GONE_AT);
}

/**
 * A - LSR - DLSR (section 6.4.1), with A and LSR by our monotonic clock: when the report that is named has left is known, and the NTP times
 * of reports may be somebody else's.
 */
function roundTripOf(sink: usize, lastReport: u32, delay: u32, arrivalUs: u64): u32 {
  if (lastReport == 0) return 0;
  let sentUs = load<u64>(sink, SINK_SENT_REPORT_US_AT);
  if (lastReport != load<u32>(sink, SINK_SENT_REPORT_AT)) {
    if (lastReport != load<u32>(sink, SINK_SENT_REPORT_BEFORE_AT)) return 0;
    sentUs = load<u64>(sink, SINK_SENT_REPORT_BEFORE_US_AT);
  }
  const elapsedUs = (arrivalUs - sentUs) as i64;
  const heldUs = (((delay as u64) * 1000000) >> 16) as i64;
  return (max<i64>(0, min<i64>(elapsedUs - heldUs, 0xfffffffe)) + 1) as u32;
}

/** Whether a BYE is of the participant whose report the compound packet begins with. */
function names(at: usize, ssrc: u32): bool {
  for (let n = itemsOf(at); n > 0; n--) if (load<u32>(at + n * 4) == ssrc) return true;
  return false;
}

function setGone(descriptor: usize, isAuthentic: bool): void {
  for (let sink = firstOf(descriptor); sink != 0; sink = nextOf(descriptor, sink)) {
    if (isBelieved(sinkAt(sink - 1), isAuthentic)) store<u32>(sinkAt(sink - 1), 1, SINK_GONE_AT);
  }
}

function refuse(descriptor: usize): u32 {
  count(sinkAt(firstOf(descriptor) - 1), SINK_UNAUTHENTICATED_REPORTS_AT);
  return STATUS_UNAUTHENTICATED;
}

function countInvalid(descriptor: usize): u32 {
  count(sinkAt(firstOf(descriptor) - 1), SINK_INVALID_REPORTS_AT);
  return STATUS_INVALID;
}

function firstOf(descriptor: usize): u32 {
  const via = load<u32>(descriptor, DESCRIPTOR_STREAM_AT);
  return firstSinkTo(via, descriptor + DESCRIPTOR_SOURCE_AT, load<u32>(descriptor, DESCRIPTOR_SOURCE_PORT_AT));
}

function nextOf(descriptor: usize, sink: u32): u32 {
  const via = load<u32>(descriptor, DESCRIPTOR_STREAM_AT);
  return nextSinkTo(sink, via, descriptor + DESCRIPTOR_SOURCE_AT, load<u32>(descriptor, DESCRIPTOR_SOURCE_PORT_AT));
}

function wordAt(at: usize): u32 {
  return bswap<u32>(load<u32>(at));
}
