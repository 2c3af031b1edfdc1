/**
 * Repeats a response until it is acknowledged: a 2xx until ACK (RFC 3261 13.3.1.4), a reliable provisional response until
 * PRACK (RFC 3262 3). The interval starts at T1 and doubles; only that of a 2xx is capped at T2. After 64*T1 it gives up.
 */
import { Alarm, type DeadlineHeap, T1, T1_64 } from '../transaction/index.ts';

export class Retransmitter {
  readonly #alarm: Alarm;
  readonly #deadlines: DeadlineHeap;
  readonly #cap: number;
  readonly #giveUpAt: number;
  #interval = T1;

  constructor(
    deadlines: DeadlineHeap,
    now: number,
    cap: number,
    actions: { resend: () => void; giveUp: (now: number) => void },
  ) {
    this.#deadlines = deadlines;
    this.#cap = cap;
    this.#giveUpAt = now + T1_64;
    this.#alarm = new Alarm((at) => {
      if (at >= this.#giveUpAt) actions.giveUp(at);
      else {
        this.#interval = Math.min(this.#interval * 2, this.#cap);
        deadlines.set(this.#alarm, Math.min(at + this.#interval, this.#giveUpAt));
        actions.resend();
      }
    });
    deadlines.set(this.#alarm, now + T1);
  }

  /** Acknowledged, or no longer of interest. */
  stop(): void {
    this.#deadlines.clear(this.#alarm);
  }
}
