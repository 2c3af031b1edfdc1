/**
 * The catalogue in one SQLite file (node:sqlite): write-ahead log, indexes for time, state, participant, call id and
 * free text. Calls are synchronous and take well under a millisecond; no query reads more than it has to answer.
 */
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import {
  type Catalogue,
  DEFAULT_SEARCH_LIMIT,
  decodeCursor,
  encodeCursor,
  IllegalTransition,
  InvalidQuery,
  MAX_SEARCH_LIMIT,
  mayBecome,
  parseInstant,
  type RecordingPage,
  type RecordingQuery,
} from './catalogue.ts';
import { RECORDING_STATES, type Recording, type RecordingState } from './recording.ts';
import { fold, queryWords, recordingWords } from './search-text.ts';
import { ensureFullText, inTransaction, migrate } from './sqlite-schema.ts';
import { isUuid } from './uuid.ts';

/** How long a write waits for another process that writes (a backup, a shell). */
const BUSY_TIMEOUT_MS = 5_000;
const KIND_ID = 0;
const KIND_SAID = 1;

const UPSERT = `
  INSERT INTO recording (id, started_ms, state, sip_call_id, communication_session_id, words, document)
  VALUES (?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (id) DO UPDATE SET started_ms = excluded.started_ms, state = excluded.state,
    sip_call_id = excluded.sip_call_id, communication_session_id = excluded.communication_session_id,
    words = excluded.words, document = excluded.document
  RETURNING row`;

export interface SqliteCatalogueOptions {
  /** False searches free text without the index; for tests and for a SQLite without FTS5. */
  fullText?: boolean;
}

interface Condition {
  sql: string;
  values: SQLInputValue[];
}

function startedAtMs(recording: Recording): number {
  const ms = Date.parse(recording.startedAt);
  if (Number.isNaN(ms)) throw new TypeError(`startedAt is no instant: ${recording.startedAt}`);
  return ms;
}

/** [kind, value] of everything that a participant search compares with. */
function participantValues(recording: Recording): Array<[number, string]> {
  return recording.participants.flatMap((p) => {
    const said = [p.aor, p.name]
      .filter((text) => text !== null)
      .map((text): [number, string] => [KIND_SAID, fold(text)]);
    return [[KIND_ID, p.id.toWellFormed()] as [number, string], ...said];
  });
}

/** A file, or `:memory:`. */
export class SqliteCatalogue implements Catalogue {
  readonly #database: DatabaseSync;
  readonly #fullText: boolean;
  readonly #statements = new Map<string, StatementSync>();

