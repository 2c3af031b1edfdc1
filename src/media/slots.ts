/** Numbered places of a lane, and what is open in those that are taken. */

/** All places are taken. */
export class LaneFull extends Error {
  override readonly name = 'LaneFull';
}

export class Slots<T> {
  /** What is open, by its place. A place is taken before something is open there, and may be longer. */
  readonly open = new Map<number, T>();
  readonly #what: string;
  readonly #count: number;
  readonly #free: number[];

  constructor(what: string, count: number) {
    this.#what = what;
    this.#count = count;
    this.#free = Array.from({ length: count }, (_, i) => count - 1 - i);
  }

  get taken(): number {
    return this.#count - this.#free.length;
  }

  /** @throws LaneFull */
  take(): number {
    const slot = this.#free.pop();
    if (slot === undefined) throw new LaneFull(`the lane has no room for another ${this.#what}: use more lanes`);
    return slot;
  }

  giveBack(slot: number): void {
    this.open.delete(slot);
    this.#free.push(slot);
  }
}
