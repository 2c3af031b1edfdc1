/**
 * AES (FIPS 197) with keys of 128, 192 and 256 bits, in constant time: the round, the key schedule, and one block. See
 * aes-tables.ts for how.
 */
import {
  AES_BASIS_HIGH_AT,
  AES_BASIS_LOW_AT,
  AES_INVERSE_AT,
  AES_LOW_NIBBLE_AT,
  AES_QUOTIENT_AT,
  AES_ROTATIONS_AT,
  AES_SBOX_LAST_T_AT,
  AES_SBOX_LAST_U_AT,
  AES_SBOX_T_AT,
  AES_SBOX_TWICE_T_AT,
  AES_SBOX_TWICE_U_AT,
  AES_SBOX_U_AT,
  AES_SCHEDULE_AT,
  AES_SHIFT_ROWS_AT,
  AES_UNSHIFT_ROWS_AT,
} from '../layout';

/** The affine constant of the S-box (section 5.1.1), which the tables leave out: it goes into the round keys. */
const AFFINE: i8 = 0x63;

/** Steps of a round, on blocks in registers. A class, for only methods can be told to be inlined. */
export class Block {
  /** Into the basis. */
  @inline
  static enter(x: v128): v128 {
    const nibble = v128.load(AES_LOW_NIBBLE_AT);
    const low = i8x16.relaxed_swizzle(v128.load(AES_BASIS_LOW_AT), v128.and(x, nibble));
    return v128.xor(low, i8x16.relaxed_swizzle(v128.load(AES_BASIS_HIGH_AT), v128.and(i32x4.shr_u(x, 4), nibble)));
  }

  /** Nibbles k (low) and i of the byte, j = k + i. */
  @inline
  static low(x: v128): v128 {
    return v128.and(x, v128.load(AES_LOW_NIBBLE_AT));
  }

  @inline
  static high(x: v128): v128 {
    return v128.and(i32x4.shr_u(x, 4), v128.load(AES_LOW_NIBBLE_AT));
  }

  @inline
  static inverse(x: v128): v128 {
    return i8x16.relaxed_swizzle(v128.load(AES_INVERSE_AT), x);
  }

  @inline
  static quotient(k: v128): v128 {
    return i8x16.relaxed_swizzle(v128.load(AES_QUOTIENT_AT), k);
  }

  /** One half of the inversion in GF(2^4)^2: 1 / (1/i + a/k) + j. */
  @inline
  static inverseHigh(i: v128, j: v128, q: v128): v128 {
    return v128.xor(Block.inverse(v128.xor(Block.inverse(i), q)), j);
  }

  /** The other: 1 / (1/j + a/k) + i. */
  @inline
  static inverseLow(i: v128, j: v128, q: v128): v128 {
    return v128.xor(Block.inverse(v128.xor(Block.inverse(j), q)), i);
  }

  @inline
  static look(u: usize, t: usize, io: v128, jo: v128): v128 {
    return v128.xor(i8x16.relaxed_swizzle(v128.load(u), io), i8x16.relaxed_swizzle(v128.load(t), jo));
  }

  /** MixColumns of S-box outputs, once and twice: row n gets 2 of its own, 3 of the next, 1 of the others (section 5.1.3). */
  @inline
  static mixColumns(once: v128, twice: v128, rotations: usize): v128 {
    const byOne = v128.load(rotations);
    const y = v128.xor(twice, i8x16.relaxed_swizzle(once, byOne));
    const z = v128.xor(y, i8x16.relaxed_swizzle(once, v128.load(rotations, 16)));
    return v128.xor(z, i8x16.relaxed_swizzle(y, byOne));
  }

  /** SubBytes, MixColumns, AddRoundKey; ShiftRows stays undone. */
  @inline
  static round(x: v128, key: v128, rotations: usize): v128 {
    const k = Block.low(x);
    const i = Block.high(x);
    const j = v128.xor(k, i);
    const q = Block.quotient(k);
    const io = Block.inverseHigh(i, j, q);
    const jo = Block.inverseLow(i, j, q);
    const once = Block.look(AES_SBOX_U_AT, AES_SBOX_T_AT, io, jo);
    const twice = Block.look(AES_SBOX_TWICE_U_AT, AES_SBOX_TWICE_T_AT, io, jo);
    return v128.xor(Block.mixColumns(once, twice, rotations), key);
  }

  /** The same for the bytes that `fixed` lets through: what the others contribute is left out. */
  @inline
  static roundOfFixed(x: v128, fixed: v128, key: v128, rotations: usize): v128 {
    const k = Block.low(x);
    const i = Block.high(x);
    const j = v128.xor(k, i);
    const q = Block.quotient(k);
    const io = Block.inverseHigh(i, j, q);
    const jo = Block.inverseLow(i, j, q);
    const once = v128.and(Block.look(AES_SBOX_U_AT, AES_SBOX_T_AT, io, jo), fixed);
    const twice = v128.and(Block.look(AES_SBOX_TWICE_U_AT, AES_SBOX_TWICE_T_AT, io, jo), fixed);
    return v128.xor(Block.mixColumns(once, twice, rotations), key);
  }

