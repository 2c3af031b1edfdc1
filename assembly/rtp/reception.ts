/**
 * What becomes of one RTP packet of a stream: source and SSRC (RFC 3550 section 8), extended sequence number (A.1), duplicates,
 * loss (A.3) and interarrival jitter (A.8). State moves only for packets from the stream's source.
 *
 * There is no probation: the source was signalled, and a recorder must not lose its first packet. The first packet of an epoch
 * gets 0x10000 + its sequence number, so that those which it has overtaken have a positive number too.
 */

import { playerAt } from '../jitter/player';
import { receiveForPlayer } from '../jitter/receive';
import { recordingAt } from '../journal/blocks';
import {
  EXCHANGE_AT,
  FLAG_HAS_OTHER,
  FLAG_STARTED,
  KIND_DUPLICATE,
  KIND_PAUSED,
  KIND_RTP,
  MAX_DROPOUT_PACKETS,
  OTHER_EPOCH_MAX_AGE_US,
  RECORDING_PAUSED_AT,
  STATUS_DROPPED,
  STATUS_DUPLICATE,
  STATUS_INVALID,
  STATUS_PAUSED,
  STATUS_RECEIVED,
  STATUS_UNAUTHENTICATED,
  STREAM_BASE_SEQ_AT,
  STREAM_CLOCK_RATE_AT,
  STREAM_DUPLICATE_AT,
  STREAM_EPOCH_AT,
  STREAM_EPOCH_STATE_AT,
  STREAM_EPOCH_STATE_BYTES,
  STREAM_FLAGS_AT,
  STREAM_HAS_TRANSIT_AT,
  STREAM_INVALID_AT,
  STREAM_JITTER_AT,
  STREAM_LAST_PACKET_US_AT,
  STREAM_LOST_BEFORE_AT,
  STREAM_MAX_SEQ_AT,
  STREAM_MAX_TIMESTAMP_AT,
  STREAM_NEXT_EPOCH_AT,
  STREAM_OTHER_STATE_AT,
  STREAM_OTHER_WINDOW_AT,
  STREAM_PAUSED_AT,
  STREAM_PLAYER_AT,
  STREAM_RECEIVED_AT,
  STREAM_RECEIVED_BEFORE_AT,
  STREAM_RECORDING_AT,
  STREAM_SSRC_AT,
  STREAM_TRANSIT_AT,
  STREAM_WINDOW_AT,
  STREAM_WINDOW_BYTES,
  WINDOW_PACKETS,
} from '../layout';
import { FIXED_HEADER_BYTES, payloadBytes, sequenceOf, ssrcOf, timestampOf } from './header';
import { count, journal } from './stream';

const FIRST_CYCLE: u32 = 0x10000;
const SAME_TIME_SECONDS: u32 = 30;

/** `isSealed`: it has not been decrypted, for the recording is paused; so its padding cannot be looked at. */
export function receiveRtp(stream: usize, at: usize, bytes: u32, arrivalUs: u64, isSealed: bool): u32 {
  if (!isSealed && payloadBytes(at, bytes) < 0) {
    count(stream, STREAM_INVALID_AT);
    return STATUS_INVALID;
  }
  const extSeq = extend(stream, at, arrivalUs);
  store<u64>(stream, arrivalUs, STREAM_LAST_PACKET_US_AT);
  if (isDuplicate(stream, extSeq)) return receiveDuplicate(stream, extSeq, at, arrivalUs);
  const isNewest = advance(stream, extSeq);
  const timestamp = timestampOf(at);
  if (isNewest) store<u32>(stream, timestamp, STREAM_MAX_TIMESTAMP_AT);
  count(stream, STREAM_RECEIVED_AT);
  updateJitter(stream, timestamp, arrivalUs);
  if (load<u32>(recordingAt(load<u32>(stream, STREAM_RECORDING_AT)), RECORDING_PAUSED_AT) != 0) {
    count(stream, STREAM_PAUSED_AT);
    return journal(stream, KIND_PAUSED, extSeq, arrivalUs, at, FIXED_HEADER_BYTES) ? STATUS_PAUSED : STATUS_DROPPED;
  }
  const player = load<u32>(stream, STREAM_PLAYER_AT);
  if (player != 0) {
    receiveForPlayer(playerAt(player - 1), load<u32>(stream, STREAM_EPOCH_AT), extSeq, at, bytes, arrivalUs);
  }
  return journal(stream, KIND_RTP, extSeq, arrivalUs, at, bytes) ? STATUS_RECEIVED : STATUS_DROPPED;
}

