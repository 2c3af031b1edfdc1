/** ITU-T G.722 encoder at 64 kbit/s: two samples at 16 kHz become an octet. Names in capitals are the blocks of the recommendation. */

import { G722_BAND_BYTES, G722_BANDS_AT, G722_DECISIONS_AT, G722_QMF_AT, G722_TABLES_AT } from '../layout';
import { adaptHigh, adaptLow, ESTIMATE, g722Init, SCALE, saturated, TAPS } from './g722';

const QMF_SAMPLES: u32 = 24;
const LOW_DECISIONS: u32 = 29;

/** Table 6 of the recommendation. */
function writeDecisions(at: usize): void {
  v128.store(at, i16x8(35, 72, 110, 150, 190, 233, 276, 323));
  v128.store(at, i16x8(370, 422, 473, 530, 587, 650, 714, 786), 16);
  v128.store(at, i16x8(858, 940, 1023, 1121, 1219, 1339, 1458, 1612), 32);
  v128.store(at, i16x8(1765, 1980, 2195, 2557, 2919, 0, 0, 0), 48);
}

export function g722InitEncoder(state: usize): void {
  g722Init(state);
  writeDecisions(state + G722_DECISIONS_AT);
}

/** Encodes `samples` 16-bit samples, an even number of them, to half as many octets. */
export function g722Encode(state: usize, source: usize, samples: u32, target: usize): void {
  const line = state + G722_QMF_AT;
  const tables = state + G722_TABLES_AT;
  const low = state + G722_BANDS_AT;
  const high = low + G722_BAND_BYTES;
  for (let i: u32 = 0; i < samples; i += 2) {
    memory.copy(line, line + 4, (QMF_SAMPLES - 2) << 1);
    store<u32>(line + ((QMF_SAMPLES - 2) << 1), load<u32>(source + (i << 1)));
    const even = halfOf(line, tables + TAPS, true);
    const odd = halfOf(line, tables + TAPS, false);
    const lowCode = quantiseLow(state + G722_DECISIONS_AT, low, (odd + even) >> 14);
    const highCode = quantiseHigh(high, (odd - even) >> 14);
    adaptLow(tables, low, lowCode);
    adaptHigh(tables, high, highCode);
    store<u8>(target + (i >> 1), ((highCode << 6) | lowCode) as u8);
  }
}

/** The transmit QMF: every other sample of its line, by the coefficients in the one order or in the other. */
function halfOf(line: usize, taps: usize, isEven: bool): i32 {
  let sum: i32 = 0;
  for (let i: usize = 0; i < 12; i++) {
    const sample = <i32>load<i16>(line + (i << 2) + (isEven ? 0 : 2));
    sum += sample * <i32>load<i16>(taps + ((isEven ? i : 11 - i) << 1));
  }
  return sum;
}

/** SUBTRA and QUANTL: a binary search would save little, for most differences are small. */
function quantiseLow(decisions: usize, band: usize, sound: i32): u32 {
  const difference = saturated(sound - load<i32>(band + ESTIMATE));
  const reach = ((difference ^ (difference >> 31)) + 1) << 12;
  const scale = load<i32>(band + SCALE);
  let level: u32 = 0;
  while (level < LOW_DECISIONS && reach > scale * <i32>load<i16>(decisions + (level << 1))) level++;
  return (difference < 0 ? (level < 2 ? 63 : 33) : 61) - level;
}

/** SUBTRA and QUANTH. */
function quantiseHigh(band: usize, sound: i32): u32 {
  const difference = saturated(sound - load<i32>(band + ESTIMATE));
  const isInner = (difference ^ (difference >> 31)) < (564 * load<i32>(band + SCALE)) >> 12;
  return (isInner ? 1 : 0) + (difference < 0 ? 0 : 2);
}
