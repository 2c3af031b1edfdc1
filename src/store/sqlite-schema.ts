/**
 * The tables of the SQLite catalogue and how an older file becomes a newer one. Migrations are only ever appended.
 */
import type { DatabaseSync } from 'node:sqlite';

/** Migration n brings the schema from version n to version n + 1. */
const MIGRATIONS: readonly string[] = [
  `
  -- row rises with the start of the recording (see firstRowOf): newest first is the table's own order, backwards, and every
  -- index of one column has it as its second.
  CREATE TABLE recording (
    row INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL,
    sip_call_id TEXT NOT NULL,
    communication_session_id TEXT,
    words TEXT NOT NULL,    -- ' word word …', see search-text.ts
    document TEXT NOT NULL  -- the Recording as JSON
  ) STRICT;
  CREATE INDEX recording_by_state ON recording (state);
  CREATE INDEX recording_by_call_id ON recording (sip_call_id);
  CREATE INDEX recording_by_communication_session ON recording (communication_session_id);

  -- What participants are called, each once: a part of a name is looked for among the few different names, not among all
  -- recordings. kind 0 = participant id (compared whole), 1 = address of record or name (compared by part).
  CREATE TABLE participant_value (
    value_row INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL,
    value TEXT NOT NULL,
    UNIQUE (kind, value)
  ) STRICT;
  CREATE TABLE recording_participant (
    value_row INTEGER NOT NULL REFERENCES participant_value,
    row INTEGER NOT NULL REFERENCES recording ON DELETE CASCADE,
    PRIMARY KEY (value_row, row)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX recording_participant_by_recording ON recording_participant (row);
  `,
];

/**
 * Words are split by search-text.ts and joined by spaces; the ascii tokenizer takes every other character as it is, so
 * the index and the search without it find the same.
 */
const FULL_TEXT = `
  CREATE VIRTUAL TABLE recording_words USING fts5 (
    words, content='recording', content_rowid='row', tokenize='ascii', columnsize=0, detail=none
  );
  CREATE TRIGGER recording_words_insert AFTER INSERT ON recording BEGIN
    INSERT INTO recording_words (rowid, words) VALUES (new.row, new.words);
  END;
  CREATE TRIGGER recording_words_delete AFTER DELETE ON recording BEGIN
    INSERT INTO recording_words (recording_words, rowid, words) VALUES ('delete', old.row, old.words);
  END;
  CREATE TRIGGER recording_words_update AFTER UPDATE OF words ON recording WHEN old.words <> new.words BEGIN
    INSERT INTO recording_words (recording_words, rowid, words) VALUES ('delete', old.row, old.words);
    INSERT INTO recording_words (rowid, words) VALUES (new.row, new.words);
  END;
  INSERT INTO recording_words (recording_words) VALUES ('rebuild');
`;

/** Rows for each millisecond; 2^53 rows last until the year 2109. */
const ROWS_PER_MS = 2048;

/** First row of the recordings that started in this millisecond. */
export function firstRowOf(startedAtMs: number): number {
  return startedAtMs * ROWS_PER_MS;
}

/** The millisecond to which a row belongs. */
export function startedAtOf(row: number): number {
  return Math.floor(row / ROWS_PER_MS);
}

export const SCHEMA_VERSION = MIGRATIONS.length;

export function inTransaction<T>(database: DatabaseSync, work: () => T): T {
  database.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    database.exec('COMMIT');
    return result;
  } catch (error) {
    // A failed COMMIT may already have rolled back.
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

/**
 * Brings the file to this program's schema; other programs that open it at the same time wait.
 * @throws Error if the file was made by a newer program.
 */
export function migrate(database: DatabaseSync, file: string): void {
  inTransaction(database, () => {
    database.exec(
      'CREATE TABLE IF NOT EXISTS migration (version INTEGER PRIMARY KEY, applied_at TEXT NOT NULL) STRICT',
    );
    const row = database.prepare('SELECT coalesce(max(version), 0) AS version FROM migration').get();
    const version = Number(row?.version);
    if (version > SCHEMA_VERSION) {
      throw new Error(
        `${file} has catalogue schema ${version}, this program knows ${SCHEMA_VERSION}: upgrade doubletrack, or choose another data folder`,
      );
    }
    const applied = database.prepare("INSERT INTO migration VALUES (?, strftime('%Y-%m-%dT%H:%M:%fZ'))");
    for (let next = version; next < SCHEMA_VERSION; next++) {
      database.exec(MIGRATIONS[next]!);
      applied.run(next + 1);
    }
  });
}

/** @returns whether free text has an index; without FTS5 in this SQLite it is searched row by row. */
export function ensureFullText(database: DatabaseSync): boolean {
  const has = database.prepare("SELECT 1 FROM sqlite_master WHERE name = 'recording_words'");
  if (has.get()) return true;
  try {
    inTransaction(database, () => database.exec(FULL_TEXT));
    return true;
  } catch (error) {
    if (/no such module/i.test((error as Error).message)) return false;
    throw error;
  }
}
