// IP datagrams that were captured in fragments, put together: RFC 791 section 3.2, RFC 8200 section 4.5. Memory is bounded
// whatever is offered; pieces that overlap make no datagram (RFC 5722).

/** A piece of a datagram's payload, behind the IP headers. */
export interface Fragment {
  /** Source, destination, protocol and identification: what the pieces of one datagram share. */
  key: string;
  offsetBytes: number;
  isLast: boolean;
  bytes: Uint8Array;
}

interface Incomplete {
  startedUs: number;
  pieces: Map<number, Uint8Array>;
  heldBytes: number;
  /** Known with the last piece. */
  totalBytes: number | null;
}

/** RFC 8200 4.5: what is not whole after 60 seconds is given up; later an identification may be another datagram's. */
const WITHIN_US = 60_000_000;
const MAX_INCOMPLETE = 256;
const MAX_PIECES = 128;
const MAX_DATAGRAM_BYTES = 65_535;

export class Reassembly {
  /** Fragments of datagrams that were given up. */
  givenUp = 0;
  readonly #incomplete = new Map<string, Incomplete>();

  /** Fragments that have not become a datagram. */
  get left(): number {
    let waiting = 0;
    for (const { pieces } of this.#incomplete.values()) waiting += pieces.size;
    return this.givenUp + waiting;
  }

  /** Takes a piece; returns the payload of the datagram if it is whole now. */
  add({ key, offsetBytes, isLast, bytes }: Fragment, nowUs: number): Uint8Array | null {
    const endBytes = offsetBytes + bytes.length;
    if (bytes.length === 0 || endBytes > MAX_DATAGRAM_BYTES) {
      this.givenUp++;
      return null;
    }
    const known = this.#known(key, nowUs);
    if (known.pieces.get(offsetBytes)?.length === bytes.length) return null; // a copy
    known.pieces.set(offsetBytes, bytes.slice());
    known.heldBytes += bytes.length;
    if (isLast) known.totalBytes = endBytes;
    if (known.pieces.size > MAX_PIECES || known.heldBytes > (known.totalBytes ?? MAX_DATAGRAM_BYTES)) {
      this.#giveUp(key);
      return null;
    }
    return known.heldBytes === known.totalBytes ? this.#putTogether(key, known) : null;
  }

  #known(key: string, nowUs: number): Incomplete {
    const known = this.#incomplete.get(key);
    if (known && Math.abs(nowUs - known.startedUs) <= WITHIN_US) return known;
    if (known) this.#giveUp(key);
    const [oldest] = this.#incomplete.keys();
    if (this.#incomplete.size >= MAX_INCOMPLETE && oldest !== undefined) this.#giveUp(oldest);
    const incomplete = { startedUs: nowUs, pieces: new Map(), heldBytes: 0, totalBytes: null };
    this.#incomplete.set(key, incomplete);
    return incomplete;
  }

  #putTogether(key: string, { pieces, heldBytes }: Incomplete): Uint8Array | null {
    const payload = new Uint8Array(heldBytes);
    let at = 0;
    for (const [offsetBytes, bytes] of [...pieces].sort((a, b) => a[0] - b[0])) {
      if (offsetBytes !== at) {
        this.#giveUp(key);
        return null;
      }
      payload.set(bytes, at);
      at += bytes.length;
    }
    this.#incomplete.delete(key);
    return payload;
  }

  #giveUp(key: string): void {
    this.givenUp += this.#incomplete.get(key)?.pieces.size ?? 0;
    this.#incomplete.delete(key);
  }
}
