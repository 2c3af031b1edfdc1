/**
 * Session keys of a master key (RFC 3711 section 4.3, with a key derivation rate of 0; RFC 6188 section 3 for longer keys; RFC 7714
 * section 11 for GCM), in the form that the kernels take.
 *
 *   x = (label || 0 ... 0) xor master_salt;  key = AES-CM(master_key, x * 2^16)
 */
import {
  CIPHER_AES_GCM,
  CIPHER_GHASH_AT,
  CIPHER_HMAC_AT,
  CIPHER_SALT_AT,
  CONTEXT_BYTES,
  CONTEXT_CIPHER_AT,
  CONTEXT_FIRST_RTCP_INDEX_AT,
  CONTEXT_KEY_AT,
  CONTEXT_MKI_BYTES_AT,
  CONTEXT_PREVIOUS_KEY_AT,
  CONTEXT_ROUNDS_AT,
  CONTEXT_RTCP_ENCRYPTED_AT,
  CONTEXT_RTCP_TAG_BYTES_AT,
  CONTEXT_RTP_TAG_BYTES_AT,
  CONTEXT_TRIES_LEFT_AT,
  GHASH_TABLES_BYTES,
  ROC_TRIES_PER_SECOND,
  ROUND_KEYS_BYTES,
  SRTP_DERIVED_AT,
  SRTP_DERIVED_BYTES,
  SRTP_KEY_BYTES,
  SRTP_KEY_MKI_AT,
  SRTP_KEY_NEXT_AT,
  SRTP_KEY_RTCP_AT,
  SRTP_KEY_RTP_AT,
  SRTP_KEY_TABLES_BYTES,
  SRTP_MASTER_AT,
} from '../layout';
import { encryptBlock, expandKey, roundsFor } from './aes';
import { expandCounterKey } from './aes-ctr';
import { ghashKey } from './ghash';
import { hmacSha1Key } from './hmac-sha1';

/** Labels (section 4.3.2) of the keys for RTP; those for RTCP are LABEL_RTCP higher. */
const LABEL_ENCRYPTION: u32 = 0;
const LABEL_AUTHENTICATION: u32 = 1;
const LABEL_SALT: u32 = 2;
const LABEL_RTCP: u32 = 3;
const AUTHENTICATION_KEY_BYTES: u32 = 20;

/** A context without keys: they come by rekeyContext and addKey. */
export function openContext(context: usize, firstRtcpIndex: u32): void {
  memory.fill(context, 0, CONTEXT_BYTES);
  store<u32>(context, firstRtcpIndex, CONTEXT_FIRST_RTCP_INDEX_AT);
  store<u32>(context, ROC_TRIES_PER_SECOND, CONTEXT_TRIES_LEFT_AT);
}

/**
 * A context that gets other keys. Sources and indices stay, for new keys do not reset the ROC (RFC 3711 section 3.3.1). The keys that it
 * had become the previous ones, for what is under way, unless packets are laid out otherwise now; those before are zeroed. Lengths in bytes,
 * `cipher` as in layout.ts.
 */
export function rekeyContext(
  context: usize,
  cipher: u32,
  keyBytes: u32,
  rtpTagBytes: u32,
  rtcpTagBytes: u32,
  mkiBytes: u32,
  isRtcpEncrypted: u32,
): void {
  const isAlike =
    load<u32>(context, CONTEXT_CIPHER_AT) == cipher &&
    load<u32>(context, CONTEXT_ROUNDS_AT) == roundsFor(keyBytes) &&
    load<u32>(context, CONTEXT_RTP_TAG_BYTES_AT) == rtpTagBytes &&
    load<u32>(context, CONTEXT_MKI_BYTES_AT) == mkiBytes;
  forgetPreviousKeys(context);
  if (isAlike) store<u32>(context, load<u32>(context, CONTEXT_KEY_AT), CONTEXT_PREVIOUS_KEY_AT);
  else eraseKeys(context + CONTEXT_KEY_AT);
  store<u32>(context, 0, CONTEXT_KEY_AT);
  store<u32>(context, cipher, CONTEXT_CIPHER_AT);
  store<u32>(context, roundsFor(keyBytes), CONTEXT_ROUNDS_AT);
  store<u32>(context, rtpTagBytes, CONTEXT_RTP_TAG_BYTES_AT);
  store<u32>(context, rtcpTagBytes, CONTEXT_RTCP_TAG_BYTES_AT);
  store<u32>(context, mkiBytes, CONTEXT_MKI_BYTES_AT);
  store<u32>(context, isRtcpEncrypted, CONTEXT_RTCP_ENCRYPTED_AT);
}

