/**
 * The sender's clock against ours. A player has a time line of its own, in samples from its first packet on, on which all epochs
 * of the stream follow one another; the transit of a packet is its arrival minus its place, as time.
 *
 * The base is the least transit of the last ten seconds: a filter that jitter does not move, that follows a route that became
 * shorter at once, and one that became longer after ten seconds. The skew is the slope of the least transits of windows of five
 * seconds: least squares with forgetting (time constant 165 s). A step between windows is a change of route, not of clock speed:
 * what is remembered is moved by it, and the slope stays.
 */

import {
  PLAYER_ANCHORED_AT,
  PLAYER_ARRIVAL_US_AT,
  PLAYER_BASE_F64_AT,
  PLAYER_EPOCH_AT,
  PLAYER_HAS_OTHER_AT,
  PLAYER_LATE_AT,
  PLAYER_LATE_RUN_AT,
  PLAYER_MINIMA,
  PLAYER_MINIMA_F64_AT,
  PLAYER_ORIGIN_US_AT,
  PLAYER_OTHER_EPOCH_AT,
  PLAYER_OTHER_PLACE_I64_AT,
  PLAYER_OTHER_TIMESTAMP_AT,
  PLAYER_PLACE_I64_AT,
  PLAYER_SAMPLE_RATE_AT,
  PLAYER_SAMPLES_PER_UNIT_AT,
  PLAYER_SECOND_AT,
  PLAYER_SKEW_F64_AT,
  PLAYER_STARTED_AT,
  PLAYER_SUM_1_F64_AT,
  PLAYER_SUM_D_F64_AT,
  PLAYER_SUM_T_F64_AT,
  PLAYER_SUM_TD_F64_AT,
  PLAYER_SUM_TT_F64_AT,
  PLAYER_SUM_US_AT,
  PLAYER_TIMESTAMP_AT,
  PLAYER_WINDOW_LEAST_F64_AT,
  PLAYER_WINDOW_LEAST_US_AT,
  PLAYER_WINDOW_PACKETS_AT,
  PLAYER_WINDOW_US_AT,
} from '../layout';
import { count } from '../rtp/stream';

/** A packet further from where it should be than this has a timestamp that does not follow the clock. */
const MAX_TRANSIT_STEP_US: f64 = 2000000;
const LATE_RUN_PACKETS: u32 = 25;
const WINDOW_US: u64 = 5000000;
const WINDOW_MIN_PACKETS: u32 = 10;
const FORGETTING: f64 = 0.97;
const ROUTE_STEP_US: f64 = 5000;
/** Before so many windows (weighted) a slope says little. */
const MIN_WINDOWS: f64 = 10;
/** Of crystals; what differs more is not a clock. */
const MAX_SKEW: f64 = 0.001;

/** Samples as microseconds of the player's rate. */
export function samplesToUs(player: usize, samples: i64): f64 {
  return ((samples as f64) * 1e6) / (load<u32>(player, PLAYER_SAMPLE_RATE_AT) as f64);
}

export function usToSamples(player: usize, us: f64): f64 {
  return (us * (load<u32>(player, PLAYER_SAMPLE_RATE_AT) as f64)) / 1e6;
}

/** Our time since the player's first packet. */
export function elapsedUs(player: usize, nowUs: u64): f64 {
  return (nowUs - load<u64>(player, PLAYER_ORIGIN_US_AT)) as i64 as f64;
}

