/**
 * SRTP on node:crypto as one would write it who knows both: session keys derived once and kept as key objects, nothing allocated that need
 * not be. One SSRC and packets without extension; no replay protection, which is in node:crypto's favour.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  type KeyObject,
  timingSafeEqual,
} from 'node:crypto';
import { type Direction, masterKeys, type SrtpContender, type Suite, timeRuns } from './workload.ts';

const HEADER_BYTES = 12;
const HMAC_TAG_BYTES = 10;
const GCM_TAG_BYTES = 16;

export class NodeCryptoContext {
  readonly #isGcm: boolean;
  readonly #cipherKey: KeyObject;
  readonly #authKey: KeyObject;
  readonly #salt: Buffer;
  readonly #iv: Buffer;
  readonly #roc = Buffer.alloc(4);
  #highest = 0;

  constructor(suite: Suite, keyAndSalt: Buffer) {
    this.#isGcm = suite === 'AEAD_AES_128_GCM';
    const derive = (label: number, bytes: number) => {
      const iv = Buffer.concat([keyAndSalt.subarray(16), Buffer.alloc(32)], 16);
      iv[7]! ^= label;
      return createCipheriv('aes-128-ctr', keyAndSalt.subarray(0, 16), iv).update(Buffer.alloc(bytes));
    };
    this.#cipherKey = createSecretKey(derive(0, 16));
    this.#authKey = createSecretKey(derive(1, 20));
    this.#salt = Buffer.concat([derive(2, this.#isGcm ? 12 : 14), Buffer.alloc(2)]);
    this.#iv = Buffer.from(this.#isGcm ? this.#salt.subarray(0, 12) : this.#salt);
  }

  /** The ROC of a packet whose sequence number is not far from the last (RFC 3711 section 3.3.1). */
  #rocOf(packet: Buffer): number {
    const seq = packet.readUInt16BE(2);
    const distance = ((seq - this.#highest + 0x8000) & 0xffff) - 0x8000;
    const index = this.#highest === 0 ? seq : this.#highest + distance;
    if (index > this.#highest) this.#highest = index;
    return Math.floor(index / 0x1_0000);
  }

  /** RFC 3711 section 4.1.1, RFC 7714 section 8.1. */
  #ivFor(packet: Buffer, roc: number): Buffer {
    const [iv, salt] = [this.#iv, this.#salt];
    const at = this.#isGcm ? 2 : 4;
    iv.writeUInt32BE((packet.readUInt32BE(8) ^ salt.readUInt32BE(at)) >>> 0, at);
    iv.writeUInt32BE((roc ^ salt.readUInt32BE(at + 4)) >>> 0, at + 4);
    iv.writeUInt16BE(packet.readUInt16BE(2) ^ salt.readUInt16BE(at + 8), at + 8);
    return iv;
  }

  #tag(authenticated: Buffer, roc: number): Buffer {
    this.#roc.writeUInt32BE(roc);
    return createHmac('sha1', this.#authKey).update(authenticated).update(this.#roc).digest();
  }

  protect(packet: Buffer): Buffer {
    const roc = this.#rocOf(packet);
    const iv = this.#ivFor(packet, roc);
    const out = Buffer.allocUnsafe(packet.length + (this.#isGcm ? GCM_TAG_BYTES : HMAC_TAG_BYTES));
    packet.copy(out, 0, 0, HEADER_BYTES);
    if (this.#isGcm) {
      const gcm = createCipheriv('aes-128-gcm', this.#cipherKey, iv).setAAD(packet.subarray(0, HEADER_BYTES));
      gcm.update(packet.subarray(HEADER_BYTES)).copy(out, HEADER_BYTES);
      gcm.final();
      gcm.getAuthTag().copy(out, packet.length);
      return out;
    }
    createCipheriv('aes-128-ctr', this.#cipherKey, iv).update(packet.subarray(HEADER_BYTES)).copy(out, HEADER_BYTES);
    this.#tag(out.subarray(0, packet.length), roc).copy(out, packet.length, 0, HMAC_TAG_BYTES);
    return out;
  }

  unprotect(packet: Buffer): Buffer {
    const roc = this.#rocOf(packet);
    const end = packet.length - (this.#isGcm ? GCM_TAG_BYTES : HMAC_TAG_BYTES);
    const out = Buffer.allocUnsafe(end);
    packet.copy(out, 0, 0, HEADER_BYTES);
    if (this.#isGcm) {
      const gcm = createDecipheriv('aes-128-gcm', this.#cipherKey, this.#ivFor(packet, roc));
      gcm.setAAD(packet.subarray(0, HEADER_BYTES)).setAuthTag(packet.subarray(end));
      gcm.update(packet.subarray(HEADER_BYTES, end)).copy(out, HEADER_BYTES);
      gcm.final();
      return out;
    }
    const tag = this.#tag(packet.subarray(0, end), roc).subarray(0, HMAC_TAG_BYTES);
    if (!timingSafeEqual(tag, packet.subarray(end))) throw new Error('the tag does not verify');
    const cipher = createDecipheriv('aes-128-ctr', this.#cipherKey, this.#ivFor(packet, roc));
    cipher.update(packet.subarray(HEADER_BYTES, end)).copy(out, HEADER_BYTES);
    return out;
  }
}

export function nodeCrypto({ suite, direction }: { suite: Suite; direction: Direction }): SrtpContender {
  const contexts = masterKeys(suite).map((key) => new NodeCryptoContext(suite, key));
  const protect = (packet: Buffer, session: number) => contexts[session]!.protect(packet);
  const unprotect = (packet: Buffer, session: number) => contexts[session]!.unprotect(packet);
  const convert = direction === 'protect' ? protect : unprotect;
  return { name: 'node:crypto', run: (round) => timeRuns(round, convert) };
}
