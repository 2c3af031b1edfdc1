/**
 * Sinks that look back: each gets the packets of its stream's ring in the order in which they came, a few times faster, and those that come
 * meanwhile from there too. With the newest of them it has caught up, and gets what comes.
 *
 * They stand in a queue and are served in rounds, each with a few packets at most: no number of them, and nothing that one of them waits
 * for, keeps the lane from what it receives, or another from its packets.
 */
import {
  DESCRIPTOR_ARRIVAL_US_AT,
  LANE_AT,
  LANE_REPLAY_HEAD_AT,
  LANE_REPLAY_LEFT_AT,
  LANE_REPLAY_SINKS_AT,
  LANE_REPLAY_TAIL_AT,
  OUT_AT,
  REPLAY_PACKETS,
  REPLAY_SINKS,
  REPLAY_SPEED,
  SINK_CURSOR_AT,
  SINK_LOOK_BACK_PACKETS_AT,
  SINK_PACE_US_AT,
  SINK_REPLAY_NEXT_AT,
  SINK_STREAM_AT,
  SLOT_HEADROOM_BYTES,
} from '../layout';
import { count, streamAt } from '../rtp/stream';
import { firstSince, packetBehind } from './look-back';
import { behind, copyTo, describeSend, hasRoom, protect } from './replicate';
import { sinkAt } from './sink';

/** For a sink that has just been opened. */
export function lookBack(sink: u32, lookBackUs: u64, nowUs: u64): void {
  const entry = sinkAt(sink);
  const stream = streamAt(load<u32>(entry, SINK_STREAM_AT));
  const first = firstSince(stream, nowUs > lookBackUs ? nowUs - lookBackUs : 0);
  if (first == 0) return;
  store<u32>(entry, first as u32, SINK_CURSOR_AT);
  store<u64>(entry, REPLAY_SPEED * nowUs - load<u64>(first, DESCRIPTOR_ARRIVAL_US_AT), SINK_PACE_US_AT);
  join(sink);
}

/** Without effect on a sink that does not look back. */
export function stopLookingBack(sink: u32): void {
  store<u32>(sinkAt(sink), 0, SINK_CURSOR_AT);
  leave(sink);
}

export function beginRound(): void {
  store<u32>(LANE_AT, min<u32>(load<u32>(LANE_AT, LANE_REPLAY_SINKS_AT), REPLAY_SINKS), LANE_REPLAY_LEFT_AT);
}

/** Makes the next outgoing packets of the round: as many as there is room for. 0: there are no more. */
export function replaySome(nowUs: u64): u32 {
  let sends: u32 = 0;
  let out: usize = OUT_AT;
  let left = load<u32>(LANE_AT, LANE_REPLAY_LEFT_AT);
  for (; left != 0 && hasRoom(sends, out); left--) {
    const sink = load<u32>(LANE_AT, LANE_REPLAY_HEAD_AT) - 1;
    const entry = sinkAt(sink);
    leave(sink);
    const dueUs = REPLAY_SPEED * nowUs - load<u64>(entry, SINK_PACE_US_AT);
    for (let n = 0; n < REPLAY_PACKETS && hasRoom(sends, out) && isDue(entry, dueUs); n++) {
      const packet: usize = load<u32>(entry, SINK_CURSOR_AT);
      const bytes = copyTo(entry, packet, out + SLOT_HEADROOM_BYTES);
      store<u32>(entry, packetBehind(packet) as u32, SINK_CURSOR_AT);
      if (bytes == 0) continue;
      count(entry, SINK_LOOK_BACK_PACKETS_AT);
      describeSend(sends++, sink, out + SLOT_HEADROOM_BYTES, bytes);
      out = behind(out, bytes);
    }
    if (load<u32>(entry, SINK_CURSOR_AT) != 0) join(sink);
  }
  store<u32>(LANE_AT, left, LANE_REPLAY_LEFT_AT);
  protect(sends);
  return sends;
}

function isDue(sink: usize, dueUs: u64): bool {
  const packet: usize = load<u32>(sink, SINK_CURSOR_AT);
  return packet != 0 && load<u64>(packet, DESCRIPTOR_ARRIVAL_US_AT) <= dueUs;
}

function join(sink: u32): void {
  const tail = load<u32>(LANE_AT, LANE_REPLAY_TAIL_AT);
  if (tail == 0) store<u32>(LANE_AT, sink + 1, LANE_REPLAY_HEAD_AT);
  else store<u32>(sinkAt(tail - 1), sink + 1, SINK_REPLAY_NEXT_AT);
  store<u32>(LANE_AT, sink + 1, LANE_REPLAY_TAIL_AT);
  store<u32>(sinkAt(sink), 0, SINK_REPLAY_NEXT_AT);
  store<u32>(LANE_AT, load<u32>(LANE_AT, LANE_REPLAY_SINKS_AT) + 1, LANE_REPLAY_SINKS_AT);
}

/** Without effect on one that does not stand in the queue. */
function leave(sink: u32): void {
  let before: u32 = 0;
  let next = load<u32>(LANE_AT, LANE_REPLAY_HEAD_AT);
  while (next != 0 && next != sink + 1) {
    before = next;
    next = load<u32>(sinkAt(next - 1), SINK_REPLAY_NEXT_AT);
  }
  if (next == 0) return;
  const after = load<u32>(sinkAt(sink), SINK_REPLAY_NEXT_AT);
  if (before == 0) store<u32>(LANE_AT, after, LANE_REPLAY_HEAD_AT);
  else store<u32>(sinkAt(before - 1), after, SINK_REPLAY_NEXT_AT);
  if (after == 0) store<u32>(LANE_AT, before, LANE_REPLAY_TAIL_AT);
  store<u32>(LANE_AT, load<u32>(LANE_AT, LANE_REPLAY_SINKS_AT) - 1, LANE_REPLAY_SINKS_AT);
}
