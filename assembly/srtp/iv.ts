/** Initialisation vectors: what makes the key stream of each packet its own. `ssrc` as it lies in the packet (network order). */
import { CIPHER_SALT_AT } from '../layout';

/**
 * RFC 3711 section 4.1.1, with i the index of RTP (ROC and sequence number) or of RTCP:
 *
 *   IV = (k_s * 2^16) XOR (SSRC * 2^64) XOR (i * 2^16)
 */
export function counterModeIv(cipher: usize, ssrc: u32, index: u64): v128 {
  const indexAndCounter = bswap<u64>(index << 16);
  const iv = i64x2(((ssrc as u64) << 32) as i64, indexAndCounter as i64);
  return v128.xor(v128.load(cipher, CIPHER_SALT_AT), iv);
}

/**
 * RFC 7714 section 8.1 (RTP, `index` = ROC and sequence number) and 9.1 (RTCP, 31 bits): 12 bytes of zeros, SSRC and index under the
 * salt, then the counter.
 *
 *   | 00 00 | SSRC (4) | index, 48 bits |   xor   salt (12)
 */
export function gcmIv(cipher: usize, ssrc: u32, index: u64): v128 {
  const wire = bswap<u64>(index << 16);
  const high = ((ssrc as u64) << 16) | (wire << 48);
  return v128.xor(v128.load(cipher, CIPHER_SALT_AT), i64x2(high as i64, (wire >> 16) as i64));
}
