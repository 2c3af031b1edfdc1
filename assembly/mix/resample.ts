/**
 * A player's frame at the rate of a mixture. Rates are 8, 16 and 48 kHz, so the ratio of two is a whole number; the low-pass filter of each
 * ratio has 24 taps for a sample of the lower rate and delays by half of them (1.5 ms at 8 kHz). What it reaches back to is the end of the frame
 * before, which stands in the player's ring still.
 */

import {
  RESAMPLE_DOWN_2_AT,
  RESAMPLE_DOWN_3_AT,
  RESAMPLE_DOWN_6_AT,
  RESAMPLE_HISTORY_SAMPLES,
  RESAMPLE_INPUT_AT,
  RESAMPLE_TAPS,
  RESAMPLE_UP_2_AT,
  RESAMPLE_UP_3_AT,
  RESAMPLE_UP_6_AT,
} from '../layout';

const TAPS: u32 = RESAMPLE_TAPS;
/** Where the frame lies, behind what came before it. */
const FRAME: usize = RESAMPLE_INPUT_AT + RESAMPLE_HISTORY_SAMPLES * 2;

/** Adds the `has` samples at `pcm`, as `samples` of the same duration, to a sum of 32 bits each. `before`: as many that came before; 0: silence did. */
export function addResampled(sum: usize, samples: u32, pcm: usize, has: u32, before: usize): void {
  const reach = has > samples ? (TAPS - 1) * (has / samples) : TAPS - 1;
  const history = FRAME - (reach << 1);
  if (before == 0) memory.fill(history, 0, reach << 1);
  else memory.copy(history, before + ((has - reach) << 1), reach << 1);
  memory.copy(FRAME, pcm, has << 1);
  if (has < samples) raise(sum, samples / has, has);
  else lower(sum, has / samples, samples);
}

/** Each phase between two samples has its row of taps. */
function raise(sum: usize, ratio: u32, has: u32): void {
  const rows: usize = ratio == 2 ? RESAMPLE_UP_2_AT : ratio == 3 ? RESAMPLE_UP_3_AT : RESAMPLE_UP_6_AT;
  let to = sum;
  for (let i: u32 = 0; i < has; i++) {
    const from = FRAME + (i << 1) - ((TAPS - 1) << 1);
    for (let phase: u32 = 0; phase < ratio; phase++) {
      store<i32>(to, load<i32>(to) + filtered(from, rows + phase * (TAPS << 1), TAPS));
      to += 4;
    }
  }
}

function lower(sum: usize, ratio: u32, samples: u32): void {
  const row: usize = ratio == 2 ? RESAMPLE_DOWN_2_AT : ratio == 3 ? RESAMPLE_DOWN_3_AT : RESAMPLE_DOWN_6_AT;
  for (let i: u32 = 0; i < samples; i++) {
    const to = sum + ((i as usize) << 2);
    const from = FRAME + (((i + 1) * ratio) << 1) - ((TAPS * ratio) << 1);
    store<i32>(to, load<i32>(to) + filtered(from, row, TAPS * ratio));
  }
}

/** Sum of products of `count` samples and taps: a multiple of eight. */
function filtered(from: usize, taps: usize, count: u32): i32 {
  let lanes = i32x4.splat(0);
  for (let i: usize = 0; i < count; i += 8) {
    lanes = i32x4.add(lanes, i32x4.dot_i16x8_s(v128.load(from + (i << 1)), v128.load(taps + (i << 1))));
  }
  const pairs = i32x4.add(lanes, i32x4.shuffle(lanes, lanes, 2, 3, 0, 1));
  return (i32x4.extract_lane(pairs, 0) + i32x4.extract_lane(pairs, 1) + (1 << 13)) >> 14;
}
