/**
 * The playout clock of a lane: every 10 ms each open player gives a frame to its ring, and each mixer its mixture of them. Time is that of the tick, not of the call, so a
 * timer that is late does not look like jitter. Between frames the delay is brought to what is wanted: single samples for the skew
 * of the clocks and for small deviations, pitch periods for large ones.
 */

import {
  FRAME_BYTES,
  FRAME_KIND_AT,
  FRAME_PCM_AT,
  FRAME_SAMPLE_RATE_AT,
  FRAME_SAMPLES_AT,
  FRAME_SPEECH,
  FRAME_TIMESTAMP_AT,
  FRAME_US,
  MAX_CATCH_UP_FRAMES,
  MAX_PLAYERS,
  MODE_PLAYING,
  PCM_SAMPLES,
  PLAYER_BUFFERED_SAMPLES_AT,
  PLAYER_EXTERNAL_AT,
  PLAYER_FILLED_KIND_AT,
  PLAYER_FILLED_SAMPLES_AT,
  PLAYER_FRAME_COUNT_AT,
  PLAYER_FRAME_SAMPLES_AT,
  PLAYER_FRAMES_AT,
  PLAYER_FRAMES_SINCE_SCALE_AT,
  PLAYER_FRAMES_SINCE_STEP_AT,
  PLAYER_HELD_DELAY_AT,
  PLAYER_INSERTED_EXPAND_I64_AT,
  PLAYER_INSERTED_SKEW_I64_AT,
  PLAYER_MODE_AT,
  PLAYER_NEXT_I64_AT,
  PLAYER_OPEN_AT,
  PLAYER_PCM_AT,
  PLAYER_REMOVED_ACCELERATE_I64_AT,
  PLAYER_REMOVED_SKEW_I64_AT,
  PLAYER_SAMPLE_RATE_AT,
  PLAYER_SAMPLES_PER_UNIT_AT,
  PLAYER_SKEW_DUE_F64_AT,
  PLAYER_SKEW_F64_AT,
  PLAYER_STARTED_AT,
  PLAYER_TIMESTAMP_OFFSET_AT,
  PLAYOUT_AGREED_AT,
  PLAYOUT_AT,
  PLAYOUT_CURSOR_AT,
  PLAYOUT_SKIPPED_FRAMES_AT,
  PLAYOUT_TICK_US_AT,
  RING_FRAMES,
} from '../layout';
import { mixAll } from '../mix/mixer';
import { samplesToUs, usToSamples } from './clock';
import { forgetGroup, joinGroup, targetUs } from './delay';
import { accept, fillAhead, fillFrame, madeUp, placeDue } from './fill';
import { book } from './ledger';
import { playerAt } from './player';
import { isClockRunning } from './playout';
import { accelerate, expand, insertSample, removeSample, scaleSamples, stepInterval } from './time-scale';

/** Deviations of the delay: left alone, too short or too long for single samples, and for a place that cannot be heard. */
const TOLERATED_US: f64 = 2000;
const SHORT_US: f64 = 6000;
const LONG_US: f64 = 12000;
const INTOLERABLE_US: f64 = 80000;
const FRAMES_BETWEEN_SCALES: u32 = 3;

/**
 * All frames that are due. 0 when done, else the number + 1 of a player that needs the decoder outside, for a packet or in place of one:
 * after `decoded` the same call goes on where it stopped.
 */
export function playAll(nowUs: u64): u32 {
  if (!isClockRunning()) return 0;
  let tick = dueTick(nowUs);
  for (; tick <= nowUs; tick += FRAME_US) {
    store<u64>(PLAYOUT_AT, tick, PLAYOUT_TICK_US_AT);
    const waiting = playTick(tick);
    if (waiting != 0) return waiting;
  }
  store<u64>(PLAYOUT_AT, tick, PLAYOUT_TICK_US_AT);
  return 0;
}

function dueTick(nowUs: u64): u64 {
  const tick = load<u64>(PLAYOUT_AT, PLAYOUT_TICK_US_AT);
  if (tick == 0) return nowUs;
  const longest = (MAX_CATCH_UP_FRAMES * FRAME_US) as u64;
  if (nowUs < tick || nowUs - tick < longest || load<u32>(PLAYOUT_AT, PLAYOUT_AGREED_AT) != 0) return tick;
  const frames = (nowUs - tick) / FRAME_US;
  store<u32>(PLAYOUT_AT, load<u32>(PLAYOUT_AT, PLAYOUT_SKIPPED_FRAMES_AT) + (frames as u32), PLAYOUT_SKIPPED_FRAMES_AT);
  return tick + frames * FRAME_US;
}

