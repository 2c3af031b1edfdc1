/** ITU-T G.722 decoder at 64 kbit/s: an octet becomes two samples at 16 kHz. Names in capitals are the blocks of the recommendation. */

import { G722_BAND_BYTES, G722_BANDS_AT, G722_QMF_AT, G722_STATE_BYTES, G722_TABLES_AT } from '../layout';

/** Offsets of 16-bit tables. */
const LEVELS_6: usize = 0;
const LEVELS_4: usize = 128;
const LOG_STEP: usize = 160;
const EXPONENTIAL: usize = 192;
export const TAPS: usize = 256;

/** Offsets of 32-bit values of a band; of arrays, the newest value is first. */
export const ESTIMATE: usize = 0;
const ZERO_ESTIMATE: usize = 4;
const LOG_SCALE: usize = 8;
export const SCALE: usize = 12;
const POLES: usize = 16;
const RECONSTRUCTED: usize = 24;
const PARTIAL: usize = 32;
/** Six of 16 bits in a vector of eight. */
const ZEROS: usize = 48;
const DIFFERENCES: usize = 64;

/** Tables 7, 8, 13 and 15 of the recommendation, and the coefficients of the receive QMF. */
function writeTables(at: usize): void {
  v128.store(at, i16x8(-136, -136, -136, -136, -24808, -21904, -19008, -16704));
  v128.store(at, i16x8(-14984, -13512, -12280, -11192, -10232, -9360, -8576, -7856), 16);
  v128.store(at, i16x8(-7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576), 32);
  v128.store(at, i16x8(-3168, -2776, -2400, -2032, -1688, -1360, -1040, -728), 48);
  v128.store(at, i16x8(24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192), 64);
  v128.store(at, i16x8(10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456), 80);
  v128.store(at, i16x8(4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032), 96);
  v128.store(at, i16x8(1688, 1360, 1040, 728, 432, 136, -432, -136), 112);
  v128.store(at + LEVELS_4, i16x8(0, -20456, -12896, -8968, -6288, -4240, -2584, -1200));
  v128.store(at + LEVELS_4, i16x8(20456, 12896, 8968, 6288, 4240, 2584, 1200, 0), 16);
  v128.store(at + LOG_STEP, i16x8(-60, 3042, 1198, 538, 334, 172, 58, -30));
  v128.store(at + LOG_STEP, i16x8(3042, 1198, 538, 334, 172, 58, -30, -60), 16);
  v128.store(at + EXPONENTIAL, i16x8(2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383));
  v128.store(at + EXPONENTIAL, i16x8(2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834), 16);
  v128.store(at + EXPONENTIAL, i16x8(2896, 2960, 3025, 3091, 3158, 3228, 3298, 3371), 32);
  v128.store(at + EXPONENTIAL, i16x8(3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008), 48);
  v128.store(at + TAPS, i16x8(3, -11, 12, 32, -210, 951, 3876, -805));
  v128.store(at + TAPS, i16x8(362, -156, 53, -11, 0, 0, 0, 0), 16);
}

/** Of a decoder; an encoder has the same, and more (see g722-encode.ts). */
export function g722Init(state: usize): void {
  memory.fill(state, 0, G722_STATE_BYTES);
  writeTables(state + G722_TABLES_AT);
  store<i32>(state + G722_BANDS_AT + SCALE, 32);
  store<i32>(state + G722_BANDS_AT + G722_BAND_BYTES + SCALE, 8);
}

export function saturated(value: i32): i32 {
  return max(-32768, min(32767, value));
}

function sameSign(a: i32, b: i32): bool {
  return (a ^ b) >= 0;
}

