// What one stream really put on the wire, by extended sequence number.
//
// The counts are made from a bitmap of the sequence numbers that left, not from what the impairment intended, so they
// hold however a call ends. They are stated from the receiver's side: what lies between the lowest and the highest number
// sent is all that a receiver can know of, so a packet held back before the first or after the last one is in no count.

/** Packet counts of one stream, as `doubletrack call` reports them. */
export interface SentPackets {
  /** Different packets sent; a receiver's `received`. */
  sent: number;
  /** Packets between the first and the last that were never sent; a receiver's `lost`. */
  withheld: number;
  /** Copies sent beside the first; a receiver's `duplicate`. */
  duplicated: number;
  /** Packets sent after one with a higher sequence number. */
  reordered: number;
}

const FIRST_BITS = 4096;

export class SentLedger {
  private bits = new Uint32Array(FIRST_BITS / 32);
  private base = -1;
  private lowest = 0;
  private highest = -1;
  private sentCount = 0;
  private duplicatedCount = 0;
  private reorderedCount = 0;

  /** Notes that a packet was handed to the network. `extSeq` may lie at most 2^16 below the first one noted. */
  add(extSeq: number): void {
    if (this.base < 0) {
      this.base = Math.max(0, extSeq - 0x10000) & ~31;
      this.lowest = extSeq;
    }
    const bit = extSeq - this.base;
    if (bit < 0) return;
    const word = bit >>> 5;
    if (word >= this.bits.length) this.grow(word + 1);
    const mask = 1 << (bit & 31);
    if ((this.bits[word]! & mask) !== 0) {
      this.duplicatedCount++;
      return;
    }
    this.bits[word] = this.bits[word]! | mask;
    this.sentCount++;
    if (extSeq > this.highest) this.highest = extSeq;
    else this.reorderedCount++;
    if (extSeq < this.lowest) this.lowest = extSeq;
  }

  packets(): SentPackets {
    const span = this.highest < 0 ? 0 : this.highest - this.lowest + 1;
    return {
      sent: this.sentCount,
      withheld: span - this.sentCount,
      duplicated: this.duplicatedCount,
      reordered: this.reorderedCount,
    };
  }

  private grow(words: number): void {
    const grown = new Uint32Array(Math.max(words, this.bits.length * 2));
    grown.set(this.bits);
    this.bits = grown;
  }
}
