/** Leases of port pairs: RTP on an even port, RTCP on the next odd one (RFC 3550 section 11). No I/O, no clock. */

/**
 * A port that was given back rests, so that late packets of its old stream do not reach a new one. At least so long: it
 * is the last in the row to be leased again, and with a wide range or few calls that takes minutes.
 */
export const PORT_REST_MS = 5_000;

export class NoPortLeft extends Error {
  override readonly name = 'NoPortLeft';
}

export class PortLeases {
  readonly #range: string;
  /** Free RTP ports, used first in, first out. */
  readonly #free: number[] = [];
  #nextFree = 0;
  readonly #resting: { port: number; untilMs: number }[] = [];

  /** @throws RangeError when the range has no pair. */
  constructor(lo: number, hi: number) {
    for (let port = lo + (lo & 1); port + 1 <= hi; port += 2) this.#free.push(port);
    if (this.#free.length === 0) throw new RangeError(`no even port with its odd neighbour between ${lo} and ${hi}`);
    this.#range = `${lo}-${hi}`;
  }

  get available(): number {
    return this.#free.length - this.#nextFree;
  }

  /** The RTP port of a pair. @throws NoPortLeft */
  lease(nowMs: number): number {
    this.#wake(nowMs);
    if (this.#nextFree === this.#free.length) {
      throw new NoPortLeft(`all media ports of ${this.#range} are in use or resting: widen --media-ports`);
    }
    const port = this.#free[this.#nextFree++]!;
    if (this.#nextFree > 1024 && this.#nextFree * 2 > this.#free.length) {
      this.#free.splice(0, this.#nextFree);
      this.#nextFree = 0;
    }
    return port;
  }

  /** The pair was used: it rests before it is leased again. Also for a pair that somebody else was found to use. */
  giveBack(rtpPort: number, nowMs: number): void {
    this.#resting.push({ port: rtpPort, untilMs: nowMs + PORT_REST_MS });
  }

  #wake(nowMs: number): void {
    let rested = 0;
    while (rested < this.#resting.length && this.#resting[rested]!.untilMs <= nowMs) rested++;
    for (const { port } of this.#resting.splice(0, rested)) this.#free.push(port);
  }
}
