/**
 * Bytes that no log, error, JSON document or metric may show: master keys of SRTP and their like. They leave it by `reveal` only,
 * so that every place which does so can be found by that name.
 */
import { inspect } from 'node:util';

const SHOWN = '[secret]';

export class Secret {
  readonly #bytes: Uint8Array;

  /** Takes a copy: the caller may overwrite its own. */
  constructor(bytes: Uint8Array) {
    this.#bytes = new Uint8Array(bytes);
  }

  get length(): number {
    return this.#bytes.length;
  }

  /** The bytes themselves, not a copy. Never to be kept, logged or put into a message that may be. */
  reveal(): Uint8Array {
    return this.#bytes;
  }

  /** Overwrites them with zeros. */
  erase(): void {
    this.#bytes.fill(0);
  }

  toString(): string {
    return SHOWN;
  }

  toJSON(): string {
    return SHOWN;
  }

  [inspect.custom](): string {
    return SHOWN;
  }
}