  /** SubBytes, stored once and twice as MixColumns wants it. */
  @inline
  static subBytes(x: v128, once: usize, twice: usize): void {
    const k = Block.low(x);
    const i = Block.high(x);
    const j = v128.xor(k, i);
    const q = Block.quotient(k);
    const io = Block.inverseHigh(i, j, q);
    const jo = Block.inverseLow(i, j, q);
    v128.store(once, Block.look(AES_SBOX_U_AT, AES_SBOX_T_AT, io, jo));
    v128.store(twice, Block.look(AES_SBOX_TWICE_U_AT, AES_SBOX_TWICE_T_AT, io, jo));
  }

  /** SubBytes out of the basis, without the affine constant. */
  @inline
  static subBytesLast(x: v128): v128 {
    const k = Block.low(x);
    const i = Block.high(x);
    const j = v128.xor(k, i);
    const q = Block.quotient(k);
    return Block.look(AES_SBOX_LAST_U_AT, AES_SBOX_LAST_T_AT, Block.inverseHigh(i, j, q), Block.inverseLow(i, j, q));
  }

  /** SubBytes, all ShiftRows at once, AddRoundKey. */
  @inline
  static lastRound(x: v128, key: v128, shiftRows: v128): v128 {
    return v128.xor(i8x16.relaxed_swizzle(Block.subBytesLast(x), shiftRows), key);
  }
}

/** Where the rotations of round r lie. */
export function rotationsOf(round: u32): usize {
  return AES_ROTATIONS_AT + ((round & 3) << 5);
}

export function shiftRowsOf(rounds: u32): usize {
  return AES_SHIFT_ROWS_AT + ((rounds & 3) << 4);
}

/** One block under round keys of {@link expandKey}. */
export function encryptBlock(roundKeys: usize, rounds: u32, block: v128): v128 {
  let x = v128.xor(Block.enter(block), v128.load(roundKeys));
  for (let round: u32 = 1; round < rounds; round++) {
    x = Block.round(x, v128.load(roundKeys + (round << 4)), rotationsOf(round));
  }
  return Block.lastRound(x, v128.load(roundKeys + (rounds << 4)), v128.load(shiftRowsOf(rounds)));
}

/** Rounds for a key of 16, 24 or 32 bytes (section 5). */
export function roundsFor(keyBytes: u32): u32 {
  return (keyBytes >> 2) + 6;
}

/** Round keys (section 5.2), 16 bytes for each of rounds + 1, in the form that {@link Block} takes. */
export function expandKey(key: usize, keyBytes: u32, roundKeys: usize): void {
  const rounds = roundsFor(keyBytes);
  writeSchedule(key, keyBytes >> 2, (rounds + 1) << 2);
  v128.store(roundKeys, Block.enter(v128.load(AES_SCHEDULE_AT)));
  const affine = Block.enter(i8x16.splat(AFFINE));
  for (let round: u32 = 1; round < rounds; round++) {
    const plain = v128.load(AES_SCHEDULE_AT + (round << 4));
    const unshifted = i8x16.swizzle(plain, v128.load(AES_UNSHIFT_ROWS_AT + ((round & 3) << 4)));
    v128.store(roundKeys + (round << 4), v128.xor(Block.enter(unshifted), affine));
  }
  const last = v128.load(AES_SCHEDULE_AT + (rounds << 4));
  v128.store(roundKeys + (rounds << 4), v128.xor(last, i8x16.splat(AFFINE)));
  memory.fill(AES_SCHEDULE_AT, 0, (rounds + 1) << 4);
}

function writeSchedule(key: usize, keyWords: u32, words: u32): void {
  memory.copy(AES_SCHEDULE_AT, key, keyWords << 2);
  let roundConstant: u32 = 1;
  for (let n = keyWords; n < words; n++) {
    const at: usize = AES_SCHEDULE_AT + (n << 2);
    let word = load<u32>(at - 4);
    if (n % keyWords == 0) {
      word = rotr<u32>(subWord(word), 8) ^ roundConstant;
      roundConstant = (roundConstant << 1) ^ ((roundConstant >> 7) * 0x11b);
    } else if (keyWords > 6 && n % keyWords == 4) word = subWord(word);
    store<u32>(at, word ^ load<u32>(at - (keyWords << 2)));
  }
}

function subWord(word: u32): u32 {
  const sub = v128.xor(Block.subBytesLast(Block.enter(i32x4.splat(word))), i8x16.splat(AFFINE));
  return i32x4.extract_lane(sub, 0) as u32;
}
