/**
 * SRTP and SRTCP on node:crypto, written from the standards to be read beside them: RFC 3711 (counter mode, HMAC-SHA1, key derivation),
 * RFC 6188 (longer keys), RFC 7714 (AES-GCM). No state: the caller says which ROC or SRTCP index. What `doubletrack/srtp` is held against.
 */
import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto';
import { SRTP_SUITES, SrtpError, type SrtpSuite } from '../../../src/media/srtp.ts';

const NOTHING = Buffer.alloc(0);
const RTP_HEADER_BYTES = 12;
const RTCP_HEADER_BYTES = 8;
const SRTCP_INDEX_BYTES = 4;
const E_BIT = 0x8000_0000;

/** What is made of a master key, for RTP or for RTCP. */
export interface SessionKeys {
  cipher: 'AES_CM' | 'AEAD_AES_GCM' | 'NULL';
  tagBytes: number;
  mki: Uint8Array;
  cipherKey: Buffer;
  /** Empty for AEAD. */
  authKey: Buffer;
  salt: Buffer;
}

export interface Session {
  rtp: SessionKeys;
  rtcp: SessionKeys;
}

export interface MasterKey {
  suite: SrtpSuite;
  /** The key, and the salt behind it. */
  keyAndSalt: Uint8Array;
  mki?: Uint8Array | null;
}

const uint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
};

function xor(a: Uint8Array, b: Uint8Array): Buffer {
  return Buffer.from(a.map((byte, i) => byte ^ b[i]!));
}

/**
 * RFC 3711 section 4.3.1: "Let r = index DIV key_derivation_rate", here 0; "Let key_id = <label> || r"; "Let x = key_id XOR master_salt,
 * where key_id and master_salt are aligned so that their least significant bits agree". Section 4.3.3: "PRF_n(k_master,x) … shall be AES in
 * Segmented Integer Counter Mode … IV equal to (x*2^16)". A salt of 96 bits counts as 112 with zeros behind (RFC 7714 section 11).
 */
export function deriveKey(masterKey: Uint8Array, masterSalt: Uint8Array, label: number, bytes: number): Buffer {
  const iv = Buffer.alloc(16);
  iv.set(masterSalt);
  iv[7]! ^= label;
  return createCipheriv(`aes-${masterKey.length * 8}-ctr`, masterKey, iv).update(Buffer.alloc(bytes));
}

/** RFC 3711 section 4.3.2: labels 0x00 to 0x02 for SRTP and 0x03 to 0x05 for SRTCP: cipher key, authentication key, salt. */
function deriveKeys(key: MasterKey, firstLabel: number, tagBytes: number): SessionKeys {
  const { cipher, masterKeyBytes, masterSaltBytes } = SRTP_SUITES[key.suite];
  const masterKey = key.keyAndSalt.subarray(0, masterKeyBytes);
  const masterSalt = key.keyAndSalt.subarray(masterKeyBytes);
  const derive = (n: number, bytes: number) => deriveKey(masterKey, masterSalt, firstLabel + n, bytes);
  return {
    ...{
      cipher,
      tagBytes,
      mki: key.mki ?? NOTHING,
      cipherKey: derive(0, masterKeyBytes),
      salt: derive(2, masterSaltBytes),
    },
    authKey: cipher === 'AEAD_AES_GCM' ? NOTHING : derive(1, 20), // n_a is 160 bits (RFC 3711 section 5.2)
  };
}

export function deriveSession(key: MasterKey): Session {
  const { rtpTagBytes, rtcpTagBytes } = SRTP_SUITES[key.suite];
  return { rtp: deriveKeys(key, 0, rtpTagBytes), rtcp: deriveKeys(key, 3, rtcpTagBytes) };
}

/** RFC 3711 section 4.1.1: "IV = (k_s * 2^16) XOR (SSRC * 2^64) XOR (i * 2^16)". Encrypts and decrypts. */
export function counterMode(keys: SessionKeys, ssrc: number, index: bigint, data: Uint8Array): Buffer {
  const iv = Buffer.alloc(16);
  iv.writeUInt32BE(ssrc, 4);
  iv.writeUIntBE(Number(index), 8, 6);
  const counter = xor(iv, Buffer.concat([keys.salt, Buffer.alloc(2)]));
  return createCipheriv(`aes-${keys.cipherKey.length * 8}-ctr`, keys.cipherKey, counter).update(data);
}

/** RFC 7714 sections 8.1 and 9.1: 00 00 || SSRC || ROC || SEQ, or 00 00 || SSRC || 00 00 || SRTCP index, XOR the salt. */
export function gcmIv(keys: SessionKeys, ssrc: number, index: bigint): Buffer {
  const iv = Buffer.alloc(12);
  iv.writeUInt32BE(ssrc, 2);
  iv.writeUIntBE(Number(index), 6, 6);
  return xor(iv, keys.salt);
}

