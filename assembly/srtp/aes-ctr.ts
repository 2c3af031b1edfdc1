/**
 * AES in counter mode (NIST SP 800-38A section 6.5), the cipher of RFC 3711 section 4.1.1 and inside the GCM of RFC 7714: a packet's
 * counter blocks differ in their last bytes only, and what follows from that is worked out once.
 *
 * In 256 counter blocks only byte 15 differs. Round 1 turns it into four bytes, which depend on the key and, but for a constant,
 * on nothing else: for the first 16 counters they are kept with the key. Round 2 is worked out for the twelve bytes that all blocks
 * share, and for the four others, four counters to a register. From round 3 on six blocks go side by side, for the S-box is one
 * long chain of look-ups.
 */
import {
  AES_COUNTER_WINDOWS_AT,
  AES_COUNTERS_AT,
  AES_DELTAS_ONCE_AT,
  AES_DELTAS_TWICE_AT,
  AES_FIXED_1_AT,
  AES_FIXED_2_AT,
  AES_GATHERS_AT,
  AES_LAST_BYTE_AT,
  AES_SPREAD_1_AT,
  AES_SPREAD_ONCE_AT,
  AES_SPREAD_TWICE_AT,
  AES_WINDOW_AT,
  ROUND_KEYS_BYTES,
} from '../layout';
import { Block, expandKey, rotationsOf, shiftRowsOf } from './aes';

/** Counters that differ in the low four bits only. */
const WINDOW_BLOCKS: u32 = 16;
/** Counters that differ in byte 15 only. */
const SPAN_BLOCKS: u32 = 256;
const WINDOW_BYTES: u32 = 64;

/** Round keys, and what round 1 makes of the first 16 counters: AES_KEY_BYTES at `to`. */
export function expandCounterKey(key: usize, keyBytes: u32, to: usize): void {
  expandKey(key, keyBytes, to);
  writeWindow(byte15(v128.load(to)), 0, to + ROUND_KEYS_BYTES);
}

/**
 * Xors `blocks` blocks at `from` with the key stream from counter block `counter` on, to `to` (which may be `from`). The last 32 bits
 * of `iv` are zero: the counter stands there.
 */
export function counterMode(
  keys: usize,
  rounds: u32,
  iv: v128,
  counter: u32,
  from: usize,
  to: usize,
  blocks: u32,
): void {
  while (blocks != 0) {
    const span = min<u32>(blocks, SPAN_BLOCKS - (counter & (SPAN_BLOCKS - 1)));
    const spanIv = i8x16.replace_lane(iv, 14, (counter >> 8) as i8);
    counterSpan(keys, rounds, spanIv, counter & (SPAN_BLOCKS - 1), from, to, span);
    counter += span;
    from += span << 4;
    to += span << 4;
    blocks -= span;
  }
}

function counterSpan(keys: usize, rounds: u32, iv: v128, counter: u32, from: usize, to: usize, blocks: u32): void {
  const start = v128.xor(Block.enter(iv), v128.load(keys));
  const one = Block.roundOfFixed(start, v128.load(AES_FIXED_1_AT), v128.load(keys, 16), rotationsOf(1));
  const two = Block.roundOfFixed(one, v128.load(AES_FIXED_2_AT), v128.load(keys, 32), rotationsOf(2));
  const spread = i8x16.relaxed_swizzle(one, v128.load(AES_SPREAD_1_AT));
  while (blocks != 0) {
    const number = counter / WINDOW_BLOCKS;
    let window = keys + ROUND_KEYS_BYTES;
    if (number != 0) {
      window = AES_WINDOW_AT;
      writeWindow(byte15(start), number, window);
    }
    const first = counter & (WINDOW_BLOCKS - 1);
    let left = min<u32>(blocks, WINDOW_BLOCKS - first);
    writeDeltas(window, spread, (first + left) << 2);
    blocks -= left;
    while (left != 0) {
      const wide = encryptSome(keys, rounds, two, (counter & (WINDOW_BLOCKS - 1)) << 2, from, to, left);
      counter += wide;
      from += wide << 4;
      to += wide << 4;
      left -= wide;
    }
  }
}

