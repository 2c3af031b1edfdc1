/**
 * The window of the timeline that is in memory: one track of 16-bit mono samples per stream and clock rate, and the
 * two channels that the tracks are mixed into.
 *
 * Every track has TRACK_MARGIN_SAMPLES of the past in front of its window, for the interpolation.
 */

import { FINALISER_CHANNEL_BYTES, FINALISER_CHANNELS_AT, FINALISER_OUTPUT_AT, INTERPOLATION_TAPS } from '../layout';

/** Silences both channels for `frames`. */
export function finaliserClearChannels(frames: u32): void {
  memory.fill(FINALISER_CHANNELS_AT, 0, frames << 1);
  memory.fill(FINALISER_CHANNELS_AT + FINALISER_CHANNEL_BYTES, 0, frames << 1);
}

/** Adds `frames` samples at `track` to a channel, saturating. */
export function finaliserMix(channel: u32, track: usize, frames: u32): void {
  const target: usize = FINALISER_CHANNELS_AT + channel * FINALISER_CHANNEL_BYTES;
  const bytes = frames << 1;
  let i: u32 = 0;
  for (; i + 16 <= bytes; i += 16) {
    v128.store(target + i, v128.add_sat<i16>(v128.load(target + i), v128.load(track + i)));
  }
  for (; i < bytes; i += 2) store<i16>(target + i, saturate(<i32>load<i16>(target + i) + <i32>load<i16>(track + i)));
}

/**
 * The same for a track of a lower rate: `up` output frames for every `down` samples of the track, by a polyphase
 * filter of `up` phases at `taps` (INTERPOLATION_TAPS coefficients each, 14 fractional bits). The first frame lies
 * exactly on the sample at `track`.
 */
export function finaliserMixResampled(channel: u32, track: usize, frames: u32, up: u32, down: u32, taps: usize): void {
  const target: usize = FINALISER_CHANNELS_AT + channel * FINALISER_CHANNEL_BYTES;
  // The middle of the filter lies on the sample: half of the taps, less one, look back.
  let source: usize = track - ((INTERPOLATION_TAPS / 2 - 1) << 1);
  let phase: u32 = 0;
  for (let i: u32 = 0; i < frames; i++) {
    const row: usize = taps + phase * (INTERPOLATION_TAPS << 1);
    const products = v128.add<i32>(
      v128.dot<i16>(v128.load(source), v128.load(row)),
      v128.dot<i16>(v128.load(source, 16), v128.load(row, 16)),
    );
    const sum =
      v128.extract_lane<i32>(products, 0) +
      v128.extract_lane<i32>(products, 1) +
      v128.extract_lane<i32>(products, 2) +
      v128.extract_lane<i32>(products, 3);
    const at = target + (i << 1);
    store<i16>(at, saturate(<i32>load<i16>(at) + ((sum + (1 << 13)) >> 14)));
    phase += down;
    while (phase >= up) {
      phase -= up;
      source += 2;
    }
  }
}

/** Interleaves the two channels into FINALISER_OUTPUT_AT: what stands in the file. */
export function finaliserInterleave(frames: u32): void {
  const left: usize = FINALISER_CHANNELS_AT;
  const right: usize = FINALISER_CHANNELS_AT + FINALISER_CHANNEL_BYTES;
  const bytes = frames << 1;
  let i: u32 = 0;
  for (; i + 16 <= bytes; i += 16) {
    const a = v128.load(left + i);
    const b = v128.load(right + i);
    const at: usize = FINALISER_OUTPUT_AT + (i << 1);
    v128.store(at, v128.shuffle<i16>(a, b, 0, 8, 1, 9, 2, 10, 3, 11));
    v128.store(at, v128.shuffle<i16>(a, b, 4, 12, 5, 13, 6, 14, 7, 15), 16);
  }
  for (; i < bytes; i += 2) {
    store<i16>(FINALISER_OUTPUT_AT + (i << 1), load<i16>(left + i));
    store<i16>(FINALISER_OUTPUT_AT + (i << 1), load<i16>(right + i), 2);
  }
}

/** Moves a track on by `samples`: what was behind them comes to the front, and silence behind that. */
export function finaliserAdvance(start: usize, totalSamples: u32, samples: u32): void {
  const bytes = samples << 1;
  const kept = (totalSamples << 1) - bytes;
  memory.copy(start, start + bytes, kept);
  memory.fill(start + kept, 0, bytes);
}

function saturate(sample: i32): i16 {
  return <i16>max(-32768, min(32767, sample));
}
