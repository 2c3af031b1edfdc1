/**
 * One clock for everything that waits: a binary heap of deadlines. Items know their place in the heap, so moving or clearing
 * a deadline costs O(log n) and a stack with ten thousand transactions needs a single timer outside.
 */

/** Something with at most one deadline. `deadline` and `heapIndex` belong to the heap. */
export interface Timed {
  /** Milliseconds on the clock of the caller; Infinity when nothing is awaited. */
  deadline: number;
  /** Place in the heap; -1 when it is not there. */
  heapIndex: number;
  onDeadline(now: number): void;
}

export class DeadlineHeap {
  readonly #items: Timed[] = [];
  /** Called when the earliest deadline has become earlier, for whoever keeps the timer. */
  onEarlier: () => void = () => {};

  get size(): number {
    return this.#items.length;
  }

  /** The earliest deadline; Infinity when there is none. */
  get next(): number {
    return this.#items[0]?.deadline ?? Infinity;
  }

  /** Moves the deadline of `item`; Infinity takes it out. */
  set(item: Timed, deadline: number): void {
    if (deadline === Infinity) {
      this.clear(item);
      return;
    }
    const earlier = deadline < item.deadline;
    const next = this.next;
    item.deadline = deadline;
    if (item.heapIndex < 0) {
      item.heapIndex = this.#items.length;
      this.#items.push(item);
      this.#rise(item.heapIndex);
    } else if (earlier) this.#rise(item.heapIndex);
    else this.#sink(item.heapIndex);
    if (deadline < next) this.onEarlier();
  }

  clear(item: Timed): void {
    const at = item.heapIndex;
    item.deadline = Infinity;
    item.heapIndex = -1;
    if (at < 0) return;
    const last = this.#items.pop()!;
    if (last === item) return;
    this.#items[at] = last;
    last.heapIndex = at;
    this.#rise(at);
    this.#sink(last.heapIndex);
  }

  /** Takes out and fires every item whose deadline has come, earliest first. */
  run(now: number): void {
    for (let item = this.#items[0]; item !== undefined && item.deadline <= now; item = this.#items[0]) {
      this.clear(item);
      item.onDeadline(now);
    }
  }

  #rise(at: number): void {
    const items = this.#items;
    const item = items[at]!;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = items[parent]!;
      if (above.deadline <= item.deadline) break;
      items[at] = above;
      above.heapIndex = at;
      at = parent;
    }
    items[at] = item;
    item.heapIndex = at;
  }

  #sink(at: number): void {
    const items = this.#items;
    const item = items[at]!;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && items[child + 1]!.deadline < items[child]!.deadline) child++;
      const below = items[child]!;
      if (below.deadline >= item.deadline) break;
      items[at] = below;
      below.heapIndex = at;
      at = child;
    }
    items[at] = item;
    item.heapIndex = at;
  }
}

/** A deadline that calls a function: for the session layer, whose waits are few per call. */
export class Alarm implements Timed {
  deadline = Infinity;
  heapIndex = -1;
  readonly #fire: (now: number) => void;

  constructor(fire: (now: number) => void) {
    this.#fire = fire;
  }

  onDeadline(now: number): void {
    this.#fire(now);
  }
}
