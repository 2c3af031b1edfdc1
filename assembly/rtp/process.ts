/**
 * A batch of received datagrams, described at DESCRIPTORS_AT: each gets its status, and its way into the journal. First all sources are
 * checked, then what is SRTP is unprotected in one go, then all are received in the order in which they came.
 */
import { recordingAt } from '../journal/blocks';
import {
  CHANNEL_RTCP,
  CHANNEL_RTP,
  CONTEXT_BYTES,
  CONTEXTS_AT,
  DESCRIPTOR_ARRIVAL_US_AT,
  DESCRIPTOR_BYTES,
  DESCRIPTOR_CHANNEL_AT,
  DESCRIPTOR_EPOCH_AT,
  DESCRIPTOR_EXT_SEQ_AT,
  DESCRIPTOR_LENGTH_AT,
  DESCRIPTOR_OFFSET_AT,
  DESCRIPTOR_SOURCE_AT,
  DESCRIPTOR_SOURCE_PORT_AT,
  DESCRIPTOR_STATUS_AT,
  DESCRIPTOR_STREAM_AT,
  DESCRIPTORS_AT,
  FLAG_LEARN,
  FLAG_OPEN,
  FLAG_RTCP_MUX,
  FLAG_SHARED_PORT,
  FLAG_SRTP,
  LANE_AT,
  LANE_DUPLICATE_AT,
  LANE_INVALID_AT,
  LANE_PAUSED_AT,
  LANE_RECEIVED_AT,
  LANE_RTCP_AT,
  LANE_UNAUTHENTICATED_AT,
  LANE_UNAUTHORISED_AT,
  RECORDING_PAUSED_AT,
  SRTP_INVALID,
  SRTP_OK,
  SRTP_REPLAYED,
  STATUS_ADMITTED,
  STATUS_ADMITTED_REPORT,
  STATUS_CLOSED,
  STATUS_DUPLICATE,
  STATUS_INVALID,
  STATUS_KEEP_ALIVE,
  STATUS_PAUSED,
  STATUS_PROTECTED,
  STATUS_PROTECTED_REPORT,
  STATUS_RECEIVED,
  STATUS_RTCP,
  STATUS_UNAUTHENTICATED,
  STATUS_UNAUTHORISED,
  STREAM_EPOCH_AT,
  STREAM_FLAGS_AT,
  STREAM_INVALID_AT,
  STREAM_RECORDING_AT,
  STREAM_UNAUTHENTICATED_AT,
  STREAM_UNAUTHORISED_AT,
  WORK_AT,
  WORK_CHANNEL_AT,
  WORK_CONTEXT_AT,
  WORK_LENGTH_AT,
  WORK_PACKET_AT,
  WORK_SEALED_AT,
  WORK_STATUS_AT,
} from '../layout';
import { admitReport, contextOfReport, readReports, receiveProtectedReport, receiveReport } from '../replicate/reports';
import { unprotectBatch } from '../srtp/unprotect';
import { workAt } from '../srtp/work';
import { demultiplex } from './demultiplex';
import { looksLikeRtcp, payloadBytes } from './header';
import { receivedExtSeq, receiveReplay, receiveRtp } from './reception';
import { receiveRtcp } from './rtcp';
import { count, hear, isFromSource, learnSource, streamAt } from './stream';

export function process(packets: u32): void {
  let works: u32 = 0;
  for (let i: u32 = 0; i < packets; i++) {
    const descriptor: usize = DESCRIPTORS_AT + i * DESCRIPTOR_BYTES;
    findStream(descriptor);
    const status = admit(descriptor);
    store<u32>(descriptor, status, DESCRIPTOR_STATUS_AT);
    if (status == STATUS_PROTECTED) describeWork(workAt(WORK_AT, works++), descriptor);
    else if (status == STATUS_PROTECTED_REPORT) describeReport(workAt(WORK_AT, works++), descriptor);
  }
  if (works != 0) unprotectBatch(WORK_AT, works, load<u64>(DESCRIPTORS_AT, DESCRIPTOR_ARRIVAL_US_AT) as f64);
  works = 0;
  for (let i: u32 = 0; i < packets; i++) {
    const descriptor: usize = DESCRIPTORS_AT + i * DESCRIPTOR_BYTES;
    let status = load<u32>(descriptor, DESCRIPTOR_STATUS_AT);
    if (status == STATUS_ADMITTED) status = receive(descriptor, false);
    else if (status == STATUS_PROTECTED) status = receiveUnprotected(descriptor, workAt(WORK_AT, works++));
    else if (status == STATUS_ADMITTED_REPORT) status = receiveReport(descriptor, false);
    else if (status == STATUS_PROTECTED_REPORT) status = receiveProtectedReport(descriptor, workAt(WORK_AT, works++));
    store<u32>(descriptor, status, DESCRIPTOR_STATUS_AT);
    const counter = counterOf(status);
    if (counter != 0) store<u64>(LANE_AT + counter, load<u64>(LANE_AT + counter) + 1);
  }
}

