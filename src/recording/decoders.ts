/** The decoders with a memory that are at work: one for each run, for a sender that begins a new one encodes afresh. */

import type { FinaliserCore } from '../media/render.ts';
import { createDecoder, type StatefulDecoder } from '../media/stateful-decoders.ts';

/** More of them were forgotten by their senders: the one that has been silent longest goes. */
const MAX_DECODERS = 32;

export class Decoders {
  readonly #core: FinaliserCore;
  /** The one that was asked for last comes last. */
  readonly #decoders = new Map<object, StatefulDecoder>();

  constructor(core: FinaliserCore) {
    this.#core = core;
  }

  /** The decoder of `owner`, which is made if there is none. */
  of(owner: object, encoding: string): StatefulDecoder | Promise<StatefulDecoder> {
    const known = this.#decoders.get(owner);
    if (known && !known.isBroken) {
      this.#decoders.delete(owner);
      this.#decoders.set(owner, known);
      return known;
    }
    const made = createDecoder(this.#core, encoding);
    return made instanceof Promise ? made.then((decoder) => this.#keep(owner, decoder)) : this.#keep(owner, made);
  }

  free(): void {
    for (const decoder of this.#decoders.values()) decoder.free();
    this.#decoders.clear();
  }

  #keep(owner: object, decoder: StatefulDecoder): StatefulDecoder {
    this.#decoders.set(owner, decoder);
    for (const [oldest, silent] of this.#decoders) {
      if (this.#decoders.size <= MAX_DECODERS) break;
      silent.free();
      this.#decoders.delete(oldest);
    }
    return decoder;
  }
}
