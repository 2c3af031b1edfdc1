/**
 * The look-back ring of a stream: its packets of the last seconds as they came, decrypted, for sinks that are yet to be opened. What of it is
 * older is forgotten, chunk by chunk. Of a paused recording there are no packets here.
 *
 * Chunks come from one pool of the lane. When that is exhausted, or the stream has its share, it gives up its own oldest packets, never those
 * of others.
 */

import { recordingAt } from '../journal/blocks';
import {
  CHUNK_BYTES,
  CHUNK_END_AT,
  CHUNK_NEWEST_US_AT,
  CHUNK_NEXT_AT,
  CHUNK_PACKETS_AT,
  CHUNK_PACKETS_FROM,
  CHUNKS_PER_SECOND,
  DESCRIPTOR_ARRIVAL_US_AT,
  DESCRIPTOR_BYTES,
  DESCRIPTOR_LENGTH_AT,
  DESCRIPTOR_OFFSET_AT,
  DESCRIPTOR_STREAM_AT,
  LANE_AT,
  LANE_FREE_CHUNK_AT,
  LANE_LOOK_BACK_SHORT_AT,
  LANE_TAKEN_CHUNKS_AT,
  LANE_TOUCHED_CHUNKS_AT,
  LOOK_BACK_AT,
  RECORDING_LOOK_BACK_PAUSED_AT,
  SINK_CURSOR_AT,
  SINK_NEXT_AT,
  SINK_SKIPPED_AT,
  STREAM_CHUNKS_AT,
  STREAM_LOOK_BACK_US_AT,
  STREAM_NEWEST_CHUNK_AT,
  STREAM_OLDEST_CHUNK_AT,
  STREAM_RECORDING_AT,
  STREAM_SHARE_OF_CHUNKS,
  STREAM_SINKS_AT,
} from '../layout';
import { count, streamAt } from '../rtp/stream';
import { sinkAt } from './sink';

function chunkAt(chunk: u32): usize {
  return LOOK_BACK_AT + chunk * CHUNK_BYTES;
}

/** A chunk is never filled to its last byte, so what lies behind a packet belongs to the packet's chunk. */
function chunkOf(packet: usize): usize {
  return chunkAt(((packet - LOOK_BACK_AT) / CHUNK_BYTES) as u32);
}

function keptBytes(length: u32): u32 {
  return (DESCRIPTOR_BYTES + length + 7) & ~7;
}

/** Keeps the packet if its stream looks back, and forgets what is too old by now. */
export function keep(descriptor: usize): void {
  const stream = streamAt(load<u32>(descriptor, DESCRIPTOR_STREAM_AT));
  if (load<u64>(stream, STREAM_LOOK_BACK_US_AT) == 0) return;
  forgetOlder(stream, load<u64>(descriptor, DESCRIPTOR_ARRIVAL_US_AT));
  if (load<u32>(recordingAt(load<u32>(stream, STREAM_RECORDING_AT)), RECORDING_LOOK_BACK_PAUSED_AT) != 0) return;
  const length = load<u32>(descriptor, DESCRIPTOR_LENGTH_AT);
  const chunk = chunkWithRoom(stream, keptBytes(length));
  if (chunk == 0) return countShort(1);
  const kept: usize = load<u32>(chunk, CHUNK_END_AT);
  memory.copy(kept, descriptor, DESCRIPTOR_BYTES);
  memory.copy(kept + DESCRIPTOR_BYTES, load<u32>(descriptor, DESCRIPTOR_OFFSET_AT), length);
  store<u32>(kept, (kept + DESCRIPTOR_BYTES) as u32, DESCRIPTOR_OFFSET_AT);
  store<u32>(chunk, (kept as u32) + keptBytes(length), CHUNK_END_AT);
  store<u32>(chunk, load<u32>(chunk, CHUNK_PACKETS_AT) + 1, CHUNK_PACKETS_AT);
  store<u64>(chunk, load<u64>(descriptor, DESCRIPTOR_ARRIVAL_US_AT), CHUNK_NEWEST_US_AT);
}

