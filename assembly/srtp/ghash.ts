/**
 * GHASH (NIST SP 800-38D sections 6.3 and 6.4), the universal hash of AES-GCM (RFC 7714 uses it for SRTP).
 *
 * A block is a polynomial over GF(2) whose coefficient of x^0 is the first bit: bit 7 of byte 0. To multiply blocks by a fixed H, a
 * swizzle looks up one byte of nibble * H for the sixteen nibbles of a block at a time. The sixteen bytes of the products ("rows") are
 * summed by Horner's rule, each a byte further on, and the 31 bytes that result are reduced once. Four blocks share that by
 * aggregation: Y' = (Y + X1) * H^4 + X2 * H^3 + X3 * H^2 + X4 * H.
 *
 * Constant time: a secret is an index within a register only, never of memory, and nothing branches on one.
 */
import { GHASH_CONSTANTS_AT, GHASH_SCRATCH_AT, GHASH_SCRATCH_BYTES } from '../layout';

const BLOCK_BYTES: u32 = 16;
/**
 * A row of the tables: for each power from H^4 down to H, byte j of the sixteen multiples n * H, and of the sixteen n * H * x^4. The
 * multiples are reduced, so a row never spills into the next byte.
 */
const ROW_BYTES: usize = 128;
const LAST_ROW: usize = 15 * ROW_BYTES;

/** R of SP 800-38D section 6.3: x^128 = 1 + x + x^2 + x^7. */
const R: u64 = 0xe100000000000000;

const SCRATCH: usize = GHASH_SCRATCH_AT;
const LOW_NIBBLES_AT: usize = GHASH_CONSTANTS_AT;
const REVERSAL_AT: usize = GHASH_CONSTANTS_AT + 16;

/** Vector constants are loaded from memory because V8 builds a `v128.const` anew at each use. Once per memory. */
export function initGhash(): void {
  v128.store(LOW_NIBBLES_AT, i8x16.splat(0x0f));
  v128.store(REVERSAL_AT, i8x16(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0));
}

// --- the tables of a key ---

/** Writes the GHASH_TABLES_BYTES of tables for the hash subkey H, 16 bytes at `h`. */
export function ghashKey(h: usize, tables: usize): void {
  let power = v128.load(h);
  writeMultiples(power, tables + 96);
  for (let at = tables + 96; at > tables; ) {
    at -= 32;
    power = multiply1(tables, power);
    writeMultiples(power, at);
  }
  memory.fill(SCRATCH, 0, GHASH_SCRATCH_BYTES);
}

/** The columns of one power: byte j of every multiple goes to row j. */
function writeMultiples(power: v128, columns: usize): void {
  // x^0 to x^7 times the power: a nibble's first bit is the lowest coefficient.
  let high = bswap(<u64>v128.extract_lane<i64>(power, 0));
  let low = bswap(<u64>v128.extract_lane<i64>(power, 1));
  const one = SCRATCH + 256;
  for (let i: usize = 0; i < 8; i++) {
    store<u64>(one + (i << 4), bswap(high));
    store<u64>(one + (i << 4), bswap(low), 8);
    const carry = -(low & 1) & R;
    low = (low >> 1) | (high << 63);
    high = (high >> 1) ^ carry;
  }
  writeNibble(one, columns);
  writeNibble(one + 64, columns + 16);
}

/** The multiples of one nibble, of whose bits `one` holds the products. */
function writeNibble(one: usize, columns: usize): void {
  for (let n: usize = 0; n < 16; n++) {
    let product = i32x4.splat(0);
    for (let bit: usize = 0; bit < 4; bit++) {
      if (n & (8 >> bit)) product = v128.xor(product, v128.load(one + (bit << 4)));
    }
    v128.store(SCRATCH, product);
    for (let row: usize = 0; row < 16; row++) {
      store<u8>(columns + row * ROW_BYTES + n, load<u8>(SCRATCH + row));
    }
  }
}

// --- multiplication ---

function lowNibbles(x: v128): v128 {
  return v128.and(x, v128.load(LOW_NIBBLES_AT));
}

function highNibbles(x: v128): v128 {
  return v128.and(v128.shr<u32>(x, 4), v128.load(LOW_NIBBLES_AT));
}

/** One byte of the products of sixteen bytes with one power, from its columns. */
function product(columns: usize, high: v128, low: v128): v128 {
  return v128.xor(v128.relaxed_swizzle(v128.load(columns), high), v128.relaxed_swizzle(v128.load(columns, 16), low));
}

/** Sixteen bytes, one further on, behind the last byte of those before them. */
function shift(x: v128, before: v128): v128 {
  return v128.shuffle<u8>(before, x, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30);
}

