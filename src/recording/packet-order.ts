/**
 * Packets of one source in the order of their numbers, for decoders that carry state from one packet to the next. The
 * first reading has seen which packets there are, so what is waited for does come, and what is lost is not waited for.
 */

/** Packets that wait for one that comes later; 2.5 s at 20 ms. */
export const MAX_WAITING_PACKETS = 128;

export class PacketOrder<T> {
  #next: number;
  readonly #isToCome: (extSeq: number) => boolean;
  readonly #waiting = new Map<number, T>();

  /** From `first` on; `isToCome` says whether the file still has that number behind what has been read. */
  constructor(first: number, isToCome: (extSeq: number) => boolean) {
    this.#next = first;
    this.#isToCome = isToCome;
  }

  /** Its place has been given up, for too much was waiting for it. */
  isLate(extSeq: number): boolean {
    return extSeq < this.#next;
  }

  /** Takes in a packet that is not late. */
  add(extSeq: number, packet: T): void {
    this.#waiting.set(extSeq, packet);
  }

  /** Takes out the packet whose turn it is; undefined: another has to come first, or there is none. */
  take(isAtEnd = false): T | undefined {
    if (this.#waiting.size === 0) return undefined;
    const mustGo = isAtEnd || this.#waiting.size > MAX_WAITING_PACKETS;
    while (!this.#waiting.has(this.#next) && (mustGo || !this.#isToCome(this.#next))) this.#next++;
    const packet = this.#waiting.get(this.#next);
    if (packet !== undefined) this.#waiting.delete(this.#next++);
    return packet;
  }
}
