/**
 * A range of memory that is in use from its start on, now and then further than usual. Only what is in use is to be resident, and what was
 * for a while: one moment in which a disk was slow, or a thread late, costs no memory for good.
 */
import { systemCalls } from './system-calls.ts';

/** Of any kernel, or a whole number of its pages. */
export const PAGE_BYTES = 64 * 1024;

/** How often to trim: what was needed in this time may be needed again. */
export const TRIM_EVERY_MS = 10_000;

/** The least that a kernel gives at a time. */
const TOUCH_BYTES = 4096;

/** Of what is kept, with each use: 16 MB at once would hold up a lane for several ms. */
const STEP_BYTES = 4 * PAGE_BYTES;

export class ResidentRange {
  readonly #bytes: Uint8Array;
  /** Of its first whole page: in this process, and in the array that was given. */
  readonly #address: number;
  readonly offset: number;
  readonly #keptBytes: number;
  /** Behind its last whole page, counted from `offset`, as all that follows: what shares a page with others is theirs, too. */
  readonly #end: number;
  /** What lies behind it is not resident. */
  #touched = 0;
  /** What lies behind it has not been in use since `trim` was last called. */
  #wanted = 0;

  /**
   * @param keptBytes of its start that are resident for good, after some uses: what is in use as a rule is not to be given to the system in
   *   one moment, only to be asked for, and cleared, page by page in the next.
   */
  constructor(bytes: Uint8Array, keptBytes = 0) {
    this.#bytes = bytes;
    const address = systemCalls()?.addressOf(bytes) ?? 0;
    this.offset = -address & (PAGE_BYTES - 1);
    this.#address = address + this.offset;
    this.#end = Math.floor((bytes.length - this.offset) / PAGE_BYTES) * PAGE_BYTES;
    this.#keptBytes = Math.min(Math.ceil(keptBytes / PAGE_BYTES) * PAGE_BYTES, this.#end);
  }

  /** So many bytes are in use, or have been for a moment. */
  use(bytes: number): void {
    if (bytes > 0 && this.#touched < this.#keptBytes) this.#keepMore();
    const end = Math.min(Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES, this.#end);
    this.#wanted = Math.max(this.#wanted, end);
    this.#touched = Math.max(this.#touched, end);
  }

  /** Gives to the system what has not been in use since the last call. What is given reads as zeros. @param inUse bytes that are now */
  trim(inUse: number): void {
    const [from, to] = [Math.max(this.#wanted, this.#keptBytes), this.#touched];
    this.#wanted = 0;
    this.#touched = Math.min(from, to);
    this.use(inUse);
    if (from < to) systemCalls()?.release(this.#address + from, to - from);
  }

  #keepMore(): void {
    const to = Math.min(this.#touched + STEP_BYTES, this.#keptBytes);
    // Only a page that is written to is resident; what is in it already stays.
    for (let n = this.#touched; n < to; n += TOUCH_BYTES) this.#bytes[this.offset + n] = this.#bytes[this.offset + n]!;
    this.#touched = to;
  }

  /** Bytes that may be resident. */
  get residentBytes(): number {
    return this.#touched;
  }
}
