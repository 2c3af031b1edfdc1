/** A player: the jitter buffer of one stream that somebody listens to. Opened over a stream, closed with nothing left behind. */

import { g722Init } from '../codec/g722';
import { plcInit } from '../codec/plc';
import {
  FRAME_SILENCE,
  FRAMES_PER_SECOND,
  PLAYER_BYTES,
  PLAYER_DECODER_AT,
  PLAYER_FILLER_AT,
  PLAYER_FRAME_SAMPLES_AT,
  PLAYER_GROUP_AT,
  PLAYER_MAX_DELAY_US_AT,
  PLAYER_MIN_DELAY_US_AT,
  PLAYER_NOISE_AT,
  PLAYER_OPEN_AT,
  PLAYER_PCM_AT,
  PLAYER_PLC_AT,
  PLAYER_SAMPLE_RATE_AT,
  PLAYER_SAMPLES_PER_UNIT_AT,
  PLAYER_STREAM_AT,
  PLAYERS_AT,
  PLAYOUT_OPEN_PLAYERS_AT,
  STREAM_PLAYER_AT,
} from '../layout';
import { streamAt } from '../rtp/stream';
import { initDelay } from './delay';
import { noiseInit } from './noise';
import { clearPackets } from './packets';
import { countOpen } from './playout';

export function playerAt(player: u32): usize {
  return PLAYERS_AT + player * PLAYER_BYTES;
}

/** Codecs by payload type are written by whoever opens it, afterwards and before any packet. */
export function openPlayer(
  number: u32,
  stream: u32,
  sampleRate: u32,
  samplesPerUnit: u32,
  group: u32,
  minDelayUs: u32,
  maxDelayUs: u32,
): void {
  closePlayer(number);
  const player = playerAt(number);
  memory.fill(player, 0, PLAYER_PCM_AT);
  store<u32>(player, 1, PLAYER_OPEN_AT);
  store<u32>(player, stream, PLAYER_STREAM_AT);
  store<u32>(player, sampleRate, PLAYER_SAMPLE_RATE_AT);
  store<u32>(player, sampleRate / FRAMES_PER_SECOND, PLAYER_FRAME_SAMPLES_AT);
  store<u32>(player, samplesPerUnit, PLAYER_SAMPLES_PER_UNIT_AT);
  store<u32>(player, group, PLAYER_GROUP_AT);
  store<u32>(player, minDelayUs, PLAYER_MIN_DELAY_US_AT);
  store<u32>(player, maxDelayUs, PLAYER_MAX_DELAY_US_AT);
  store<u32>(player, FRAME_SILENCE, PLAYER_FILLER_AT);
  clearPackets(player);
  initDelay(player);
  g722Init(player + PLAYER_DECODER_AT);
  plcInit(player + PLAYER_PLC_AT, sampleRate);
  noiseInit(player + PLAYER_NOISE_AT);
  store<u32>(streamAt(stream), number + 1, STREAM_PLAYER_AT);
  countOpen(PLAYOUT_OPEN_PLAYERS_AT, 1);
}

export function closePlayer(number: u32): void {
  const player = playerAt(number);
  if (load<u32>(player, PLAYER_OPEN_AT) == 0) return;
  store<u32>(player, 0, PLAYER_OPEN_AT);
  const stream = streamAt(load<u32>(player, PLAYER_STREAM_AT));
  if (load<u32>(stream, STREAM_PLAYER_AT) == number + 1) store<u32>(stream, 0, STREAM_PLAYER_AT);
  countOpen(PLAYOUT_OPEN_PLAYERS_AT, -1);
}
