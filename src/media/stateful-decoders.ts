/** Decoders with a memory of their own: G.722, in the media core. */

import type { FinaliserCore } from './render.ts';

export interface StatefulDecoder {
  /** Decodes a payload in the core's memory into a track, `at` samples behind the start of its window, as mono. */
  decode(mediaAt: number, mediaBytes: number, track: number, at: number): void;
  free(): void;
}

/** A decoder that has heard nothing yet. At once where that is possible. */
export function createDecoder(core: FinaliserCore, _encoding: string): StatefulDecoder | Promise<StatefulDecoder> {
  const state = core.newG722();
  return {
    decode: (mediaAt, mediaBytes, track, at) => core.decodeG722(state, mediaAt, mediaBytes, track, at),
    free: () => undefined,
  };
}