function playTick(tick: u64): u32 {
  if (load<u32>(PLAYOUT_AT, PLAYOUT_AGREED_AT) == 0) {
    agree();
    store<u32>(PLAYOUT_AT, 0, PLAYOUT_CURSOR_AT);
    store<u32>(PLAYOUT_AT, 1, PLAYOUT_AGREED_AT);
  }
  for (let number = load<u32>(PLAYOUT_AT, PLAYOUT_CURSOR_AT); number < (MAX_PLAYERS as u32); number++) {
    const player = playerAt(number);
    if (load<u32>(player, PLAYER_OPEN_AT) == 0 || play(player, tick)) continue;
    store<u32>(PLAYOUT_AT, number, PLAYOUT_CURSOR_AT);
    return number + 1;
  }
  mixAll();
  store<u32>(PLAYOUT_AT, 0, PLAYOUT_AGREED_AT);
  return 0;
}

function agree(): void {
  for (let number: u32 = 0; number < (MAX_PLAYERS as u32); number++) {
    const player = playerAt(number);
    if (load<u32>(player, PLAYER_OPEN_AT) != 0) forgetGroup(player);
  }
  for (let number: u32 = 0; number < (MAX_PLAYERS as u32); number++) {
    const player = playerAt(number);
    if (load<u32>(player, PLAYER_OPEN_AT) != 0) joinGroup(player);
  }
}

/** Behind what the player has buffered stands the PCM of the packet at PLAYER_EXTERNAL_AT, or what was asked for in place of one. */
export function decoded(player: usize, samples: u32): void {
  const packet: usize = load<u32>(player, PLAYER_EXTERNAL_AT);
  if (packet == 0) return madeUp(player, samples);
  store<u32>(player, 0, PLAYER_EXTERNAL_AT);
  const room = (PCM_SAMPLES as u32) - load<u32>(player, PLAYER_BUFFERED_SAMPLES_AT);
  accept(player, packet, samples <= room ? samples : 0);
}

/** One frame; false when a packet must be decoded outside first. */
function play(player: usize, tick: u64): bool {
  const delay = targetUs(player);
  if (!fillFrame(player, tick, delay)) return false;
  const isSteady =
    load<u32>(player, PLAYER_MODE_AT) == MODE_PLAYING && load<u32>(player, PLAYER_FILLED_SAMPLES_AT) == 0;
  if (!isSteady) store<f64>(player, 0, PLAYER_SKEW_DUE_F64_AT);
  else if (!adjust(player, tick, delay)) return false;
  const due = load<u32>(player, PLAYER_STARTED_AT) != 0 ? placeDue(player, tick, delay) : 0;
  const isPlaying = load<u32>(player, PLAYER_MODE_AT) == MODE_PLAYING;
  const place = isPlaying ? load<i64>(player, PLAYER_NEXT_I64_AT) - load<u32>(player, PLAYER_BUFFERED_SAMPLES_AT) : due;
  const held = max<f64>(1, delay + samplesToUs(player, due - place)) as u32;
  store<u32>(player, isPlaying ? held : 0, PLAYER_HELD_DELAY_AT);
  emit(player, place);
  return true;
}

/** Moves the delay towards the wanted one, and follows the skew. False when a packet must be decoded outside first. */
function adjust(player: usize, tick: u64, delay: f64): bool {
  const head = load<i64>(player, PLAYER_NEXT_I64_AT) - load<u32>(player, PLAYER_BUFFERED_SAMPLES_AT);
  const excess = samplesToUs(player, placeDue(player, tick, delay) - head);
  const isFar = excess > LONG_US || excess < -SHORT_US;
  if (isFar && load<u32>(player, PLAYER_FRAMES_SINCE_SCALE_AT) >= FRAMES_BETWEEN_SCALES) {
    if (!fillAhead(player, scaleSamples(player))) return false;
    scale(player, excess);
    return fillFrame(player, tick, delay);
  }
  const due = load<f64>(player, PLAYER_SKEW_DUE_F64_AT);
  const mayStep = load<u32>(player, PLAYER_FRAMES_SINCE_STEP_AT) >= stepInterval(player);
  if (abs(due) < 1 && !(abs(excess) > TOLERATED_US && mayStep)) return true;
  const samples = load<u32>(player, PLAYER_FRAME_SAMPLES_AT);
  if (!fillAhead(player, samples + 1)) return false;
  if (load<u32>(player, PLAYER_BUFFERED_SAMPLES_AT) <= samples) return true;
  if (abs(due) >= 1) followSkew(player, due);
  else step(player, excess);
  return true;
}

