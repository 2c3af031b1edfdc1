/**
 * Tables of AES by vector permutation (M. Hamburg, "Accelerating AES with Vector Permute Instructions", CHES 2009): bytes are kept in
 * a basis in which GF(2^8) is GF(2^4)^2, so that the S-box is a few look-ups by nibble, each one swizzle. No secret is ever an index
 * into memory.
 *
 * ShiftRows is never carried out. The state of round r is kept with the ShiftRows of rounds 1 to r undone, so MixColumns rotates
 * along permuted columns (`AES_ROTATIONS_AT`, which repeat every four rounds) and the last round puts the bytes right.
 *
 * All of it lies in memory, written once: V8 builds a v128 constant anew wherever it is used.
 */
import {
  AES_BASIS_HIGH_AT,
  AES_BASIS_LOW_AT,
  AES_COUNTER_WINDOWS_AT,
  AES_COUNTERS_AT,
  AES_FIXED_1_AT,
  AES_FIXED_2_AT,
  AES_GATHERS_AT,
  AES_INVERSE_AT,
  AES_LAST_BYTE_AT,
  AES_LOW_NIBBLE_AT,
  AES_QUOTIENT_AT,
  AES_ROTATIONS_AT,
  AES_SBOX_LAST_T_AT,
  AES_SBOX_LAST_U_AT,
  AES_SBOX_T_AT,
  AES_SBOX_TWICE_T_AT,
  AES_SBOX_TWICE_U_AT,
  AES_SBOX_U_AT,
  AES_SHIFT_ROWS_AT,
  AES_SPREAD_1_AT,
  AES_SPREAD_ONCE_AT,
  AES_SPREAD_TWICE_AT,
  AES_UNSHIFT_ROWS_AT,
} from '../layout';

/** As a swizzle index: a zero byte. */
const NOTHING: u8 = 0x80;
const ROUNDS_OF_A_CYCLE: u32 = 4;

export function initAes(): void {
  v128.store(AES_LOW_NIBBLE_AT, i8x16.splat(0x0f));
  writeNibbleTables();
  writePermutations();
  writeCounterTables();
}

/** The paper's constants, little endian. */
function writeNibbleTables(): void {
  v128.store(AES_INVERSE_AT, i64x2(0x0e05060f0d080180, 0x040703090a0b0c02));
  v128.store(AES_QUOTIENT_AT, i64x2(0x01040a060f0b0780, 0x030d0e0c02050809));
  v128.store(AES_BASIS_LOW_AT, i64x2(0xc2b2e8985a2a7000, 0xcabae09052227808));
  v128.store(AES_BASIS_HIGH_AT, i64x2(0x4c01307d317c4d00, 0xcd80b1fcb0fdcc81));
  v128.store(AES_SBOX_U_AT, i64x2(0xb19be18fcb503e00, 0xa5df7a6e142af544));
  v128.store(AES_SBOX_T_AT, i64x2(0x3618d415fae22300, 0x3bf7ccc10d2ed9ef));
  v128.store(AES_SBOX_TWICE_U_AT, i64x2(0xe27a93c60b712400, 0x5eb7e955bc982fcd));
  v128.store(AES_SBOX_TWICE_T_AT, i64x2(0x69eb88400ae12900, 0xc2a163c8ab82234a));
  v128.store(AES_SBOX_LAST_U_AT, i64x2(0xd0d26d176fbdc700, 0x15aabf7ac502a878));
  v128.store(AES_SBOX_LAST_T_AT, i64x2(0xcfe474a55fbb6a00, 0x8e1e90d1412b35fa));
}

/** A byte in the basis. */
function inBasis(byte: u32): u8 {
  return load<u8>(AES_BASIS_LOW_AT + (byte & 15)) ^ load<u8>(AES_BASIS_HIGH_AT + (byte >> 4));
}

