/**
 * The playout delay that a player wants, above the least transit: a high quantile of the delays of its packets, from a histogram
 * that forgets (as NetEq has it; Ramjee's estimates of mean and variance follow a skewed distribution less well), and at once
 * what a late packet would have needed, which then fades.
 */

import {
  DELAY_BIN_US,
  DELAY_BINS,
  GROUP_BYTES,
  GROUP_HELD_US_AT,
  GROUP_WANTED_US_AT,
  GROUPS_AT,
  PLAYER_BASE_F64_AT,
  PLAYER_DELAYS_AT,
  PLAYER_GROUP_AT,
  PLAYER_HELD_DELAY_AT,
  PLAYER_MAX_DELAY_US_AT,
  PLAYER_MIN_DELAY_US_AT,
  PLAYER_PEAK_F64_AT,
  PLAYER_TARGET_F64_AT,
  PLAYER_WEIGHT_F64_AT,
  PLAYER_WEIGHTS_F64_AT,
} from '../layout';

const QUANTILE: f64 = 0.99;
/** The weight of a packet against the one before: 1,400 packets, 28 s of 20 ms, are remembered. */
const GROWTH: f64 = 1.0007;
const RESCALE_AT: f64 = 1e9;
/** Before the distribution is known. */
const FIRST_DELAY_US: f64 = 40000;
const FIRST_WEIGHT: f64 = 20;
/** Per second of arrivals. */
const FADE_US: f64 = 4000;
const SHRINK_US: f64 = 2000;
export const GROUP_STEP_US: f64 = 10000;

export function initDelay(player: usize): void {
  store<f64>(player, 1, PLAYER_WEIGHT_F64_AT);
  store<f64>(player, FIRST_WEIGHT, PLAYER_WEIGHTS_F64_AT);
  store<f32>(player + PLAYER_DELAYS_AT + binOf(FIRST_DELAY_US - 1) * 4, FIRST_WEIGHT as f32);
  store<f64>(player, bounded(player, FIRST_DELAY_US), PLAYER_TARGET_F64_AT);
}

function binOf(delayUs: f64): usize {
  return min<u32>((max<f64>(0, delayUs) / (DELAY_BIN_US as f64)) as u32, DELAY_BINS - 1);
}

function bounded(player: usize, us: f64): f64 {
  const least = load<u32>(player, PLAYER_MIN_DELAY_US_AT) as f64;
  return max<f64>(least, min<f64>(load<u32>(player, PLAYER_MAX_DELAY_US_AT) as f64, us));
}

/** `sinceUs`: since the packet before. */
export function updateDelay(player: usize, transitUs: f64, sinceUs: f64): void {
  const weight = load<f64>(player, PLAYER_WEIGHT_F64_AT) * GROWTH;
  store<f64>(player, weight, PLAYER_WEIGHT_F64_AT);
  store<f64>(player, load<f64>(player, PLAYER_WEIGHTS_F64_AT) + weight, PLAYER_WEIGHTS_F64_AT);
  const bin = player + PLAYER_DELAYS_AT + binOf(transitUs - load<f64>(player, PLAYER_BASE_F64_AT)) * 4;
  store<f32>(bin, load<f32>(bin) + (weight as f32));
  if (weight > RESCALE_AT) rescale(player, weight);
  const seconds = min<f64>(sinceUs / 1e6, 1);
  const peak = max<f64>(0, load<f64>(player, PLAYER_PEAK_F64_AT) - FADE_US * seconds);
  store<f64>(player, peak, PLAYER_PEAK_F64_AT);
  const wanted = bounded(player, max<f64>(peak, quantileUs(player)));
  const shrunk = load<f64>(player, PLAYER_TARGET_F64_AT) - SHRINK_US * seconds;
  store<f64>(player, max<f64>(wanted, shrunk), PLAYER_TARGET_F64_AT);
}

