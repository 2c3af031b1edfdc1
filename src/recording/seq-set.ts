/**
 * A set of extended sequence numbers, in memory proportional to what is in it: chunks of 128 bits, made when the first
 * number of a chunk comes. One hour of a stream at 50 packets a second takes 40 KB.
 */

const WORDS_PER_CHUNK = 4;
const SEQS_PER_CHUNK = 32 * WORDS_PER_CHUNK;

/** An inclusive range of extended sequence numbers. */
export type SeqRange = [from: number, to: number];

export class SeqSet {
  size = 0;
  #words = new Uint32Array(64 * WORDS_PER_CHUNK);
  /** Word position of each chunk. */
  readonly #chunks = new Map<number, number>();
  #lastChunk = -1;
  #lastAt = 0;

  /** False if it was there already. */
  add(extSeq: number): boolean {
    const at = this.#wordOf(extSeq);
    const bit = 1 << (extSeq & 31);
    const word = this.#words[at] as number;
    if (word & bit) return false;
    this.#words[at] = word | bit;
    this.size++;
    return true;
  }

  has(extSeq: number): boolean {
    const start = this.#chunks.get(Math.floor(extSeq / SEQS_PER_CHUNK));
    if (start === undefined) return false;
    return ((this.#words[start + ((extSeq >>> 5) % WORDS_PER_CHUNK)] as number) & (1 << (extSeq & 31))) !== 0;
  }

  /** Calls back with every maximal run of numbers in [from, to] that are in none of the sets, ascending. */
  static gaps(sets: SeqSet[], from: number, to: number, gap: (from: number, to: number) => void): void {
    const chunks = new Set<number>();
    for (const set of sets) for (const chunk of set.#chunks.keys()) chunks.add(chunk);
    let next = from;
    for (const chunk of Array.from(chunks).sort((a, b) => a - b)) {
      for (let i = 0; i < WORDS_PER_CHUNK; i++) {
        let word = 0;
        for (const set of sets) word |= set.#wordAt(chunk, i);
        const first = chunk * SEQS_PER_CHUNK + i * 32;
        while (word !== 0) {
          const bit = 31 - Math.clz32(word & -word);
          word &= word - 1;
          const present = first + bit;
          if (present < next || present > to) continue;
          if (present > next) gap(next, present - 1);
          next = present + 1;
        }
      }
    }
    if (next <= to) gap(next, to);
  }

  #wordAt(chunk: number, i: number): number {
    const start = this.#chunks.get(chunk);
    return start === undefined ? 0 : (this.#words[start + i] as number);
  }

  #wordOf(extSeq: number): number {
    const chunk = Math.floor(extSeq / SEQS_PER_CHUNK);
    if (chunk !== this.#lastChunk) {
      this.#lastAt = this.#chunks.get(chunk) ?? this.#newChunk(chunk);
      this.#lastChunk = chunk;
    }
    return this.#lastAt + ((extSeq >>> 5) % WORDS_PER_CHUNK);
  }

  #newChunk(chunk: number): number {
    const at = this.#chunks.size * WORDS_PER_CHUNK;
    if (at + WORDS_PER_CHUNK > this.#words.length) {
      const larger = new Uint32Array(this.#words.length * 2);
      larger.set(this.#words);
      this.#words = larger;
    }
    this.#chunks.set(chunk, at);
    return at;
  }
}
