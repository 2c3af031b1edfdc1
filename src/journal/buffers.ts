/**
 * Buffers for bytes on their way to the disk, all of one reserved range: what the allocator makes of buffers that come and go with
 * the disk's pace is fragments, and memory that never is the same. Of this range only what is in use is resident, and what was for
 * a while; a disk that was slow for a moment costs nothing for longer than that.
 */
import { systemCalls } from './system-calls.ts';

/** Buffers are whole numbers of pages, and so large that any kernel's page is a part of one. */
export const PAGE_BYTES = 64 * 1024;

export class BufferPool {
  readonly #range: Buffer;
  readonly #address: number;
  readonly #isTaken: Uint8Array;
  /** Pages from this number on are not resident. */
  #touched = 0;
  /** Pages from this number on have not been in use since `trim` was last called. */
  #wanted = 0;

  constructor(bytes: number) {
    const pages = Math.ceil(bytes / PAGE_BYTES);
    const memory = new ArrayBuffer((pages + 1) * PAGE_BYTES);
    const address = systemCalls()?.addressOf(new Uint8Array(memory)) ?? 0;
    const toPage = -address & (PAGE_BYTES - 1);
    this.#range = Buffer.from(memory, toPage, pages * PAGE_BYTES);
    this.#address = address + toPage;
    this.#isTaken = new Uint8Array(pages);
  }

  /** The lowest free one of so many bytes or a little more, with whatever is in it; null: there is none. */
  take(bytes: number): Buffer | null {
    const pages = Math.ceil(bytes / PAGE_BYTES);
    const first = this.#firstFree(pages);
    if (first < 0) return null;
    const end = first + pages;
    this.#isTaken.fill(1, first, end);
    this.#wanted = Math.max(this.#wanted, end);
    this.#touched = Math.max(this.#touched, end);
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
    const [from, to] = [this.#wanted, this.#touched];
    this.#wanted = this.#isTaken.lastIndexOf(1) + 1;
    const system = systemCalls();
    if (!system || from === to) return;
    system.release(this.#address + from * PAGE_BYTES, (to - from) * PAGE_BYTES);
    this.#touched = from;
  }

  /** Bytes that may be resident. */
  get residentBytes(): number {
    return this.#touched * PAGE_BYTES;
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
