/** Numbered places of a lane, and what is open in those that are taken. */

/** All places are taken. */
export class LaneFull extends Error {
  override readonly name = 'LaneFull';
}

export class Slots<T> {
  /** Hears of what is opened, changed (its new value) and closed (null). */
  onChange: (slot: number, value: T | null) => void = () => {};
  readonly #open = new Map<number, T>();
  readonly #what: string;
  readonly #count: number;
  readonly #free: number[];

  constructor(what: string, count: number) {
    this.#what = what;
    this.#count = count;
    this.#free = Array.from({ length: count }, (_, i) => count - 1 - i);
  }

  /** What is open, by its place. A place is taken before something is open there, and may be longer. */
  get open(): ReadonlyMap<number, T> {
    return this.#open;
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

  /** Is open there, or has changed. */
  put(slot: number, value: T): void {
    this.#open.set(slot, value);
    this.onChange(slot, value);
  }

  /** Is not open any more; its place is taken still. */
  remove(slot: number): void {
    if (this.#open.delete(slot)) this.onChange(slot, null);
  }

  giveBack(slot: number): void {
    this.remove(slot);
    this.#free.push(slot);
  }
}
