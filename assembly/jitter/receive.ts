/** What becomes of a packet that reaches the player of its stream: measured, and kept until its time, or counted as what it is. */

import {
  MAX_PLAYER_PAYLOAD_BYTES,
  MODE_PLAYING,
  PACKET_CODEC_AT,
  PACKET_EPOCH_AT,
  PACKET_EXT_SEQ_AT,
  PACKET_TIMESTAMP_OFFSET_AT,
  PLAYER_ARRIVAL_US_AT,
  PLAYER_BASE_F64_AT,
  PLAYER_CODECS_AT,
  PLAYER_CONCEALED_I64_AT,
  PLAYER_CONCEALED_RUN_AT,
  PLAYER_INSERTED_EXPAND_I64_AT,
  PLAYER_MODE_AT,
  PLAYER_NEXT_I64_AT,
  PLAYER_OVERFLOW_AT,
  PLAYER_OVERSIZE_AT,
  PLAYER_RECEIVED_AT,
  PLAYER_SAMPLES_PER_UNIT_AT,
  PLAYER_STARTED_AT,
  PLAYER_UNKNOWN_AT,
} from '../layout';
import { headerBytes, payloadBytes, timestampOf } from '../rtp/header';
import { count } from '../rtp/stream';
import { countLate, measureTransit, placeOf, usToSamples } from './clock';
import { decodedSamples } from './decode';
import { growDelay, longestDelayUs, updateDelay } from './delay';
import { book } from './ledger';
import { addPacket, firstPacket, isFull, removePacket } from './packets';

/** A packet that is no copy, valid and decrypted. */
export function receiveForPlayer(player: usize, epoch: u32, extSeq: u32, at: usize, bytes: u32, nowUs: u64): void {
  const codec = load<u8>(player + PLAYER_CODECS_AT + (load<u8>(at, 1) & 127)) as u32;
  if (codec == 0) return count(player, PLAYER_UNKNOWN_AT);
  const length = payloadBytes(at, bytes);
  if (length > (MAX_PLAYER_PAYLOAD_BYTES as i32)) return count(player, PLAYER_OVERSIZE_AT);
  count(player, PLAYER_RECEIVED_AT);
  const isFirst = load<u32>(player, PLAYER_STARTED_AT) == 0;
  const before = isFirst ? nowUs : load<u64>(player, PLAYER_ARRIVAL_US_AT);
  const arrivalUs = max<u64>(nowUs, before);
  const timestamp = timestampOf(at);
  const place = placeOf(player, epoch, timestamp, arrivalUs);
  const transit = measureTransit(player, place, arrivalUs);
  updateDelay(player, transit, (arrivalUs - before) as f64);
  const payload = at + headerBytes(at, bytes);
  if (isLate(player, place, transit, decodedSamples(codec, payload, length as u32))) return;
  if (isFull(player)) {
    count(player, PLAYER_OVERFLOW_AT);
    removePacket(player, firstPacket(player));
  }
  const packet = addPacket(player, place, payload, length as u32);
  store<u32>(packet, extSeq, PACKET_EXT_SEQ_AT);
  store<u32>(packet, codec, PACKET_CODEC_AT);
  store<u32>(packet, epoch, PACKET_EPOCH_AT);
  const units = (place / (load<u32>(player, PLAYER_SAMPLES_PER_UNIT_AT) as i64)) as u32;
  store<u32>(packet, timestamp - units, PACKET_TIMESTAMP_OFFSET_AT);
}

/**
 * A packet whose time has come and gone makes the delay longer at once: what was played in its stead becomes an insertion, as far as
 * nothing has been decoded since and the delay may grow. Of the packet the part that is not over is still wanted.
 */
function isLate(player: usize, place: i64, transit: f64, samples: u32): bool {
  let behind = load<i64>(player, PLAYER_NEXT_I64_AT) - place;
  if (behind <= 0 || load<u32>(player, PLAYER_MODE_AT) != MODE_PLAYING) return false;
  const needed = transit - load<f64>(player, PLAYER_BASE_F64_AT);
  const room = (usToSamples(player, longestDelayUs(player, 0) - needed) as i64) + behind;
  behind -= turnBack(player, min<i64>(behind, max<i64>(0, room)));
  growDelay(player, transit);
  if (behind == 0 || behind < (samples as i64)) return false;
  countLate(player);
  return true;
}

/** Concealed samples become inserted ones; gives how many. */
function turnBack(player: usize, wanted: i64): i64 {
  const run = load<u32>(player, PLAYER_CONCEALED_RUN_AT) as i64;
  const samples = min<i64>(wanted, run);
  store<i64>(player, load<i64>(player, PLAYER_NEXT_I64_AT) - samples, PLAYER_NEXT_I64_AT);
  store<u32>(player, (run - samples) as u32, PLAYER_CONCEALED_RUN_AT);
  book(player, PLAYER_CONCEALED_I64_AT, -samples);
  book(player, PLAYER_INSERTED_EXPAND_I64_AT, samples);
  return samples;
}
