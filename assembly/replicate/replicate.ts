/**
 * Fan-out: every RTP packet that a stream has received goes to each of its sinks, as a stream of the sink's own (RFC 3550 section 5.1: SSRC,
 * sequence numbers and timestamps; RFC 7866 section 8.1.2: and keys).
 *
 * What the source has lost is missing in the sink's numbers too. Where the source begins anew, or the sink was paused, the numbers go on
 * without a gap and the timestamp goes on with the clock; the marker bit says so.
 */
import {
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
  DESCRIPTOR_STATUS_AT,
  DESCRIPTOR_STREAM_AT,
  DESCRIPTORS_AT,
  LANE_AT,
  LANE_REPLICATE_PACKET_AT,
  LANE_REPLICATE_SINK_AT,
  LONGEST_STEPS_PER_SECOND,
  MAX_SENDS,
  OUT_AT,
  OUT_BYTES,
  SEND_BYTES,
  SEND_LENGTH_AT,
  SEND_OFFSET_AT,
  SEND_SINK_AT,
  SENDS_AT,
  SINK_ANCHOR_SEQ_AT,
  SINK_ANCHORING,
  SINK_ARRIVAL_US_AT,
  SINK_CLOCK_RATE_AT,
  SINK_CONTEXTS,
  SINK_CURSOR_AT,
  SINK_EPOCH_AT,
  SINK_FLAGS_AT,
  SINK_LATE_AT,
  SINK_NEXT_AT,
  SINK_NEXT_SEQ_AT,
  SINK_OCTETS_AT,
  SINK_PACKETS_AT,
  SINK_PAUSED,
  SINK_PAYLOAD_TYPES_AT,
  SINK_SEQ_OFFSET_AT,
  SINK_SRTP,
  SINK_SSRC_AT,
  SINK_STARTED,
  SINK_STEP_AT,
  SINK_TIMESTAMP_AT,
  SINK_TIMESTAMP_OFFSET_AT,
  SINK_UNDIRECTED_AT,
  SINK_UNPROTECTED_AT,
  SINK_WAITING,
  SLOT_BYTES,
  SLOT_HEADROOM_BYTES,
  SLOT_SLACK_BYTES,
  SRTP_OK,
  STATUS_DROPPED,
  STATUS_RECEIVED,
  STREAM_SINKS_AT,
  WORK_AT,
  WORK_CHANNEL_AT,
  WORK_CONTEXT_AT,
  WORK_LENGTH_AT,
  WORK_PACKET_AT,
  WORK_STATUS_AT,
} from '../layout';
import { payloadBytes, timestampOf } from '../rtp/header';
import { count, streamAt } from '../rtp/stream';
import { protectBatch } from '../srtp/protect';
import { workAt } from '../srtp/work';
import { keep } from './look-back';
import { sinkAt } from './sink';

const MARKER: u32 = 0x80;

function sendAt(n: u32): usize {
  return SENDS_AT + n * SEND_BYTES;
}

/** A new batch was received: replication begins with its first packet. */
export function beginReplication(): void {
  store<u32>(LANE_AT, 0, LANE_REPLICATE_PACKET_AT);
  store<u32>(LANE_AT, 0, LANE_REPLICATE_SINK_AT);
}

/** Makes the next outgoing packets of a batch of `packets`: as many as there is room for. 0: there are no more. */
export function replicateSome(packets: u32): u32 {
  let sends: u32 = 0;
  let out: usize = OUT_AT;
  let n = load<u32>(LANE_AT, LANE_REPLICATE_PACKET_AT);
  let next = load<u32>(LANE_AT, LANE_REPLICATE_SINK_AT);
  for (; n < packets; n++) {
    const descriptor: usize = DESCRIPTORS_AT + n * DESCRIPTOR_BYTES;
    if (!isToReplicate(descriptor)) continue;
    if (next == 0) {
      keep(descriptor);
      next = load<u32>(streamAt(load<u32>(descriptor, DESCRIPTOR_STREAM_AT)), STREAM_SINKS_AT);
    }
    while (next != 0 && hasRoom(sends, out)) {
      const sink = sinkAt(next - 1);
      // Who looks back still gets it from the ring, when its turn has come.
      const bytes = load<u32>(sink, SINK_CURSOR_AT) == 0 ? copyTo(sink, descriptor, out + SLOT_HEADROOM_BYTES) : 0;
      if (bytes != 0) {
        describeSend(sends++, next - 1, out + SLOT_HEADROOM_BYTES, bytes);
        out = behind(out, bytes);
      }
      next = load<u32>(sink, SINK_NEXT_AT);
    }
    if (next != 0) break;
  }
  store<u32>(LANE_AT, n, LANE_REPLICATE_PACKET_AT);
  store<u32>(LANE_AT, next, LANE_REPLICATE_SINK_AT);
  protect(sends);
  return sends;
}