/** Nothing is under way any more. */
export function forgetPreviousKeys(context: usize): void {
  eraseKeys(context + CONTEXT_PREVIOUS_KEY_AT);
}

export function closeContext(context: usize): void {
  forgetPreviousKeys(context);
  eraseKeys(context + CONTEXT_KEY_AT);
  memory.fill(context, 0, CONTEXT_BYTES);
}

/** `list`: where the first key's address stands. */
function eraseKeys(list: usize): void {
  let key: usize = load<u32>(list);
  while (key != 0) {
    const next = load<u32>(key, SRTP_KEY_NEXT_AT);
    const tables: usize = load<u32>(key + SRTP_KEY_RTP_AT, CIPHER_GHASH_AT);
    if (tables != 0) memory.fill(tables, 0, SRTP_KEY_TABLES_BYTES);
    memory.fill(key, 0, SRTP_KEY_BYTES);
    key = next;
  }
  store<u32>(list, 0);
}

/**
 * One more key of a context, behind those that it has, and room for its tables if it is of GCM: master key and master salt (14 bytes, the
 * last two zero for GCM) are zeroed when it has been derived.
 */
export function addKey(
  context: usize,
  key: usize,
  tables: usize,
  master: usize,
  keyBytes: u32,
  salt: usize,
  mki: usize,
): void {
  memory.fill(key, 0, SRTP_KEY_BYTES);
  memory.copy(key + SRTP_KEY_MKI_AT, mki, load<u32>(context, CONTEXT_MKI_BYTES_AT));
  expandKey(master, keyBytes, SRTP_MASTER_AT);
  const masterSalt = v128.and(v128.load(salt), i16x8(-1, -1, -1, -1, -1, -1, -1, 0));
  const isGcm = load<u32>(context, CONTEXT_CIPHER_AT) == CIPHER_AES_GCM;
  writeCipher(key + SRTP_KEY_RTP_AT, keyBytes, masterSalt, 0, isGcm ? tables : 0);
  writeCipher(key + SRTP_KEY_RTCP_AT, keyBytes, masterSalt, LABEL_RTCP, isGcm ? tables + GHASH_TABLES_BYTES : 0);
  memory.fill(SRTP_MASTER_AT, 0, ROUND_KEYS_BYTES);
  memory.fill(SRTP_DERIVED_AT, 0, SRTP_DERIVED_BYTES);
  memory.fill(master, 0, keyBytes);
  memory.fill(salt, 0, 16);
  append(context, key);
}

function append(context: usize, key: usize): void {
  let last = context + CONTEXT_KEY_AT;
  while (load<u32>(last) != 0) last = load<u32>(last) + SRTP_KEY_NEXT_AT;
  store<u32>(last, key as u32);
}

/** `tables`: where those of GHASH go; 0: the cipher is not GCM. */
function writeCipher(cipher: usize, keyBytes: u32, masterSalt: v128, labels: u32, tables: usize): void {
  derive(keyBytes, masterSalt, labels + LABEL_ENCRYPTION, keyBytes);
  expandCounterKey(SRTP_DERIVED_AT, keyBytes, cipher);
  if (tables != 0) {
    // The hash subkey (NIST SP 800-38D section 7.1, step 1).
    v128.store(SRTP_DERIVED_AT, encryptBlock(cipher, roundsFor(keyBytes), i64x2.splat(0)));
    ghashKey(SRTP_DERIVED_AT, tables);
    store<u32>(cipher, tables as u32, CIPHER_GHASH_AT);
  } else {
    derive(keyBytes, masterSalt, labels + LABEL_AUTHENTICATION, AUTHENTICATION_KEY_BYTES);
    hmacSha1Key(SRTP_DERIVED_AT, AUTHENTICATION_KEY_BYTES, cipher + CIPHER_HMAC_AT);
  }
  const saltBytes: u32 = tables != 0 ? 12 : 14;
  derive(keyBytes, masterSalt, labels + LABEL_SALT, saltBytes);
  memory.copy(cipher + CIPHER_SALT_AT, SRTP_DERIVED_AT, saltBytes);
}

/** `bytes` of key stream, at most 32, to SRTP_DERIVED_AT. */
function derive(keyBytes: u32, masterSalt: v128, label: u32, bytes: u32): void {
  const x = v128.xor(masterSalt, i64x2((label as i64) << 56, 0));
  for (let n: u32 = 0; n << 4 < bytes; n++) {
    const block = encryptBlock(SRTP_MASTER_AT, roundsFor(keyBytes), i8x16.replace_lane(x, 15, n as i8));
    v128.store(SRTP_DERIVED_AT + (n << 4), block);
  }
}