  /** @throws the system's error if the file can't be opened; Error if a newer program made it. */
  constructor(file: string, options: SqliteCatalogueOptions = {}) {
    this.#database = new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS });
    try {
      // NORMAL may lose the last rows in a power cut, never the file's consistency; rows are made again from manifests.
      this.#database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON');
      migrate(this.#database, file);
      this.#fullText = ensureFullText(this.#database) && options.fullText !== false;
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  put(recording: Recording): void {
    if (!isUuid(recording.id)) throw new TypeError(`a recording's id is a UUID in lower case, not ${recording.id}`);
    if (!RECORDING_STATES.includes(recording.state)) throw new TypeError(`unknown state ${recording.state}`);
    const started = startedAtMs(recording);
    inTransaction(this.#database, () => {
      const before = this.#prepare('SELECT state FROM recording WHERE id = ?').get(recording.id);
      const state = before?.state as RecordingState | undefined;
      if (state && !mayBecome(state, recording.state))
        throw new IllegalTransition(recording.id, state, recording.state);
      const stored = this.#prepare(UPSERT).get(
        recording.id,
        started,
        recording.state,
        recording.sipCallId.toWellFormed(),
        recording.communicationSessionId?.toWellFormed() ?? null,
        ` ${recordingWords(recording).join(' ')}`,
        JSON.stringify(recording),
      );
      this.#putParticipants(stored?.row as number, recording);
    });
  }

  get(id: string): Recording | null {
    const row = this.#prepare('SELECT document FROM recording WHERE id = ?').get(id.toWellFormed());
    return row ? (JSON.parse(row.document as string) as Recording) : null;
  }

  search(query: RecordingQuery): RecordingPage {
    const limit = query.limit ?? DEFAULT_SEARCH_LIMIT;
    if (!Number.isInteger(limit) || limit < 1 || limit > MAX_SEARCH_LIMIT) {
      throw new InvalidQuery('limit', `not a whole number from 1 to ${MAX_SEARCH_LIMIT}`);
    }
    const conditions = this.#conditions(query);
    const where = conditions.length > 0 ? `WHERE ${conditions.map((c) => c.sql).join(' AND ')}` : '';
    const sql = `SELECT id, started_ms, document FROM recording ${where} ORDER BY started_ms DESC, id DESC LIMIT ?`;
    const rows = this.#prepare(sql).all(...conditions.flatMap((c) => c.values), limit + 1);
    const page = rows.slice(0, limit);
    const last = page.at(-1);
    return {
      items: page.map((row) => JSON.parse(row.document as string) as Recording),
      nextCursor:
        rows.length > limit && last
          ? encodeCursor({ startedAtMs: last.started_ms as number, id: last.id as string })
          : null,
    };
  }

  close(): void {
    if (!this.#database.isOpen) return;
    this.#database.exec('PRAGMA optimize');
    this.#database.close();
  }

  #conditions(query: RecordingQuery): Condition[] {
    const all: Condition[] = [];
    const add = (sql: string, ...values: SQLInputValue[]) => all.push({ sql, values });
    if (query.from !== undefined) add('started_ms >= ?', parseInstant('from', query.from));
    if (query.to !== undefined) add('started_ms < ?', parseInstant('to', query.to));
    if (query.state !== undefined) add('state = ?', query.state);
    if (query.callId !== undefined) {
      const callId = query.callId.toWellFormed();
      add('(sip_call_id = ? OR communication_session_id = ?)', callId, callId);
    }
    if (query.participant !== undefined) {
      add(
        `row IN (SELECT row FROM recording_participant WHERE value_row IN (SELECT value_row FROM participant_value
          WHERE (kind = ${KIND_SAID} AND instr(value, ?) > 0) OR (kind = ${KIND_ID} AND value = ?)))`,
        fold(query.participant),
        query.participant.toWellFormed(),
      );
    }
    if (query.text !== undefined) all.push(...this.#textConditions(queryWords(query.text)));
    if (query.cursor !== undefined) {
      const { startedAtMs, id } = decodeCursor(query.cursor);
      add('(started_ms, id) < (?, ?)', startedAtMs, id);
    }
    return all;
  }

  #textConditions(words: string[]): Condition[] {
    if (!this.#fullText) return words.map((word) => ({ sql: 'instr(words, ?) > 0', values: [` ${word}`] }));
    if (words.length === 0) return [];
    const match = words.map((word) => `"${word}" *`).join(' AND ');
    return [{ sql: 'row IN (SELECT rowid FROM recording_words WHERE recording_words MATCH ?)', values: [match] }];
  }

  #putParticipants(row: number, recording: Recording): void {
    this.#prepare('DELETE FROM recording_participant WHERE row = ?').run(row);
    for (const [kind, value] of participantValues(recording)) {
      this.#prepare('INSERT INTO participant_value (kind, value) VALUES (?, ?) ON CONFLICT DO NOTHING').run(
        kind,
        value,
      );
      this.#prepare(
        'INSERT OR IGNORE INTO recording_participant SELECT value_row, ? FROM participant_value WHERE kind = ? AND value = ?',
      ).run(row, kind, value);
    }
  }

  /** The set of statements is finite: conditions vary in number and kind, values are always parameters. */
  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (!statement) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}
