/** What an encoding comes to as sound (RFC 3551, RFC 7587): whether it can be decoded, at which rate, how much of it. */

import { OPUS_RATE_HZ, opusSamples } from './opus-packet.ts';

/** A payload type, its encoding name in upper case. */
export interface Encoding {
  encoding: string;
  /** Of RTP timestamps, in Hz. */
  clockRate: number;
  channels: number;
}

/** Octets of one sample, of encodings where the clock counts samples. */
const BYTES_PER_SAMPLE: Readonly<Record<string, number>> = { PCMU: 1, PCMA: 1, L16: 2 };
const G722_RATE_HZ = 16_000;
/** RFC 3551 section 4.5.2: it counts octets, for it was assigned by mistake and could not be changed any more. */
const G722_CLOCK_HZ = 8000;
const G722_SAMPLES_PER_OCTET = 2;

export function isDecodable({ encoding, clockRate, channels }: Encoding): boolean {
  if (encoding === 'G722') return clockRate === G722_CLOCK_HZ && channels === 1;
  if (encoding === 'OPUS') return clockRate === OPUS_RATE_HZ;
  return encoding in BYTES_PER_SAMPLE;
}

/** Each packet is decoded with what those before it have left behind. */
export function isStateful(encoding: string): boolean {
  return encoding === 'G722' || encoding === 'OPUS';
}

/** Sampling rate of the sound, which may be another than that of RTP time. */
export function soundRateHz({ encoding, clockRate }: Encoding): number {
  return encoding === 'G722' ? G722_RATE_HZ : clockRate;
}

/** Samples per channel that the payload at `at` decodes to; 0 if it cannot be decoded. */
export function soundSamples(type: Encoding, bytes: Uint8Array, at: number, length: number): number {
  const bytesPerSample = BYTES_PER_SAMPLE[type.encoding];
  if (bytesPerSample !== undefined) return Math.floor(Math.floor(length / bytesPerSample) / type.channels);
  if (!isDecodable(type)) return 0;
  return type.encoding === 'G722' ? length * G722_SAMPLES_PER_OCTET : opusSamples(bytes, at, length);
}