/** As many blocks as suit what is left; gives their number. */
function encryptSome(keys: usize, rounds: u32, fixed: v128, at: u32, from: usize, to: usize, left: u32): u32 {
  if (left >= 10 || left == 6) return six(keys, rounds, fixed, at, from, to);
  if (left == 9 || left == 7 || left == 5) return five(keys, rounds, fixed, at, from, to);
  if (left >= 4) return four(keys, rounds, fixed, at, from, to);
  if (left >= 2) return two(keys, rounds, fixed, at, from, to);
  return one(keys, rounds, fixed, at, from, to);
}

function byte15(x: v128): v128 {
  return i8x16.relaxed_swizzle(x, v128.load(AES_LAST_BYTE_AT));
}

/** What round 1 makes of 16 counters: four bytes for each. `v`: byte 15 of the first counter block's state, everywhere. */
function writeWindow(v: v128, number: u32, to: usize): void {
  const window = v128.xor(v128.load(AES_COUNTER_WINDOWS_AT + (number << 4)), v128.load(AES_COUNTERS_AT));
  Block.subBytes(v128.xor(v, window), AES_DELTAS_ONCE_AT, AES_DELTAS_TWICE_AT);
  const once = v128.load(AES_DELTAS_ONCE_AT);
  const twice = v128.load(AES_DELTAS_TWICE_AT);
  const thrice = v128.xor(once, twice);
  for (let at: u32 = 0; at < WINDOW_BYTES; at += 16) {
    const gathers: usize = AES_GATHERS_AT + 3 * at;
    const first = i8x16.relaxed_swizzle(twice, v128.load(gathers));
    const second = i8x16.relaxed_swizzle(thrice, v128.load(gathers, 16));
    const others = i8x16.relaxed_swizzle(once, v128.load(gathers, 32));
    v128.store(to + at, v128.xor(v128.xor(first, second), others));
  }
}

/** SubBytes of round 2 for the bytes that the counters of a window have changed, as far as they are needed. */
function writeDeltas(window: usize, spread: v128, bytes: u32): void {
  for (let at: u32 = 0; at < bytes; at += 16) {
    Block.subBytes(v128.xor(v128.load(window + at), spread), AES_DELTAS_ONCE_AT + at, AES_DELTAS_TWICE_AT + at);
  }
}

class Counter {
  /** State of the n-th counter block of the window before round 3; `at` is 4n. */
  @inline
  static enter(fixed: v128, at: u32): v128 {
    const twice = v128.load32_splat(AES_DELTAS_TWICE_AT + at);
    const once = v128.load32_splat(AES_DELTAS_ONCE_AT + at);
    const some = v128.xor(fixed, i8x16.relaxed_swizzle(twice, v128.load(AES_SPREAD_TWICE_AT)));
    return v128.xor(some, i8x16.relaxed_swizzle(once, v128.load(AES_SPREAD_ONCE_AT)));
  }

  @inline
  static leave(x: v128, key: v128, shiftRows: v128, from: usize, to: usize): void {
    v128.store(to, v128.xor(Block.lastRound(x, key, shiftRows), v128.load(from)));
  }
}

function six(keys: usize, rounds: u32, fixed: v128, at: u32, from: usize, to: usize): u32 {
  let a = Counter.enter(fixed, at);
  let b = Counter.enter(fixed, at + 4);
  let c = Counter.enter(fixed, at + 8);
  let d = Counter.enter(fixed, at + 12);
  let e = Counter.enter(fixed, at + 16);
  let f = Counter.enter(fixed, at + 20);
  for (let round: u32 = 3; round < rounds; round++) {
    const key = v128.load(keys + (round << 4));
    const rotations = rotationsOf(round);
    a = Block.round(a, key, rotations);
    b = Block.round(b, key, rotations);
    c = Block.round(c, key, rotations);
    d = Block.round(d, key, rotations);
    e = Block.round(e, key, rotations);
    f = Block.round(f, key, rotations);
  }
  const key = v128.load(keys + (rounds << 4));
  const shiftRows = v128.load(shiftRowsOf(rounds));
  Counter.leave(a, key, shiftRows, from, to);
  Counter.leave(b, key, shiftRows, from + 16, to + 16);
  Counter.leave(c, key, shiftRows, from + 32, to + 32);
  Counter.leave(d, key, shiftRows, from + 48, to + 48);
  Counter.leave(e, key, shiftRows, from + 64, to + 64);
  Counter.leave(f, key, shiftRows, from + 80, to + 80);
  return 6;
}

