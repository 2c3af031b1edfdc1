/** A tone in a mixture, for parties who are to be told something by it: so long, so often, its ends rounded off over 5 ms. */

import {
  MIXER_SAMPLE_RATE_AT,
  MIXER_TONE_BEFORE_F64_AT,
  MIXER_TONE_COEFFICIENT_F64_AT,
  MIXER_TONE_EVERY_AT,
  MIXER_TONE_NOW_F64_AT,
  MIXER_TONE_PLACE_AT,
  MIXER_TONE_SAMPLES_AT,
  MIXER_TONE_START_F64_AT,
} from '../layout';

/** Sine of amplitude a at an angle w a sample: `coefficient` is 2 cos w, `start` -a sin w. Begins at once. */
export function setTone(mixer: usize, coefficient: f64, start: f64, samples: u32, every: u32): void {
  store<f64>(mixer, coefficient, MIXER_TONE_COEFFICIENT_F64_AT);
  store<f64>(mixer, start, MIXER_TONE_START_F64_AT);
  store<u32>(mixer, samples, MIXER_TONE_SAMPLES_AT);
  store<u32>(mixer, every, MIXER_TONE_EVERY_AT);
  begin(mixer);
}

function begin(mixer: usize): void {
  store<u32>(mixer, 0, MIXER_TONE_PLACE_AT);
  store<f64>(mixer, 0, MIXER_TONE_NOW_F64_AT);
  store<f64>(mixer, load<f64>(mixer, MIXER_TONE_START_F64_AT), MIXER_TONE_BEFORE_F64_AT);
}

/** Adds the next samples of it, if there is one. */
export function addTone(mixer: usize, sum: usize, samples: u32): void {
  const every = load<u32>(mixer, MIXER_TONE_EVERY_AT);
  if (every == 0) return;
  const length = load<u32>(mixer, MIXER_TONE_SAMPLES_AT);
  const ramp = load<u32>(mixer, MIXER_SAMPLE_RATE_AT) / 200;
  for (let i: usize = 0; i < (samples as usize); i++) {
    const place = load<u32>(mixer, MIXER_TONE_PLACE_AT);
    if (place < length) {
      const value = next(mixer) * (length < every ? shape(place, length, ramp) : 1);
      store<i32>(sum + (i << 2), load<i32>(sum + (i << 2)) + (nearest(value) as i32));
    }
    // One that never ends goes on at the same place.
    if (length >= every) continue;
    if (place + 1 == every) begin(mixer);
    else store<u32>(mixer, place + 1, MIXER_TONE_PLACE_AT);
  }
}

function next(mixer: usize): f64 {
  const now = load<f64>(mixer, MIXER_TONE_NOW_F64_AT);
  const after = load<f64>(mixer, MIXER_TONE_COEFFICIENT_F64_AT) * now - load<f64>(mixer, MIXER_TONE_BEFORE_F64_AT);
  store<f64>(mixer, now, MIXER_TONE_BEFORE_F64_AT);
  store<f64>(mixer, after, MIXER_TONE_NOW_F64_AT);
  return now;
}

function shape(place: u32, length: u32, ramp: u32): f64 {
  const fromEnd = min<u32>(place, length - 1 - place);
  return fromEnd < ramp ? (fromEnd as f64) / (ramp as f64) : 1;
}
