/**
 * SHA-1 (FIPS 180-4 sections 4.1.1, 5.3.1 and 6.1): one message at a time, or four at once in the lanes of a vector.
 *
 * Both keep the message schedule W in memory and run five rounds a step, for after five rounds the working variables a to e have
 * their names again. One message's schedule is made four words at a time, a phase of twenty rounds ahead, so that the processor
 * works on it while it waits for the rounds, each of which needs the one before.
 */
import {
  SHA1_BYTE_ORDER_AT,
  SHA1_CONSTANTS_AT,
  SHA1_CONSTANTS_BYTES,
  SHA1_HASH_AT,
  SHA1_K_AT,
  SHA1_OUTER_PADDING_AT,
  SHA1_SCHEDULE_AT,
} from '../layout';

export const BLOCK_BYTES: u32 = 64;

const SCHEDULE: usize = SHA1_SCHEDULE_AT;
const HASH: usize = SHA1_HASH_AT;
const OUTER_PADDING: usize = SHA1_OUTER_PADDING_AT;

/** Bits that the outer hash of HMAC takes in: the block of the key, and a digest. */
const OUTER_BITS: u32 = (64 + 20) * 8;

/** Vector constants are loaded from memory because V8 builds a `v128.const` anew at each use. Once per memory. */
export function initSha1(): void {
  memory.fill(SHA1_CONSTANTS_AT, 0, SHA1_CONSTANTS_BYTES);
  v128.store(SHA1_K_AT, i32x4.splat(0x5a827999));
  v128.store(SHA1_K_AT, i32x4.splat(0x6ed9eba1), 16);
  v128.store(SHA1_K_AT, i32x4.splat(0x8f1bbcdc), 32);
  v128.store(SHA1_K_AT, i32x4.splat(0xca62c1d6), 48);
  v128.store(SHA1_BYTE_ORDER_AT, i8x16(3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12));
  v128.store(OUTER_PADDING, i32x4.splat(0x80000000));
  v128.store(OUTER_PADDING, i32x4.splat(OUTER_BITS), 160);
}

/** FIPS 180-4 section 5.3.1: writes the initial hash value. */
export function startHash(hash: usize): void {
  store<u32>(hash, 0x67452301);
  store<u32>(hash, 0xefcdab89, 4);
  store<u32>(hash, 0x98badcfe, 8);
  store<u32>(hash, 0x10325476, 12);
  store<u32>(hash, 0xc3d2e1f0, 16);
}

// --- one message ---

function ch(x: u32, y: u32, z: u32): u32 {
  return z ^ (x & (y ^ z));
}

function parity(x: u32, y: u32, z: u32): u32 {
  return x ^ y ^ z;
}

/** Its two terms have no bit in common, so they may be added. */
function maj(x: u32, y: u32, z: u32): u32 {
  return (x & y) + (z & (x ^ y));
}

/** ROTL^5(a) + f + e + K + W: `a` comes last because it is known last. */
function sum(a: u32, f: u32, e: u32, kw: u32): u32 {
  return f + (kw + e) + rotl(a, 5);
}

/** W[t] to W[t+3] from the sixteen words before them: W[t] = ROTL^1(W[t-3] ^ W[t-8] ^ W[t-14] ^ W[t-16]). */
function words(w16: v128, w12: v128, w8: v128, w4: v128): v128 {
  // W[t+3] needs W[t], which is in the making: its share comes last.
  const zero = i32x4.splat(0);
  const x = v128.xor(
    v128.xor(v128.xor(w16, v128.shuffle<u64>(w16, w12, 1, 2)), w8),
    v128.shuffle<u32>(w4, zero, 1, 2, 3, 4),
  );
  const rotated = rotate4(x, 1);
  return v128.xor(rotated, rotate4(v128.shuffle<u32>(zero, rotated, 0, 1, 2, 4), 1));
}

/** From t = 32 on, by the rule put into itself: W[t] = ROTL^2(W[t-6] ^ W[t-16] ^ W[t-28] ^ W[t-32]). */
function laterWords(w32: v128, w28: v128, w16: v128, w8: v128, w4: v128): v128 {
  const x = v128.xor(v128.xor(v128.xor(w32, w28), w16), v128.shuffle<u64>(w8, w4, 1, 2));
  return rotate4(x, 2);
}