/** Of a packet that was received just now: its number in the present epoch. */
export function receivedExtSeq(stream: usize, at: usize): u32 {
  const max = load<u32>(stream, STREAM_MAX_SEQ_AT);
  return max - ((max - sequenceOf(at)) & 0xffff);
}

/** SRTP has seen an authentic packet of this index: a copy of one that was received, else nothing that can be told apart from an attack. */
export function receiveReplay(stream: usize, at: usize, arrivalUs: u64): u32 {
  const isStarted = (load<u32>(stream, STREAM_FLAGS_AT) & FLAG_STARTED) != 0;
  const extSeq = isStarted ? continued(stream, at, arrivalUs) : 0;
  if (extSeq == 0 || !isDuplicate(stream, extSeq)) return STATUS_UNAUTHENTICATED;
  return receiveDuplicate(stream, extSeq, at, arrivalUs);
}

function receiveDuplicate(stream: usize, extSeq: u32, at: usize, arrivalUs: u64): u32 {
  count(stream, STREAM_DUPLICATE_AT);
  return journal(stream, KIND_DUPLICATE, extSeq, arrivalUs, at, FIXED_HEADER_BYTES) ? STATUS_DUPLICATE : STATUS_DROPPED;
}

/**
 * The packet's extended sequence number, in the present epoch if it can continue that, else in the one before, else in a new
 * one. So a stray packet, or two sources that alternate while one hands over to the other, do not make an epoch per packet.
 */
function extend(stream: usize, at: usize, arrivalUs: u64): u32 {
  const ssrc = ssrcOf(at);
  const flags = load<u32>(stream, STREAM_FLAGS_AT);
  if ((flags & FLAG_STARTED) == 0) return beginEpoch(stream, ssrc, sequenceOf(at));
  const extSeq = continued(stream, at, arrivalUs);
  if (extSeq != 0) return extSeq;
  const other = stream + (STREAM_OTHER_STATE_AT - STREAM_EPOCH_STATE_AT);
  if (
    (flags & FLAG_HAS_OTHER) != 0 &&
    arrivalUs - load<u64>(other, STREAM_LAST_PACKET_US_AT) < (OTHER_EPOCH_MAX_AGE_US as u64)
  ) {
    exchangeEpochs(stream);
    const extSeqThere = continued(stream, at, arrivalUs);
    if (extSeqThere != 0) return extSeqThere;
    exchangeEpochs(stream);
  }
  return beginEpoch(stream, ssrc, sequenceOf(at));
}

/** The packet's extended sequence number if it can belong to the present epoch (A.1), else 0. */
function continued(stream: usize, at: usize, arrivalUs: u64): u32 {
  if (ssrcOf(at) != load<u32>(stream, STREAM_SSRC_AT)) return 0;
  const max = load<u32>(stream, STREAM_MAX_SEQ_AT);
  const ahead: u32 = (sequenceOf(at) - max) & 0xffff;
  if (ahead != 0 && ahead < (MAX_DROPOUT_PACKETS as u32)) return max + ahead;
  const behind: u32 = (max - sequenceOf(at)) & 0xffff;
  if (behind < (WINDOW_PACKETS as u32)) return isOfSameTime(stream, timestampOf(at)) ? max - behind : 0;
  return ahead < 0x8000 && isOutage(stream, timestampOf(at), arrivalUs) ? max + ahead : 0;
}

/**
 * A late packet or a copy has a timestamp near the newest one (a long telephone-event keeps its first: RFC 4733 section 2.3.5). A
 * source that has started again a little further back has not, and its packets must not be taken for copies.
 */
