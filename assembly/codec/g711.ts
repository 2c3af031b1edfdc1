/**
 * G.711 between octets and 16-bit linear PCM: ITU-T G.711 table 1 (A-law) and table 2 (mu-law), 13 and 14 bits left-aligned in 16.
 *
 * Expansion takes sixteen samples per step. The shift by the segment number becomes a multiplication by a power of two that
 * `i8x16.swizzle` looks up, for WebAssembly has no shift with a count per lane.
 */

/** 2^segment, for both laws; segment 0 of A-law has step 2 like segment 1 (its bias is missing instead). */
function mulawSteps(): v128 {
  return i8x16(1, 2, 4, 8, 16, 32, 64, -128, 0, 0, 0, 0, 0, 0, 0, 0);
}
function alawSteps(): v128 {
  return i8x16(2, 2, 4, 8, 16, 32, 64, -128, 0, 0, 0, 0, 0, 0, 0, 0);
}

/** One mu-law octet to 16-bit linear. */
export function expandMulaw(octet: u32): i32 {
  const u = ~octet & 0xff;
  const magnitude = ((((u & 0x0f) << 3) + 0x84) << ((u & 0x70) >> 4)) - 0x84;
  return u & 0x80 ? -(<i32>magnitude) : <i32>magnitude;
}

/** One A-law octet to 16-bit linear. */
export function expandAlaw(octet: u32): i32 {
  const a = octet ^ 0x55;
  const segment = (a & 0x70) >> 4;
  const mantissa = ((a & 0x0f) << 1) + 1;
  const magnitude = segment ? (mantissa + 32) << (segment + 2) : mantissa << 3;
  return a & 0x80 ? <i32>magnitude : -(<i32>magnitude);
}

/** Expands `samples` octets at `source` into 16-bit samples at `target`; touches nothing beyond them. */
export function decodeMulaw(source: usize, samples: u32, target: usize): void {
  const steps = mulawSteps();
  const bias = i16x8.splat(0x84);
  let i: u32 = 0;
  for (; i + 16 <= samples; i += 16) {
    const u = v128.not(v128.load(source + i));
    const segment = v128.and(v128.shr<u8>(u, 4), i8x16.splat(7));
    const step = v128.swizzle(steps, segment);
    const mantissa = v128.add<u8>(v128.shl<u8>(v128.and(u, i8x16.splat(0x0f)), 3), i8x16.splat(-0x7c));
    const sign = v128.shr<i8>(u, 7);
    const signLow = v128.extend_low<i8>(sign);
    const signHigh = v128.extend_high<i8>(sign);
    const low = v128.sub<i16>(v128.extmul_low<u8>(mantissa, step), bias);
    const high = v128.sub<i16>(v128.extmul_high<u8>(mantissa, step), bias);
    // Two's complement negation where the sign mask is set: (x ^ mask) - mask.
    v128.store(target + (i << 1), v128.sub<i16>(v128.xor(low, signLow), signLow));
    v128.store(target + (i << 1), v128.sub<i16>(v128.xor(high, signHigh), signHigh), 16);
  }
  for (; i < samples; i++) store<i16>(target + (i << 1), <i16>expandMulaw(load<u8>(source + i)));
}

/** As decodeMulaw, for A-law. */
export function decodeAlaw(source: usize, samples: u32, target: usize): void {
  const steps = alawSteps();
  let i: u32 = 0;
  for (; i + 16 <= samples; i += 16) {
    const a = v128.xor(v128.load(source + i), i8x16.splat(0x55));
    const segment = v128.and(v128.shr<u8>(a, 4), i8x16.splat(7));
    const step = v128.swizzle(steps, segment);
    // 4 * (2m + 1), and 4 * 32 more in every segment but 0; then times 2^segment (2 in segment 0).
    const odd = v128.add<u8>(v128.shl<u8>(v128.and(a, i8x16.splat(0x0f)), 3), i8x16.splat(4));
    const mantissa = v128.add<u8>(odd, v128.and(v128.ne<i8>(segment, i8x16.splat(0)), i8x16.splat(-128)));
    // The sign bit set means positive.
    const sign = v128.not(v128.shr<i8>(a, 7));
    const signLow = v128.extend_low<i8>(sign);
    const signHigh = v128.extend_high<i8>(sign);
    const low = v128.extmul_low<u8>(mantissa, step);
    const high = v128.extmul_high<u8>(mantissa, step);
    v128.store(target + (i << 1), v128.sub<i16>(v128.xor(low, signLow), signLow));
    v128.store(target + (i << 1), v128.sub<i16>(v128.xor(high, signHigh), signHigh), 16);
  }
  for (; i < samples; i++) store<i16>(target + (i << 1), <i16>expandAlaw(load<u8>(source + i)));
}

/**
 * Of a code that begins a segment: true if the last one of the segment before stands for a value that is nearer. The decision value of the
 * recommendation is the bound of the segment, and not half way between the two, whose steps differ.
 */
function isNearerBelow(magnitude: u32, segment: u32): bool {
  return magnitude - (32 << segment) < max<u32>(1, (1 << segment) >> 2);
}

/** 16-bit linear to mu-law: the octet whose value is nearest to the upper 14 bits. */
export function compressMulaw(sample: i32): u32 {
  const linear = sample >> 2;
  const magnitude = min<u32>(abs(linear), 8158) + 33;
  const segment: u32 = 26 - clz<u32>(magnitude);
  let code = (segment << 4) | ((magnitude >> (segment + 1)) & 15);
  if (segment > 0 && isNearerBelow(magnitude, segment)) code--;
  return ~(linear < 0 ? code | 0x80 : code) & 0xff;
}

/** As compressMulaw, to A-law. */
export function compressAlaw(sample: i32): u32 {
  const linear = sample >> 2;
  const magnitude = min<u32>(abs(linear), 8191);
  const segment: u32 = 26 - clz<u32>(magnitude | 32);
  let code = (segment << 4) | ((magnitude >> (max<u32>(segment, 1) + 1)) & 15);
  if (segment > 1 && isNearerBelow(magnitude, segment)) code--;
  return code ^ (linear < 0 ? 0x55 : 0xd5);
}

/** Compresses `samples` 16-bit samples at `source` into octets at `target`. */
export function encodeMulaw(source: usize, samples: u32, target: usize): void {
  for (let i: u32 = 0; i < samples; i++) store<u8>(target + i, compressMulaw(load<i16>(source + (i << 1))) as u8);
}

/** As encodeMulaw, for A-law. */
export function encodeAlaw(source: usize, samples: u32, target: usize): void {
  for (let i: u32 = 0; i < samples; i++) store<u8>(target + i, compressAlaw(load<i16>(source + (i << 1))) as u8);
}
