/**
 * HMAC-SHA1 (RFC 2104 section 2), the authentication transform of SRTP (RFC 3711 section 4.2.1): tags of 20 octets, which the caller
 * truncates. The blocks K XOR ipad and K XOR opad are hashed once per key (RFC 2104 section 4).
 */
import { SHA1_BLOCK_AT, SHA1_HASH_AT, SHA1_SCRATCH_AT, SHA1_SCRATCH_BYTES, SHA1_STATE_BYTES } from '../layout';
import { BLOCK_BYTES, compress, compress4, loadBlocks4, loadDigests4, loadWords, startHash, transpose4 } from './sha1';

const HASH: usize = SHA1_HASH_AT;
const BLOCK: usize = SHA1_BLOCK_AT;
const IPAD: u8 = 0x36;
const OPAD: u8 = 0x5c;
const DIGEST_BYTES: u32 = 20;

/** The hash after the one block K XOR pad. */
function hashKey(key: usize, keyBytes: u32, pad: u8, hash: usize): void {
  for (let i: u32 = 0; i < BLOCK_BYTES; i++) {
    store<u8>(BLOCK + i, (i < keyBytes ? load<u8>(key + i) : 0) ^ pad);
  }
  startHash(hash);
  compress(hash, BLOCK);
}

/** Inner state at `state`, outer state at `state + SHA1_STATE_BYTES`, 20 bytes each. The key has at most 64 bytes. */
export function hmacSha1Key(key: usize, keyBytes: u32, state: usize): void {
  hashKey(key, keyBytes, IPAD, state);
  hashKey(key, keyBytes, OPAD, state + SHA1_STATE_BYTES);
  memory.fill(SHA1_SCRATCH_AT, 0, SHA1_SCRATCH_BYTES); // no key stays behind
}

/**
 * Pads a message that follows a block hashed before it (FIPS 180-4 section 5.1.1), in place.
 * @returns the number of 64-byte blocks. Up to 80 bytes behind the message are written, none before its end.
 */
export function sha1Pad(message: usize, bytes: u32): u32 {
  const blocks = (bytes + 8 + BLOCK_BYTES) / BLOCK_BYTES;
  const at = message + bytes;
  const end = message + blocks * BLOCK_BYTES;
  for (let zero = at; zero < end; zero += 16) v128.store(zero, i32x4.splat(0));
  store<u8>(at, 0x80);
  store<u64>(end - 8, bswap((<u64>(BLOCK_BYTES + bytes)) << 3));
  return blocks;
}

/** Tag of 20 bytes of one padded message. */
export function hmacSha1(state: usize, message: usize, blocks: u32, tag: usize): void {
  copyState(state);
  for (let end = message + blocks * BLOCK_BYTES; message < end; message += BLOCK_BYTES) compress(HASH, message);
  writeDigest(BLOCK);
  sha1Pad(BLOCK, DIGEST_BYTES);
  copyState(state + SHA1_STATE_BYTES);
  compress(HASH, BLOCK);
  writeDigest(tag);
}

function copyState(state: usize): void {
  v128.store(HASH, v128.load(state));
  store<u32>(HASH, load<u32>(state, 16), 16);
}

/** The hash value in the order of the wire. */
function writeDigest(to: usize): void {
  v128.store(to, loadWords(HASH));
  store<u32>(to, bswap(load<u32>(HASH, 16)), 16);
}

/**
 * Tags of four padded messages, each with a key of its own, at `tags`, 32 bytes apart. Blocks may differ in number, and are
 * one at least; the same message may stand in several lanes.
 */
export function hmacSha1x4(
  s0: usize,
  s1: usize,
  s2: usize,
  s3: usize,
  m0: usize,
  m1: usize,
  m2: usize,
  m3: usize,
  b0: u32,
  b1: u32,
  b2: u32,
  b3: u32,
  tags: usize,
): void {
  const blocks = i32x4.replace_lane(i32x4.replace_lane(i32x4.replace_lane(i32x4.splat(b0), 1, b1), 2, b2), 3, b3);
  const most = max(max(b0, b1), max(b2, b3));
  copyStates4(s0, s1, s2, s3);
  for (let i: u32 = 0; i < most; i++) {
    loadBlocks4(m0, m1, m2, m3);
    compress4(v128.gt<i32>(blocks, i32x4.splat(i)));
    // A lane that has ended goes on reading its last block: nothing behind a message is read.
    if (i + 1 < b0) m0 += BLOCK_BYTES;
    if (i + 1 < b1) m1 += BLOCK_BYTES;
    if (i + 1 < b2) m2 += BLOCK_BYTES;
    if (i + 1 < b3) m3 += BLOCK_BYTES;
  }
  loadDigests4();
  copyStates4(s0 + SHA1_STATE_BYTES, s1 + SHA1_STATE_BYTES, s2 + SHA1_STATE_BYTES, s3 + SHA1_STATE_BYTES);
  compress4(i32x4.splat(-1));
  writeDigests4(tags);
}

/** Four states into the lanes of the hash value. */
function copyStates4(s0: usize, s1: usize, s2: usize, s3: usize): void {
  transpose4(HASH, v128.load(s0), v128.load(s1), v128.load(s2), v128.load(s3));
  store<u32>(HASH, load<u32>(s0, 16), 64);
  store<u32>(HASH, load<u32>(s1, 16), 68);
  store<u32>(HASH, load<u32>(s2, 16), 72);
  store<u32>(HASH, load<u32>(s3, 16), 76);
}

function writeDigests4(tags: usize): void {
  transpose4(BLOCK, v128.load(HASH), v128.load(HASH, 16), v128.load(HASH, 32), v128.load(HASH, 48));
  for (let lane: usize = 0; lane < 4; lane++) {
    v128.store(tags + (lane << 5), loadWords(BLOCK + (lane << 4)));
    store<u32>(tags + (lane << 5), bswap(load<u32>(HASH + (lane << 2), 64)), 16);
  }
}