/** The place of a packet on the time line; what does not fit to what came before is anchored by its arrival. */
export function placeOf(player: usize, epoch: u32, timestamp: u32, arrivalUs: u64): i64 {
  if (load<u32>(player, PLAYER_STARTED_AT) == 0) {
    store<u32>(player, 1, PLAYER_STARTED_AT);
    store<u64>(player, arrivalUs, PLAYER_ORIGIN_US_AT);
    remember(player, epoch, timestamp, 0);
    return 0;
  }
  const isPresent = load<u32>(player, PLAYER_EPOCH_AT) == epoch;
  const isOther = load<u32>(player, PLAYER_HAS_OTHER_AT) != 0 && load<u32>(player, PLAYER_OTHER_EPOCH_AT) == epoch;
  if (!isPresent && !isOther) return anchor(player, epoch, timestamp, arrivalUs);
  const place = isPresent
    ? continued(player, PLAYER_PLACE_I64_AT, PLAYER_TIMESTAMP_AT, timestamp)
    : continued(player, PLAYER_OTHER_PLACE_I64_AT, PLAYER_OTHER_TIMESTAMP_AT, timestamp);
  const step = elapsedUs(player, arrivalUs) - samplesToUs(player, place) - load<f64>(player, PLAYER_BASE_F64_AT);
  if (abs(step) > MAX_TRANSIT_STEP_US) return anchor(player, epoch, timestamp, arrivalUs);
  if (isPresent && place > load<i64>(player, PLAYER_PLACE_I64_AT)) remember(player, epoch, timestamp, place);
  return place;
}

function continued(player: usize, placeAt: usize, timestampAt: usize, timestamp: u32): i64 {
  const ahead = (timestamp - load<u32>(player + timestampAt)) as i32 as i64;
  return load<i64>(player + placeAt) + ahead * (load<u32>(player, PLAYER_SAMPLES_PER_UNIT_AT) as i64);
}

function remember(player: usize, epoch: u32, timestamp: u32, place: i64): void {
  store<u32>(player, epoch, PLAYER_EPOCH_AT);
  store<u32>(player, timestamp, PLAYER_TIMESTAMP_AT);
  store<i64>(player, place, PLAYER_PLACE_I64_AT);
}

/** Another source, or other timestamps: they go on where a packet that comes now belongs, and never before what was heard. */
function anchor(player: usize, epoch: u32, timestamp: u32, arrivalUs: u64): i64 {
  store<u32>(player, load<u32>(player, PLAYER_ANCHORED_AT) + 1, PLAYER_ANCHORED_AT);
  store<u32>(player, load<u32>(player, PLAYER_EPOCH_AT), PLAYER_OTHER_EPOCH_AT);
  store<u32>(player, load<u32>(player, PLAYER_TIMESTAMP_AT), PLAYER_OTHER_TIMESTAMP_AT);
  store<i64>(player, load<i64>(player, PLAYER_PLACE_I64_AT), PLAYER_OTHER_PLACE_I64_AT);
  store<u32>(player, 1, PLAYER_HAS_OTHER_AT);
  const usual = elapsedUs(player, arrivalUs) - load<f64>(player, PLAYER_BASE_F64_AT);
  const byClock = nearest(usToSamples(player, usual)) as i64;
  const place = max<i64>(byClock, load<i64>(player, PLAYER_PLACE_I64_AT) + 1);
  remember(player, epoch, timestamp, place);
  return place;
}

/** A packet came after its time. So many in a row are not jitter: the way has become longer, and the base is found anew. */
export function countLate(player: usize): void {
  count(player, PLAYER_LATE_AT);
  const run = load<u32>(player, PLAYER_LATE_RUN_AT) + 1;
  store<u32>(player, run % LATE_RUN_PACKETS, PLAYER_LATE_RUN_AT);
  if (run == LATE_RUN_PACKETS) store<u32>(player, 0, PLAYER_SECOND_AT);
}

/** Takes the transit of a packet into base and skew, and gives it. */
export function measureTransit(player: usize, place: i64, arrivalUs: u64): f64 {
  const transit = elapsedUs(player, arrivalUs) - samplesToUs(player, place);
  updateBase(player, transit, arrivalUs);
  updateWindow(player, transit, arrivalUs);
  store<u64>(player, arrivalUs, PLAYER_ARRIVAL_US_AT);
  return transit;
}