function isOfSameTime(stream: usize, timestamp: u32): bool {
  const distance = (load<u32>(stream, STREAM_MAX_TIMESTAMP_AT) - timestamp) as i32;
  const limit = (load<u32>(stream, STREAM_CLOCK_RATE_AT) * SAME_TIME_SECONDS) as i32;
  return distance <= limit && distance >= -limit;
}

/**
 * A.1 takes any jump beyond MAX_DROPOUT for a restart. Where the timestamp has gone on with the clock on the wall it was an
 * outage of the network, and what is missing was lost.
 */
function isOutage(stream: usize, timestamp: u32, arrivalUs: u64): bool {
  const rate = load<u32>(stream, STREAM_CLOCK_RATE_AT) as f64;
  const elapsed = (((arrivalUs - load<u64>(stream, STREAM_LAST_PACKET_US_AT)) as f64) * rate) / 1e6;
  const advanced = (timestamp - load<u32>(stream, STREAM_MAX_TIMESTAMP_AT)) as f64;
  return abs(advanced - elapsed) < rate + elapsed / 10;
}

function beginEpoch(stream: usize, ssrc: u32, seq: u32): u32 {
  const flags = load<u32>(stream, STREAM_FLAGS_AT);
  if ((flags & FLAG_STARTED) != 0) leaveEpoch(stream, flags);
  else store<u32>(stream, flags | FLAG_STARTED, STREAM_FLAGS_AT);
  // A sender report that came before the first packet stays known.
  if ((flags & FLAG_STARTED) != 0 || ssrc != load<u32>(stream, STREAM_SSRC_AT)) {
    memory.fill(stream + STREAM_EPOCH_STATE_AT, 0, STREAM_EPOCH_STATE_BYTES);
  }
  const epoch = load<u32>(stream, STREAM_NEXT_EPOCH_AT);
  store<u32>(stream, epoch + 1, STREAM_NEXT_EPOCH_AT);
  store<u32>(stream, epoch, STREAM_EPOCH_AT);
  store<u32>(stream, ssrc, STREAM_SSRC_AT);
  const extSeq = FIRST_CYCLE + seq;
  store<u32>(stream, extSeq, STREAM_BASE_SEQ_AT);
  store<u32>(stream, extSeq - 1, STREAM_MAX_SEQ_AT);
  memory.fill(stream + STREAM_WINDOW_AT, 0, STREAM_WINDOW_BYTES);
  return extSeq;
}

/** The present epoch becomes the other one; what was the other one is over for good. */
function leaveEpoch(stream: usize, flags: u32): void {
  const other = stream + (STREAM_OTHER_STATE_AT - STREAM_EPOCH_STATE_AT);
  if ((flags & FLAG_HAS_OTHER) != 0) {
    const received = load<u32>(other, STREAM_RECEIVED_AT);
    store<u32>(stream, load<u32>(stream, STREAM_LOST_BEFORE_AT) + lostInEpoch(other), STREAM_LOST_BEFORE_AT);
    store<u32>(stream, load<u32>(stream, STREAM_RECEIVED_BEFORE_AT) + received, STREAM_RECEIVED_BEFORE_AT);
  }
  memory.copy(stream + STREAM_OTHER_STATE_AT, stream + STREAM_EPOCH_STATE_AT, STREAM_EPOCH_STATE_BYTES);
  memory.copy(stream + STREAM_OTHER_WINDOW_AT, stream + STREAM_WINDOW_AT, STREAM_WINDOW_BYTES);
  store<u32>(stream, flags | FLAG_HAS_OTHER, STREAM_FLAGS_AT);
}

function exchangeEpochs(stream: usize): void {
  exchange(stream + STREAM_EPOCH_STATE_AT, stream + STREAM_OTHER_STATE_AT, STREAM_EPOCH_STATE_BYTES);
  exchange(stream + STREAM_WINDOW_AT, stream + STREAM_OTHER_WINDOW_AT, STREAM_WINDOW_BYTES);
}

function exchange(a: usize, b: usize, bytes: usize): void {
  memory.copy(EXCHANGE_AT, a, bytes);
  memory.copy(a, b, bytes);
  memory.copy(b, EXCHANGE_AT, bytes);
}