/** Twenty words, each with the K of their phase added: what the rounds need of them. */
function putPhase(at: usize, k: v128, w0: v128, w4: v128, w8: v128, w12: v128, w16: v128): void {
  v128.store(at, v128.add<i32>(w0, k));
  v128.store(at, v128.add<i32>(w4, k), 16);
  v128.store(at, v128.add<i32>(w8, k), 32);
  v128.store(at, v128.add<i32>(w12, k), 48);
  v128.store(at, v128.add<i32>(w16, k), 64);
}

/** Takes one 64-byte block into the hash value (FIPS 180-4 section 6.1.2). */
export function compress(hash: usize, block: usize): void {
  let a = load<u32>(hash);
  let b = load<u32>(hash, 4);
  let c = load<u32>(hash, 8);
  let d = load<u32>(hash, 12);
  let e = load<u32>(hash, 16);
  let w: usize = SCHEDULE;
  const w0 = loadWords(block);
  const w4 = loadWords(block + 16);
  const w8 = loadWords(block + 32);
  const w12 = loadWords(block + 48);
  const w16 = words(w0, w4, w8, w12);
  putPhase(SCHEDULE, v128.load(SHA1_K_AT), w0, w4, w8, w12, w16);
  const w20 = words(w4, w8, w12, w16);
  const w24 = words(w8, w12, w16, w20);
  const w28 = words(w12, w16, w20, w24);
  const w32 = laterWords(w0, w4, w16, w24, w28);
  const w36 = laterWords(w4, w8, w20, w28, w32);
  putPhase(SCHEDULE + 80, v128.load(SHA1_K_AT, 16), w20, w24, w28, w32, w36);
  for (; w < SCHEDULE + 80; w += 20) {
    e = sum(a, ch(b, c, d), e, load<u32>(w));
    b = rotl(b, 30);
    d = sum(e, ch(a, b, c), d, load<u32>(w, 4));
    a = rotl(a, 30);
    c = sum(d, ch(e, a, b), c, load<u32>(w, 8));
    e = rotl(e, 30);
    b = sum(c, ch(d, e, a), b, load<u32>(w, 12));
    d = rotl(d, 30);
    a = sum(b, ch(c, d, e), a, load<u32>(w, 16));
    c = rotl(c, 30);
  }
  const w40 = laterWords(w8, w12, w24, w32, w36);
  const w44 = laterWords(w12, w16, w28, w36, w40);
  const w48 = laterWords(w16, w20, w32, w40, w44);
  const w52 = laterWords(w20, w24, w36, w44, w48);
  const w56 = laterWords(w24, w28, w40, w48, w52);
  putPhase(SCHEDULE + 160, v128.load(SHA1_K_AT, 32), w40, w44, w48, w52, w56);
  for (; w < SCHEDULE + 160; w += 20) {
    e = sum(a, parity(b, c, d), e, load<u32>(w));
    b = rotl(b, 30);
    d = sum(e, parity(a, b, c), d, load<u32>(w, 4));
    a = rotl(a, 30);
    c = sum(d, parity(e, a, b), c, load<u32>(w, 8));
    e = rotl(e, 30);
    b = sum(c, parity(d, e, a), b, load<u32>(w, 12));
    d = rotl(d, 30);
    a = sum(b, parity(c, d, e), a, load<u32>(w, 16));
    c = rotl(c, 30);
  }
  const w60 = laterWords(w28, w32, w44, w52, w56);
  const w64 = laterWords(w32, w36, w48, w56, w60);
  const w68 = laterWords(w36, w40, w52, w60, w64);
  const w72 = laterWords(w40, w44, w56, w64, w68);
  const w76 = laterWords(w44, w48, w60, w68, w72);
  putPhase(SCHEDULE + 240, v128.load(SHA1_K_AT, 48), w60, w64, w68, w72, w76);
  for (; w < SCHEDULE + 240; w += 20) {
    e = sum(a, maj(b, c, d), e, load<u32>(w));
    b = rotl(b, 30);
    d = sum(e, maj(a, b, c), d, load<u32>(w, 4));
    a = rotl(a, 30);
    c = sum(d, maj(e, a, b), c, load<u32>(w, 8));
    e = rotl(e, 30);
    b = sum(c, maj(d, e, a), b, load<u32>(w, 12));
    d = rotl(d, 30);
    a = sum(b, maj(c, d, e), a, load<u32>(w, 16));
    c = rotl(c, 30);
  }
  for (; w < SCHEDULE + 320; w += 20) {
    e = sum(a, parity(b, c, d), e, load<u32>(w));
    b = rotl(b, 30);
    d = sum(e, parity(a, b, c), d, load<u32>(w, 4));
    a = rotl(a, 30);
    c = sum(d, parity(e, a, b), c, load<u32>(w, 8));
    e = rotl(e, 30);
    b = sum(c, parity(d, e, a), b, load<u32>(w, 12));
    d = rotl(d, 30);
    a = sum(b, parity(c, d, e), a, load<u32>(w, 16));
    c = rotl(c, 30);
  }
  store<u32>(hash, load<u32>(hash) + a);
  store<u32>(hash, load<u32>(hash, 4) + b, 4);
  store<u32>(hash, load<u32>(hash, 8) + c, 8);
  store<u32>(hash, load<u32>(hash, 12) + d, 12);
  store<u32>(hash, load<u32>(hash, 16) + e, 16);
}