/** Reduces x^128 * over + rest, where `over` has 120 bits at most: what it is multiplied with does not overflow again. */
function reduce(rest: v128, over: v128): v128 {
  const reversal = v128.load(REVERSAL_AT);
  // As a little-endian number, where x is a shift to the right, in two halves of which `carry` is what falls from one to the other.
  const v = v128.relaxed_swizzle(over, reversal);
  const carry = v128.shuffle<u64>(v, i32x4.splat(0), 1, 2);
  const x1 = v128.xor(v128.shr<u64>(v, 1), v128.shl<i64>(carry, 63));
  const x2 = v128.xor(v128.shr<u64>(v, 2), v128.shl<i64>(carry, 62));
  const x7 = v128.xor(v128.shr<u64>(v, 7), v128.shl<i64>(carry, 57));
  const sum = v128.xor(v128.xor(v, x1), v128.xor(x2, x7));
  return v128.xor(rest, v128.relaxed_swizzle(sum, reversal));
}

/** X * H. */
function multiply1(tables: usize, x: v128): v128 {
  const high = highNibbles(x);
  const low = lowNibbles(x);
  const zero = i32x4.splat(0);
  let row = tables + LAST_ROW;
  let rest = product(row + 96, high, low);
  let over = zero;
  while (row > tables) {
    row -= ROW_BYTES;
    over = shift(over, rest);
    rest = v128.xor(shift(rest, zero), product(row + 96, high, low));
  }
  return reduce(rest, over);
}

/** X1 * H^2 + X2 * H. */
function multiply2(tables: usize, x1: v128, x2: v128): v128 {
  const high1 = highNibbles(x1);
  const low1 = lowNibbles(x1);
  const high2 = highNibbles(x2);
  const low2 = lowNibbles(x2);
  const zero = i32x4.splat(0);
  let row = tables + LAST_ROW;
  let rest = v128.xor(product(row + 96, high2, low2), product(row + 64, high1, low1));
  let over = zero;
  while (row > tables) {
    row -= ROW_BYTES;
    over = shift(over, rest);
    const sum = v128.xor(product(row + 96, high2, low2), product(row + 64, high1, low1));
    rest = v128.xor(shift(rest, zero), sum);
  }
  return reduce(rest, over);
}

/** X1 * H^4 + X2 * H^3 + X3 * H^2 + X4 * H. */
function multiply4(tables: usize, x1: v128, x2: v128, x3: v128, x4: v128): v128 {
  const high1 = highNibbles(x1);
  const low1 = lowNibbles(x1);
  const high2 = highNibbles(x2);
  const low2 = lowNibbles(x2);
  const high3 = highNibbles(x3);
  const low3 = lowNibbles(x3);
  const high4 = highNibbles(x4);
  const low4 = lowNibbles(x4);
  const zero = i32x4.splat(0);
  let row = tables + LAST_ROW;
  // X1 comes last: it waits for the blocks before.
  let rest = v128.xor(
    v128.xor(v128.xor(product(row + 96, high4, low4), product(row + 64, high3, low3)), product(row + 32, high2, low2)),
    product(row, high1, low1),
  );
  let over = zero;
  while (row > tables) {
    row -= ROW_BYTES;
    over = shift(over, rest);
    const sum = v128.xor(
      v128.xor(
        v128.xor(product(row + 96, high4, low4), product(row + 64, high3, low3)),
        product(row + 32, high2, low2),
      ),
      product(row, high1, low1),
    );
    rest = v128.xor(shift(rest, zero), sum);
  }
  return reduce(rest, over);
}

/** GHASH of `count` whole blocks after those that gave `y` (SP 800-38D section 6.4). */
export function ghashUpdate(y: v128, tables: usize, blocks: usize, count: u32): v128 {
  // The odd blocks first, where Y is known soonest.
  if (count & 1) {
    y = multiply1(tables, v128.xor(y, v128.load(blocks)));
    blocks += BLOCK_BYTES;
  }
  if (count & 2) {
    y = multiply2(tables, v128.xor(y, v128.load(blocks)), v128.load(blocks, 16));
    blocks += 2 * BLOCK_BYTES;
  }
  for (let end = blocks + (count >> 2) * (4 * BLOCK_BYTES); blocks < end; blocks += 4 * BLOCK_BYTES) {
    y = multiply4(
      tables,
      v128.xor(y, v128.load(blocks)),
      v128.load(blocks, 16),
      v128.load(blocks, 32),
      v128.load(blocks, 48),
    );
  }
  return y;
}

/** GHASH of `count` whole blocks, in the byte order of the standard. */
export function ghash(tables: usize, blocks: usize, count: u32): v128 {
  return ghashUpdate(i32x4.splat(0), tables, blocks, count);
}