/** What the journal had no room for was received all the same. */
function isToReplicate(descriptor: usize): bool {
  const status = load<u32>(descriptor, DESCRIPTOR_STATUS_AT);
  if (status != STATUS_RECEIVED && status != STATUS_DROPPED) return false;
  return load<u32>(descriptor, DESCRIPTOR_CHANNEL_AT) == CHANNEL_RTP;
}

export function hasRoom(sends: u32, out: usize): bool {
  return sends < (MAX_SENDS as u32) && out + SLOT_BYTES <= ((OUT_AT + OUT_BYTES) as usize);
}

/** Where the next outgoing packet goes. */
export function behind(out: usize, bytes: u32): usize {
  return out + ((SLOT_HEADROOM_BYTES + bytes + SLOT_SLACK_BYTES + 15) & ~15);
}

export function describeSend(n: u32, sink: u32, at: usize, bytes: u32): void {
  store<u32>(sendAt(n), sink, SEND_SINK_AT);
  store<u32>(sendAt(n), at as u32, SEND_OFFSET_AT);
  store<u32>(sendAt(n), bytes, SEND_LENGTH_AT);
}

/** The packet as the sink gets it, at `to`. Gives its length; 0 when the sink gets nothing of it. */
export function copyTo(sink: usize, descriptor: usize, to: usize): u32 {
  const flags = load<u32>(sink, SINK_FLAGS_AT);
  if ((flags & (SINK_PAUSED | SINK_WAITING)) != 0) {
    if ((flags & SINK_PAUSED) == 0) count(sink, SINK_UNDIRECTED_AT);
    return 0;
  }
  const from: usize = load<u32>(descriptor, DESCRIPTOR_OFFSET_AT);
  const bytes = load<u32>(descriptor, DESCRIPTOR_LENGTH_AT);
  const arrivalUs = load<u64>(descriptor, DESCRIPTOR_ARRIVAL_US_AT);
  const extSeq = load<u32>(descriptor, DESCRIPTOR_EXT_SEQ_AT);
  const isNew =
    (flags & SINK_ANCHORING) != 0 || load<u32>(sink, SINK_EPOCH_AT) != load<u32>(descriptor, DESCRIPTOR_EPOCH_AT);
  if (isNew) anchor(sink, load<u32>(descriptor, DESCRIPTOR_EPOCH_AT), extSeq, timestampOf(from), arrivalUs);
  const seq = extSeq + load<u32>(sink, SINK_SEQ_OFFSET_AT);
  if (((seq - load<u32>(sink, SINK_ANCHOR_SEQ_AT)) as i32) < 0) {
    count(sink, SINK_LATE_AT);
    return 0;
  }
  const timestamp = timestampOf(from) + load<u32>(sink, SINK_TIMESTAMP_OFFSET_AT);
  if (((seq - load<u32>(sink, SINK_NEXT_SEQ_AT)) as i32) >= 0) {
    if (!isNew && seq == load<u32>(sink, SINK_NEXT_SEQ_AT)) noteStep(sink, timestamp);
    store<u32>(sink, seq + 1, SINK_NEXT_SEQ_AT);
    store<u32>(sink, timestamp, SINK_TIMESTAMP_AT);
    store<u64>(sink, arrivalUs, SINK_ARRIVAL_US_AT);
  }
  memory.copy(to, from, bytes);
  const second = load<u8>(from, 1) as u32;
  const payloadType = load<u8>(sink + SINK_PAYLOAD_TYPES_AT + (second & 0x7f)) as u32;
  store<u8>(to, (payloadType | (isNew ? MARKER : second & MARKER)) as u8, 1);
  store<u16>(to, bswap<u16>(seq as u16), 2);
  store<u32>(to, bswap<u32>(timestamp), 4);
  store<u32>(to, bswap<u32>(load<u32>(sink, SINK_SSRC_AT)), 8);
  count(sink, SINK_PACKETS_AT);
  store<u64>(sink, load<u64>(sink, SINK_OCTETS_AT) + (payloadBytes(from, bytes) as u64), SINK_OCTETS_AT);
  return bytes;
}

