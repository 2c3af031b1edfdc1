/**
 * The catalogue: one row per recording, searched newest first. It is derived data: every row can be made again from
 * the manifests, so an implementation may prefer speed over surviving a power cut.
 */

import type { Recording, RecordingState } from './recording.ts';

export const DEFAULT_SEARCH_LIMIT = 50;
export const MAX_SEARCH_LIMIT = 500;

/** All conditions given must hold. */
export interface RecordingQuery {
  /** ISO 8601 instant; recordings that started at it or later. */
  from?: string | undefined;
  /** ISO 8601 instant; recordings that started before it. */
  to?: string | undefined;
  /** Part of a participant's address of record or name, in any case; or exactly a participant's id. */
  participant?: string | undefined;
  /** Exactly the SIP Call-ID or the communication session's id. */
  callId?: string | undefined;
  /** Every word of it begins a word of the recording: participants, ids, codecs, warnings, agents, attached data. Case and accents don't count. */
  text?: string | undefined;
  state?: RecordingState | undefined;
  /** At most this many items, 1 to {@link MAX_SEARCH_LIMIT}; {@link DEFAULT_SEARCH_LIMIT} when left out. */
  limit?: number | undefined;
  /** `nextCursor` of the page before. */
  cursor?: string | undefined;
}

export interface RecordingPage {
  items: Recording[];
  /** Null on the last page. */
  nextCursor: string | null;
}

export interface Catalogue {
  /**
   * Stores the recording, or replaces the one with the same id. It is found at once and reaches the disk soon after; a disk
   * that is full for a while delays the latter only, and never makes this throw.
   * @throws IllegalTransition if the stored state can't lead to the new one; nothing is changed then.
   * @throws TypeError if the id is no UUID or `startedAt` no instant.
   */
  put(recording: Recording): void;
  get(id: string): Recording | null;
  /**
   * Newest first; of those that started in the same millisecond, the last stored first. Pages don't shift when recordings
   * are added meanwhile.
   * @throws InvalidQuery naming the parameter that can't be used.
   */
  search(query: RecordingQuery): RecordingPage;
  close(): void;
}

/** A search that can't be carried out, by the parameter at fault. */
export class InvalidQuery extends Error {
  override name = 'InvalidQuery';
  readonly parameter: keyof RecordingQuery;
  constructor(parameter: keyof RecordingQuery, message: string) {
    super(message);
    this.parameter = parameter;
  }
}

export class IllegalTransition extends Error {
  override name = 'IllegalTransition';
  readonly from: RecordingState;
  readonly to: RecordingState;
  constructor(id: string, from: RecordingState, to: RecordingState) {
    super(`recording ${id} is ${from} and cannot become ${to}`);
    this.from = from;
    this.to = to;
  }
}

const SETTLED = ['finalising', 'complete', 'provisional', 'discarded', 'failed'] as const;

/**
 * Nothing runs again once its session has ended, and nothing comes back once it was destroyed. A finished recording may
 * be finalised again: the finaliser is idempotent.
 */
const NEXT_STATES: Record<RecordingState, readonly RecordingState[]> = {
  recording: ['recording', ...SETTLED],
  finalising: SETTLED,
  complete: SETTLED,
  provisional: SETTLED,
  failed: SETTLED,
  discarded: ['discarded'],
};

export function mayBecome(from: RecordingState, to: RecordingState): boolean {
  return NEXT_STATES[from].includes(to);
}

/** @throws InvalidQuery if the text is no ISO 8601 date or instant. A date alone is its midnight in UTC. */
export function parseInstant(parameter: 'from' | 'to', text: string): number {
  const wellFormed = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d))?$/i.test(text);
  const ms = wellFormed ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(ms)) {
    throw new InvalidQuery(parameter, 'not an ISO 8601 date or time with offset, such as 2026-01-31T09:30:00Z');
  }
  return ms;
}
