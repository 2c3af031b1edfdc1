/**
 * The events of a link, numbered, as long as there is room: who reconnects reads on where it was, and who reads slowly keeps its place
 * here instead of a queue of its own. Every event is put into text once, however many read it.
 */
import type { CallEvent, UnnumberedEvent } from './events.ts';

export interface LoggedEvent {
  seq: number;
  dn: string;
  text: string;
}

export interface ReplayLogOptions {
  maxEvents: number;
  /** Of their texts, in characters. */
  maxCharacters: number;
}

export class ReplayLog {
  readonly #options: ReplayLogOptions;
  /** A ring of at most maxEvents, by sequence number. */
  readonly #events = new Map<number, LoggedEvent>();
  #first = 1;
  #last = 0;
  #characters = 0;

  constructor(options: ReplayLogOptions) {
    this.#options = options;
  }

  /** Number of the newest event, 0 before the first. */
  get last(): number {
    return this.#last;
  }

  /** The least number after which everything is still here. */
  get oldestAfter(): number {
    return this.#first - 1;
  }

  append(event: UnnumberedEvent): LoggedEvent {
    const seq = this.#last + 1;
    const { message, ...rest } = event;
    const numbered: CallEvent = { message, EventSequenceNumber: seq, ...rest };
    const logged = { seq, dn: event.ThisDN, text: JSON.stringify(numbered) };
    this.#events.set(seq, logged);
    this.#last = seq;
    this.#characters += logged.text.length;
    this.#makeRoom();
    return logged;
  }

  /** @returns null when there is no such event: not yet, or not any more. */
  get(seq: number): LoggedEvent | null {
    return this.#events.get(seq) ?? null;
  }

  /** Whether everything after that number can be read. */
  covers(afterSeq: number): boolean {
    return afterSeq >= this.oldestAfter && afterSeq <= this.#last;
  }

  #makeRoom(): void {
    const { maxEvents, maxCharacters } = this.#options;
    // The newest stays whatever its size.
    while (this.#first < this.#last && (this.#events.size > maxEvents || this.#characters > maxCharacters)) {
      this.#characters -= this.#events.get(this.#first)!.text.length;
      this.#events.delete(this.#first);
      this.#first += 1;
    }
  }
}
