/**
 * Decoders with a memory of their own: G.722 in the media core, Opus in libopus as WebAssembly, which is loaded when the
 * first packet of it is to be decoded.
 */

import { decodeOrTrap, type Libopus, openLibopus, toInt16 } from './libopus.ts';
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
  return new Opus(core, await openLibopus());
}

/** Over one instance of libopus, which is never used again when it has trapped. */
export class Opus implements StatefulDecoder {
  isBroken = false;
  readonly #core: FinaliserCore;
  readonly #opus: Libopus;

  constructor(core: FinaliserCore, opus: Libopus) {
    this.#core = core;
    this.#opus = opus;
  }

  decode(mediaAt: number, mediaBytes: number, track: number, at: number): void {
    const sound = decodeOrTrap(this.#opus, this.#core.bytes.subarray(mediaAt, mediaAt + mediaBytes));
    this.isBroken = sound === null;
    if (!sound) return;
    const target = this.#core.samples(track, at, at + sound.length);
    for (let i = 0; i < sound.length; i++) target[i] = toInt16(sound[i] as number);
  }

  free(): void {
    if (!this.isBroken) this.#opus.free();
  }
}
