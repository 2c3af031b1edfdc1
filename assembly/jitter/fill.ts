/**
 * Brings a player's samples together for the next frame. It is in one of two modes. PLAYING: packets follow one another, what is missing
 * is concealed for up to 100 ms. IDLE: nothing is there, or the sender makes a pause (DTX); noise or silence is played until the
 * next packet's time has come by the clock, so a pause also brings the delay to what is wanted.
 */

import { plcConceal, plcGood } from '../codec/plc';
import {
  CODEC_COMFORT_NOISE,
  CODEC_OPUS,
  FRAME_COMFORT_NOISE,
  FRAME_CONCEALED,
  FRAME_SILENCE,
  MODE_IDLE,
  MODE_PLAYING,
  PACKET_BYTES_AT,
  PACKET_CODEC_AT,
  PACKET_EXT_SEQ_AT,
  PACKET_PAYLOAD_AT,
  PACKET_PLACE_I64_AT,
  PACKET_TIMESTAMP_OFFSET_AT,
  PLAYER_ASKED_KIND_AT,
  PLAYER_ASKED_SAMPLES_AT,
  PLAYER_BASE_F64_AT,
  PLAYER_BUFFERED_SAMPLES_AT,
  PLAYER_COMFORT_I64_AT,
  PLAYER_CONCEALED_I64_AT,
  PLAYER_CONCEALED_RUN_AT,
  PLAYER_DECODED_I64_AT,
  PLAYER_DISCARDED_I64_AT,
  PLAYER_EXT_SEQ_AT,
  PLAYER_EXTERNAL_AT,
  PLAYER_FILLED_KIND_AT,
  PLAYER_FILLED_SAMPLES_AT,
  PLAYER_FILLER_AT,
  PLAYER_FRAME_SAMPLES_AT,
  PLAYER_HEARD_BYTES_AT,
  PLAYER_HEARD_CODEC_AT,
  PLAYER_LATE_RUN_AT,
  PLAYER_MODE_AT,
  PLAYER_NEXT_I64_AT,
  PLAYER_NOISE_AT,
  PLAYER_PCM_AT,
  PLAYER_PLC_AT,
  PLAYER_SILENCE_I64_AT,
  PLAYER_TIMESTAMP_OFFSET_AT,
  PLAYER_UNDECODABLE_AT,
} from '../layout';
import { count } from '../rtp/stream';
import { countLate, elapsedUs, samplesToUs, usToSamples } from './clock';
import { decodePayload } from './decode';
import { GROUP_STEP_US, growDelay, longestDelayUs } from './delay';
import { book } from './ledger';
import { comfortNoise, noiseUpdate } from './noise';
import { firstPacket, removePacket } from './packets';

/** In frames. */
const MAX_CONCEALED_FRAMES: u32 = 10;
/** An Opus packet no longer than this has no sound in it: it begins a pause (DTX), of which its decoder makes noise. */
const MAX_OPUS_DTX_BYTES: u32 = 2;

/**
 * Until a frame is there. False when the decoder outside has work first: a packet (PLAYER_EXTERNAL_AT), or what is to be heard in place
 * of one (PLAYER_ASKED_SAMPLES_AT).
 */
export function fillFrame(player: usize, tickUs: u64, delayUs: f64): bool {
  while (missing(player) > 0) {
    const isDone =
      load<u32>(player, PLAYER_MODE_AT) == MODE_PLAYING
        ? continuePlaying(player)
        : waitForNext(player, tickUs, delayUs);
    if (!isDone) return false;
  }
  return true;
}

/** Decodes ahead as long as packets follow without a gap; false as above. */
export function fillAhead(player: usize, samples: u32): bool {
  while (load<u32>(player, PLAYER_BUFFERED_SAMPLES_AT) < samples) {
    const packet = firstPacket(player);
    if (packet == 0 || load<u32>(packet, PACKET_CODEC_AT) == CODEC_COMFORT_NOISE) return true;
    if (load<i64>(packet, PACKET_PLACE_I64_AT) > load<i64>(player, PLAYER_NEXT_I64_AT)) return true;
    if (!take(player, packet)) return false;
  }
  return true;
}

/** The place that is due to be played, with that delay. */
export function placeDue(player: usize, tickUs: u64, delayUs: f64): i64 {
  const due = elapsedUs(player, tickUs) - load<f64>(player, PLAYER_BASE_F64_AT) - delayUs;
  return nearest(usToSamples(player, due)) as i64;
}

function missing(player: usize): i32 {
  return load<i32>(player, PLAYER_FRAME_SAMPLES_AT) - load<i32>(player, PLAYER_BUFFERED_SAMPLES_AT);
}

