/** The parts of SRTP on their own, for known-answer tests: v128 values cannot cross the boundary, so they pass through memory. */
import { encryptBlock } from './aes';
import { counterMode, expandCounterKey } from './aes-ctr';
import { ghash } from './ghash';

export { ghashKey } from './ghash';
export { hmacSha1, hmacSha1Key, hmacSha1x4, sha1Pad } from './hmac-sha1';

export function aesExpandCounterKey(key: usize, keyBytes: u32, to: usize): void {
  expandCounterKey(key, keyBytes, to);
}

export function aesEncrypt(keys: usize, rounds: u32, block: usize, to: usize): void {
  v128.store(to, encryptBlock(keys, rounds, v128.load(block)));
}

export function aesCounterMode(
  keys: usize,
  rounds: u32,
  iv: usize,
  counter: u32,
  from: usize,
  to: usize,
  blocks: u32,
): void {
  counterMode(keys, rounds, v128.load(iv), counter, from, to, blocks);
}

export function ghashTo(tables: usize, blocks: usize, count: u32, to: usize): void {
  v128.store(to, ghash(tables, blocks, count));
}
