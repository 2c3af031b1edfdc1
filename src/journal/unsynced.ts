/**
 * The journal's bytes that are not yet known to be on the disk: a bounded queue of buffers, in order. Bytes leave it
 * when they are synced, not when they are written, so that after an I/O error they can be written somewhere else.
 */
import { BufferPool } from './buffers.ts';

/** Of a buffer, unless more is pushed at once. */
const BUFFER_BYTES = 256 * 1024;
/** What a busy lane has on its way to a disk that keeps up, with some room: 7 to 10 MB were seen at four fifths of a core's capacity. */
const USUAL_BYTES = 16 * 1024 * 1024;

interface Chunk {
  bytes: Buffer;
  used: number;
}

export class UnsyncedBytes {
  readonly maxBytes: number;
  readonly #chunks: Chunk[] = [];
  readonly #pool: BufferPool;
  /** All positions count bytes since the writer was opened. */
  #firstAt = 0;
  #writtenTo = 0;
  #endAt = 0;
  /** The part of the first buffer that is on the disk already. */
  #syncedInFirst = 0;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
    this.#pool = new BufferPool(maxBytes, USUAL_BYTES);
  }

  /** Bytes held: waiting to be written, or written and waiting for the sync. */
  get heldBytes(): number {
    return this.#endAt - this.#firstAt;
  }

  get unwrittenBytes(): number {
    return this.#endAt - this.#writtenTo;
  }

  /** Copies `bytes` in; false (and nothing kept) if there is no room. */
  push(bytes: Uint8Array): boolean {
    if (this.heldBytes + bytes.length > this.maxBytes) return false;
    let last = this.#chunks.at(-1);
    if (!last || last.bytes.length - last.used < bytes.length) {
      last = { bytes: this.#take(bytes.length), used: 0 };
      this.#chunks.push(last);
    }
    last.bytes.set(bytes, last.used);
    last.used += bytes.length;
    this.#endAt += bytes.length;
    return true;
  }

  /** The next bytes to write: a view, at most one buffer; whole pushes. Null if there are none. */
  next(): Uint8Array | null {
    let at = this.#firstAt;
    for (const chunk of this.#chunks) {
      if (this.#writtenTo < at + chunk.used) return chunk.bytes.subarray(this.#writtenTo - at, chunk.used);
      at += chunk.used;
    }
    return null;
  }

  /** What `next()` gave has been written. */
  written(bytes: number): void {
    this.#writtenTo += bytes;
  }

  /** That many bytes more are on the disk, counted from the first that were not. */
  synced(bytes: number): void {
    // A buffer leaves whole: its first part may be synced while the rest is still to be written.
    this.#syncedInFirst += bytes;
    for (let first = this.#chunks[0]; first && this.#syncedInFirst >= first.used; first = this.#chunks[0]) {
      this.#syncedInFirst -= first.used;
      this.#firstAt += first.used;
      this.#chunks.shift();
      this.#pool.giveBack(first.bytes);
    }
  }

  /** What a slow disk made necessary is the system's again when that is over: to be called now and then. */
  trim(): void {
    this.#pool.trim();
  }

  /** Everything not synced is to be written again. */
  rewind(): void {
    this.#writtenTo = this.#firstAt + this.#syncedInFirst;
  }

  #take(atLeast: number): Buffer {
    const bytes = Math.max(atLeast, BUFFER_BYTES);
    return this.#pool.take(bytes) ?? Buffer.allocUnsafeSlow(bytes);
  }
}
