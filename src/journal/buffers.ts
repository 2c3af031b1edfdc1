/**
 * Buffers for bytes on their way to the disk, all of one reserved range: what the allocator makes of buffers that come and go with
 * the disk's pace is fragments, and memory that never is the same. Of this range only what is in use is resident, and what was for
 * a while; a disk that was slow for a moment costs nothing for longer than that.
 */
import { createRequire } from 'node:module';

export const BUFFER_BYTES = 256 * 1024;
const PAGE_BYTES = 65_536; // of any kernel
const MADV_DONTNEED = 4;

interface System {
  addressOf(bytes: Uint8Array): number;
  /** From here on the pages are the system's again, and read as zeros. */
  release(address: number, bytes: number): void;
}

let system: System | null | undefined;

/** Null: memory that was used once stays. */
function loadSystem(): System | null {
  if (process.platform !== 'linux') return null;
  try {
    const koffi = createRequire(import.meta.url)('koffi');
    const madvise = koffi.load('libc.so.6').func('int madvise(uintptr_t address, size_t length, int advice)');
    return {
      addressOf: (bytes) => Number(koffi.address(bytes)),
      release: (address, bytes) => madvise(address, bytes, MADV_DONTNEED),
    };
  } catch {
    return null;
  }
}

export class BufferPool {
  readonly #range: Buffer;
  readonly #address: number;
  readonly #isTaken: Uint8Array;
  /** Buffers from this number on are not resident. */
  #touched = 0;
  /** Buffers from this number on have not been in use since `trim` was last called. */
  #wanted = 0;

  constructor(count: number) {
    const bytes = count * BUFFER_BYTES;
    const memory = new ArrayBuffer(bytes + PAGE_BYTES);
    system ??= loadSystem();
    const address = system?.addressOf(new Uint8Array(memory)) ?? 0;
    const toPage = -address & (PAGE_BYTES - 1);
    this.#range = Buffer.from(memory, toPage, bytes);
    this.#address = address + toPage;
    this.#isTaken = new Uint8Array(count);
  }

  /** The lowest that is free, with whatever is in it; null: all are in use. */
  take(): Buffer | null {
    const number = this.#isTaken.indexOf(0);
    if (number < 0) return null;
    this.#isTaken[number] = 1;
    this.#wanted = Math.max(this.#wanted, number + 1);
    this.#touched = Math.max(this.#touched, number + 1);
    return this.#range.subarray(number * BUFFER_BYTES, (number + 1) * BUFFER_BYTES);
  }

  /** A buffer of another origin is left to the garbage collector. */
  giveBack(buffer: Buffer): void {
    if (buffer.buffer !== this.#range.buffer) return;
    this.#isTaken[(buffer.byteOffset - this.#range.byteOffset) / BUFFER_BYTES] = 0;
  }

  /** Gives to the system what has not been in use since the last call. */
  trim(): void {
    const [from, to] = [this.#wanted, this.#touched];
    this.#wanted = this.#isTaken.lastIndexOf(1) + 1;
    if (!system || from === to) return;
    system.release(this.#address + from * BUFFER_BYTES, (to - from) * BUFFER_BYTES);
    this.#touched = from;
  }

  /** Bytes that may be resident. */
  get residentBytes(): number {
    return this.#touched * BUFFER_BYTES;
  }
}