function pcmEnd(player: usize): usize {
  return player + PLAYER_PCM_AT + ((load<u32>(player, PLAYER_BUFFERED_SAMPLES_AT) as usize) << 1);
}

function continuePlaying(player: usize): bool {
  const packet = firstPacket(player);
  if (packet == 0) return isPause(player) ? rest(player, FRAME_COMFORT_NOISE) : conceal(player, missing(player));
  const gap = load<i64>(packet, PACKET_PLACE_I64_AT) - load<i64>(player, PLAYER_NEXT_I64_AT);
  if (gap <= 0) return take(player, packet);
  // Nothing is lost before it: the sender made a pause.
  if (load<u32>(packet, PACKET_EXT_SEQ_AT) == load<u32>(player, PLAYER_EXT_SEQ_AT) + 1)
    return rest(player, isPause(player) ? FRAME_COMFORT_NOISE : FRAME_SILENCE);
  return conceal(player, min<i64>(gap, missing(player)) as i32);
}

/** RFC 7587 section 3.1.3: with DTX the sender leaves packets out. */
function isPause(player: usize): bool {
  return isOpus(player) && load<u32>(player, PLAYER_HEARD_BYTES_AT) <= MAX_OPUS_DTX_BYTES;
}

/** The decoder outside has heard the packet before. */
function isOpus(player: usize): bool {
  return load<u32>(player, PLAYER_HEARD_CODEC_AT) == CODEC_OPUS;
}

function rest(player: usize, filler: u32): bool {
  store<u32>(player, MODE_IDLE, PLAYER_MODE_AT);
  store<u32>(player, filler, PLAYER_FILLER_AT);
  store<u32>(player, 0, PLAYER_CONCEALED_RUN_AT);
  return true;
}

/** False when the decoder outside does it. */
function conceal(player: usize, wanted: i32): bool {
  const run = load<u32>(player, PLAYER_CONCEALED_RUN_AT);
  const left = load<u32>(player, PLAYER_FRAME_SAMPLES_AT) * MAX_CONCEALED_FRAMES - run;
  if (left == 0) return rest(player, FRAME_SILENCE);
  const samples = min<u32>(wanted, left);
  if (isOpus(player)) return ask(player, samples, FRAME_CONCEALED);
  plcConceal(player + PLAYER_PLC_AT, pcmEnd(player), samples);
  appendConcealed(player, samples);
  return true;
}

function appendConcealed(player: usize, samples: u32): void {
  append(player, samples, FRAME_CONCEALED);
  store<u32>(player, load<u32>(player, PLAYER_CONCEALED_RUN_AT) + samples, PLAYER_CONCEALED_RUN_AT);
  store<i64>(player, load<i64>(player, PLAYER_NEXT_I64_AT) + samples, PLAYER_NEXT_I64_AT);
  book(player, PLAYER_CONCEALED_I64_AT, samples);
}

function ask(player: usize, samples: u32, kind: u32): bool {
  store<u32>(player, samples, PLAYER_ASKED_SAMPLES_AT);
  store<u32>(player, kind, PLAYER_ASKED_KIND_AT);
  return false;
}

/** What was asked of the decoder outside stands at the end. If it could not, it is as for codecs without a decoder outside. */
export function madeUp(player: usize, made: u32): void {
  const asked = load<u32>(player, PLAYER_ASKED_SAMPLES_AT);
  if (asked == 0) return;
  store<u32>(player, 0, PLAYER_ASKED_SAMPLES_AT);
  const isConcealed = load<u32>(player, PLAYER_ASKED_KIND_AT) == FRAME_CONCEALED;
  const pcm = pcmEnd(player);
  if (made == asked) plcGood(player + PLAYER_PLC_AT, pcm, asked);
  else if (isConcealed) plcConceal(player + PLAYER_PLC_AT, pcm, asked);
  else comfortNoise(player + PLAYER_NOISE_AT, pcm, asked);
  if (isConcealed) return appendConcealed(player, asked);
  append(player, asked, FRAME_COMFORT_NOISE);
  book(player, PLAYER_COMFORT_I64_AT, asked);
}

/** Samples that were not received stand at the end; they never reach beyond the frame. */
function append(player: usize, samples: u32, kind: u32): void {
  store<u32>(player, load<u32>(player, PLAYER_BUFFERED_SAMPLES_AT) + samples, PLAYER_BUFFERED_SAMPLES_AT);
  store<u32>(player, load<u32>(player, PLAYER_FILLED_SAMPLES_AT) + samples, PLAYER_FILLED_SAMPLES_AT);
  store<u32>(player, kind, PLAYER_FILLED_KIND_AT);
}

