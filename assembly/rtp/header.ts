/**
 * The RTP fixed header (RFC 3550 section 5.1) and whether a datagram can be one.
 *
 *  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |V=2|P|X|  CC   |M|     PT      |       sequence number         |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |                           timestamp                           |
 * |                             SSRC                              |
 */

export const FIXED_HEADER_BYTES: u32 = 12;

export function sequenceOf(at: usize): u32 {
  return bswap<u16>(load<u16>(at, 2));
}

export function timestampOf(at: usize): u32 {
  return bswap<u32>(load<u32>(at, 4));
}

export function ssrcOf(at: usize): u32 {
  return bswap<u32>(load<u32>(at, 8));
}

/** Bytes before the payload: fixed header, CSRC list and header extension (section 5.3.1); 0 if they do not fit. */
export function headerBytes(at: usize, bytes: u32): u32 {
  const first = load<u8>(at) as u32;
  let length = FIXED_HEADER_BYTES + ((first & 15) << 2);
  if ((first & 0x10) != 0) {
    if (length + 4 > bytes) return 0;
    length += 4 + ((bswap<u16>(load<u16>(at + length, 2)) as u32) << 2);
  }
  return length <= bytes ? length : 0;
}

/** Bytes of payload without padding, -1 when the packet is not valid RTP (RFC 3550 appendix A.1). */
export function payloadBytes(at: usize, bytes: u32): i32 {
  if (bytes < FIXED_HEADER_BYTES || load<u8>(at) >> 6 != 2) return -1;
  const header = headerBytes(at, bytes);
  if (header == 0) return -1;
  if ((load<u8>(at) & 0x20) == 0) return (bytes - header) as i32;
  const padding = load<u8>(at + bytes - 1) as u32;
  return padding == 0 || header + padding > bytes ? -1 : ((bytes - header - padding) as i32);
}

/** RTP and RTCP on one port are told apart by the second byte (RFC 5761 section 4). */
export function looksLikeRtcp(at: usize, bytes: u32): bool {
  if (bytes < 8) return false;
  const type = load<u8>(at, 1);
  return type >= 192 && type <= 223;
}
