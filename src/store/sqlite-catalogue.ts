/**
 * The catalogue in one SQLite file (node:sqlite): write-ahead log, indexes for time, state, participant, call id and
 * free text.
 *
 * It lives in the thread that does the signalling, so nothing here may wait: rows of many calls share one transaction,
 * committed a moment later, and a disk that refuses is tried again while the rows wait in a transaction in memory.
 */
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import {
  type Catalogue,
  DEFAULT_SEARCH_LIMIT,
  IllegalTransition,
  InvalidQuery,
  MAX_SEARCH_LIMIT,
  mayBecome,
  type RecordingPage,
  type RecordingQuery,
} from './catalogue.ts';
import { RECORDING_STATES, type Recording, type RecordingState } from './recording.ts';
import { fold, recordingWords } from './search-text.ts';
import { ensureFullText, firstRowOf, migrate, startedAtOf } from './sqlite-schema.ts';
import { encodeCursor, KIND_ID, KIND_SAID, searchSql } from './sqlite-search.ts';
import { isUuid } from './uuid.ts';

/** How long opening waits for another process that writes (a backup, a shell). */
const OPEN_BUSY_TIMEOUT_MS = 5_000;
/** How long a commit may hold up the signalling for it; then the rows wait instead. */
const BUSY_TIMEOUT_MS = 20;
/** Rows that come within this time share a transaction. */
const COMMIT_AFTER_MS = 25;
const RETRY_AFTER_MS = 1_000;
const MAX_STATEMENTS = 256;

export interface SqliteCatalogueOptions {
  /** False searches free text without the index; for tests and for a SQLite without FTS5. */
  fullText?: boolean;
  /** Told whenever rows can't be written (they are kept and tried again), and with null once they are. */
  onWriteError?: (error: Error | null) => void;
}

function startedAtMs(recording: Recording): number {
  const ms = Date.parse(recording.startedAt);
  if (Number.isNaN(ms)) throw new TypeError(`startedAt is no instant: ${recording.startedAt}`);
  return ms;
}

function requireStorable(recording: Recording): void {
  if (!isUuid(recording.id)) throw new TypeError(`a recording's id is a UUID in lower case, not ${recording.id}`);
  if (!RECORDING_STATES.includes(recording.state)) throw new TypeError(`unknown state ${recording.state}`);
  startedAtMs(recording);
}

/** [kind, value] of everything that a participant search compares with. */
function participantValues(recording: Recording): Array<[number, string]> {
  return recording.participants.flatMap((p) => {
    const said = [p.aor, p.name].filter((text) => text !== null);
    return [
      [KIND_ID, p.id.toWellFormed()] as [number, string],
      ...said.map((text): [number, string] => [KIND_SAID, fold(text)]),
    ];
  });
}

/** A file, or `:memory:`. */
export class SqliteCatalogue implements Catalogue {
  readonly #database: DatabaseSync;
  readonly #fullText: boolean;
  readonly #onWriteError: (error: Error | null) => void;
  readonly #statements = new Map<string, StatementSync>();
  /** Rows that are not committed yet, as JSON: what a failed transaction has to write again. */
  readonly #pending = new Map<string, { state: RecordingState; document: string }>();
  #timer: NodeJS.Timeout | null = null;
  #failing = false;