/** UPPOL2 and UPPOL1. */
function adaptPoles(band: usize, partial: i32): void {
  const first = load<i32>(band + POLES);
  const same = sameSign(partial, load<i32>(band + PARTIAL));
  const steep = saturated(first << 2);
  let second = min(32767, same ? -steep : steep) >> 7;
  second += sameSign(partial, load<i32>(band + PARTIAL, 4)) ? 128 : -128;
  second += (load<i32>(band + POLES, 4) * 32512) >> 15;
  second = max(-12288, min(12288, second));
  const bound = 15360 - second;
  const next = saturated((same ? 192 : -192) + ((first * 32640) >> 15));
  store<i32>(band + POLES, max(-bound, min(bound, next)));
  store<i32>(band + POLES, second, 4);
}

/**
 * UPZERO, DELAYA and FILTEZ: gives the estimate of the zeros. Six lanes count: the last two of the differences are 0, so
 * what the coefficients have there is of no consequence.
 */
function adaptZeros(band: usize, difference: i32): i32 {
  const older = v128.load(band, DIFFERENCES);
  const zeros = v128.load(band, ZEROS);
  // A leak of 255/256, rounded down: less the 256th part, rounded up.
  const isFraction = i16x8.ne(v128.and(zeros, i16x8.splat(255)), i16x8.splat(0));
  const leaked = i16x8.sub(zeros, i16x8.sub(i16x8.shr_s(zeros, 8), isFraction));
  const isOpposite = i16x8.shr_s(v128.xor(older, i16x8.splat(<i16>difference)), 15);
  const step = i16x8.splat(difference === 0 ? 0 : 128);
  const adapted = i16x8.add_sat_s(leaked, i16x8.sub(v128.xor(step, isOpposite), isOpposite));
  const moved = i16x8.shuffle(older, i16x8.splat(0), 0, 0, 1, 2, 3, 4, 8, 8);
  const newer = i16x8.replace_lane(moved, 0, <i16>difference);
  v128.store(band, adapted, ZEROS);
  v128.store(band, newer, DIFFERENCES);
  const doubled = i16x8.add_sat_s(newer, newer);
  const first = i32x4.shr_s(i32x4.extmul_low_i16x8_s(adapted, doubled), 15);
  const last = i32x4.shr_s(i32x4.extmul_high_i16x8_s(adapted, doubled), 15);
  return saturated(sum(i32x4.add(first, last)));
}

/** Block 4: the predictor takes a quantised difference. */
function predict(band: usize, difference: i32): void {
  const reconstructed = saturated(load<i32>(band + ESTIMATE) + difference);
  const partial = saturated(load<i32>(band + ZERO_ESTIMATE) + difference);
  adaptPoles(band, partial);
  const zeros = adaptZeros(band, difference);
  const before = load<i32>(band + RECONSTRUCTED);
  store<i32>(band + PARTIAL, load<i32>(band + PARTIAL), 4);
  store<i32>(band + PARTIAL, partial);
  store<i32>(band + RECONSTRUCTED, reconstructed);
  const first = (load<i32>(band + POLES) * saturated(reconstructed << 1)) >> 15;
  const second = (load<i32>(band + POLES, 4) * saturated(before << 1)) >> 15;
  store<i32>(band + ZERO_ESTIMATE, zeros);
  store<i32>(band + ESTIMATE, saturated(saturated(first + second) + zeros));
}

/** LOGSCL, LOGSCH, SCALEL and SCALEH. */
function adaptScale(tables: usize, band: usize, step: i32, most: i32, shift: i32): void {
  const log = max(0, min(most, ((load<i32>(band + LOG_SCALE) * 127) >> 7) + step));
  store<i32>(band + LOG_SCALE, log);
  const mantissa = <i32>load<i16>(tables + EXPONENTIAL + (((log >> 6) & 31) << 1));
  const down = shift - (log >> 11);
  store<i32>(band + SCALE, (down < 0 ? mantissa << -down : mantissa >> down) << 2);
}

function limited(value: i32): i32 {
  return max(-16384, min(16383, value));
}

