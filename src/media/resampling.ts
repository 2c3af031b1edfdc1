/**
 * The low-pass filters that mixers resample with: windowed sincs (Kaiser), written into lane memory once. What is left of images and aliases
 * is 50 dB down beyond 0.53 of the lower rate.
 */
import * as layout from '../../assembly/layout.ts';

const UP = { 2: layout.RESAMPLE_UP_2_AT, 3: layout.RESAMPLE_UP_3_AT, 6: layout.RESAMPLE_UP_6_AT };
const DOWN = { 2: layout.RESAMPLE_DOWN_2_AT, 3: layout.RESAMPLE_DOWN_3_AT, 6: layout.RESAMPLE_DOWN_6_AT };
const RATIOS = [2, 3, 6] as const;
/** Where the filter has lost half of the amplitude, as a share of the lower rate. */
const CUT_OFF = 0.465;
const KAISER_BETA = 4.5;
const ONE = 1 << 14;

/** Once per memory. */
export function writeResampling(memory: WebAssembly.Memory): void {
  for (const ratio of RATIOS) {
    const filter = lowPass(ratio);
    const rows = Array.from({ length: ratio }, (_, phase) => filter.filter((_tap, n) => n % ratio === phase));
    const up = new Int16Array(memory.buffer, UP[ratio], filter.length);
    for (const [phase, row] of rows.entries()) up.set(fixed(row.toReversed()), phase * layout.RESAMPLE_TAPS);
    new Int16Array(memory.buffer, DOWN[ratio], filter.length).set(fixed(filter));
  }
}

function lowPass(ratio: number): number[] {
  const length = layout.RESAMPLE_TAPS * ratio;
  const centre = (length - 1) / 2;
  return Array.from({ length }, (_, n) => {
    const x = (n - centre) / ratio;
    const angle = 2 * Math.PI * CUT_OFF * x;
    const sinc = x === 0 ? 1 : Math.sin(angle) / angle;
    return sinc * bessel(KAISER_BETA * Math.sqrt(1 - ((n - centre) / (centre + 0.5)) ** 2));
  });
}

/** Of the first kind, order 0. */
function bessel(x: number): number {
  let [sum, term] = [1, 1];
  for (let k = 1; k < 25; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

/** What is constant stays as it is: taps add up to one exactly. */
function fixed(taps: number[]): number[] {
  const sum = taps.reduce((all, tap) => all + tap, 0);
  const rounded = taps.map((tap) => Math.round((tap / sum) * ONE));
  const largest = rounded.indexOf(Math.max(...rounded));
  rounded[largest]! += ONE - rounded.reduce((all, tap) => all + tap, 0);
  return rounded;
}