// --- four messages ---

function rotate4(x: v128, bits: i32): v128 {
  return v128.or(v128.shl<i32>(x, bits), v128.shr<u32>(x, 32 - bits));
}

function ch4(x: v128, y: v128, z: v128): v128 {
  return v128.xor(z, v128.and(x, v128.xor(y, z)));
}

function parity4(x: v128, y: v128, z: v128): v128 {
  return v128.xor(v128.xor(y, z), x);
}

/** ROTL^5(a) + f + e + K + W, in the same order. */
function sum4(a: v128, f: v128, e: v128, k: v128, w: v128): v128 {
  return v128.add<i32>(v128.add<i32>(f, v128.add<i32>(v128.add<i32>(w, k), e)), rotate4(a, 5));
}

/** As `sum4` with Maj for f: its two terms have no bit in common. */
function sumMaj4(a: v128, x: v128, y: v128, z: v128, e: v128, k: v128, w: v128): v128 {
  const s = v128.add<i32>(v128.add<i32>(w, k), e);
  return v128.add<i32>(v128.add<i32>(v128.and(x, y), v128.add<i32>(v128.and(z, v128.xor(x, y)), s)), rotate4(a, 5));
}

/** W[t], stored at its place and given; `w` is the place of W[t-16]. */
function word4(w: usize): v128 {
  const x = v128.xor(v128.xor(v128.xor(v128.load(w), v128.load(w, 32)), v128.load(w, 128)), v128.load(w, 208));
  const word = v128.or(v128.add<i32>(x, x), v128.shr<u32>(x, 31));
  v128.store(w, word, 256);
  return word;
}

/** The four words of four vectors, at `to`: first the first words of all. */
export function transpose4(to: usize, x0: v128, x1: v128, x2: v128, x3: v128): void {
  const low01 = v128.shuffle<u32>(x0, x1, 0, 4, 1, 5);
  const low23 = v128.shuffle<u32>(x2, x3, 0, 4, 1, 5);
  const high01 = v128.shuffle<u32>(x0, x1, 2, 6, 3, 7);
  const high23 = v128.shuffle<u32>(x2, x3, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<u64>(low01, low23, 0, 2));
  v128.store(to, v128.shuffle<u64>(low01, low23, 1, 3), 16);
  v128.store(to, v128.shuffle<u64>(high01, high23, 0, 2), 32);
  v128.store(to, v128.shuffle<u64>(high01, high23, 1, 3), 48);
}

/** Four words that are stored big endian. */
export function loadWords(at: usize): v128 {
  return v128.relaxed_swizzle(v128.load(at), v128.load(SHA1_BYTE_ORDER_AT));
}

/** One block of each message into the first sixteen words of the schedule, one message per lane. */
export function loadBlocks4(m0: usize, m1: usize, m2: usize, m3: usize): void {
  for (let i: usize = 0; i < 64; i += 16) {
    const to = SCHEDULE + (i << 2);
    transpose4(to, loadWords(m0 + i), loadWords(m1 + i), loadWords(m2 + i), loadWords(m3 + i));
  }
}

