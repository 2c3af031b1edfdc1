/**
 * GHASH (NIST SP 800-38D sections 6.3 and 6.4), the universal hash of AES-GCM (RFC 7714 uses it for SRTP).
 *
 * A block is a polynomial over GF(2) whose coefficient of x^0 is the first bit: bit 7 of byte 0. To multiply blocks by a fixed H, a
 * swizzle looks up one byte of nibble * H for sixteen nibbles at a time. The sixteen bytes of the products ("rows") are summed by
 * Horner's rule, each a byte further on, and the 31 bytes that result are reduced once. Four blocks share that by aggregation:
 * Y' = (Y + X1) * H^4 + X2 * H^3 + X3 * H^2 + X4 * H.
 *
 * Constant time: a secret is an index within a register only, never of memory, and nothing branches on one.
 */
import { GHASH_CONSTANTS_AT, GHASH_SCRATCH_AT, GHASH_SCRATCH_BYTES, GHASH_TABLES_BYTES } from '../layout';

const BLOCK_BYTES: u32 = 16;
/**
 * Row j of the tables, from byte 15 down to byte 0: for each power from H^4 down to H, byte j of the sixteen multiples n * H, and of
 * the sixteen n * H * x^4. The multiples are reduced, so none is longer than a block.
 */
const ROW_BYTES: usize = 128;
const POWER_BYTES: usize = 32;

/** R of SP 800-38D section 6.3: x^128 = 1 + x + x^2 + x^7. */
const R: u64 = 0xe100000000000000;

const SCRATCH: usize = GHASH_SCRATCH_AT;
const NIBBLE_AT: usize = GHASH_CONSTANTS_AT;
const REDUCTION_AT: usize = GHASH_CONSTANTS_AT + 16;

/** Vector constants are loaded from memory because V8 builds a `v128.const` anew at each use. Once per memory. */
export function initGhash(): void {
  v128.store(NIBBLE_AT, i8x16.splat(0x0f));
  // Both bytes of n * R and of n * R * x^4, in the order of `product`.
  for (let n: u32 = 0; n < 16; n++) {
    let multiple: u32 = 0;
    for (let bit: u32 = 0; bit < 4; bit++) if (n & (8 >> bit)) multiple ^= 0xe100 >> bit;
    store<u8>(REDUCTION_AT + n, multiple >> 8);
    store<u8>(REDUCTION_AT + n, multiple >> 12, 16);
    store<u8>(REDUCTION_AT + n, multiple, 32);
    store<u8>(REDUCTION_AT + n, multiple >> 4, 48);
  }
}

// --- the tables of a key ---

/** Writes the GHASH_TABLES_BYTES of tables for the hash subkey H, 16 bytes at `h`. */
export function ghashKey(h: usize, tables: usize): void {
  let power = v128.load(h);
  writeMultiples(power, tables + 3 * POWER_BYTES);
  for (let at = tables + 3 * POWER_BYTES; at > tables; ) {
    at -= POWER_BYTES;
    power = multiply1(tables, power);
    writeMultiples(power, at);
  }
  memory.fill(SCRATCH, 0, GHASH_SCRATCH_BYTES);
}

/** The tables of one power: byte j of every multiple goes to row j. */
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
      store<u8>(columns + (15 - row) * ROW_BYTES + n, load<u8>(SCRATCH + row));
    }
  }
}

// --- multiplication ---

function lowNibbles(x: v128): v128 {
  return v128.and(x, v128.load(NIBBLE_AT));
}

function highNibbles(x: v128): v128 {
  return v128.and(v128.shr<u32>(x, 4), v128.load(NIBBLE_AT));
}

/** One byte of the products of sixteen bytes with one power, from its two tables. */
function product(tables: usize, high: v128, low: v128): v128 {
  return v128.xor(v128.relaxed_swizzle(v128.load(tables), high), v128.relaxed_swizzle(v128.load(tables, 16), low));
}

/** Sixteen bytes, one further on, behind the last byte of those before them. */
function shift(x: v128, before: v128): v128 {
  return v128.shuffle<u8>(before, x, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30);
}

/** Reduces x^128 * over + rest: x^128 = R, so every byte of `over` counts R times, which is two bytes. */
function reduce(rest: v128, over: v128): v128 {
  const high = highNibbles(over);
  const low = lowNibbles(over);
  const first = product(REDUCTION_AT, high, low);
  const second = product(REDUCTION_AT + 32, high, low);
  return v128.xor(v128.xor(rest, first), shift(second, i32x4.splat(0)));
}

/** X * H. */
function multiply1(tables: usize, x: v128): v128 {
  const high = highNibbles(x);
  const low = lowNibbles(x);
  const zero = i32x4.splat(0);
  let rest = zero;
  let over = zero;
  for (let row = tables; row < tables + GHASH_TABLES_BYTES; row += ROW_BYTES) {
    const sum = product(row + 3 * POWER_BYTES, high, low);
    over = shift(over, rest);
    rest = v128.xor(shift(rest, zero), sum);
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
  let rest = zero;
  let over = zero;
  for (let row = tables; row < tables + GHASH_TABLES_BYTES; row += ROW_BYTES) {
    const sum = v128.xor(product(row + 3 * POWER_BYTES, high2, low2), product(row + 2 * POWER_BYTES, high1, low1));
    over = shift(over, rest);
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
  let rest = zero;
  let over = zero;
  for (let row = tables; row < tables + GHASH_TABLES_BYTES; row += ROW_BYTES) {
    // X1 comes last: it waits for the blocks before.
    const sum = v128.xor(
      v128.xor(
        v128.xor(product(row + 3 * POWER_BYTES, high4, low4), product(row + 2 * POWER_BYTES, high3, low3)),
        product(row + POWER_BYTES, high2, low2),
      ),
      product(row, high1, low1),
    );
    over = shift(over, rest);
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