/** The first kept packet of the stream that has come at `sinceUs` or later; 0: there is none. */
export function firstSince(stream: usize, sinceUs: u64): usize {
  let next = load<u32>(stream, STREAM_OLDEST_CHUNK_AT);
  for (; next != 0; next = load<u32>(chunkAt(next - 1), CHUNK_NEXT_AT)) {
    if (load<u64>(chunkAt(next - 1), CHUNK_NEWEST_US_AT) >= sinceUs) break;
  }
  let packet: usize = next == 0 ? 0 : chunkAt(next - 1) + CHUNK_PACKETS_FROM;
  while (packet != 0 && load<u64>(packet, DESCRIPTOR_ARRIVAL_US_AT) < sinceUs) packet = packetBehind(packet);
  return packet;
}

/** The one that has come after it; 0: it is the newest. */
export function packetBehind(packet: usize): usize {
  const chunk = chunkOf(packet);
  const next = packet + keptBytes(load<u32>(packet, DESCRIPTOR_LENGTH_AT));
  return (next as u32) < load<u32>(chunk, CHUNK_END_AT) ? next : firstBehind(chunk);
}

/** The first packet of the chunk that follows. */
function firstBehind(chunk: usize): usize {
  const next = load<u32>(chunk, CHUNK_NEXT_AT);
  return next == 0 ? 0 : chunkAt(next - 1) + CHUNK_PACKETS_FROM;
}

/** Everything: the stream is closed. */
export function forget(stream: usize): void {
  while (load<u32>(stream, STREAM_OLDEST_CHUNK_AT) != 0) forgetOldest(stream);
}

/** A chunk that a sink is reading stays until it has been read: that takes a third of the look-back at most. */
function forgetOlder(stream: usize, nowUs: u64): void {
  const lookBackUs = load<u64>(stream, STREAM_LOOK_BACK_US_AT);
  for (;;) {
    const oldest = load<u32>(stream, STREAM_OLDEST_CHUNK_AT);
    if (oldest == 0) return;
    const chunk = chunkAt(oldest - 1);
    if (load<u64>(chunk, CHUNK_NEWEST_US_AT) + lookBackUs >= nowUs || isRead(stream, chunk)) return;
    forgetOldest(stream);
  }
}

function isRead(stream: usize, chunk: usize): bool {
  for (let next = load<u32>(stream, STREAM_SINKS_AT); next != 0; next = load<u32>(sinkAt(next - 1), SINK_NEXT_AT)) {
    if (isIn(load<u32>(sinkAt(next - 1), SINK_CURSOR_AT), chunk)) return true;
  }
  return false;
}

function isIn(cursor: usize, chunk: usize): bool {
  return cursor != 0 && chunkOf(cursor) == chunk;
}

function forgetOldest(stream: usize): void {
  const oldest = load<u32>(stream, STREAM_OLDEST_CHUNK_AT);
  const chunk = chunkAt(oldest - 1);
  for (let next = load<u32>(stream, STREAM_SINKS_AT); next != 0; next = load<u32>(sinkAt(next - 1), SINK_NEXT_AT)) {
    if (isIn(load<u32>(sinkAt(next - 1), SINK_CURSOR_AT), chunk)) skip(sinkAt(next - 1), chunk);
  }
  const second = load<u32>(chunk, CHUNK_NEXT_AT);
  store<u32>(stream, second, STREAM_OLDEST_CHUNK_AT);
  if (second == 0) store<u32>(stream, 0, STREAM_NEWEST_CHUNK_AT);
  store<u32>(stream, load<u32>(stream, STREAM_CHUNKS_AT) - 1, STREAM_CHUNKS_AT);
  store<u32>(chunk, load<u32>(LANE_AT, LANE_FREE_CHUNK_AT), CHUNK_NEXT_AT);
  store<u32>(LANE_AT, oldest, LANE_FREE_CHUNK_AT);
  store<u32>(LANE_AT, load<u32>(LANE_AT, LANE_TAKEN_CHUNKS_AT) - 1, LANE_TAKEN_CHUNKS_AT);
}

