/** Packets and keys of every shape, the same ones for the same seed. SRTP_SEED sets it, SRTP_PACKETS says how many by hand. */
import { createCipheriv, createHash } from 'node:crypto';
import { Secret, SRTP_SUITES, type SrtpKeys, type SrtpSuite } from '../../../src/media/srtp.ts';

export const ALL_SUITES = Object.keys(SRTP_SUITES) as SrtpSuite[];
export const SEED = Number(process.env.SRTP_SEED ?? 1);

/** How many packets a test tries: a number that fits continuous integration, or what SRTP_PACKETS says. */
export function packetsToTry(byDefault: number): number {
  return Number(process.env.SRTP_PACKETS ?? byDefault);
}

/** Key stream of AES: as good as random, and fast. */
export class Random {
  readonly #cipher;
  #pool = Buffer.alloc(0);

  constructor(purpose: string, seed = SEED) {
    const key = createHash('sha256').update(`${purpose} ${seed}`).digest();
    this.#cipher = createCipheriv('aes-256-ctr', key, Buffer.alloc(16));
  }

  bytes(length: number): Buffer {
    if (this.#pool.length < length) this.#pool = this.#cipher.update(Buffer.alloc(Math.max(length, 16_384)));
    const taken = Buffer.from(this.#pool.subarray(0, length));
    this.#pool = this.#pool.subarray(length);
    return taken;
  }

  /** From 0 to max, both included. */
  upTo(max: number): number {
    return this.bytes(6).readUIntBE(0, 6) % (max + 1);
  }

  chance(probability: number): boolean {
    return this.upTo(0xffff) < probability * 0x1_0000;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.upTo(list.length - 1)] as T;
  }
}

/** Where blocks of AES, SHA-1 and the unrolled loops around them end. */
const EDGE_BYTES = [
  0, 1, 15, 16, 17, 31, 32, 33, 47, 48, 63, 64, 65, 80, 95, 96, 97, 159, 160, 161, 176, 255, 256, 1459, 1460,
];

function payloadBytes(random: Random): number {
  if (random.chance(0.3)) return random.pick(EDGE_BYTES);
  return random.chance(0.7) ? random.upTo(330) : random.upTo(1460);
}

/** RFC 3550 section 5.1, with CSRCs, an extension (section 5.3.1) and padding every now and then. */
export function randomRtp(random: Random, ssrc: number, seq: number): Buffer {
  const csrcs = random.chance(0.25) ? random.upTo(15) : 0;
  const isExtended = random.chance(0.25);
  const payload = random.bytes(payloadBytes(random));
  const isPadded = payload.length > 0 && random.chance(0.1);
  if (isPadded) payload[payload.length - 1] = 1 + random.upTo(Math.min(payload.length, 255) - 1);
  const extension = isExtended ? random.bytes(4 + 4 * random.upTo(12)) : Buffer.alloc(0);
  if (isExtended) extension.writeUInt16BE(extension.length / 4 - 1, 2);
  const header = random.bytes(12 + csrcs * 4);
  header[0] = 0x80 | (isPadded ? 0x20 : 0) | (isExtended ? 0x10 : 0) | csrcs;
  header[1] = (random.chance(0.5) ? 0x80 : 0) | random.pick([0, 8, 18, 34, 63, 96, 111, 127]); // none that RTCP could have
  header.writeUInt16BE(seq, 2);
  header.writeUInt32BE(ssrc, 8);
  return Buffer.concat([header, extension, payload]);
}

/** RFC 3550 section 6: one packet of whole words, or two. */
export function randomRtcp(random: Random, ssrc: number): Buffer {
  const first = randomReport(random, ssrc);
  return random.chance(0.3) ? Buffer.concat([first, randomReport(random, ssrc)]) : first;
}

function randomReport(random: Random, ssrc: number): Buffer {
  const bytes = random.bytes(8 + 4 * (random.chance(0.8) ? random.upTo(20) : random.upTo(200)));
  bytes[0] = 0x80 | random.upTo(31);
  bytes[1] = 200 + random.upTo(4);
  bytes.writeUInt16BE(bytes.length / 4 - 1, 2);
  bytes.writeUInt32BE(ssrc, 4);
  return bytes;
}

/** Keys of the suite, with an MKI every now and then. */
export function randomKeys(random: Random, suite: SrtpSuite): SrtpKeys {
  const { masterKeyBytes, masterSaltBytes } = SRTP_SUITES[suite];
  const mki = random.chance(0.25) ? random.bytes(random.pick([1, 2, 4, 8, 128])) : null;
  const keyAndSalt = new Secret(random.bytes(masterKeyBytes + masterSaltBytes));
  return { suite, keys: [{ keyAndSalt, mki }], unencryptedSrtcp: random.chance(0.15) };
}

export function randomSsrc(random: Random): number {
  return random.bytes(4).readUInt32BE();
}