/** So far it is the stream whose port it has come to. */
function findStream(descriptor: usize): void {
  const host = load<u32>(descriptor, DESCRIPTOR_STREAM_AT);
  if ((load<u32>(streamAt(host), STREAM_FLAGS_AT) & FLAG_SHARED_PORT) == 0) return;
  store<u32>(descriptor, demultiplex(host, descriptor), DESCRIPTOR_STREAM_AT);
}

function streamOf(descriptor: usize): usize {
  return streamAt(load<u32>(descriptor, DESCRIPTOR_STREAM_AT));
}

function isRtcp(stream: usize, descriptor: usize): bool {
  if ((load<u32>(stream, STREAM_FLAGS_AT) & FLAG_RTCP_MUX) == 0) {
    return load<u32>(descriptor, DESCRIPTOR_CHANNEL_AT) == CHANNEL_RTCP;
  }
  return looksLikeRtcp(load<u32>(descriptor, DESCRIPTOR_OFFSET_AT), load<u32>(descriptor, DESCRIPTOR_LENGTH_AT));
}

/** The stream is open, and the packet comes from its source; who it learns its source from must be authentic first. */
function admit(descriptor: usize): u32 {
  const stream = streamOf(descriptor);
  const flags = load<u32>(stream, STREAM_FLAGS_AT);
  if ((flags & FLAG_OPEN) == 0) return STATUS_CLOSED;
  if (load<u32>(descriptor, DESCRIPTOR_LENGTH_AT) == 0) return admitNothing(stream, descriptor);
  const isProtected = (flags & FLAG_SRTP) != 0;
  if (isProtected && (flags & FLAG_LEARN) != 0) return STATUS_PROTECTED;
  if (!isExpected(stream, descriptor)) {
    const status = admitReport(descriptor);
    return status == STATUS_UNAUTHORISED ? unauthorised(stream) : status;
  }
  return isProtected ? STATUS_PROTECTED : STATUS_ADMITTED;
}

function admitNothing(stream: usize, descriptor: usize): u32 {
  const isKnown = isFromSource(
    stream,
    descriptor + DESCRIPTOR_SOURCE_AT,
    load<u32>(descriptor, DESCRIPTOR_SOURCE_PORT_AT),
    isRtcp(stream, descriptor),
  );
  return isKnown ? STATUS_KEEP_ALIVE : unauthorised(stream);
}

function isExpected(stream: usize, descriptor: usize): bool {
  const at: usize = load<u32>(descriptor, DESCRIPTOR_OFFSET_AT);
  const bytes = load<u32>(descriptor, DESCRIPTOR_LENGTH_AT);
  const reports = isRtcp(stream, descriptor);
  const source = descriptor + DESCRIPTOR_SOURCE_AT;
  const port = load<u32>(descriptor, DESCRIPTOR_SOURCE_PORT_AT);
  const learns = (load<u32>(stream, STREAM_FLAGS_AT) & FLAG_LEARN) != 0;
  if (learns && !reports && payloadBytes(at, bytes) >= 0) learnSource(stream, source, port);
  return isFromSource(stream, source, port, reports);
}

function unauthorised(stream: usize): u32 {
  count(stream, STREAM_UNAUTHORISED_AT);
  return STATUS_UNAUTHORISED;
}

function isPaused(stream: usize): bool {
  return load<u32>(recordingAt(load<u32>(stream, STREAM_RECORDING_AT)), RECORDING_PAUSED_AT) != 0;
}

/** Media of a paused recording is authenticated and never decrypted. */
function describeWork(work: usize, descriptor: usize): void {
  const stream = streamOf(descriptor);
  const reports = isRtcp(stream, descriptor);
  const context = CONTEXTS_AT + load<u32>(descriptor, DESCRIPTOR_STREAM_AT) * CONTEXT_BYTES;
  describe(work, descriptor, context, reports ? CHANNEL_RTCP : CHANNEL_RTP, !reports && isPaused(stream));
}