function waitForNext(player: usize, tickUs: u64, delayUs: f64): bool {
  const packet = firstPacket(player);
  const left = missing(player) as i64;
  if (packet == 0) return fill(player, left as u32);
  const due = placeDue(player, tickUs, delayUs) + load<u32>(player, PLAYER_BUFFERED_SAMPLES_AT);
  const ahead = load<i64>(packet, PACKET_PLACE_I64_AT) - due;
  if (ahead >= left) return fill(player, left as u32);
  if (load<u32>(packet, PACKET_CODEC_AT) == CODEC_COMFORT_NOISE) return take(player, packet);
  if (ahead > 0) {
    if (!fill(player, ahead as u32)) return false;
  } else if (delayUs + samplesToUs(player, -ahead) > longestDelayUs(player, GROUP_STEP_US)) {
    growDelay(player, load<f64>(player, PLAYER_BASE_F64_AT) + delayUs + samplesToUs(player, -ahead));
    countLate(player);
    removePacket(player, packet);
    return true;
  }
  store<u32>(player, MODE_PLAYING, PLAYER_MODE_AT);
  store<i64>(player, load<i64>(packet, PACKET_PLACE_I64_AT), PLAYER_NEXT_I64_AT);
  return true;
}

/** False when the decoder outside does it. */
function fill(player: usize, samples: u32): bool {
  const kind = load<u32>(player, PLAYER_FILLER_AT);
  if (kind == FRAME_COMFORT_NOISE && isOpus(player)) return ask(player, samples, kind);
  if (kind == FRAME_COMFORT_NOISE) {
    comfortNoise(player + PLAYER_NOISE_AT, pcmEnd(player), samples);
    book(player, PLAYER_COMFORT_I64_AT, samples);
  } else {
    memory.fill(pcmEnd(player), 0, samples << 1);
    book(player, PLAYER_SILENCE_I64_AT, samples);
  }
  append(player, samples, kind);
  return true;
}

/** Decodes the packet, whose time has come. False when somebody outside has to. */
function take(player: usize, packet: usize): bool {
  const codec = load<u32>(packet, PACKET_CODEC_AT);
  const bytes = load<u32>(packet, PACKET_BYTES_AT);
  if (codec == CODEC_OPUS) {
    store<u32>(player, packet, PLAYER_EXTERNAL_AT);
    return false;
  }
  if (codec != CODEC_COMFORT_NOISE) {
    accept(player, packet, decodePayload(player, codec, packet + PACKET_PAYLOAD_AT, bytes, pcmEnd(player)));
    return true;
  }
  noiseUpdate(player + PLAYER_NOISE_AT, packet + PACKET_PAYLOAD_AT, bytes);
  rest(player, FRAME_COMFORT_NOISE);
  finish(player, packet);
  return true;
}

/** The samples of a packet stand behind those that wait; the part of them whose time is over is discarded. Without any it is as if lost. */
export function accept(player: usize, packet: usize, samples: u32): void {
  if (samples == 0) {
    count(player, PLAYER_UNDECODABLE_AT);
    return removePacket(player, packet);
  }
  book(player, PLAYER_DECODED_I64_AT, samples);
  const place = load<i64>(packet, PACKET_PLACE_I64_AT);
  const over = max<i64>(0, load<i64>(player, PLAYER_NEXT_I64_AT) - place);
  if (over >= (samples as i64)) {
    book(player, PLAYER_DISCARDED_I64_AT, samples);
    countLate(player);
  } else {
    const kept = samples - (over as u32);
    const at = pcmEnd(player);
    if (over != 0) memory.copy(at, at + ((over as usize) << 1), kept << 1);
    book(player, PLAYER_DISCARDED_I64_AT, over);
    plcGood(player + PLAYER_PLC_AT, at, kept);
    store<u32>(player, load<u32>(player, PLAYER_BUFFERED_SAMPLES_AT) + kept, PLAYER_BUFFERED_SAMPLES_AT);
    store<i64>(player, place + samples, PLAYER_NEXT_I64_AT);
    store<u32>(player, 0, PLAYER_CONCEALED_RUN_AT);
    store<u32>(player, 0, PLAYER_LATE_RUN_AT);
  }
  finish(player, packet);
}

function finish(player: usize, packet: usize): void {
  store<u32>(player, load<u32>(packet, PACKET_EXT_SEQ_AT), PLAYER_EXT_SEQ_AT);
  store<u32>(player, load<u32>(packet, PACKET_TIMESTAMP_OFFSET_AT), PLAYER_TIMESTAMP_OFFSET_AT);
  store<u32>(player, load<u32>(packet, PACKET_CODEC_AT), PLAYER_HEARD_CODEC_AT);
  store<u32>(player, load<u32>(packet, PACKET_BYTES_AT), PLAYER_HEARD_BYTES_AT);
  removePacket(player, packet);
}
