/**
 * Comfort noise (RFC 3389): the first octet of its payload is the level in -dBov (section 3.1), the others are reflection coefficients of
 * an all-pole model of its spectrum (section 3.2). White noise goes through the model as a lattice, which is stable with any of them.
 */

import {
  NOISE_LEVEL_F64_AT,
  NOISE_MAX_ORDER,
  NOISE_MEMORY_F64_AT,
  NOISE_ORDER_AT,
  NOISE_PEAK_F64_AT,
  NOISE_RANDOM_AT,
  NOISE_REFLECTION_F64_AT,
  NOISE_STATE_BYTES,
} from '../layout';

const QUIET_DBOV: u32 = 70;

export function noiseInit(state: usize): void {
  memory.fill(state, 0, NOISE_STATE_BYTES);
  store<u32>(state, 0x2545f491, NOISE_RANDOM_AT);
  store<f64>(state, peakOf(QUIET_DBOV), NOISE_LEVEL_F64_AT);
  store<f64>(state, peakOf(QUIET_DBOV), NOISE_PEAK_F64_AT);
}

/** Peak of uniform noise with that power: the square root of 3 times its RMS; 0 dBov is 32768 (section 3.1: a square wave at full scale). */
function peakOf(level: u32): f64 {
  let peak: f64 = 32768 * 1.7320508;
  for (let i: u32 = 0; i < level; i++) peak *= 0.8912509381;
  return peak;
}

export function noiseUpdate(state: usize, payload: usize, bytes: u32): void {
  if (bytes == 0) return;
  const peak = peakOf(load<u8>(payload) & 127);
  const order = min<u32>(bytes - 1, NOISE_MAX_ORDER);
  // What the filter remembers gets the new level, so that a sharp resonance does not go on at the old one.
  scaleMemory(state, order, peak / load<f64>(state, NOISE_LEVEL_F64_AT));
  store<f64>(state, peak, NOISE_LEVEL_F64_AT);
  store<u32>(state, order, NOISE_ORDER_AT);
  // The model multiplies the power of white noise by the inverse of this.
  let residual: f64 = 1;
  for (let i: usize = 0; i < (order as usize); i++) {
    const k = reflection(load<u8>(payload + i, 1));
    store<f64>(state + (i << 3), k, NOISE_REFLECTION_F64_AT);
    residual *= 1 - k * k;
  }
  store<f64>(state, peak * sqrt<f64>(residual), NOISE_PEAK_F64_AT);
}

/** Section 3.2; 255 is reserved, and counts as no reflection. A spectrum that falls with frequency has a negative first one. */
function reflection(index: u32): f64 {
  return index == 255 ? 0 : (258 * ((index as i32) - 127)) / 32768.0;
}

/** Coefficients that are new have nothing to remember. */
function scaleMemory(state: usize, order: u32, by: f64): void {
  const before = load<u32>(state, NOISE_ORDER_AT);
  for (let i: u32 = 0; i < order; i++) {
    const at = state + ((i as usize) << 3);
    store<f64>(at, i < before ? load<f64>(at, NOISE_MEMORY_F64_AT) * by : 0, NOISE_MEMORY_F64_AT);
  }
}

export function comfortNoise(state: usize, out: usize, samples: u32): void {
  const peak = load<f64>(state, NOISE_PEAK_F64_AT) / 2147483648.0;
  const order = load<u32>(state, NOISE_ORDER_AT);
  let random = load<u32>(state, NOISE_RANDOM_AT);
  for (let i: usize = 0; i < (samples as usize); i++) {
    random ^= random << 13;
    random ^= random >>> 17;
    random ^= random << 5;
    const shaped = synthesise(state, order, (random as i32 as f64) * peak);
    store<i16>(out + (i << 1), max<f64>(-32768, min<f64>(32767, nearest<f64>(shaped))) as i32);
  }
  store<u32>(state, random, NOISE_RANDOM_AT);
}

/** One sample through the lattice: stage m takes its reflection from the forward error, and hands the backward error on to stage m + 1. */
function synthesise(state: usize, order: u32, excitation: f64): f64 {
  let forward = excitation;
  for (let m = order; m > 0; m--) {
    const at = state + (((m - 1) as usize) << 3);
    const k = load<f64>(at, NOISE_REFLECTION_F64_AT);
    const backward = load<f64>(at, NOISE_MEMORY_F64_AT);
    forward -= k * backward;
    // The last stage's is of no further use.
    if (m < order) store<f64>(at + 8, backward + k * forward, NOISE_MEMORY_F64_AT);
  }
  if (order != 0) store<f64>(state, forward, NOISE_MEMORY_F64_AT);
  return forward;
}