/** A packet came after its time. */
export function growDelay(player: usize, transitUs: f64): void {
  const needed = transitUs - load<f64>(player, PLAYER_BASE_F64_AT) + (DELAY_BIN_US as f64);
  const peak = bounded(player, max<f64>(needed, load<f64>(player, PLAYER_PEAK_F64_AT)));
  store<f64>(player, peak, PLAYER_PEAK_F64_AT);
  store<f64>(player, max<f64>(peak, load<f64>(player, PLAYER_TARGET_F64_AT)), PLAYER_TARGET_F64_AT);
}

/** The upper end of the bin in which the quantile lies. */
function quantileUs(player: usize): f64 {
  const enough = load<f64>(player, PLAYER_WEIGHTS_F64_AT) * QUANTILE;
  let sum: f64 = 0;
  let bin: u32 = 0;
  for (; bin < (DELAY_BINS as u32) - 1; bin++) {
    sum += load<f32>(player + PLAYER_DELAYS_AT + ((bin as usize) << 2)) as f64;
    if (sum >= enough) break;
  }
  return ((bin + 1) * DELAY_BIN_US) as f64;
}

/** All weights are relative to that of the newest packet: it becomes 1 again. The sum is made anew, so no rounding stays in it. */
function rescale(player: usize, weight: f64): void {
  let sum: f64 = 0;
  for (let bin: usize = 0; bin < (DELAY_BINS as usize); bin++) {
    const at = player + PLAYER_DELAYS_AT + (bin << 2);
    const scaled = ((load<f32>(at) as f64) / weight) as f32;
    store<f32>(at, scaled);
    sum += scaled as f64;
  }
  store<f64>(player, 1, PLAYER_WEIGHT_F64_AT);
  store<f64>(player, sum, PLAYER_WEIGHTS_F64_AT);
}

// Players of one group (the legs of a call) stay together: all take the longest delay that one of them wants, and none runs ahead of
// the one that has come least far towards it.

/** Before each tick: first all are forgotten, then each player says what it wants and has. */
export function forgetGroup(player: usize): void {
  const group = groupOf(player);
  store<u32>(group, 0, GROUP_WANTED_US_AT);
  store<u32>(group, -1, GROUP_HELD_US_AT);
}

export function joinGroup(player: usize): void {
  const group = groupOf(player);
  const wanted = load<f64>(player, PLAYER_TARGET_F64_AT) as u32;
  store<u32>(group, max<u32>(wanted, load<u32>(group, GROUP_WANTED_US_AT)), GROUP_WANTED_US_AT);
  const held = load<u32>(player, PLAYER_HELD_DELAY_AT);
  if (held != 0) store<u32>(group, min<u32>(held, load<u32>(group, GROUP_HELD_US_AT)), GROUP_HELD_US_AT);
}

function groupOf(player: usize): usize {
  const group: usize = load<u32>(player, PLAYER_GROUP_AT);
  return (GROUPS_AT as usize) + group * GROUP_BYTES;
}

/** The delay that the player is to have now. */
export function targetUs(player: usize): f64 {
  if (load<u32>(player, PLAYER_GROUP_AT) == 0) return load<f64>(player, PLAYER_TARGET_F64_AT);
  const group = groupOf(player);
  const together = min<f64>(
    load<u32>(group, GROUP_WANTED_US_AT) as f64,
    (load<u32>(group, GROUP_HELD_US_AT) as f64) + GROUP_STEP_US,
  );
  return bounded(player, together);
}

/** To which the delay may grow at once. Players of a group grow together, step by step: by itself one may exceed its delay by so much only. */
export function longestDelayUs(player: usize, stepUs: f64): f64 {
  const longest = load<u32>(player, PLAYER_MAX_DELAY_US_AT) as f64;
  if (load<u32>(player, PLAYER_GROUP_AT) == 0) return longest;
  return min<f64>(longest, targetUs(player) + stepUs);
}
