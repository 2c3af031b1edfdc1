/**
 * SRTP crypto suites by their SDES names (RFC 4568 section 6.2, RFC 6188 section 4, RFC 7714 section 14.2), and what a stream needs to
 * know to use one.
 */
import type { Secret } from '../secret.ts';

export interface SrtpSuiteFacts {
  cipher: 'AES_CM' | 'AEAD_AES_GCM' | 'NULL';
  masterKeyBytes: 16 | 24 | 32;
  masterSaltBytes: 12 | 14;
  /** Authentication tag of RTP. */
  rtpTagBytes: 0 | 4 | 10 | 16;
  /** Of RTCP: the 32-bit tag is for RTP only (RFC 4568 section 6.2). */
  rtcpTagBytes: 10 | 16;
}

function counterMode(masterKeyBytes: 16 | 24 | 32, rtpTagBytes: 4 | 10): SrtpSuiteFacts {
  return { cipher: 'AES_CM', masterKeyBytes, masterSaltBytes: 14, rtpTagBytes, rtcpTagBytes: 10 };
}

function gcm(masterKeyBytes: 16 | 32): SrtpSuiteFacts {
  return { cipher: 'AEAD_AES_GCM', masterKeyBytes, masterSaltBytes: 12, rtpTagBytes: 16, rtcpTagBytes: 16 };
}

/** Not encrypted; SRTCP is authenticated always (RFC 3711 section 3.4). Keys are those of AES_CM_128. */
function notEncrypted(rtpTagBytes: 0 | 4 | 10): SrtpSuiteFacts {
  return { cipher: 'NULL', masterKeyBytes: 16, masterSaltBytes: 14, rtpTagBytes, rtcpTagBytes: 10 };
}

/** The NULL suites are never negotiated by their names: session parameters of SDES stand for them (RFC 4568 section 6.3). */
export const SRTP_SUITES = {
  AES_CM_128_HMAC_SHA1_80: counterMode(16, 10),
  AES_CM_128_HMAC_SHA1_32: counterMode(16, 4),
  AES_192_CM_HMAC_SHA1_80: counterMode(24, 10),
  AES_192_CM_HMAC_SHA1_32: counterMode(24, 4),
  AES_256_CM_HMAC_SHA1_80: counterMode(32, 10),
  AES_256_CM_HMAC_SHA1_32: counterMode(32, 4),
  AEAD_AES_128_GCM: gcm(16),
  AEAD_AES_256_GCM: gcm(32),
  NULL_HMAC_SHA1_80: notEncrypted(10),
  NULL_HMAC_SHA1_32: notEncrypted(4),
  NULL_NULL: notEncrypted(0),
} as const satisfies Record<string, SrtpSuiteFacts>;

export type SrtpSuite = keyof typeof SRTP_SUITES;

export function isSrtpSuite(name: string): name is SrtpSuite {
  return Object.hasOwn(SRTP_SUITES, name);
}

/** One master key, with the master salt behind it as in SDES (RFC 4568 section 6.1). */
export interface SrtpMasterKey {
  keyAndSalt: Secret;
  /** Master key identifier, 1 to 128 octets; null: packets carry none. The same length in all keys of a direction. */
  mki: Uint8Array | null;
}

/** What one direction of an SRTP session is protected with. */
export interface SrtpKeys {
  suite: SrtpSuite;
  /** One, or several that are told apart by their MKI; the first is what is sent with. */
  keys: readonly SrtpMasterKey[];
  /** SRTCP is authenticated but not encrypted (session parameter UNENCRYPTED_SRTCP). False when left out. */
  unencryptedSrtcp?: boolean;
}

/** Both directions of a stream: what the peer sends with, and what our reports are sent with. */
export interface StreamSrtp {
  receive: SrtpKeys;
  send: SrtpKeys;
  /**
   * The peer's keys are under way, and `receive` stands in for them: what comes waits in the socket until an update brings them, for media may
   * overtake the answer that has them (RFC 4568 section 7.1.2). Without effect on a stream that shares its port.
   */
  awaitsKeys?: boolean;
}

/** @throws RangeError that says what is wrong with the keys (and never shows them). */
export function checkSrtpKeys({ suite, keys }: SrtpKeys): void {
  if (!isSrtpSuite(suite)) throw new RangeError(`${String(suite)} is no SRTP crypto suite known here`);
  const { masterKeyBytes, masterSaltBytes } = SRTP_SUITES[suite];
  const bytes = masterKeyBytes + masterSaltBytes;
  if (keys.length === 0) throw new RangeError('SRTP needs a master key');
  const mkiBytes = keys[0]?.mki?.length ?? 0;
  if (keys.length > 1 && mkiBytes === 0) throw new RangeError('several master keys need an MKI each');
  for (const { keyAndSalt, mki } of keys) {
    if (keyAndSalt.length !== bytes) {
      throw new RangeError(`${suite} takes ${bytes} octets of master key and salt, not ${keyAndSalt.length}`);
    }
    if ((mki?.length ?? 0) !== mkiBytes) throw new RangeError('all MKIs of a direction have the same length');
    if (mki && (mki.length < 1 || mki.length > MAX_MKI_BYTES)) {
      throw new RangeError(`an MKI has 1 to ${MAX_MKI_BYTES} octets, not ${mki.length}`);
    }
  }
}

export const MAX_MKI_BYTES = 128;