/** What a packet lasts, whatever its codec. */
function noteStep(sink: usize, timestamp: u32): void {
  const step = timestamp - load<u32>(sink, SINK_TIMESTAMP_AT);
  if (step <= load<u32>(sink, SINK_CLOCK_RATE_AT) / LONGEST_STEPS_PER_SECOND) store<u32>(sink, step, SINK_STEP_AT);
}

/**
 * The packet gets the next number. Of a source that has gone on during a pause timestamps stay what they would have been; of another one the
 * first is later by the time that has gone by, and lies behind what was said last.
 */
function anchor(sink: usize, epoch: u32, extSeq: u32, timestamp: u32, arrivalUs: u64): void {
  const flags = load<u32>(sink, SINK_FLAGS_AT);
  const isStarted = (flags & SINK_STARTED) != 0;
  let own = load<u32>(sink, SINK_TIMESTAMP_AT);
  if (isStarted && load<u32>(sink, SINK_EPOCH_AT) == epoch) own = timestamp + load<u32>(sink, SINK_TIMESTAMP_OFFSET_AT);
  else if (isStarted) {
    const elapsedUs = arrivalUs - load<u64>(sink, SINK_ARRIVAL_US_AT);
    own += max<u32>(max<u32>(1, load<u32>(sink, SINK_STEP_AT)), ((elapsedUs * (load<u32>(sink, SINK_CLOCK_RATE_AT) as u64)) / 1000000) as u32);
  }
  const seq = load<u32>(sink, SINK_NEXT_SEQ_AT);
  store<u32>(sink, epoch, SINK_EPOCH_AT);
  store<u32>(sink, seq, SINK_ANCHOR_SEQ_AT);
  store<u32>(sink, seq - extSeq, SINK_SEQ_OFFSET_AT);
  store<u32>(sink, own - timestamp, SINK_TIMESTAMP_OFFSET_AT);
  store<u32>(sink, (flags & ~SINK_ANCHORING) | SINK_STARTED, SINK_FLAGS_AT);
}

/** All packets of sinks with keys in one go. */
export function protect(sends: u32): void {
  let works: u32 = 0;
  for (let n: u32 = 0; n < sends; n++) {
    const sink = load<u32>(sendAt(n), SEND_SINK_AT);
    if ((load<u32>(sinkAt(sink), SINK_FLAGS_AT) & SINK_SRTP) == 0) continue;
    const work = workAt(WORK_AT, works++);
    store<u32>(work, CONTEXTS_AT + (SINK_CONTEXTS + sink) * CONTEXT_BYTES, WORK_CONTEXT_AT);
    store<u32>(work, load<u32>(sendAt(n), SEND_OFFSET_AT), WORK_PACKET_AT);
    store<u32>(work, load<u32>(sendAt(n), SEND_LENGTH_AT), WORK_LENGTH_AT);
    store<u32>(work, CHANNEL_RTP, WORK_CHANNEL_AT);
  }
  if (works == 0) return;
  protectBatch(WORK_AT, works);
  works = 0;
  for (let n: u32 = 0; n < sends; n++) {
    const sink = sinkAt(load<u32>(sendAt(n), SEND_SINK_AT));
    if ((load<u32>(sink, SINK_FLAGS_AT) & SINK_SRTP) == 0) continue;
    const work = workAt(WORK_AT, works++);
    const isProtected = load<u32>(work, WORK_STATUS_AT) == SRTP_OK;
    store<u32>(sendAt(n), isProtected ? load<u32>(work, WORK_LENGTH_AT) : 0, SEND_LENGTH_AT);
    if (!isProtected) count(sink, SINK_UNPROTECTED_AT);
  }
}
