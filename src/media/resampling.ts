/**
 * The low-pass filters that mixers resample with: windowed sincs (Kaiser) with 14 bits of fraction. What is left of images and aliases is 50 dB
 * down beyond 0.53 of the lower rate.
 */

/** Where the filter has lost half of the amplitude, as a share of the lower rate. */
const CUT_OFF = 0.465;
const KAISER_BETA = 4.5;
const ONE = 1 << 14;

/** To a rate that is `ratio` times as high: a row of so many taps for each phase between two samples, the tap of the oldest sample first. */
export function raisingFilter(ratio: number, taps: number): Int16Array {
  const filter = lowPass(ratio, taps);
  const rows = Array.from({ length: ratio }, (_, phase) => filter.filter((_tap, n) => n % ratio === phase));
  return Int16Array.from(rows.flatMap((row) => fixed(row.toReversed())));
}

/** To a rate that is so many times lower: so many taps for each sample of that. */
export function loweringFilter(ratio: number, taps: number): Int16Array {
  return Int16Array.from(fixed(lowPass(ratio, taps)));
}

function lowPass(ratio: number, taps: number): number[] {
  const length = taps * ratio;
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
