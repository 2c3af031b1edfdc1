/** The kernels by themselves, over a memory of their own in which every byte that they must not write is watched. */
import assert from 'node:assert/strict';
import * as layout from '../../assembly/layout.ts';
import { mediaModule } from '../../src/media/core.ts';
import { createLaneMemory } from '../../src/media/memory.ts';

export interface Kernels {
  initialise(): void;
  hmacSha1Key(key: number, keyBytes: number, state: number): void;
  sha1Pad(message: number, bytes: number): number;
  hmacSha1(state: number, message: number, blocks: number, tag: number): void;
  hmacSha1x4(...statesMessagesBlocksTags: number[]): void;
  ghashKey(h: number, tables: number): void;
  ghashTo(tables: number, blocks: number, count: number, to: number): void;
  g722Init(state: number): void;
  g722Decode(state: number, source: number, bytes: number, target: number): void;
  encodeMulaw(source: number, samples: number, target: number): void;
  encodeAlaw(source: number, samples: number, target: number): void;
  g722InitEncoder(state: number): void;
  g722Encode(state: number, source: number, samples: number, target: number): void;
  plcInit(state: number, sampleRate: number): void;
  plcGood(state: number, pcm: number, samples: number): void;
  plcConceal(state: number, out: number, samples: number): void;
}

/** Where a kernel may write: from address, to address. */
export type Area = readonly [from: number, to: number];

/** The watched bytes: all before the streams, and the beginning of the scratch region, which tests work in. */
const WATCHED: readonly Area[] = [
  [0, layout.RECORDINGS_AT],
  [layout.SCRATCH_AT, layout.SCRATCH_AT + 65536],
];

const OWN_SCRATCH: readonly Area[] = [
  [layout.SHA1_SCRATCH_AT, layout.SHA1_SCRATCH_AT + layout.SHA1_SCRATCH_BYTES],
  [layout.GHASH_SCRATCH_AT, layout.GHASH_SCRATCH_AT + layout.GHASH_SCRATCH_BYTES],
];

export class KernelMemory {
  /** Tests put their data here; 64 KB are watched. */
  readonly base: number = layout.SCRATCH_AT;
  readonly kernels: Kernels;
  readonly #bytes: Uint8Array;

  constructor() {
    const memory = createLaneMemory();
    this.#bytes = new Uint8Array(memory.buffer);
    const instance = new WebAssembly.Instance(mediaModule(), { env: { memory } });
    this.kernels = instance.exports as unknown as Kernels;
    this.kernels.initialise();
    this.#bytes.fill(0xa5, this.base, this.base + 65536);
  }

  /** Address behind its last byte. */
  get end(): number {
    return this.#bytes.length;
  }

  put(at: number, bytes: Uint8Array): number {
    this.#bytes.set(bytes, at);
    return at;
  }

  /** A copy: what node:crypto takes must not be shared memory. */
  get(at: number, bytes: number): Buffer {
    return Buffer.from(this.#bytes.slice(at, at + bytes));
  }

  hex(at: number, bytes: number): string {
    return this.get(at, bytes).toString('hex');
  }

  /** Runs a kernel, and fails if it writes outside its scratch and the areas it was given. */
  writingOnly<T>(areas: readonly Area[], run: () => T): T {
    const before = WATCHED.map(([from, to]) => this.#bytes.slice(from, to));
    const result = run();
    const allowed = [...OWN_SCRATCH, ...areas];
    WATCHED.forEach(([from, to], region) => {
      const was = before[region]!;
      for (const [start, end] of allowed) {
        if (start < to && end > from)
          was.set(this.#bytes.subarray(Math.max(start, from), Math.min(end, to)), Math.max(start, from) - from);
      }
      assert.equal(Buffer.compare(this.get(from, to - from), was), 0, 'bytes outside the promised areas were written');
    });
    return result;
  }
}