/** Bytes are columns of four rows; ShiftRows gives row r of column c what was in column c + r (FIPS 197 section 5.1.2). */
function writePermutations(): void {
  for (let i: u32 = 0; i < 16; i++) store<u8>(AES_SHIFT_ROWS_AT + i, i as u8);
  for (let round: u32 = 1; round < ROUNDS_OF_A_CYCLE; round++) {
    for (let i: u32 = 0; i < 16; i++) {
      const shifted = (4 * (((i >> 2) + (i & 3)) & 3)) | (i & 3);
      store<u8>(shiftRows(round) + i, load<u8>(shiftRows(round - 1) + shifted));
    }
  }
  for (let round: u32 = 0; round < ROUNDS_OF_A_CYCLE; round++) {
    const shift = shiftRows(round);
    const unshift: usize = AES_UNSHIFT_ROWS_AT + 16 * round;
    for (let i: u32 = 0; i < 16; i++) store<u8>(unshift + load<u8>(shift + i), i as u8);
    for (let i: u32 = 0; i < 16; i++) {
      const row = load<u8>(unshift + i) as u32;
      const column = row & ~3;
      store<u8>(rotation(round, 1) + i, load<u8>(shift + (column | ((row + 1) & 3))));
      store<u8>(rotation(round, 3) + i, load<u8>(shift + (column | ((row + 3) & 3))));
    }
  }
}

function shiftRows(round: u32): usize {
  return AES_SHIFT_ROWS_AT + 16 * round;
}

/** Where a rotation by one row or by three lies. */
function rotation(round: u32, rows: u32): usize {
  return AES_ROTATIONS_AT + 32 * round + (rows == 3 ? 16 : 0);
}

/**
 * Of 256 counter blocks only byte 15 differs: in round 1 one byte of the state, in round 2 the four that MixColumns makes of it, and
 * only from round 3 on all (see aes-ctr.ts). In round 1 the byte reaches four places; MixColumns has it there twice, three
 * times, once and once.
 */
function writeCounterTables(): void {
  for (let i: u32 = 0; i < 16; i++) {
    store<u8>(AES_COUNTERS_AT + i, inBasis(i));
    v128.store(AES_COUNTER_WINDOWS_AT + 16 * i, i8x16.splat(inBasis(i << 4) as i8));
    store<u8>(AES_FIXED_1_AT + i, i == 15 ? 0 : 0xff);
  }
  v128.store(AES_LAST_BYTE_AT, i8x16.splat(15));
  v128.store(AES_FIXED_2_AT, i8x16.splat(-1));
  for (let times: u32 = 0; times < 4; times++) {
    const place = reachedInRound1(times);
    store<u8>(AES_FIXED_2_AT + place, 0);
    for (let counter: u32 = 0; counter < 4; counter++) store<u8>(AES_SPREAD_1_AT + 4 * counter + times, place as u8);
    spreadRound2(times, place);
  }
  for (let q: u32 = 0; q < 4; q++) writeGathers(q);
}

/** Where the byte 15 arrives that `rows` rotations by one row move; with none it stays. */
function reachedInRound1(rows: u32): u32 {
  let place: u32 = 15;
  for (; rows != 0; rows--) place = reached(1, 1, place);
  return place;
}

/** Where a rotation of that round puts the byte that was at `from`. */
function reached(round: u32, rows: u32, from: u32): u32 {
  let i: u32 = 0;
  while ((load<u8>(rotation(round, rows) + i) as u32) != from) i++;
  return i;
}

/** Each of the four bytes reaches the four rows of a column of its own: twice, twice and once, once, once. */
function spreadRound2(times: u32, place: u32): void {
  for (let rows: u32 = 0; rows < 4; rows++) {
    store<u8>(AES_SPREAD_TWICE_AT + place, rows <= 1 ? (times as u8) : NOTHING);
    store<u8>(AES_SPREAD_ONCE_AT + place, rows >= 1 ? (times as u8) : NOTHING);
    place = reached(2, 1, place);
  }
}

/** From 16 S-box outputs (one per counter) to the four bytes that each of the counters 4q to 4q + 3 changes in round 1. */
function writeGathers(q: u32): void {
  const gathers: usize = AES_GATHERS_AT + 48 * q;
  for (let i: u32 = 0; i < 16; i++) {
    const counter = (4 * q + (i >> 2)) as u8;
    const times = i & 3;
    store<u8>(gathers + i, times == 0 ? counter : NOTHING);
    store<u8>(gathers + 16 + i, times == 1 ? counter : NOTHING);
    store<u8>(gathers + 32 + i, times >= 2 ? counter : NOTHING);
  }
}
