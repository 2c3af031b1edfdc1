/** Keeps a session alive, or ends it, by the session timer of RFC 4028 (section 10). */
import { Alarm, type DeadlineHeap } from '../transaction/index.ts';
import { graceMs, type Interval, timerDelayMs } from './session-timer.ts';

/** What the keeper makes its session do. */
export interface KeeperActions {
  /** Sends a session refresh request. Its 2xx arms the keeper anew. */
  refresh(): void;
  /** No refresh came or succeeded in time. */
  expire(): void;
}

export class SessionKeeper {
  readonly #deadlines: DeadlineHeap;
  readonly #actions: KeeperActions;
  readonly #alarm: Alarm;
  #interval: Interval | null = null;
  #refreshing = false;

  constructor(deadlines: DeadlineHeap, actions: KeeperActions) {
    this.#deadlines = deadlines;
    this.#actions = actions;
    this.#alarm = new Alarm((now) => this.#onAlarm(now));
  }

  get interval(): Interval | null {
    return this.#interval;
  }

  /** A session refresh succeeded, or the session began; null switches the timer off. */
  arm(interval: Interval | null, now: number): void {
    this.#interval = interval;
    this.#refreshing = false;
    this.#deadlines.set(this.#alarm, interval ? now + timerDelayMs(interval) : Infinity);
  }

  stop(): void {
    this.#deadlines.clear(this.#alarm);
  }

  #onAlarm(now: number): void {
    const interval = this.#interval;
    if (!interval) return;
    if (!interval.weRefresh || this.#refreshing) {
      this.#actions.expire();
      return;
    }
    this.#refreshing = true;
    this.#deadlines.set(this.#alarm, now + graceMs(interval));
    this.#actions.refresh();
  }
}