function scale(player: usize, excess: f64): void {
  const always = abs(excess) > INTOLERABLE_US;
  const most = usToSamples(player, excess > 0 ? excess : SHORT_US / 2 - excess) as u32;
  const samples = excess > 0 ? accelerate(player, most, always) : expand(player, most, always);
  if (samples != 0) store<u32>(player, 0, PLAYER_FRAMES_SINCE_SCALE_AT);
  book(player, excess > 0 ? PLAYER_REMOVED_ACCELERATE_I64_AT : PLAYER_INSERTED_EXPAND_I64_AT, samples);
}

function followSkew(player: usize, due: f64): void {
  if (due > 0) removeSample(player);
  else insertSample(player);
  book(player, due > 0 ? PLAYER_REMOVED_SKEW_I64_AT : PLAYER_INSERTED_SKEW_I64_AT, 1);
  store<f64>(player, due > 0 ? due - 1 : due + 1, PLAYER_SKEW_DUE_F64_AT);
}

function step(player: usize, excess: f64): void {
  if (excess > 0) removeSample(player);
  else insertSample(player);
  book(player, excess > 0 ? PLAYER_REMOVED_ACCELERATE_I64_AT : PLAYER_INSERTED_EXPAND_I64_AT, 1);
  store<u32>(player, 0, PLAYER_FRAMES_SINCE_STEP_AT);
}

/** Writes the frame into the ring, then tells that it is there. */
function emit(player: usize, place: i64): void {
  const number = load<u32>(player, PLAYER_FRAME_COUNT_AT);
  const samples = load<u32>(player, PLAYER_FRAME_SAMPLES_AT);
  const filled = load<u32>(player, PLAYER_FILLED_SAMPLES_AT);
  const frame = player + PLAYER_FRAMES_AT + (number % (RING_FRAMES as u32)) * FRAME_BYTES;
  const units = (place / (load<u32>(player, PLAYER_SAMPLES_PER_UNIT_AT) as i64)) as u32;
  store<u32>(frame, filled * 2 >= samples ? load<u32>(player, PLAYER_FILLED_KIND_AT) : FRAME_SPEECH, FRAME_KIND_AT);
  store<u32>(frame, units + load<u32>(player, PLAYER_TIMESTAMP_OFFSET_AT), FRAME_TIMESTAMP_AT);
  store<u32>(frame, samples, FRAME_SAMPLES_AT);
  store<u32>(frame, load<u32>(player, PLAYER_SAMPLE_RATE_AT), FRAME_SAMPLE_RATE_AT);
  const pcm = player + PLAYER_PCM_AT;
  memory.copy(frame + FRAME_PCM_AT, pcm, samples << 1);
  const left = load<u32>(player, PLAYER_BUFFERED_SAMPLES_AT) - samples;
  memory.copy(pcm, pcm + ((samples as usize) << 1), left << 1);
  store<u32>(player, left, PLAYER_BUFFERED_SAMPLES_AT);
  store<u32>(player, 0, PLAYER_FILLED_SAMPLES_AT);
  countFrame(player, PLAYER_FRAMES_SINCE_SCALE_AT);
  countFrame(player, PLAYER_FRAMES_SINCE_STEP_AT);
  const due = load<f64>(player, PLAYER_SKEW_DUE_F64_AT) + load<f64>(player, PLAYER_SKEW_F64_AT) * (samples as f64);
  store<f64>(player, due, PLAYER_SKEW_DUE_F64_AT);
  atomic.store<u32>(player + PLAYER_FRAME_COUNT_AT, number + 1);
}

function countFrame(player: usize, counter: usize): void {
  store<u32>(player + counter, load<u32>(player + counter) + 1);
}
