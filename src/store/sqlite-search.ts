/**
 * From a search to SQL over the tables of sqlite-schema.ts. Values are always parameters. A condition that few recordings
 * meet is answered from its index; one that many meet is tested on recordings from the newest on, which finds a page of
 * them soon. So neither reads much more than it answers.
 */
import type { SQLInputValue, StatementSync } from 'node:sqlite';
import { InvalidQuery, parseInstant, type RecordingQuery } from './catalogue.ts';
import { fold, queryWords } from './search-text.ts';
import { firstRowOf } from './sqlite-schema.ts';

export const KIND_ID = 0;
export const KIND_SAID = 1;

/** From so many matches on, a condition is one that many recordings meet. */
const MANY = 2000;

export interface SearchSql {
  sql: string;
  values: SQLInputValue[];
}

interface Condition {
  sql: string;
  values: SQLInputValue[];
}

export interface SearchContext {
  fullText: boolean;
  prepare(sql: string): StatementSync;
}

const MATCHING_VALUES = `SELECT value_row FROM participant_value
  WHERE (kind = ${KIND_SAID} AND instr(value, ?) > 0) OR (kind = ${KIND_ID} AND value = ?)`;

/**
 * @param rows how many rows the statement gives at most.
 * @throws InvalidQuery
 */
export function searchSql(query: RecordingQuery, rows: number, context: SearchContext): SearchSql {
  const all: Condition[] = [];
  const add = (sql: string, ...values: SQLInputValue[]) => all.push({ sql, values });
  if (query.from !== undefined) add('row >= ?', firstRowOf(parseInstant('from', query.from)));
  if (query.to !== undefined) add('row < ?', firstRowOf(parseInstant('to', query.to)));
  if (query.cursor !== undefined) add('row < ?', decodeCursor(query.cursor));
  if (query.state !== undefined) add('state = ?', query.state);
  if (query.callId !== undefined) {
    const callId = query.callId.toWellFormed();
    add('(sip_call_id = ? OR communication_session_id = ?)', callId, callId);
  }
  if (query.participant !== undefined) all.push(participantCondition(query.participant, context));
  if (query.text !== undefined) all.push(...textConditions(queryWords(query.text), context));
  const where = all.length > 0 ? `WHERE ${all.map((c) => c.sql).join(' AND ')}` : '';
  return {
    sql: `SELECT row, document FROM recording ${where} ORDER BY row DESC LIMIT ?`,
    values: [...all.flatMap((c) => c.values), rows],
  };
}

function isMany(context: SearchContext, sql: string, values: SQLInputValue[]): boolean {
  const counted = context.prepare(`SELECT count(*) AS matches FROM (${sql} LIMIT ${MANY})`).get(...values);
  return Number(counted?.matches) >= MANY;
}

function participantCondition(participant: string, context: SearchContext): Condition {
  const values = [fold(participant), participant.toWellFormed()];
  const matching = `SELECT row FROM recording_participant WHERE value_row IN (${MATCHING_VALUES})`;
  if (!isMany(context, matching, values)) return { sql: `row IN (${matching})`, values };
  return {
    sql: `EXISTS (SELECT 1 FROM recording_participant AS p WHERE p.row = recording.row AND p.value_row IN (${MATCHING_VALUES}))`,
    values,
  };
}

function textConditions(words: string[], context: SearchContext): Condition[] {
  if (words.length === 0) return [];
  if (context.fullText) {
    const values = [words.map((word) => `"${word}" *`).join(' AND ')];
    const matching = 'SELECT rowid FROM recording_words WHERE recording_words MATCH ?';
    if (!isMany(context, matching, values)) return [{ sql: `row IN (${matching})`, values }];
  }
  return words.map((word) => ({ sql: 'instr(words, ?) > 0', values: [` ${word}`] }));
}

/** A page ends at a row, and the next one goes on below it. */
export function encodeCursor(row: number): string {
  return Buffer.from(String(row)).toString('base64url');
}

function decodeCursor(cursor: string): number {
  const text = Buffer.from(cursor, 'base64url').toString('latin1');
  const row = /^-?\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(row)) return row;
  throw new InvalidQuery('cursor', 'not a cursor of this server: take nextCursor of the page before as it is');
}
