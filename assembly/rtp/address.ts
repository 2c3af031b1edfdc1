/** Addresses as 16 bytes, IPv4 mapped (RFC 4291 section 2.5.5.2), wherever they lie. */

export function isSameAddress(a: usize, b: usize): bool {
  return !v128.any_true(v128.xor(v128.load(a), v128.load(b)));
}