function lowBand(tables: usize, band: usize, code: usize): i32 {
  const scale = load<i32>(band + SCALE);
  const sound = limited(load<i32>(band + ESTIMATE) + ((scale * <i32>load<i16>(tables + LEVELS_6 + (code << 1))) >> 15));
  adaptLow(tables, band, code);
  return sound;
}

/** What the lower band learns of a code: encoder and decoder alike. */
export function adaptLow(tables: usize, band: usize, code: usize): void {
  const coarse = (code >> 2) << 1;
  const difference = (load<i32>(band + SCALE) * <i32>load<i16>(tables + LEVELS_4 + coarse)) >> 15;
  adaptScale(tables, band, <i32>load<i16>(tables + LOG_STEP + coarse), 18432, 8);
  predict(band, difference);
}

function highBand(tables: usize, band: usize, code: u32): i32 {
  const before = load<i32>(band + ESTIMATE);
  return limited(before + adaptHigh(tables, band, code));
}

/** As adaptLow, for the upper band; gives the difference that the code stands for. */
export function adaptHigh(tables: usize, band: usize, code: u32): i32 {
  const outer = (code & 1) === 0;
  const level = outer ? 7408 : 1616;
  const difference = (load<i32>(band + SCALE) * (code < 2 ? -level : level)) >> 15;
  adaptScale(tables, band, outer ? 798 : -214, 22528, 10);
  predict(band, difference);
  return difference;
}

/**
 * The receive QMF: two samples at 16 kHz of one of each band. Its line has the last twelve sums of the bands, the newest
 * last, and behind them their differences, the newest first, so that the same coefficients serve both. Each fits into
 * 16 bits, for the bands are limited to 15.
 */
function join(line: usize, taps: usize, low: i32, high: i32, target: usize): void {
  const sums = v128.load(line);
  const laterSums = v128.load(line, 16);
  const differences = v128.load(line, 32);
  const olderDifferences = v128.load(line, 48);
  const a = i16x8.shuffle(sums, laterSums, 1, 2, 3, 4, 5, 6, 7, 8);
  const b = i16x8.replace_lane(i16x8.shuffle(laterSums, laterSums, 1, 2, 3, 4, 4, 5, 6, 7), 3, <i16>(low + high));
  const c = i16x8.replace_lane(i16x8.shuffle(differences, differences, 0, 0, 1, 2, 3, 4, 5, 6), 0, <i16>(low - high));
  const d = i16x8.shuffle(differences, olderDifferences, 7, 8, 9, 10, 12, 13, 14, 15);
  v128.store(line, a);
  v128.store(line, b, 16);
  v128.store(line, c, 32);
  v128.store(line, d, 48);
  const first = v128.load(taps);
  const last = v128.load(taps, 16);
  const even = sum(i32x4.add(i32x4.dot_i16x8_s(a, first), i32x4.dot_i16x8_s(b, last)));
  const odd = sum(i32x4.add(i32x4.dot_i16x8_s(c, first), i32x4.dot_i16x8_s(d, last)));
  store<i16>(target, <i16>saturated(odd >> 11));
  store<i16>(target, <i16>saturated(even >> 11), 2);
}

function sum(lanes: v128): i32 {
  const pairs = i32x4.add(lanes, i32x4.shuffle(lanes, lanes, 2, 3, 0, 1));
  return i32x4.extract_lane(pairs, 0) + i32x4.extract_lane(pairs, 1);
}

/** Decodes `bytes` octets to twice as many 16-bit samples. */
export function g722Decode(state: usize, source: usize, bytes: u32, target: usize): void {
  const tables = state + G722_TABLES_AT;
  const bands = state + G722_BANDS_AT;
  for (let i: u32 = 0; i < bytes; i++) {
    const code = <u32>load<u8>(source + i);
    const low = lowBand(tables, bands, code & 63);
    const high = highBand(tables, bands + G722_BAND_BYTES, code >> 6);
    join(state + G722_QMF_AT, tables + TAPS, low, high, target + (i << 2));
  }
}
