/**
 * SHA-1 (FIPS 180-4 sections 4.1.1, 5.3.1 and 6.1): one message at a time, or four at once in the lanes of a vector.
 *
 * Both keep the message schedule W in memory and run five rounds a step, for after five rounds the working variables a to e have
 * their names again. There is no rotation of vector lanes in WebAssembly, hence the shifts.
 */
import {
  SHA1_BYTE_ORDER_AT,
  SHA1_CONSTANTS_AT,
  SHA1_HASH_AT,
  SHA1_K_AT,
  SHA1_OUTER_PADDING_AT,
  SHA1_SCHEDULE_AT,
} from '../layout';

export const BLOCK_BYTES: u32 = 64;

const SCHEDULE: usize = SHA1_SCHEDULE_AT;
const HASH: usize = SHA1_HASH_AT;

/** FIPS 180-4 section 4.2.1: the constants of rounds 0 to 19, 20 to 39, 40 to 59, 60 to 79. */
const K0: u32 = 0x5a827999;
const K1: u32 = 0x6ed9eba1;
const K2: u32 = 0x8f1bbcdc;
const K3: u32 = 0xca62c1d6;

/** Bits that the outer hash of HMAC takes in: the block of the key, and a digest. */
const OUTER_BITS: u32 = (64 + 20) * 8;

