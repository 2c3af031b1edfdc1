// Which packets of a stream are held back, sent late or sent twice: decided by a seed, so that a run can be repeated.
//
// The first and the last packet of a stream are never held back or moved: a receiver can't know of packets before the
// first or after the last one it has got, so nobody could check such a loss.

import { seededRandom } from './random.ts';

/** Chances per packet, in percent. */
export interface ImpairmentRates {
  lossPercent: number;
  reorderPercent: number;
  duplicatePercent: number;
}

/** What happens to one packet; the values combine as bits. */
export const WITHHOLD = 1;
export const DELAY = 2;
export const DUPLICATE = 4;

export class Impairment {
  private readonly random: () => number;
  private readonly loss: number;
  private readonly reorder: number;
  private readonly duplicate: number;

  constructor(rates: ImpairmentRates, seed: number) {
    this.random = seededRandom(seed);
    this.loss = rates.lossPercent / 100;
    this.reorder = rates.reorderPercent / 100;
    this.duplicate = rates.duplicatePercent / 100;
  }

  /** The fate of the next packet. Three numbers are drawn for each packet, so one rate doesn't change another's choices. */
  next(first: boolean, last: boolean): number {
    const withhold = this.random() < this.loss;
    const delay = this.random() < this.reorder;
    const twice = this.random() < this.duplicate;
    const kept = first || last;
    if (withhold && !kept) return WITHHOLD;
    return (delay && !kept ? DELAY : 0) | (twice ? DUPLICATE : 0);
  }
}
