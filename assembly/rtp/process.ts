/** A batch of received datagrams, described at DESCRIPTORS_AT: each gets its status, and its way into the journal. */
import {
  CHANNEL_RTCP,
  DESCRIPTOR_ARRIVAL_US_AT,
  DESCRIPTOR_BYTES,
  DESCRIPTOR_CHANNEL_AT,
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
  LANE_AT,
  LANE_DUPLICATE_AT,
  LANE_INVALID_AT,
  LANE_PAUSED_AT,
  LANE_RECEIVED_AT,
  LANE_RTCP_AT,
  LANE_UNAUTHORISED_AT,
  STATUS_CLOSED,
  STATUS_DUPLICATE,
  STATUS_INVALID,
  STATUS_PAUSED,
  STATUS_RECEIVED,
  STATUS_RTCP,
  STATUS_UNAUTHORISED,
  STREAM_FLAGS_AT,
  STREAM_UNAUTHORISED_AT,
} from '../layout';
import { looksLikeRtcp, payloadBytes } from './header';
import { receiveRtp } from './reception';
import { receiveRtcp } from './rtcp';
import { count, hear, isFromSource, learnSource, streamAt } from './stream';

export function process(packets: u32): void {
  for (let i: u32 = 0; i < packets; i++) {
    const descriptor: usize = DESCRIPTORS_AT + i * DESCRIPTOR_BYTES;
    const status = receive(descriptor);
    store<u32>(descriptor, status, DESCRIPTOR_STATUS_AT);
    const counter = counterOf(status);
    if (counter != 0) store<u64>(LANE_AT + counter, load<u64>(LANE_AT + counter) + 1);
  }
}

function receive(descriptor: usize): u32 {
  const stream = streamAt(load<u32>(descriptor, DESCRIPTOR_STREAM_AT));
  const flags = load<u32>(stream, STREAM_FLAGS_AT);
  if ((flags & FLAG_OPEN) == 0) return STATUS_CLOSED;
  const at: usize = load<u32>(descriptor, DESCRIPTOR_OFFSET_AT);
  const bytes = load<u32>(descriptor, DESCRIPTOR_LENGTH_AT);
  let isRtcp: bool = load<u32>(descriptor, DESCRIPTOR_CHANNEL_AT) == CHANNEL_RTCP;
  if ((flags & FLAG_RTCP_MUX) != 0) isRtcp = looksLikeRtcp(at, bytes);
  const source = descriptor + DESCRIPTOR_SOURCE_AT;
  const port = load<u32>(descriptor, DESCRIPTOR_SOURCE_PORT_AT);
  if ((flags & FLAG_LEARN) != 0 && !isRtcp && payloadBytes(at, bytes) >= 0) learnSource(stream, source, port);
  if (!isFromSource(stream, source, port, isRtcp)) {
    count(stream, STREAM_UNAUTHORISED_AT);
    return STATUS_UNAUTHORISED;
  }
  const arrivalUs = load<u64>(descriptor, DESCRIPTOR_ARRIVAL_US_AT);
  if (isRtcp) return receiveRtcp(stream, at, bytes, arrivalUs);
  const status = receiveRtp(stream, at, bytes, arrivalUs);
  if (status != STATUS_INVALID) hear(stream, port);
  return status;
}

/** Drops are counted where they happen. */
function counterOf(status: u32): u32 {
  if (status == STATUS_RECEIVED) return LANE_RECEIVED_AT;
  if (status == STATUS_RTCP) return LANE_RTCP_AT;
  if (status == STATUS_DUPLICATE) return LANE_DUPLICATE_AT;
  if (status == STATUS_PAUSED) return LANE_PAUSED_AT;
  if (status == STATUS_INVALID) return LANE_INVALID_AT;
  return status == STATUS_UNAUTHORISED ? LANE_UNAUTHORISED_AT : 0;
}