interface Sealed {
  data: Buffer;
  tag: Buffer;
}

const gcmName = (keys: SessionKeys) => `aes-${keys.cipherKey.length * 8}-gcm` as 'aes-128-gcm' | 'aes-256-gcm';

function seal(keys: SessionKeys, iv: Buffer, associated: Uint8Array, plain: Uint8Array): Sealed {
  const gcm = createCipheriv(gcmName(keys), keys.cipherKey, iv).setAAD(associated);
  const data = gcm.update(plain);
  gcm.final();
  return { data, tag: gcm.getAuthTag() };
}

function open(keys: SessionKeys, iv: Buffer, associated: Uint8Array, { data, tag }: Sealed): Buffer {
  const gcm = createDecipheriv(gcmName(keys), keys.cipherKey, iv, { authTagLength: 16 });
  const plain = gcm.setAAD(associated).setAuthTag(tag).update(data);
  try {
    gcm.final();
  } catch {
    throw new SrtpError('UNAUTHENTICATED', 'the tag does not verify');
  }
  return plain;
}

/** RFC 3711 section 4.2.1: HMAC-SHA1, the leftmost octets. */
function hmac(keys: SessionKeys, ...parts: Uint8Array[]): Buffer {
  const mac = createHmac('sha1', keys.authKey);
  for (const part of parts) mac.update(part);
  return mac.digest().subarray(0, keys.tagBytes);
}

function assertSame(actual: Uint8Array, expected: Uint8Array, what: string): void {
  if (!Buffer.from(actual).equals(expected)) throw new SrtpError('UNAUTHENTICATED', `${what} does not verify`);
}

/** RFC 3550 section 5.1: the fixed header, the CSRCs, the extension. @throws SrtpError */
export function rtpHeaderBytes(packet: Uint8Array): number {
  const view = Buffer.from(packet.buffer, packet.byteOffset, packet.length);
  const fixed = RTP_HEADER_BYTES + (view[0]! & 15) * 4;
  const extended = (view[0]! & 0x10) !== 0;
  const bytes = extended && view.length >= fixed + 4 ? fixed + 4 + view.readUInt16BE(fixed + 2) * 4 : fixed;
  const isWhole = view.length >= RTP_HEADER_BYTES && view.length >= bytes + (extended && bytes === fixed ? 4 : 0);
  if (!isWhole || view[0]! >> 6 !== 2) throw new SrtpError('INVALID', 'not RTP');
  return bytes;
}

/** The 48-bit packet index: i = 2^16 * ROC + SEQ (RFC 3711 section 3.3.1). */
function packetIndex(roc: number, header: Buffer): bigint {
  return (BigInt(roc) << 16n) + BigInt(header.readUInt16BE(2));
}

/** RFC 3711 section 3.1, RFC 7714 section 8: header, encrypted payload, then MKI and tag, or with AEAD tag and MKI. */
export function protectRtp(keys: SessionKeys, roc: number, packet: Uint8Array): Buffer {
  const headerBytes = rtpHeaderBytes(packet);
  const [header, payload] = [Buffer.from(packet.subarray(0, headerBytes)), packet.subarray(headerBytes)];
  const [ssrc, index] = [header.readUInt32BE(8), packetIndex(roc, header)];
  if (keys.cipher === 'AEAD_AES_GCM') {
    const { data, tag } = seal(keys, gcmIv(keys, ssrc, index), header, payload);
    return Buffer.concat([header, data, tag, keys.mki]);
  }
  const data = keys.cipher === 'NULL' ? payload : counterMode(keys, ssrc, index, payload);
  return Buffer.concat([header, data, keys.mki, hmac(keys, header, data, uint32(roc))]); // M = Authenticated Portion || ROC
}

/** @throws SrtpError */
export function unprotectRtp(keys: SessionKeys, roc: number, packet: Uint8Array): Buffer {
  const headerBytes = rtpHeaderBytes(packet);
  const { body, mki, tag } = cut(keys, packet, headerBytes);
  const [header, data] = [Buffer.from(packet.subarray(0, headerBytes)), body.subarray(headerBytes)];
  const [ssrc, index] = [header.readUInt32BE(8), packetIndex(roc, header)];
  assertSame(mki, keys.mki, 'the MKI');
  if (keys.cipher === 'AEAD_AES_GCM') {
    return Buffer.concat([header, open(keys, gcmIv(keys, ssrc, index), header, { data, tag })]);
  }
  assertSame(tag, hmac(keys, body, uint32(roc)), 'the tag');
  return Buffer.concat([header, keys.cipher === 'NULL' ? data : counterMode(keys, ssrc, index, data)]);
}

