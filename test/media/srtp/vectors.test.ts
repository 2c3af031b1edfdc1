/** The standards' vectors: each proven by node:crypto, so that none is mistyped, and then the oracle by them. */
import assert from 'node:assert/strict';
import { createCipheriv, createHmac } from 'node:crypto';
import { test } from 'node:test';
import { SRTP_SUITES, type SrtpSuite } from '../../../src/media/srtp.ts';
import {
  counterMode,
  deriveKey,
  gcmIv,
  protectRtcp,
  protectRtp,
  type SessionKeys,
  unprotectRtcp,
  unprotectRtp,
} from './oracle.ts';
import aes from './vectors/aes.json' with { type: 'json' };
import aesCm from './vectors/aes-cm.json' with { type: 'json' };
import aesGcm from './vectors/aes-gcm.json' with { type: 'json' };
import hmacSha1 from './vectors/hmac-sha1.json' with { type: 'json' };

const bytes = (hex: string): Buffer => Buffer.from(hex, 'hex');
const BLOCK_BYTES = 16;
/** RFC 3711 B.2: "keystream segment length: 1044512 octets (65282 AES blocks)". */
const SEGMENT_BLOCKS = 65_282;

for (const { title, key, plaintext, ciphertext } of aes.blocks) {
  test(`${title}: one block`, () => {
    const cipher = createCipheriv(`aes-${key.length * 4}-ecb`, bytes(key), null).setAutoPadding(false);
    assert.equal(cipher.update(plaintext, 'hex', 'hex'), ciphertext);
  });
}

for (const { title, key, counter, plaintext, ciphertext } of aes.counterMode) {
  test(`${title}: counter mode`, () => {
    const cipher = createCipheriv(`aes-${key.length * 4}-ctr`, bytes(key), bytes(counter));
    assert.equal(cipher.update(plaintext, 'hex', 'hex'), ciphertext);
  });
}

for (const { title, key, data, digest } of hmacSha1.cases) {
  test(title, () => assert.equal(createHmac('sha1', bytes(key)).update(bytes(data)).digest('hex'), digest));
}

/** Session keys as the vectors give them; the rest does not matter. */
function sessionKeys(cipher: SessionKeys['cipher'], key: string, salt: string): SessionKeys {
  const tagBytes = cipher === 'AEAD_AES_GCM' ? 16 : 10;
  return {
    cipher,
    tagBytes,
    mki: Buffer.alloc(0),
    cipherKey: bytes(key),
    authKey: Buffer.alloc(20),
    salt: bytes(salt),
  };
}

for (const { title, key, salt, blocks } of aesCm.keystream) {
  test(`${title}: AES counter mode key stream`, () => {
    const zeros = Buffer.alloc(SEGMENT_BLOCKS * BLOCK_BYTES);
    const cipher = createCipheriv(`aes-${key.length * 4}-ctr`, bytes(key), bytes(`${salt}0000`));
    const keystream = cipher.update(zeros);
    assert.deepEqual(counterMode(sessionKeys('AES_CM', key, salt), 0, 0n, zeros), keystream);
    for (const [block, expected] of Object.entries(blocks)) {
      const at = Number(block) * BLOCK_BYTES;
      assert.equal(keystream.toString('hex', at, at + expected.length / 2), expected);
    }
  });
}

for (const { title, masterKey, masterSalt, cipherKey, authKey, salt } of aesCm.derivation) {
  test(`${title}: key derivation`, () => {
    for (const [label, expected] of [cipherKey, authKey, salt].entries()) {
      const derived = deriveKey(bytes(masterKey), bytes(masterSalt), label, expected.length / 2);
      assert.equal(derived.toString('hex'), expected, `label ${label}`);
    }
  });
}

interface GcmVector {
  title: string;
  suite: string;
  key: string;
  encrypted: boolean;
  protected: string;
}

/** Ciphertext and tag by node:crypto alone. */
function bySealing({ suite, key }: GcmVector, iv: string, associated: Buffer, plain: Buffer): string {
  const name = `aes-${SRTP_SUITES[suite as SrtpSuite].masterKeyBytes * 8}-gcm` as 'aes-128-gcm';
  const gcm = createCipheriv(name, bytes(key), bytes(iv)).setAAD(associated);
  return gcm.update(plain, undefined, 'hex') + gcm.final('hex') + gcm.getAuthTag().toString('hex');
}

for (const vector of aesGcm.rtp.cases) {
  test(`${vector.title}: ${vector.suite}`, () => {
    const { packet, iv, roc } = aesGcm.rtp;
    const plain = bytes(packet);
    const clearBytes = vector.encrypted ? 12 : plain.length;
    const sealed = bySealing(vector, iv, plain.subarray(0, clearBytes), plain.subarray(clearBytes));
    assert.equal(packet.slice(0, clearBytes * 2) + sealed, vector.protected);
    const keys = sessionKeys('AEAD_AES_GCM', vector.key, aesGcm.salt);
    assert.equal(gcmIv(keys, plain.readUInt32BE(8), BigInt(plain.readUInt16BE(2))).toString('hex'), iv);
    if (!vector.encrypted) return; // authentication alone is no crypto suite of SDES
    assert.equal(protectRtp(keys, roc, plain).toString('hex'), vector.protected);
    assert.deepEqual(unprotectRtp(keys, roc, bytes(vector.protected)), plain);
  });
}

for (const vector of aesGcm.rtcp.cases) {
  test(`${vector.title}: ${vector.suite}`, () => {
    const { packet, iv, index } = aesGcm.rtcp;
    const plain = bytes(packet);
    const word = vector.protected.slice(-8);
    const clearBytes = vector.encrypted ? 8 : plain.length;
    const associated = Buffer.concat([plain.subarray(0, clearBytes), bytes(word)]);
    const sealed = bySealing(vector, iv, associated, plain.subarray(clearBytes));
    assert.equal(packet.slice(0, clearBytes * 2) + sealed + word, vector.protected);
    const keys = sessionKeys('AEAD_AES_GCM', vector.key, aesGcm.salt);
    assert.equal(protectRtcp(keys, index, plain, vector.encrypted).toString('hex'), vector.protected);
    assert.deepEqual(unprotectRtcp(keys, bytes(vector.protected)), { packet: plain, index });
  });
}