/** Vector constants are loaded from memory because V8 builds a `v128.const` anew at each use. Once per memory. */
export function initSha1(): void {
  memory.fill(SHA1_CONSTANTS_AT, 0, 512);
  v128.store(SHA1_K_AT, i32x4.splat(K0));
  v128.store(SHA1_K_AT, i32x4.splat(K1), 16);
  v128.store(SHA1_K_AT, i32x4.splat(K2), 32);
  v128.store(SHA1_K_AT, i32x4.splat(K3), 48);
  v128.store(SHA1_BYTE_ORDER_AT, i8x16(3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12));
  v128.store(SHA1_OUTER_PADDING_AT, i32x4.splat(0x80000000));
  v128.store(SHA1_OUTER_PADDING_AT, i32x4.splat(OUTER_BITS), 160);
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

/** The sum of disjoint bits instead of their exclusive or lets the additions of a round be taken in any order. */
function maj(x: u32, y: u32, z: u32): u32 {
  return (x & y) + (z & (x ^ y));
}

/** Words `t` to `t + 3` of the schedule at `w`, which is where word t stands. */
function extend(w: usize): void {
  // W[t + 3] needs W[t], which is in the making: its share comes last.
  const zero = i32x4.splat(0);
  const x = v128.xor(
    v128.xor(v128.load(w - 64), v128.shuffle<u64>(v128.load(w - 64), v128.load(w - 48), 1, 2)),
    v128.xor(v128.load(w - 32), v128.shuffle<u32>(v128.load(w - 16), zero, 1, 2, 3, 4)),
  );
  const rotated = rotate4(x, 1);
  v128.store(w, v128.xor(rotated, rotate4(v128.shuffle<u32>(zero, rotated, 0, 1, 2, 4), 1)));
}

/** Prepares the message schedule of the block (FIPS 180-4 section 6.1.2 step 1). */
function schedule(block: usize): void {
  for (let i: usize = 0; i < 64; i += 16) v128.store(SCHEDULE + i, loadWords(block + i));
  for (let w: usize = SCHEDULE + 64; w < SCHEDULE + 320; w += 16) extend(w);
}

/** Takes one 64-byte block into the hash value (FIPS 180-4 section 6.1.2). */
export function compress(hash: usize, block: usize): void {
  schedule(block);
  let a = load<u32>(hash);
  let b = load<u32>(hash, 4);
  let c = load<u32>(hash, 8);
  let d = load<u32>(hash, 12);
  let e = load<u32>(hash, 16);
  let w: usize = SCHEDULE;
  for (; w < SCHEDULE + 80; w += 20) {
    e += rotl(a, 5) + ch(b, c, d) + K0 + load<u32>(w);
    b = rotl(b, 30);
    d += rotl(e, 5) + ch(a, b, c) + K0 + load<u32>(w, 4);
    a = rotl(a, 30);
    c += rotl(d, 5) + ch(e, a, b) + K0 + load<u32>(w, 8);
    e = rotl(e, 30);
    b += rotl(c, 5) + ch(d, e, a) + K0 + load<u32>(w, 12);
    d = rotl(d, 30);
    a += rotl(b, 5) + ch(c, d, e) + K0 + load<u32>(w, 16);
    c = rotl(c, 30);
  }
  for (; w < SCHEDULE + 160; w += 20) {
    e += rotl(a, 5) + parity(b, c, d) + K1 + load<u32>(w);
    b = rotl(b, 30);
    d += rotl(e, 5) + parity(a, b, c) + K1 + load<u32>(w, 4);
    a = rotl(a, 30);
    c += rotl(d, 5) + parity(e, a, b) + K1 + load<u32>(w, 8);
    e = rotl(e, 30);
    b += rotl(c, 5) + parity(d, e, a) + K1 + load<u32>(w, 12);
    d = rotl(d, 30);
    a += rotl(b, 5) + parity(c, d, e) + K1 + load<u32>(w, 16);
    c = rotl(c, 30);
  }
  for (; w < SCHEDULE + 240; w += 20) {
    e += rotl(a, 5) + maj(b, c, d) + K2 + load<u32>(w);
    b = rotl(b, 30);
    d += rotl(e, 5) + maj(a, b, c) + K2 + load<u32>(w, 4);
    a = rotl(a, 30);
    c += rotl(d, 5) + maj(e, a, b) + K2 + load<u32>(w, 8);
    e = rotl(e, 30);
    b += rotl(c, 5) + maj(d, e, a) + K2 + load<u32>(w, 12);
    d = rotl(d, 30);
    a += rotl(b, 5) + maj(c, d, e) + K2 + load<u32>(w, 16);
    c = rotl(c, 30);
  }
  for (; w < SCHEDULE + 320; w += 20) {
    e += rotl(a, 5) + parity(b, c, d) + K3 + load<u32>(w);
    b = rotl(b, 30);
    d += rotl(e, 5) + parity(a, b, c) + K3 + load<u32>(w, 4);
    a = rotl(a, 30);
    c += rotl(d, 5) + parity(e, a, b) + K3 + load<u32>(w, 8);
    e = rotl(e, 30);
    b += rotl(c, 5) + parity(d, e, a) + K3 + load<u32>(w, 12);
    d = rotl(d, 30);
    a += rotl(b, 5) + parity(c, d, e) + K3 + load<u32>(w, 16);
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

/** ROTL^5(a) + f + e + K + W: what is ready first is added first, for `a` is the last to come. */
function sum4(a: v128, f: v128, e: v128, k: v128, w: v128): v128 {
  return v128.add<i32>(v128.add<i32>(f, v128.add<i32>(v128.add<i32>(w, k), e)), rotate4(a, 5));
}

/** As `sum4` with Maj for f: its two terms have no bit in common. */
function sumMaj4(a: v128, x: v128, y: v128, z: v128, e: v128, k: v128, w: v128): v128 {
  const s = v128.add<i32>(v128.add<i32>(w, k), e);
  return v128.add<i32>(v128.add<i32>(v128.and(x, y), v128.add<i32>(v128.and(z, v128.xor(x, y)), s)), rotate4(a, 5));
}

/** W[t] = ROTL^1(W[t-3] ^ W[t-8] ^ W[t-14] ^ W[t-16]), stored at its place `w` and given. */
function word4(w: usize): v128 {
  const x = v128.xor(v128.xor(v128.load(w - 256), v128.load(w - 224)), v128.xor(v128.load(w - 128), v128.load(w - 48)));
  const word = v128.or(v128.add<i32>(x, x), v128.shr<u32>(x, 31));
  v128.store(w, word);
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
  memory.copy(SCHEDULE, HASH, 80);
  memory.copy(SCHEDULE + 80, SHA1_OUTER_PADDING_AT, 176);
}

/** Takes the blocks in the schedule into those of the four hash values at SHA1_HASH_AT whose lanes of `live` are set. */
export function compress4(live: v128): void {
  let a = v128.load(HASH);
  let b = v128.load(HASH, 16);
  let c = v128.load(HASH, 32);
  let d = v128.load(HASH, 48);
  let e = v128.load(HASH, 64);
  let w: usize = SCHEDULE;
  let k = v128.load(SHA1_K_AT);
  for (let i: usize = 256; i < 320; i += 16) word4(w + i);
  for (; w < SCHEDULE + 320; w += 80) {
    e = sum4(a, ch4(b, c, d), e, k, v128.load(w));
    b = rotate4(b, 30);
    d = sum4(e, ch4(a, b, c), d, k, v128.load(w, 16));
    a = rotate4(a, 30);
    c = sum4(d, ch4(e, a, b), c, k, v128.load(w, 32));
    e = rotate4(e, 30);
    b = sum4(c, ch4(d, e, a), b, k, v128.load(w, 48));
    d = rotate4(d, 30);
    a = sum4(b, ch4(c, d, e), a, k, v128.load(w, 64));
    c = rotate4(c, 30);
  }
  k = v128.load(SHA1_K_AT, 16);
  for (; w < SCHEDULE + 640; w += 80) {
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
  for (; w < SCHEDULE + 960; w += 80) {
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
  for (; w < SCHEDULE + 1280; w += 80) {
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