/** Takes MKI and tag off the end, in the suite's order. @throws SrtpError when less than `leastBytes` is left. */
function cut(keys: SessionKeys, packet: Uint8Array, leastBytes: number): { body: Buffer; mki: Buffer; tag: Buffer } {
  const bytes = Buffer.from(packet);
  const end = bytes.length - keys.mki.length - keys.tagBytes;
  if (end < leastBytes) throw new SrtpError('INVALID', 'too short');
  const isAead = keys.cipher === 'AEAD_AES_GCM';
  const tagAt = isAead ? end : end + keys.mki.length;
  const mkiAt = isAead ? end + keys.tagBytes : end;
  return {
    body: bytes.subarray(0, end),
    mki: bytes.subarray(mkiAt, mkiAt + keys.mki.length),
    tag: bytes.subarray(tagAt, tagAt + keys.tagBytes),
  };
}

/** RTCP (RFC 3550 section 6.4) begins with a packet of version 2 and is sent in words. @throws SrtpError */
function assertRtcp(packet: Uint8Array): void {
  if (packet.length < RTCP_HEADER_BYTES || packet[0]! >> 6 !== 2) throw new SrtpError('INVALID', 'not RTCP');
}

/**
 * RFC 3711 section 3.4: header with the first SSRC, encrypted rest, E || SRTCP index, MKI, tag. RFC 7714 section 9: header, encrypted rest
 * and tag, E || SRTCP index, MKI; the word is associated data, and so is everything when E is 0.
 */
export function protectRtcp(keys: SessionKeys, index: number, packet: Uint8Array, isEncrypted: boolean): Buffer {
  assertRtcp(packet);
  const header = Buffer.from(packet.subarray(0, RTCP_HEADER_BYTES));
  const [ssrc, rest] = [header.readUInt32BE(4), packet.subarray(RTCP_HEADER_BYTES)];
  const word = uint32(index + (isEncrypted ? E_BIT : 0));
  if (keys.cipher === 'AEAD_AES_GCM') {
    const associated = Buffer.concat([isEncrypted ? header : packet, word]);
    const { data, tag } = seal(keys, gcmIv(keys, ssrc, BigInt(index)), associated, isEncrypted ? rest : NOTHING);
    return Buffer.concat([header, isEncrypted ? data : rest, tag, word, keys.mki]);
  }
  const data = isEncrypted && keys.cipher === 'AES_CM' ? counterMode(keys, ssrc, BigInt(index), rest) : rest;
  return Buffer.concat([header, data, word, keys.mki, hmac(keys, header, data, word)]);
}

export interface Unprotected {
  packet: Buffer;
  index: number;
}

/** @throws SrtpError */
export function unprotectRtcp(keys: SessionKeys, packet: Uint8Array): Unprotected {
  assertRtcp(packet);
  if (keys.cipher === 'AEAD_AES_GCM') return openRtcp(keys, Buffer.from(packet));
  const { body, mki, tag } = cut(keys, packet, RTCP_HEADER_BYTES + SRTCP_INDEX_BYTES);
  assertSame(mki, keys.mki, 'the MKI');
  assertSame(tag, hmac(keys, body), 'the tag');
  const word = body.readUInt32BE(body.length - SRTCP_INDEX_BYTES);
  const [index, header] = [word % E_BIT, body.subarray(0, RTCP_HEADER_BYTES)];
  const data = body.subarray(RTCP_HEADER_BYTES, -SRTCP_INDEX_BYTES);
  const isEncrypted = word >= E_BIT && keys.cipher === 'AES_CM';
  const rest = isEncrypted ? counterMode(keys, header.readUInt32BE(4), BigInt(index), data) : data;
  return { packet: Buffer.concat([header, rest]), index };
}

function openRtcp(keys: SessionKeys, packet: Buffer): Unprotected {
  const mkiAt = packet.length - keys.mki.length;
  const wordAt = mkiAt - SRTCP_INDEX_BYTES;
  const tagAt = wordAt - keys.tagBytes;
  if (tagAt < RTCP_HEADER_BYTES) throw new SrtpError('INVALID', 'too short');
  assertSame(packet.subarray(mkiAt), keys.mki, 'the MKI');
  const [word, header] = [packet.readUInt32BE(wordAt), packet.subarray(0, RTCP_HEADER_BYTES)];
  const [rest, tag] = [packet.subarray(RTCP_HEADER_BYTES, tagAt), packet.subarray(tagAt, wordAt)];
  const [isEncrypted, index] = [word >= E_BIT, word % E_BIT];
  const iv = gcmIv(keys, header.readUInt32BE(4), BigInt(index));
  const associated = Buffer.concat([isEncrypted ? header : packet.subarray(0, tagAt), uint32(word)]);
  const plain = open(keys, iv, associated, { data: isEncrypted ? rest : NOTHING, tag });
  return { packet: Buffer.concat([header, isEncrypted ? plain : rest]), index };
}
