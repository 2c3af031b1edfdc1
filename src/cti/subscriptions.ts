/** Which events of the link one client gets, and how far it has come in the log. */
import { CtiError } from './errors.ts';
import type { LoggedEvent, ReplayLog } from './replay-log.ts';

export class Subscriptions {
  readonly #log: ReplayLog;
  /** DN to the number after which its events are wanted. */
  readonly #addresses = new Map<string, number>();
  readonly #maxAddresses: number;
  /** The same for the events of all DNs; null: only of those above. */
  #allAfter: number | null = null;
  /** All events up to this number were given out, or are not wanted. */
  #position = 0;

  constructor(log: ReplayLog, maxAddresses: number) {
    this.#log = log;
    this.#maxAddresses = maxAddresses;
  }

  get isEmpty(): boolean {
    return this.#addresses.size === 0 && this.#allAfter === null;
  }

  get monitorsAll(): boolean {
    return this.#allAfter !== null;
  }

  /** Events that this client has not read yet are gone. */
  get isOutrun(): boolean {
    return !this.isEmpty && this.#position < this.#log.oldestAfter;
  }

  has(dn: string): boolean {
    return this.#addresses.has(dn);
  }

  /** Events from now on. @returns false if the DN was registered before. */
  register(dn: string): boolean {
    if (this.#addresses.has(dn)) return false;
    if (this.#addresses.size >= this.#maxAddresses) {
      throw new CtiError('too-many', `one client registers ${this.#maxAddresses} addresses; monitor all calls instead`);
    }
    this.#begin();
    this.#addresses.set(dn, this.#log.last);
    return true;
  }

  unregister(dn: string): boolean {
    return this.#addresses.delete(dn);
  }

  monitorAll(on: boolean): void {
    if (on === this.monitorsAll) return;
    if (on) this.#begin();
    this.#allAfter = on ? this.#log.last : null;
  }

  /** @throws CtiError `gap` when not everything after `seq` is there any more, `wrong-state` after another subscription. */
  resume(seq: number, addresses: readonly string[], all: boolean): void {
    if (!this.isEmpty) throw new CtiError('wrong-state', 'RequestResume goes before any other subscription');
    if (!this.#log.covers(seq)) {
      const { oldestAfter, last } = this.#log;
      throw new CtiError('gap', `events are kept from ${oldestAfter} to ${last}: register anew and take the calls`);
    }
    this.#position = seq;
    for (const dn of addresses) this.#addresses.set(dn, seq);
    this.#allAfter = all ? seq : null;
  }

  /**
   * The next event for this client, which then counts as given out; null: none for now.
   * @throws CtiError `gap` when it {@link isOutrun}.
   */
  next(): LoggedEvent | null {
    if (this.isEmpty) return null;
    if (this.#position < this.#log.oldestAfter)
      throw new CtiError('gap', 'events were made faster than they were read');
    while (this.#position < this.#log.last) {
      this.#position += 1;
      const event = this.#log.get(this.#position)!;
      if (this.#wants(event)) return event;
    }
    return null;
  }

  /** Without any subscription the position is where the log was when the last one ended. */
  #begin(): void {
    if (this.isEmpty) this.#position = this.#log.last;
  }

  #wants({ seq, dn }: LoggedEvent): boolean {
    const after = this.#addresses.get(dn);
    return (after !== undefined && seq > after) || (this.#allAfter !== null && seq > this.#allAfter);
  }
}
