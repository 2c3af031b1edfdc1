/** A stream's place in lane memory, its counters, its source, and its way into the journal. */

import { appendRecord, recordingAt } from '../journal/blocks';
import {
  FLAG_LEARN,
  KIND_DROPPED,
  KIND_PAUSED,
  KIND_RTP,
  LANE_AT,
  LANE_DROPPED_AT,
  LANE_SOURCE_CHANGES_AT,
  RECORDING_UNRECORDED_AT,
  SCRATCH_AT,
  SCRATCH_BYTES,
  STREAM_BYTES,
  STREAM_DROPPED_AT,
  STREAM_EPOCH_AT,
  STREAM_FLAGS_AT,
  STREAM_HEARD_PORT_AT,
  STREAM_HOST_AT,
  STREAM_INDEX_AT,
  STREAM_MAX_SEQ_AT,
  STREAM_RECORDING_AT,
  STREAM_REMOTE_AT,
  STREAM_REMOTE_RTCP_PORT_AT,
  STREAM_REMOTE_RTP_PORT_AT,
  STREAM_UNDECLARED_DROPS_AT,
  STREAMS_AT,
} from '../layout';
import { isSameAddress } from './address';

export function streamAt(stream: u32): usize {
  return STREAMS_AT + stream * STREAM_BYTES;
}

/** The stream whose sockets it has: its own, unless it shares a port. */
export function hostOf(stream: u32): u32 {
  const host = load<u32>(streamAt(stream), STREAM_HOST_AT);
  return host == 0 ? stream : host - 1;
}

export function count(stream: usize, counter: usize): void {
  store<u32>(stream + counter, load<u32>(stream + counter) + 1);
}

/** The sender of a valid RTP packet becomes the source of a stream that has none. */
export function learnSource(stream: usize, source: usize, port: u32): void {
  v128.store(stream + STREAM_REMOTE_AT, v128.load(source));
  store<u32>(stream, port, STREAM_REMOTE_RTP_PORT_AT);
  store<u32>(stream, port + 1, STREAM_REMOTE_RTCP_PORT_AT);
  store<u32>(stream, load<u32>(stream, STREAM_FLAGS_AT) & ~FLAG_LEARN, STREAM_FLAGS_AT);
  count(LANE_AT, LANE_SOURCE_CHANGES_AT);
}

/**
 * True if the datagram comes from the stream's source. The address must be the signalled one. The port should be the signalled one
 * too (symmetric RTP, RFC 4961), but clients that send from another are in the field: the first port from that address is kept
 * to, until the signalled one is heard.
 */
export function isFromSource(stream: usize, source: usize, port: u32, isRtcp: bool): bool {
  if ((load<u32>(stream, STREAM_FLAGS_AT) & FLAG_LEARN) != 0) return false;
  if (!isSameAddress(stream + STREAM_REMOTE_AT, source)) return false;
  const heard = load<u32>(stream, STREAM_HEARD_PORT_AT);
  if (isRtcp) return isReportPort(stream, port, heard);
  return heard == 0 || port == heard || port == load<u32>(stream, STREAM_REMOTE_RTP_PORT_AT);
}

/** Valid RTP has come from that port of the source. */
export function hear(stream: usize, port: u32): void {
  if (load<u32>(stream, STREAM_HEARD_PORT_AT) == port) return;
  count(LANE_AT, LANE_SOURCE_CHANGES_AT);
  store<u32>(stream, port, STREAM_HEARD_PORT_AT);
}

/** The signalled RTCP port, or the RTP port or its neighbour. */
function isReportPort(stream: usize, port: u32, heard: u32): bool {
  const rtp = load<u32>(stream, STREAM_REMOTE_RTP_PORT_AT);
  return port == load<u32>(stream, STREAM_REMOTE_RTCP_PORT_AT) || port == rtp || port == heard || port == heard + 1;
}

/** Puts a packet into the journal, after a declaration of those that did not get there before it. */
export function journal(stream: usize, kind: u32, extSeq: u32, arrivalUs: u64, at: usize, bytes: u32): bool {
  if (load<u32>(recordingAt(load<u32>(stream, STREAM_RECORDING_AT)), RECORDING_UNRECORDED_AT) != 0) return true;
  if (declareDrops(stream, arrivalUs)) {
    const recording = load<u32>(stream, STREAM_RECORDING_AT);
    const index = load<u32>(stream, STREAM_INDEX_AT);
    if (appendRecord(recording, index, kind, extSeq, load<u32>(stream, STREAM_EPOCH_AT), arrivalUs, at, bytes))
      return true;
  }
  countDrops(stream, 1);
  // A copy is not missing from the recording, and reports have no numbers of which one would be missing.
  if (kind == KIND_RTP || kind == KIND_PAUSED) owe(stream, 1);
  return false;
}

/** RTP packets reached this machine and were lost here. */
export function drop(stream: usize, packets: u32): void {
  countDrops(stream, packets);
  owe(stream, packets);
}

/** The journal is to tell of them as soon as there is room. */
function owe(stream: usize, packets: u32): void {
  store<u32>(stream, load<u32>(stream, STREAM_UNDECLARED_DROPS_AT) + packets, STREAM_UNDECLARED_DROPS_AT);
}

/** RTP packets that were lost here; the journal is not told. */
export function countDrops(stream: usize, packets: u32): void {
  store<u32>(stream, load<u32>(stream, STREAM_DROPPED_AT) + packets, STREAM_DROPPED_AT);
  store<u64>(LANE_AT, load<u64>(LANE_AT, LANE_DROPPED_AT) + packets, LANE_DROPPED_AT);
}

/** False when there are drops to declare and no room to do it. */
export function declareDrops(stream: usize, nowUs: u64): bool {
  const drops = load<u32>(stream, STREAM_UNDECLARED_DROPS_AT);
  if (drops == 0) return true;
  const payload: usize = SCRATCH_AT + SCRATCH_BYTES - 8;
  store<u32>(payload, drops);
  const recording = load<u32>(stream, STREAM_RECORDING_AT);
  const extSeq = load<u32>(stream, STREAM_MAX_SEQ_AT);
  const epoch = load<u32>(stream, STREAM_EPOCH_AT);
  if (!appendRecord(recording, load<u32>(stream, STREAM_INDEX_AT), KIND_DROPPED, extSeq, epoch, nowUs, payload, 4))
    return false;
  store<u32>(stream, 0, STREAM_UNDECLARED_DROPS_AT);
  return true;
}
