/**
 * Crypto suites of SDES by name (RFC 4568 section 6.2, RFC 6188 section 4, RFC 7714 section 14.2), and what session parameters
 * make of them (RFC 4568 section 6.3).
 */

/** Octets of master key and master salt together. */
const KEY_AND_SALT_BYTES: ReadonlyMap<string, number> = new Map([
  ['AES_CM_128_HMAC_SHA1_80', 30],
  ['AES_CM_128_HMAC_SHA1_32', 30],
  ['AES_192_CM_HMAC_SHA1_80', 38],
  ['AES_192_CM_HMAC_SHA1_32', 38],
  ['AES_256_CM_HMAC_SHA1_80', 46],
  ['AES_256_CM_HMAC_SHA1_32', 46],
  ['AEAD_AES_128_GCM', 28],
  ['AEAD_AES_256_GCM', 44],
]);

/** Suites that an a=crypto line can name. */
export const CRYPTO_SUITES: readonly string[] = [...KEY_AND_SALT_BYTES.keys()];

/**
 * What session parameters leave of a suite that is not encrypted, or not authenticated either. No a=crypto line names them:
 * UNENCRYPTED_SRTP does, and UNAUTHENTICATED_SRTP beside it.
 */
export const NULL_SUITES: readonly string[] = ['NULL_HMAC_SHA1_80', 'NULL_HMAC_SHA1_32', 'NULL_NULL'];

/** Octets of master key and salt that a suite takes; null when the suite is not known here. */
export function keyAndSaltBytes(suite: string): number | null {
  return KEY_AND_SALT_BYTES.get(suite) ?? null;
}

/** The suite that is left of `suite` without encryption, and without authentication too; null when there is none. */
export function nullSuite(suite: string, isAuthenticated: boolean): string | null {
  if (!suite.startsWith('AES_CM_128_')) return null;
  return isAuthenticated ? suite.replace('AES_CM_128', 'NULL') : 'NULL_NULL';
}
