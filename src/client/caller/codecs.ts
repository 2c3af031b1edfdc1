// Audio as ready-made RTP packets: encoded once, with room for the header in front, and shared by all streams that send it.

import type { PayloadType } from '../../sdp/index.ts';
import { encodeAlaw, encodeMulaw } from './g711.ts';

export const RTP_HEADER_BYTES = 12;

/** A codec that the caller can send. */
export interface SendCodec {
  payloadType: PayloadType;
  bytesPerSample: number;
  encode(samples: Int16Array, from: number, count: number, out: Uint8Array, at: number): void;
}

/** Encoded audio, cut into packets of one ptime. Played in a loop. */
export interface PacketLibrary {
  payloadType: PayloadType;
  ptimeMs: number;
  /** RTP time from one packet to the next. */
  stepRtpUnits: number;
  /** Each has RTP_HEADER_BYTES in front of its payload, to be filled in before it is sent. */
  packets: Uint8Array[];
}

function logarithmic(number: number, encoding: string, encode: (sample: number) => number): SendCodec {
  return {
    payloadType: { payloadType: number, encoding, clockRate: 8000, channels: 1, fmtp: null },
    bytesPerSample: 1,
    encode(samples, from, count, out, at) {
      for (let i = 0; i < count; i++) out[at + i] = encode(samples[from + i] ?? 0);
    },
  };
}

// RFC 3551 4.5.11: 16-bit signed, network byte order.
function linear(number: number, clockRate: number): SendCodec {
  return {
    payloadType: { payloadType: number, encoding: 'L16', clockRate, channels: 1, fmtp: null },
    bytesPerSample: 2,
    encode(samples, from, count, out, at) {
      for (let i = 0; i < count; i++) {
        const sample = samples[from + i] ?? 0;
        out[at + 2 * i] = (sample >> 8) & 0xff;
        out[at + 2 * i + 1] = sample & 0xff;
      }
    },
  };
}

const CODECS: Record<string, SendCodec> = {
  PCMU: logarithmic(0, 'PCMU', encodeMulaw),
  PCMA: logarithmic(8, 'PCMA', encodeAlaw),
  L16: linear(96, 8000),
  'L16/8000': linear(96, 8000),
  'L16/16000': linear(96, 16000),
};

/** The names `sendCodec` knows. */
export const CODEC_NAMES = Object.keys(CODECS);

/** The codec of that name (any case), or null. */
export function sendCodec(name: string): SendCodec | null {
  return CODECS[name.toUpperCase()] ?? null;
}

/**
 * Encodes audio into packets.
 * @param samples at the codec's clock rate; the last packet is filled up with silence
 */
export function buildPacketLibrary(samples: Int16Array, codec: SendCodec, ptimeMs: number): PacketLibrary {
  const step = Math.round((codec.payloadType.clockRate * ptimeMs) / 1000);
  const packetBytes = RTP_HEADER_BYTES + step * codec.bytesPerSample;
  const count = Math.max(1, Math.ceil(samples.length / step));
  const memory = new Uint8Array(count * packetBytes);
  const packets: Uint8Array[] = [];
  for (let i = 0; i < count; i++) {
    codec.encode(samples, i * step, step, memory, i * packetBytes + RTP_HEADER_BYTES);
    packets.push(memory.subarray(i * packetBytes, (i + 1) * packetBytes));
  }
  return { payloadType: codec.payloadType, ptimeMs, stepRtpUnits: step, packets };
}
