/**
 * Packet loss concealment for waveform codecs, after ITU-T G.711 Appendix I: the last pitch period of what was heard is
 * repeated, fades from the second 10 ms on and is silent after 60 ms; the first good samples are faded in over its
 * continuation. Unlike the appendix this adds no delay: the step at the first lost sample is faded out, not overlapped.
 */

import {
  PLC_FADED_AT,
  PLC_HISTORY_AT,
  PLC_HISTORY_SAMPLES_AT,
  PLC_LOST_SAMPLES_AT,
  PLC_PERIOD_AT,
  PLC_PERIOD_SAMPLES_AT,
  PLC_RATE_AT,
  PLC_STATE_BYTES,
  PLC_STEP_AT,
} from '../layout';

/** `sampleRate` is 8000, 16000 or 48000. */
export function plcInit(state: usize, sampleRate: u32): void {
  memory.fill(state, 0, PLC_STATE_BYTES);
  store<u32>(state + PLC_RATE_AT, sampleRate);
  store<u32>(state + PLC_HISTORY_SAMPLES_AT, (sampleRate * 39) / 800); // 48.75 ms
}

/** The last samples of the history are at its end; what is older moves out. */
function remember(state: usize, pcm: usize, samples: u32): void {
  const room = load<u32>(state + PLC_HISTORY_SAMPLES_AT);
  const history = state + PLC_HISTORY_AT;
  const taken = min(samples, room);
  const kept = room - taken;
  memory.copy(history, history + (taken << 1), kept << 1);
  memory.copy(history + (kept << 1), pcm + ((samples - taken) << 1), taken << 1);
}

/** How alike the last 20 ms are to those `lag` samples earlier: correlation squared by energy, with its sign. */
function likeness(end: usize, lag: u32, window: u32, stride: u32): f64 {
  let product: f64 = 0;
  let energy: f64 = 1;
  for (let i = stride; i <= window; i += stride) {
    const now = <f64>load<i16>(end - (i << 1));
    const before = <f64>load<i16>(end - ((i + lag) << 1));
    product += now * before;
    energy += before * before;
  }
  return (product * abs(product)) / energy;
}

/** Lags of 5 to 15 ms, first in steps of 1/8 ms, then every one around the best. */
function pitchSamples(end: usize, rate: u32): u32 {
  const stride = rate / 8000;
  const window = rate / 50;
  const least = rate / 200;
  const most = (rate * 3) / 200;
  let best = least;
  let bestLikeness = likeness(end, least, window, stride);
  for (let lag = least + stride; lag <= most; lag += stride) {
    const found = likeness(end, lag, window, stride);
    if (found <= bestLikeness) continue;
    bestLikeness = found;
    best = lag;
  }
  if (stride === 1) return best;
  const last = min(best + stride, most);
  let fine = best;
  for (let lag = max(best - stride, least); lag <= last; lag++) {
    const found = likeness(end, lag, window, stride);
    if (found <= bestLikeness) continue;
    bestLikeness = found;
    fine = lag;
  }
  return fine;
}

/** Copies the last period, its last quarter faded into the quarter before the period, so that it repeats without a step. */
function takePeriod(state: usize): void {
  const end = state + PLC_HISTORY_AT + (load<u32>(state + PLC_HISTORY_SAMPLES_AT) << 1);
  const samples = pitchSamples(end, load<u32>(state + PLC_RATE_AT));
  const period = state + PLC_PERIOD_AT;
  const start = end - (samples << 1);
  memory.copy(period, start, samples << 1);
  const quarter = samples >> 2;
  for (let i: u32 = 1; i <= quarter; i++) {
    const behind = (quarter - i) << 1;
    const old = <f32>load<i16>(start - 2 - behind);
    const own = <f32>load<i16>(end - 2 - behind);
    const share = <f32>i / <f32>quarter;
    store<i16>(period + (samples << 1) - 2 - behind, <i16>(own + (old - own) * share));
  }
  store<u32>(state + PLC_PERIOD_SAMPLES_AT, samples);
  store<i32>(state + PLC_STEP_AT, <i32>load<i16>(end - 2) - <i32>load<i16>(start - 2));
}

/** Full for 10 ms, then a fifth less with each 10 ms. */
function gain(lost: u32, tenMs: u32): f32 {
  if (lost <= tenMs) return 1;
  return max<f32>(0, 1 - (<f32>0.2 * <f32>(lost - tenMs)) / <f32>tenMs);
}

/** The sample that stands in for the one `lost` samples after the last good one. */
function standIn(state: usize, lost: u32): f32 {
  const samples = load<u32>(state + PLC_PERIOD_SAMPLES_AT);
  let value = <f32>load<i16>(state + PLC_PERIOD_AT + ((lost % samples) << 1));
  const quarter = samples >> 2;
  if (lost < quarter) value += (<f32>load<i32>(state + PLC_STEP_AT) * <f32>(quarter - lost)) / <f32>quarter;
  return value * gain(lost, load<u32>(state + PLC_RATE_AT) / 100);
}

function clipped(value: f32): i16 {
  return <i16>max<f32>(-32768, min<f32>(32767, value));
}

/** Writes `samples` that stand in for lost ones to `out`. */
export function plcConceal(state: usize, out: usize, samples: u32): void {
  // A loss before the last one is joined counts as a new one: the history holds the join so far.
  const lost = load<u32>(state + PLC_FADED_AT) > 0 ? 0 : load<u32>(state + PLC_LOST_SAMPLES_AT);
  if (lost === 0) takePeriod(state);
  for (let i: u32 = 0; i < samples; i++) store<i16>(out + (i << 1), clipped(standIn(state, lost + i)));
  // Beyond a second all is silence: the count need not grow, and does not overflow.
  store<u32>(state + PLC_LOST_SAMPLES_AT, min(lost + samples, load<u32>(state + PLC_RATE_AT)));
  store<u32>(state + PLC_FADED_AT, 0);
  remember(state, out, samples);
}

/** A quarter of the period and 4 ms for each 10 ms lost, 10 ms at most. */
function joinSamples(state: usize, lost: u32): u32 {
  const tenMs = load<u32>(state + PLC_RATE_AT) / 100;
  return min((load<u32>(state + PLC_PERIOD_SAMPLES_AT) >> 2) + (lost * 2) / 5, tenMs);
}

/** Takes samples that came; the first ones after a loss are changed in place, to join what stood in. */
export function plcGood(state: usize, pcm: usize, samples: u32): void {
  const lost = load<u32>(state + PLC_LOST_SAMPLES_AT);
  if (lost > 0) {
    const join = joinSamples(state, lost);
    const faded = load<u32>(state + PLC_FADED_AT);
    const count = min(samples, join - faded);
    for (let i: u32 = 0; i < count; i++) {
      const share = <f32>(faded + i + 1) / <f32>(join + 1);
      const own = <f32>load<i16>(pcm + (i << 1));
      const old = standIn(state, lost + faded + i);
      store<i16>(pcm + (i << 1), clipped(old + (own - old) * share));
    }
    const done = faded + count === join;
    store<u32>(state + PLC_FADED_AT, done ? 0 : faded + count);
    if (done) store<u32>(state + PLC_LOST_SAMPLES_AT, 0);
  }
  remember(state, pcm, samples);
}