function updateBase(player: usize, transit: f64, arrivalUs: u64): void {
  const second = ((arrivalUs / 1000000) as u32) + PLAYER_MINIMA;
  const newest = load<u32>(player, PLAYER_SECOND_AT);
  const minima = player + PLAYER_MINIMA_F64_AT;
  if (second > newest) {
    const from = newest == 0 || second - newest > (PLAYER_MINIMA as u32) ? second - PLAYER_MINIMA : newest;
    for (let one = from + 1; one <= second; one++) store<f64>(minima + ((one % PLAYER_MINIMA) << 3), Infinity);
    store<u32>(player, second, PLAYER_SECOND_AT);
  }
  const bucket = minima + ((load<u32>(player, PLAYER_SECOND_AT) % PLAYER_MINIMA) << 3);
  if (transit < load<f64>(bucket)) store<f64>(bucket, transit);
  let least: f64 = Infinity;
  for (let i: usize = 0; i < (PLAYER_MINIMA as usize); i++) least = min<f64>(least, load<f64>(minima + (i << 3)));
  store<f64>(player, least, PLAYER_BASE_F64_AT);
}

function updateWindow(player: usize, transit: f64, arrivalUs: u64): void {
  const packets = load<u32>(player, PLAYER_WINDOW_PACKETS_AT);
  if (packets != 0 && arrivalUs - load<u64>(player, PLAYER_WINDOW_US_AT) >= WINDOW_US) {
    if (packets >= WINDOW_MIN_PACKETS) endWindow(player);
    store<u32>(player, 0, PLAYER_WINDOW_PACKETS_AT);
  }
  const isFirst = load<u32>(player, PLAYER_WINDOW_PACKETS_AT) == 0;
  if (isFirst) store<u64>(player, arrivalUs, PLAYER_WINDOW_US_AT);
  store<u32>(player, load<u32>(player, PLAYER_WINDOW_PACKETS_AT) + 1, PLAYER_WINDOW_PACKETS_AT);
  if (!isFirst && transit >= load<f64>(player, PLAYER_WINDOW_LEAST_F64_AT)) return;
  store<f64>(player, transit, PLAYER_WINDOW_LEAST_F64_AT);
  store<u64>(player, arrivalUs, PLAYER_WINDOW_LEAST_US_AT);
}

/** One more point of the regression; times are in seconds before the newest point, so the sums stay small. */
function endWindow(player: usize): void {
  const atUs = load<u64>(player, PLAYER_WINDOW_LEAST_US_AT);
  const least = load<f64>(player, PLAYER_WINDOW_LEAST_F64_AT);
  let n = load<f64>(player, PLAYER_SUM_1_F64_AT) * FORGETTING;
  let t = load<f64>(player, PLAYER_SUM_T_F64_AT) * FORGETTING;
  let d = load<f64>(player, PLAYER_SUM_D_F64_AT) * FORGETTING;
  let tt = load<f64>(player, PLAYER_SUM_TT_F64_AT) * FORGETTING;
  let td = load<f64>(player, PLAYER_SUM_TD_F64_AT) * FORGETTING;
  if (n > 0) {
    const later = ((atUs - load<u64>(player, PLAYER_SUM_US_AT)) as f64) / 1e6;
    td -= later * d;
    tt += later * (later * n - 2 * t);
    t -= later * n;
    const slope = load<f64>(player, PLAYER_SKEW_F64_AT) * -1e6;
    const step = least - (d - slope * t) / n;
    if (abs(step) > ROUTE_STEP_US) {
      d += n * step;
      td += t * step;
    }
  }
  n += 1;
  d += least;
  store<f64>(player, n, PLAYER_SUM_1_F64_AT);
  store<f64>(player, t, PLAYER_SUM_T_F64_AT);
  store<f64>(player, d, PLAYER_SUM_D_F64_AT);
  store<f64>(player, tt, PLAYER_SUM_TT_F64_AT);
  store<f64>(player, td, PLAYER_SUM_TD_F64_AT);
  store<u64>(player, atUs, PLAYER_SUM_US_AT);
  const spread = n * tt - t * t;
  if (n < MIN_WINDOWS || spread <= 0) return;
  const skew = (n * td - t * d) / spread / -1e6;
  store<f64>(player, max<f64>(-MAX_SKEW, min<f64>(MAX_SKEW, skew)), PLAYER_SKEW_F64_AT);
}