function describeReport(work: usize, descriptor: usize): void {
  describe(work, descriptor, contextOfReport(descriptor), CHANNEL_RTCP, false);
}

function describe(work: usize, descriptor: usize, context: u32, channel: u32, isSealed: bool): void {
  store<u32>(work, context, WORK_CONTEXT_AT);
  store<u32>(work, load<u32>(descriptor, DESCRIPTOR_OFFSET_AT), WORK_PACKET_AT);
  store<u32>(work, load<u32>(descriptor, DESCRIPTOR_LENGTH_AT), WORK_LENGTH_AT);
  store<u32>(work, channel, WORK_CHANNEL_AT);
  store<u32>(work, isSealed ? 1 : 0, WORK_SEALED_AT);
}

function receiveUnprotected(descriptor: usize, work: usize): u32 {
  const stream = streamOf(descriptor);
  const status = load<u32>(work, WORK_STATUS_AT);
  if (status == SRTP_OK) {
    store<u32>(descriptor, load<u32>(work, WORK_LENGTH_AT), DESCRIPTOR_LENGTH_AT);
    const learns = (load<u32>(stream, STREAM_FLAGS_AT) & FLAG_LEARN) != 0;
    if (learns && !isExpected(stream, descriptor)) return unauthorised(stream);
    return receive(descriptor, load<u32>(work, WORK_SEALED_AT) != 0);
  }
  if (status == SRTP_INVALID) {
    count(stream, STREAM_INVALID_AT);
    return STATUS_INVALID;
  }
  if (status == SRTP_REPLAYED) {
    if (isRtcp(stream, descriptor)) return STATUS_DUPLICATE;
    const at: usize = load<u32>(descriptor, DESCRIPTOR_OFFSET_AT);
    const copy = receiveReplay(stream, at, load<u64>(descriptor, DESCRIPTOR_ARRIVAL_US_AT));
    if (copy != STATUS_UNAUTHENTICATED) return copy;
  }
  count(stream, STREAM_UNAUTHENTICATED_AT);
  return STATUS_UNAUTHENTICATED;
}

function receive(descriptor: usize, isSealed: bool): u32 {
  const stream = streamOf(descriptor);
  const at: usize = load<u32>(descriptor, DESCRIPTOR_OFFSET_AT);
  const bytes = load<u32>(descriptor, DESCRIPTOR_LENGTH_AT);
  const arrivalUs = load<u64>(descriptor, DESCRIPTOR_ARRIVAL_US_AT);
  if (isRtcp(stream, descriptor)) return receiveSourceRtcp(descriptor, at, bytes, arrivalUs);
  const status = receiveRtp(stream, at, bytes, arrivalUs, isSealed);
  if (status != STATUS_INVALID) hear(stream, load<u32>(descriptor, DESCRIPTOR_SOURCE_PORT_AT));
  store<u32>(descriptor, receivedExtSeq(stream, at), DESCRIPTOR_EXT_SEQ_AT);
  store<u32>(descriptor, load<u32>(stream, STREAM_EPOCH_AT), DESCRIPTOR_EPOCH_AT);
  return status;
}

/** The source may be the receiver of a sink as well: of two parties that are anchored. */
function receiveSourceRtcp(descriptor: usize, at: usize, bytes: u32, arrivalUs: u64): u32 {
  const stream = streamOf(descriptor);
  const status = receiveRtcp(stream, at, bytes, arrivalUs);
  if (status != STATUS_INVALID) readReports(descriptor, (load<u32>(stream, STREAM_FLAGS_AT) & FLAG_SRTP) != 0);
  return status;
}

/** Drops are counted where they happen. */
function counterOf(status: u32): u32 {
  if (status == STATUS_RECEIVED) return LANE_RECEIVED_AT;
  if (status == STATUS_RTCP) return LANE_RTCP_AT;
  if (status == STATUS_DUPLICATE) return LANE_DUPLICATE_AT;
  if (status == STATUS_PAUSED) return LANE_PAUSED_AT;
  if (status == STATUS_INVALID) return LANE_INVALID_AT;
  if (status == STATUS_UNAUTHENTICATED) return LANE_UNAUTHENTICATED_AT;
  return status == STATUS_UNAUTHORISED ? LANE_UNAUTHORISED_AT : 0;
}
