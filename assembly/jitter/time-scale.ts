/**
 * Changes of the duration of what waits to be played: by a pitch period where the signal repeats itself (waveform similarity with
 * overlap and add), or by a single sample where it is flattest.
 */

import {
  FRAMES_PER_SECOND,
  PCM_SAMPLES,
  PLAYER_BUFFERED_SAMPLES_AT,
  PLAYER_FRAME_SAMPLES_AT,
  PLAYER_PCM_AT,
  PLAYER_SAMPLE_RATE_AT,
} from '../layout';

/** Correlation from which on a cut is not heard; and power per sample below which it does not matter. */
const SIMILAR: f64 = 0.8;
const QUIET: f64 = 400;

function sampleAt(player: usize, i: u32): usize {
  return player + PLAYER_PCM_AT + ((i as usize) << 1);
}

/** Takes out one pitch period of at most so many samples; gives how many, 0 where it would be heard. `always`: wherever it is. */
export function accelerate(player: usize, most: u32, always: bool): u32 {
  const lag = findPeriod(player, most, always);
  if (lag == 0) return 0;
  const buffered = load<u32>(player, PLAYER_BUFFERED_SAMPLES_AT);
  crossFade(sampleAt(player, 0), sampleAt(player, lag), sampleAt(player, 0), lag);
  memory.copy(sampleAt(player, lag), sampleAt(player, lag * 2), (buffered - lag * 2) << 1);
  store<u32>(player, buffered - lag, PLAYER_BUFFERED_SAMPLES_AT);
  return lag;
}

/** Repeats one pitch period, as above. */
export function expand(player: usize, most: u32, always: bool): u32 {
  const lag = findPeriod(player, most, always);
  const buffered = load<u32>(player, PLAYER_BUFFERED_SAMPLES_AT);
  if (lag == 0 || buffered + lag > (PCM_SAMPLES as u32)) return 0;
  memory.copy(sampleAt(player, lag * 2), sampleAt(player, lag), (buffered - lag) << 1);
  crossFade(sampleAt(player, lag), sampleAt(player, 0), sampleAt(player, lag), lag);
  store<u32>(player, buffered + lag, PLAYER_BUFFERED_SAMPLES_AT);
  return lag;
}

/** From one signal to another; `to` may be either. */
function crossFade(from: usize, into: usize, to: usize, samples: u32): void {
  for (let i: usize = 0; i < (samples as usize); i++) {
    const a = load<i16>(from + (i << 1)) as i32;
    const b = load<i16>(into + (i << 1)) as i32;
    store<i16>(to + (i << 1), a + ((b - a) * (i as i32)) / (samples as i32));
  }
}

/** The lag between 2.5 and 15 ms at which what waits is most like itself; 0 when it is not enough like itself, or not long enough. */
function findPeriod(player: usize, most: u32, always: bool): u32 {
  const rate = load<u32>(player, PLAYER_SAMPLE_RATE_AT);
  const stride = rate / 8000;
  const buffered = load<u32>(player, PLAYER_BUFFERED_SAMPLES_AT);
  const longest = min<u32>(most, min<u32>((rate * 15) / 1000, buffered / 2));
  let best: u32 = 0;
  let bestScore: f64 = -2;
  for (let lag = rate / 400; lag <= longest; lag += stride) {
    const score = similarity(player, lag, stride);
    if (score <= bestScore) continue;
    bestScore = score;
    best = lag;
  }
  return best != 0 && (always || bestScore >= SIMILAR) ? best : 0;
}

/** Normalised correlation of the first period with the second; 1 where both are quiet. */
function similarity(player: usize, lag: u32, stride: u32): f64 {
  let cross: i64 = 0;
  let first: i64 = 1;
  let second: i64 = 1;
  let count: i64 = 0;
  for (let i: u32 = 0; i < lag; i += stride) {
    const a = load<i16>(sampleAt(player, i)) as i64;
    const b = load<i16>(sampleAt(player, i + lag)) as i64;
    cross += a * b;
    first += a * a;
    second += b * b;
    count++;
  }
  if (((first + second) as f64) < QUIET * 2 * (count as f64)) return 1;
  return (cross as f64) / sqrt<f64>((first as f64) * (second as f64));
}

/** The place in the next frame at which the signal moves least from the sample before to the sample behind. */
function flattest(player: usize): u32 {
  const samples = load<u32>(player, PLAYER_FRAME_SAMPLES_AT);
  let best: u32 = 1;
  let least: i32 = 0x7fffffff;
  for (let i: u32 = 1; i < samples; i++) {
    const before = load<i16>(sampleAt(player, i - 1)) as i32;
    const here = load<i16>(sampleAt(player, i)) as i32;
    const behind = load<i16>(sampleAt(player, i + 1)) as i32;
    const movement = abs(here - before) + abs(behind - here);
    if (movement >= least) continue;
    least = movement;
    best = i;
  }
  return best;
}

/** One sample more than a frame must wait. */
export function removeSample(player: usize): void {
  const buffered = load<u32>(player, PLAYER_BUFFERED_SAMPLES_AT);
  const at = flattest(player);
  memory.copy(sampleAt(player, at), sampleAt(player, at + 1), (buffered - at - 1) << 1);
  store<u32>(player, buffered - 1, PLAYER_BUFFERED_SAMPLES_AT);
}

/** One sample more than a frame must wait. The new one lies between its neighbours. */
export function insertSample(player: usize): void {
  const buffered = load<u32>(player, PLAYER_BUFFERED_SAMPLES_AT);
  const at = flattest(player);
  memory.copy(sampleAt(player, at + 1), sampleAt(player, at), (buffered - at) << 1);
  const sum = (load<i16>(sampleAt(player, at - 1)) as i32) + (load<i16>(sampleAt(player, at + 1)) as i32);
  store<i16>(sampleAt(player, at), sum >> 1);
  store<u32>(player, buffered + 1, PLAYER_BUFFERED_SAMPLES_AT);
}

/** Frames between two single samples that bring the delay nearer to what is wanted: a change of pitch by 0.3 % is not heard. */
export function stepInterval(player: usize): u32 {
  return max<u32>(1, (8000 * 4) / load<u32>(player, PLAYER_SAMPLE_RATE_AT));
}

/** What a search for a pitch period looks at: twice the longest. */
export function scaleSamples(player: usize): u32 {
  return (load<u32>(player, PLAYER_SAMPLE_RATE_AT) * 3) / FRAMES_PER_SECOND;
}
