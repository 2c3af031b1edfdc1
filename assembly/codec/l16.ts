/** L16 (RFC 3551 section 4.5.11): 16-bit samples in network byte order, two's complement. */

/** Swaps the octets of `samples` 16-bit samples at `source` into `target`; touches nothing beyond them. */
export function decodeL16(source: usize, samples: u32, target: usize): void {
  const bytes = samples << 1;
  let i: u32 = 0;
  for (; i + 16 <= bytes; i += 16) {
    const wire = v128.load(source + i);
    v128.store(target + i, v128.or(v128.shl<i16>(wire, 8), v128.shr<u16>(wire, 8)));
  }
  for (; i < bytes; i += 2) store<i16>(target + i, bswap<i16>(load<i16>(source + i)));
}

/** The way back is the same one. */
export function encodeL16(source: usize, samples: u32, target: usize): void {
  decodeL16(source, samples, target);
}
