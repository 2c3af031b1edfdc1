/** libopus as WebAssembly, which is loaded when the first of it is needed. */
import type { OpusDecoder } from 'opus-decoder';

/** An instance has heard nothing yet; one that has trapped must not be used again. */
export type Libopus = Pick<OpusDecoder, 'decodeFrame' | 'free'>;

/** It folds stereo itself. With two channels this build of libopus traps on some sequences of frames of 40 and 60 ms. */
export async function openLibopus(): Promise<Libopus> {
  const { OpusDecoder } = await import('opus-decoder');
  const opus = new OpusDecoder({ channels: 1 });
  await opus.ready;
  return opus;
}

/** What the packet decodes to, null if the decoder trapped on it. */
export function decodeOrTrap(opus: Libopus, packet: Uint8Array): Float32Array | null {
  try {
    return opus.decodeFrame(packet).channelData[0] as Float32Array;
  } catch (error) {
    // One packet of somebody else's must not cost a stream its sound.
    if (!(error instanceof WebAssembly.RuntimeError)) throw error;
    return null;
  }
}

export function toInt16(sample: number): number {
  return Math.max(-32768, Math.min(32767, Math.round(sample * 32768)));
}
