/**
 * The packets of the load: 20 ms of PCMU, whose payload says when it was sent, by which stream and as which of its packets; the rest is a
 * pattern by stream, so that whoever gets one can tell whether it is whole and in its place.
 *
 * payload: 0 sent us (float64)   8 stream   12 number of the packet in its stream, from 0   16 pattern
 */
import { createHash } from 'node:crypto';
import { Secret, type SrtpKeys, type SrtpSuite } from '../../../src/media/srtp.ts';

/** Their payload type, as a session description maps it. */
export const PCMU = [{ payloadType: 0, encoding: 'PCMU', clockRate: 8000, channels: 1, fmtp: null }];
export const PACKET_BYTES = 172;
export const PACKET_US = 20_000;
export const PAYLOAD_BYTES = 160;
export const SUITE: SrtpSuite = 'AES_CM_128_HMAC_SHA1_80';

const HEADER_BYTES = 12;
const FIRST_SSRC = 0x1000_0000;
const SAMPLES = 160;
const PATTERN_AT = 16;
const PATTERN_BYTES = PAYLOAD_BYTES - PATTERN_AT;
const PATTERN = Buffer.from(Array.from({ length: 256 + PATTERN_BYTES }, (_, n) => (n * 167 + 13) & 0xff));

export function ssrcOf(stream: number): number {
  return FIRST_SSRC + stream;
}

/** Both sides know every key: it comes from the name of what it is for. */
export function keyAndSalt(name: string): Buffer {
  return createHash('sha256').update(name).digest().subarray(0, 30);
}

export function srtpKeys(secret: Uint8Array): SrtpKeys {
  return { suite: SUITE, keys: [{ keyAndSalt: new Secret(secret), mki: null }] };
}

/** Of the stream's sender. */
export function streamKeys(stream: number): SrtpKeys {
  return srtpKeys(keyAndSalt(`stream ${stream}`));
}

export function writePacket(to: Uint8Array, view: DataView, stream: number, n: number, sentUs: number): void {
  view.setUint16(0, 0x8000); // version 2, PCMU
  view.setUint16(2, n & 0xffff);
  view.setUint32(4, (n * SAMPLES) >>> 0);
  view.setUint32(8, ssrcOf(stream));
  view.setFloat64(HEADER_BYTES, sentUs);
  view.setUint32(HEADER_BYTES + 8, stream);
  view.setUint32(HEADER_BYTES + 12, n);
  const pattern = stream & 0xff;
  to.set(PATTERN.subarray(pattern, pattern + PATTERN_BYTES), HEADER_BYTES + PATTERN_AT);
}

/** What a packet says of itself; the same object for every packet, so that reading costs nothing. */
export interface Told {
  sentUs: number;
  stream: number;
  n: number;
}

const told: Told = { sentUs: 0, stream: 0, n: 0 };

/** @returns null when it is not one of ours as it was sent; `at` is where the RTP packet begins. Header extensions are not expected. */
export function readPacket(bytes: Buffer, at: number, length: number): Told | null {
  if (length !== PACKET_BYTES) return null;
  const payload = at + HEADER_BYTES;
  told.sentUs = bytes.readDoubleBE(payload);
  told.stream = bytes.readUInt32BE(payload + 8);
  told.n = bytes.readUInt32BE(payload + 12);
  const [from, pattern] = [payload + PATTERN_AT, told.stream & 0xff];
  return bytes.compare(PATTERN, pattern, pattern + PATTERN_BYTES, from, from + PATTERN_BYTES) === 0 ? told : null;
}