/** The sink goes on with the oldest packet that is left, or with what comes. */
function skip(sink: usize, chunk: usize): void {
  let cursor: usize = load<u32>(sink, SINK_CURSOR_AT);
  let packets = load<u32>(sink, SINK_SKIPPED_AT);
  for (; isIn(cursor, chunk); cursor = packetBehind(cursor)) packets++;
  store<u32>(sink, packets, SINK_SKIPPED_AT);
  store<u32>(sink, cursor as u32, SINK_CURSOR_AT);
}

/** 0: there is none to be had. */
function chunkWithRoom(stream: usize, bytes: u32): usize {
  const newest = load<u32>(stream, STREAM_NEWEST_CHUNK_AT);
  if (newest != 0) {
    const chunk = chunkAt(newest - 1);
    if (load<u32>(chunk, CHUNK_END_AT) + bytes < ((chunk + CHUNK_BYTES) as u32)) return chunk;
  }
  if (!isChunkLeft() || hasItsShare(stream)) {
    const oldest = load<u32>(stream, STREAM_OLDEST_CHUNK_AT);
    if (oldest == 0) return 0;
    countShort(load<u32>(chunkAt(oldest - 1), CHUNK_PACKETS_AT));
    forgetOldest(stream);
  }
  return addChunk(stream);
}

function isChunkLeft(): bool {
  return load<u32>(LANE_AT, LANE_TAKEN_CHUNKS_AT) < chunksOfPool();
}

/** The memory of a lane is given with a pool of the size that is wanted behind all else. */
function chunksOfPool(): u32 {
  return ((((memory.size() as usize) << 16) - LOOK_BACK_AT) / CHUNK_BYTES) as u32;
}

function hasItsShare(stream: usize): bool {
  const share = ((load<u64>(stream, STREAM_LOOK_BACK_US_AT) + 1000000) * CHUNKS_PER_SECOND) / 1000000;
  return (load<u32>(stream, STREAM_CHUNKS_AT) as u64) >= min<u64>(share, chunksOfPool() / STREAM_SHARE_OF_CHUNKS);
}

/** Those that were used before come first: the others cost no memory. */
function addChunk(stream: usize): usize {
  let chunk = load<u32>(LANE_AT, LANE_FREE_CHUNK_AT);
  if (chunk != 0) store<u32>(LANE_AT, load<u32>(chunkAt(chunk - 1), CHUNK_NEXT_AT), LANE_FREE_CHUNK_AT);
  else {
    chunk = load<u32>(LANE_AT, LANE_TOUCHED_CHUNKS_AT) + 1;
    store<u32>(LANE_AT, chunk, LANE_TOUCHED_CHUNKS_AT);
  }
  store<u32>(LANE_AT, load<u32>(LANE_AT, LANE_TAKEN_CHUNKS_AT) + 1, LANE_TAKEN_CHUNKS_AT);
  count(stream, STREAM_CHUNKS_AT);
  const entry = chunkAt(chunk - 1);
  store<u32>(entry, 0, CHUNK_NEXT_AT);
  store<u32>(entry, 0, CHUNK_PACKETS_AT);
  store<u32>(entry, (entry + CHUNK_PACKETS_FROM) as u32, CHUNK_END_AT);
  const newest = load<u32>(stream, STREAM_NEWEST_CHUNK_AT);
  if (newest == 0) store<u32>(stream, chunk, STREAM_OLDEST_CHUNK_AT);
  else store<u32>(chunkAt(newest - 1), chunk, CHUNK_NEXT_AT);
  store<u32>(stream, chunk, STREAM_NEWEST_CHUNK_AT);
  return entry;
}

function countShort(packets: u32): void {
  store<u32>(LANE_AT, load<u32>(LANE_AT, LANE_LOOK_BACK_SHORT_AT) + packets, LANE_LOOK_BACK_SHORT_AT);
}