  /** @throws the system's error if the file can't be opened; Error if a newer program made it. */
  constructor(file: string, options: SqliteCatalogueOptions = {}) {
    this.#onWriteError = options.onWriteError ?? (() => {});
    this.#database = new DatabaseSync(file, { timeout: OPEN_BUSY_TIMEOUT_MS });
    try {
      // NORMAL may lose the last rows in a power cut, never the file's consistency; rows are made again from manifests.
      this.#database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON');
      // A transaction must not need the disk before its COMMIT: that is where a full disk may show.
      this.#database.exec('PRAGMA cache_spill = OFF; PRAGMA temp_store = MEMORY');
      migrate(this.#database, file);
      this.#fullText = ensureFullText(this.#database) && options.fullText !== false;
      this.#database.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  put(recording: Recording): void {
    requireStorable(recording);
    const state = this.#stateOf(recording.id);
    if (state && !mayBecome(state, recording.state)) throw new IllegalTransition(recording.id, state, recording.state);
    // Deleted first, so that the map stays in the order in which the rows were put last.
    this.#pending.delete(recording.id);
    this.#pending.set(recording.id, { state: recording.state, document: JSON.stringify(recording) });
    if (!this.#failing || this.#database.isTransaction) this.#attempt(() => this.#write(recording));
    this.#timer ??= setTimeout(() => this.flush(), this.#failing ? RETRY_AFTER_MS : COMMIT_AFTER_MS).unref();
  }

  get(id: string): Recording | null {
    const document = this.#pending.get(id)?.document ?? this.#stored(id)?.document;
    return document === undefined ? null : (JSON.parse(document as string) as Recording);
  }

  search(query: RecordingQuery): RecordingPage {
    const limit = query.limit ?? DEFAULT_SEARCH_LIMIT;
    if (!Number.isInteger(limit) || limit < 1 || limit > MAX_SEARCH_LIMIT) {
      throw new InvalidQuery('limit', `not a whole number from 1 to ${MAX_SEARCH_LIMIT}`);
    }
    const prepare = (sql: string) => this.#prepare(sql);
    const { sql, values } = searchSql(query, limit + 1, { fullText: this.#fullText, prepare });
    const rows = prepare(sql).all(...values);
    const page = rows.slice(0, limit);
    return {
      items: page.map((row) => JSON.parse(row.document as string) as Recording),
      nextCursor: rows.length > limit ? encodeCursor(page.at(-1)!.row as number) : null,
    };
  }

  /** Commits what has been put. @returns whether everything is committed; if not, it is tried again later. */
  flush(): boolean {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    const isWritten = this.#database.isTransaction || this.#attempt(() => this.#writePending());
    const committed = isWritten && this.#attempt(() => this.#commit());
    if (committed) {
      this.#pending.clear();
      if (this.#failing) this.#onWriteError(null);
      this.#failing = false;
    } else {
      // The failed COMMIT took the rows back. In a transaction that waits, searches find them.
      if (isWritten) this.#attempt(() => this.#writePending());
      this.#timer = setTimeout(() => this.flush(), RETRY_AFTER_MS).unref();
    }
    return committed;
  }

  close(): void {
    if (!this.#database.isOpen) return;
    if (this.flush()) this.#attempt(() => this.#database.exec('PRAGMA optimize'));
    if (this.#timer) clearTimeout(this.#timer);
    this.#database.close();
  }

  /** Runs a write; if the disk refuses, takes the open transaction back, whose rows are all pending. */
  #attempt(write: () => void): boolean {
    try {
      write();
      return true;
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      this.#failing = true;
      this.#onWriteError(error as Error);
      return false;
    }
  }

  #commit(): void {
    if (this.#database.isTransaction) this.#database.exec('COMMIT');
  }

  #writePending(): void {
    for (const row of this.#pending.values()) this.#write(JSON.parse(row.document) as Recording);
  }

  #write(recording: Recording): void {
    if (!this.#database.isTransaction) this.#database.exec('BEGIN IMMEDIATE');
    const words = ` ${recordingWords(recording).join(' ')}`;
    const facts = [
      recording.state,
      recording.sipCallId.toWellFormed(),
      recording.communicationSessionId?.toWellFormed() ?? null,
      words,
      JSON.stringify(recording),
    ];
    const stored = this.#prepare('SELECT row, words FROM recording WHERE id = ?').get(recording.id);
    const started = startedAtMs(recording);
    if (stored && startedAtOf(stored.row as number) === started) {
      this.#prepare(
        'UPDATE recording SET state = ?, sip_call_id = ?, communication_session_id = ?, words = ?, document = ? WHERE row = ?',
      ).run(...facts, stored.row as number);
      this.#writeParticipants(stored.row as number, recording);
      return;
    }
    if (stored) this.#prepare('DELETE FROM recording WHERE row = ?').run(stored.row as number);
    const row = this.#freeRow(started);
    this.#prepare(
      'INSERT INTO recording (state, sip_call_id, communication_session_id, words, document, row, id) VALUES (?, ?, ?, ?, ?, ?, ?)',
    ).run(...facts, row, recording.id);
    this.#writeParticipants(row, recording);
  }

  #freeRow(started: number): number {
    // More recordings of one millisecond than it has rows go on in the next: their order stays right.
    for (let ms = started; ; ms++) {
      const [first, end] = [firstRowOf(ms), firstRowOf(ms + 1)];
      const last = this.#prepare('SELECT max(row) AS row FROM recording WHERE row >= ? AND row < ?').get(
        first,
        end,
      )?.row;
      const row = typeof last === 'number' ? last + 1 : first;
      if (row < end) return row;
    }
  }

  #writeParticipants(row: number, recording: Recording): void {
    const wanted = new Set<number>();
    for (const value of participantValues(recording)) wanted.add(this.#valueRow(...value));
    const present = this.#prepare('SELECT value_row FROM recording_participant WHERE row = ?').all(row);
    for (const { value_row: valueRow } of present) {
      if (wanted.delete(valueRow as number)) continue;
      this.#prepare('DELETE FROM recording_participant WHERE row = ? AND value_row = ?').run(row, valueRow as number);
    }
    for (const valueRow of wanted) {
      this.#prepare('INSERT INTO recording_participant (row, value_row) VALUES (?, ?)').run(row, valueRow);
    }
  }

  #valueRow(kind: number, value: string): number {
    const known = this.#prepare('SELECT value_row FROM participant_value WHERE kind = ? AND value = ?').get(
      kind,
      value,
    );
    if (known) return known.value_row as number;
    return Number(
      this.#prepare('INSERT INTO participant_value (kind, value) VALUES (?, ?)').run(kind, value).lastInsertRowid,
    );
  }

  #stored(id: string): Record<string, unknown> | undefined {
    return this.#prepare('SELECT state, document FROM recording WHERE id = ?').get(id.toWellFormed());
  }

  #stateOf(id: string): RecordingState | undefined {
    return this.#pending.get(id)?.state ?? (this.#stored(id)?.state as RecordingState | undefined);
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (!statement) {
      // Searches differ in their conditions only, but in the number of words too: a bound all the same.
      if (this.#statements.size >= MAX_STATEMENTS) this.#statements.clear();
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}
