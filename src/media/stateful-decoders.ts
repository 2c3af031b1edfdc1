/**
 * Decoders with a memory of their own: G.722 in the media core, Opus in libopus as WebAssembly, which is loaded when the
 * first packet of it is to be decoded.
 */

import type { OpusDecoder } from 'opus-decoder';
import type { FinaliserCore } from './render.ts';

export interface StatefulDecoder {
  /** It has failed: what comes next needs another. */
  readonly isBroken: boolean;
  /** Decodes a payload in the core's memory into a track, `at` samples behind the start of its window, as mono. */
  decode(mediaAt: number, mediaBytes: number, track: number, at: number): void;
  free(): void;
}

/** A decoder that has heard nothing yet. At once where that is possible. */
export function createDecoder(core: FinaliserCore, encoding: string): StatefulDecoder | Promise<StatefulDecoder> {
  return encoding === 'OPUS' ? createOpus(core) : createG722(core);
}

function createG722(core: FinaliserCore): StatefulDecoder {
  const state = core.newG722();
  return {
    isBroken: false,
    decode: (mediaAt, mediaBytes, track, at) => core.decodeG722(state, mediaAt, mediaBytes, track, at),
    free: () => undefined,
  };
}

async function createOpus(core: FinaliserCore): Promise<StatefulDecoder> {
  const { OpusDecoder } = await import('opus-decoder');
  // libopus folds stereo itself. With two channels this build of it traps on some sequences of frames of 40 and 60 ms.
  const opus = new OpusDecoder({ channels: 1 });
  await opus.ready;
  return new Opus(core, opus);
}

/** Over one instance of libopus, which is never used again when it has trapped. */
export class Opus implements StatefulDecoder {
  isBroken = false;
  readonly #core: FinaliserCore;
  readonly #opus: Pick<OpusDecoder, 'decodeFrame' | 'free'>;

  constructor(core: FinaliserCore, opus: Pick<OpusDecoder, 'decodeFrame' | 'free'>) {
    this.#core = core;
    this.#opus = opus;
  }

  decode(mediaAt: number, mediaBytes: number, track: number, at: number): void {
    try {
      const { channelData } = this.#opus.decodeFrame(this.#core.bytes.subarray(mediaAt, mediaAt + mediaBytes));
      const sound = channelData[0] as Float32Array;
      const target = this.#core.samples(track, at, at + sound.length);
      for (let i = 0; i < sound.length; i++) target[i] = toInt16(sound[i] as number);
    } catch (error) {
      // A trap: one packet of somebody else's must not cost the recording its sound. It is silent.
      if (!(error instanceof WebAssembly.RuntimeError)) throw error;
      this.isBroken = true;
    }
  }

  free(): void {
    if (!this.isBroken) this.#opus.free();
  }
}

function toInt16(sample: number): number {
  return Math.max(-32768, Math.min(32767, Math.round(sample * 32768)));
}