/** The block of the outer hash of HMAC: the four hash values at SHA1_HASH_AT, padded. */
export function loadDigests4(): void {
  for (let i: usize = 0; i < 80; i += 16) v128.store(SCHEDULE + i, v128.load(HASH + i));
  for (let i: usize = 0; i < 176; i += 16) v128.store(SCHEDULE + i, v128.load(OUTER_PADDING + i), 80);
}

/** Takes the blocks in the schedule into those of the four hash values at SHA1_HASH_AT whose lanes of `live` are set. */
export function compress4(live: v128): void {
  let a = v128.load(HASH);
  let b = v128.load(HASH, 16);
  let c = v128.load(HASH, 32);
  let d = v128.load(HASH, 48);
  let e = v128.load(HASH, 64);
  let w: usize = SCHEDULE;
  for (; w < SCHEDULE + 64; w += 16) word4(w);
  let k = v128.load(SHA1_K_AT);
  for (let first: usize = SCHEDULE; first < SCHEDULE + 320; first += 80) {
    e = sum4(a, ch4(b, c, d), e, k, v128.load(first));
    b = rotate4(b, 30);
    d = sum4(e, ch4(a, b, c), d, k, v128.load(first, 16));
    a = rotate4(a, 30);
    c = sum4(d, ch4(e, a, b), c, k, v128.load(first, 32));
    e = rotate4(e, 30);
    b = sum4(c, ch4(d, e, a), b, k, v128.load(first, 48));
    d = rotate4(d, 30);
    a = sum4(b, ch4(c, d, e), a, k, v128.load(first, 64));
    c = rotate4(c, 30);
  }
  k = v128.load(SHA1_K_AT, 16);
  for (; w < SCHEDULE + 384; w += 80) {
    e = sum4(a, parity4(b, c, d), e, k, word4(w));
    b = rotate4(b, 30);
    d = sum4(e, parity4(a, b, c), d, k, word4(w + 16));
    a = rotate4(a, 30);
    c = sum4(d, parity4(e, a, b), c, k, word4(w + 32));
    e = rotate4(e, 30);
    b = sum4(c, parity4(d, e, a), b, k, word4(w + 48));
    d = rotate4(d, 30);
    a = sum4(b, parity4(c, d, e), a, k, word4(w + 64));
    c = rotate4(c, 30);
  }
  k = v128.load(SHA1_K_AT, 32);
  for (; w < SCHEDULE + 704; w += 80) {
    e = sumMaj4(a, b, c, d, e, k, word4(w));
    b = rotate4(b, 30);
    d = sumMaj4(e, a, b, c, d, k, word4(w + 16));
    a = rotate4(a, 30);
    c = sumMaj4(d, e, a, b, c, k, word4(w + 32));
    e = rotate4(e, 30);
    b = sumMaj4(c, d, e, a, b, k, word4(w + 48));
    d = rotate4(d, 30);
    a = sumMaj4(b, c, d, e, a, k, word4(w + 64));
    c = rotate4(c, 30);
  }
  k = v128.load(SHA1_K_AT, 48);
  for (; w < SCHEDULE + 1024; w += 80) {
    e = sum4(a, parity4(b, c, d), e, k, word4(w));
    b = rotate4(b, 30);
    d = sum4(e, parity4(a, b, c), d, k, word4(w + 16));
    a = rotate4(a, 30);
    c = sum4(d, parity4(e, a, b), c, k, word4(w + 32));
    e = rotate4(e, 30);
    b = sum4(c, parity4(d, e, a), b, k, word4(w + 48));
    d = rotate4(d, 30);
    a = sum4(b, parity4(c, d, e), a, k, word4(w + 64));
    c = rotate4(c, 30);
  }
  addTo4(HASH, a, live);
  addTo4(HASH + 16, b, live);
  addTo4(HASH + 32, c, live);
  addTo4(HASH + 48, d, live);
  addTo4(HASH + 64, e, live);
}

function addTo4(at: usize, x: v128, live: v128): void {
  v128.store(at, v128.add<i32>(v128.load(at), v128.and(x, live)));
}