/** Lost packets of the stream as far as is known now: reordered ones bring the number down again. */
export function lostInStream(stream: usize): u32 {
  const flags = load<u32>(stream, STREAM_FLAGS_AT);
  let lost = load<u32>(stream, STREAM_LOST_BEFORE_AT);
  if ((flags & FLAG_STARTED) != 0) lost += lostInEpoch(stream);
  if ((flags & FLAG_HAS_OTHER) != 0) lost += lostInEpoch(stream + (STREAM_OTHER_STATE_AT - STREAM_EPOCH_STATE_AT));
  return lost;
}

/** Expected minus received (A.3) of one epoch. */
function lostInEpoch(stream: usize): u32 {
  const expected = load<u32>(stream, STREAM_MAX_SEQ_AT) - load<u32>(stream, STREAM_BASE_SEQ_AT) + 1;
  const received = load<u32>(stream, STREAM_RECEIVED_AT);
  return expected > received ? expected - received : 0;
}

// The window is a ring of bits by extSeq; what lies further back than it reaches cannot be told to be a duplicate.

function windowWord(stream: usize, extSeq: u32): usize {
  return stream + STREAM_WINDOW_AT + (((extSeq & (WINDOW_PACKETS - 1)) >>> 5) << 2);
}

function windowBit(extSeq: u32): u32 {
  return (1 as u32) << (extSeq & 31);
}

function isDuplicate(stream: usize, extSeq: u32): bool {
  const max = load<u32>(stream, STREAM_MAX_SEQ_AT);
  if (((extSeq - max) as i32) > 0 || max - extSeq >= (WINDOW_PACKETS as u32)) return false;
  return (load<u32>(windowWord(stream, extSeq)) & windowBit(extSeq)) != 0;
}

/** Marks the packet as seen; true if it is the newest so far. */
function advance(stream: usize, extSeq: u32): bool {
  const max = load<u32>(stream, STREAM_MAX_SEQ_AT);
  const isNewest = ((extSeq - max) as i32) > 0;
  if (isNewest) {
    clearWindow(stream, max + 1, extSeq - max);
    store<u32>(stream, extSeq, STREAM_MAX_SEQ_AT);
  } else if (extSeq < load<u32>(stream, STREAM_BASE_SEQ_AT)) store<u32>(stream, extSeq, STREAM_BASE_SEQ_AT);
  if (!isNewest && max - extSeq >= (WINDOW_PACKETS as u32)) return false; // its bit stands for another packet by now
  const word = windowWord(stream, extSeq);
  store<u32>(word, load<u32>(word) | windowBit(extSeq));
  return isNewest;
}

function clearWindow(stream: usize, from: u32, packets: u32): void {
  if (packets >= (WINDOW_PACKETS as u32)) {
    memory.fill(stream + STREAM_WINDOW_AT, 0, STREAM_WINDOW_BYTES);
    return;
  }
  for (let i: u32 = 0; i < packets; i++) {
    const word = windowWord(stream, from + i);
    store<u32>(word, load<u32>(word) & ~windowBit(from + i));
  }
}

/** A.8: J += (|D| - J) / 16, kept times 16 in integers. */
function updateJitter(stream: usize, timestamp: u32, arrivalUs: u64): void {
  const rate = load<u32>(stream, STREAM_CLOCK_RATE_AT) as u64;
  const transit = (((arrivalUs * rate) / 1000000) as u32) - timestamp;
  if (load<u32>(stream, STREAM_HAS_TRANSIT_AT) != 0) {
    const d = (transit - load<u32>(stream, STREAM_TRANSIT_AT)) as i32;
    const jitter = load<u32>(stream, STREAM_JITTER_AT);
    store<u32>(stream, jitter + (d < 0 ? 0 - d : d) - ((jitter + 8) >>> 4), STREAM_JITTER_AT);
  }
  store<u32>(stream, 1, STREAM_HAS_TRANSIT_AT);
  store<u32>(stream, transit, STREAM_TRANSIT_AT);
}