function five(keys: usize, rounds: u32, fixed: v128, at: u32, from: usize, to: usize): u32 {
  let a = Counter.enter(fixed, at);
  let b = Counter.enter(fixed, at + 4);
  let c = Counter.enter(fixed, at + 8);
  let d = Counter.enter(fixed, at + 12);
  let e = Counter.enter(fixed, at + 16);
  for (let round: u32 = 3; round < rounds; round++) {
    const key = v128.load(keys + (round << 4));
    const rotations = rotationsOf(round);
    a = Block.round(a, key, rotations);
    b = Block.round(b, key, rotations);
    c = Block.round(c, key, rotations);
    d = Block.round(d, key, rotations);
    e = Block.round(e, key, rotations);
  }
  const key = v128.load(keys + (rounds << 4));
  const shiftRows = v128.load(shiftRowsOf(rounds));
  Counter.leave(a, key, shiftRows, from, to);
  Counter.leave(b, key, shiftRows, from + 16, to + 16);
  Counter.leave(c, key, shiftRows, from + 32, to + 32);
  Counter.leave(d, key, shiftRows, from + 48, to + 48);
  Counter.leave(e, key, shiftRows, from + 64, to + 64);
  return 5;
}

function four(keys: usize, rounds: u32, fixed: v128, at: u32, from: usize, to: usize): u32 {
  let a = Counter.enter(fixed, at);
  let b = Counter.enter(fixed, at + 4);
  let c = Counter.enter(fixed, at + 8);
  let d = Counter.enter(fixed, at + 12);
  for (let round: u32 = 3; round < rounds; round++) {
    const key = v128.load(keys + (round << 4));
    const rotations = rotationsOf(round);
    a = Block.round(a, key, rotations);
    b = Block.round(b, key, rotations);
    c = Block.round(c, key, rotations);
    d = Block.round(d, key, rotations);
  }
  const key = v128.load(keys + (rounds << 4));
  const shiftRows = v128.load(shiftRowsOf(rounds));
  Counter.leave(a, key, shiftRows, from, to);
  Counter.leave(b, key, shiftRows, from + 16, to + 16);
  Counter.leave(c, key, shiftRows, from + 32, to + 32);
  Counter.leave(d, key, shiftRows, from + 48, to + 48);
  return 4;
}

function two(keys: usize, rounds: u32, fixed: v128, at: u32, from: usize, to: usize): u32 {
  let a = Counter.enter(fixed, at);
  let b = Counter.enter(fixed, at + 4);
  for (let round: u32 = 3; round < rounds; round++) {
    const key = v128.load(keys + (round << 4));
    const rotations = rotationsOf(round);
    a = Block.round(a, key, rotations);
    b = Block.round(b, key, rotations);
  }
  const key = v128.load(keys + (rounds << 4));
  const shiftRows = v128.load(shiftRowsOf(rounds));
  Counter.leave(a, key, shiftRows, from, to);
  Counter.leave(b, key, shiftRows, from + 16, to + 16);
  return 2;
}

function one(keys: usize, rounds: u32, fixed: v128, at: u32, from: usize, to: usize): u32 {
  let a = Counter.enter(fixed, at);
  for (let round: u32 = 3; round < rounds; round++) {
    a = Block.round(a, v128.load(keys + (round << 4)), rotationsOf(round));
  }
  Counter.leave(a, v128.load(keys + (rounds << 4)), v128.load(shiftRowsOf(rounds)), from, to);
  return 1;
}
