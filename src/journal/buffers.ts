/**
 * Buffers for bytes on their way to the disk, all of one reserved range: what the allocator makes of buffers that come and go with
 * the disk's pace is fragments, and memory that never is the same.
 */
import { PAGE_BYTES, ResidentRange } from './resident-range.ts';

/** Buffers are whole numbers of pages. */
export class BufferPool {
  readonly #range: Buffer;
  readonly #resident: ResidentRange;
  readonly #isTaken: Uint8Array;

  /** @param keptBytes of them that are resident for good, once some buffers have been taken. */
  constructor(bytes: number, keptBytes = 0) {
    const pages = Math.ceil(bytes / PAGE_BYTES);
    const memory = new Uint8Array((pages + 1) * PAGE_BYTES);
    this.#resident = new ResidentRange(memory, keptBytes);
    this.#range = Buffer.from(memory.buffer, this.#resident.offset, pages * PAGE_BYTES);
    this.#isTaken = new Uint8Array(pages);
  }

  /** The lowest free one of so many bytes or a little more, with whatever is in it; null: there is none. */
  take(bytes: number): Buffer | null {
    const pages = Math.ceil(bytes / PAGE_BYTES);
    const first = this.#firstFree(pages);
    if (first < 0) return null;
    const end = first + pages;
    this.#isTaken.fill(1, first, end);
    this.#resident.use(end * PAGE_BYTES);
    return this.#range.subarray(first * PAGE_BYTES, end * PAGE_BYTES);
  }

  /** A buffer of another origin is left to the garbage collector. */
  giveBack(buffer: Buffer): void {
    if (buffer.buffer !== this.#range.buffer) return;
    const first = (buffer.byteOffset - this.#range.byteOffset) / PAGE_BYTES;
    this.#isTaken.fill(0, first, first + buffer.length / PAGE_BYTES);
  }

  /** Gives to the system what has not been in use since the last call. */
  trim(): void {
    this.#resident.trim((this.#isTaken.lastIndexOf(1) + 1) * PAGE_BYTES);
  }

  /** Bytes that may be resident. */
  get residentBytes(): number {
    return this.#resident.residentBytes;
  }

  #firstFree(pages: number): number {
    for (let first = this.#isTaken.indexOf(0); first >= 0 && first + pages <= this.#isTaken.length; ) {
      const taken = this.#isTaken.indexOf(1, first);
      if (taken < 0 || taken - first >= pages) return first;
      first = this.#isTaken.indexOf(0, taken);
    }
    return -1;
  }
}
