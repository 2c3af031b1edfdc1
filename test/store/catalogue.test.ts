/** The catalogue against a model in memory, with and without the full-text index. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  type Catalogue,
  IllegalTransition,
  InvalidQuery,
  MAX_SEARCH_LIMIT,
  type RecordingQuery,
} from '../../src/store/catalogue.ts';
import { RECORDING_STATES, type Recording } from '../../src/store/recording.ts';
import { SqliteCatalogue } from '../../src/store/sqlite-catalogue.ts';
import { anyQuery, anyRecording, FIRST_ID, recording } from './recordings.ts';

/** What a search means, written down as simply as possible. */
function modelSearch(all: Iterable<Recording>, q: RecordingQuery): Recording[] {
  const fold = (s: string) => s.toWellFormed().normalize('NFKC').toLowerCase().replaceAll('\0', '');
  const words = (s: string) =>
    s
      .toWellFormed()
      .normalize('NFKD')
      .toLowerCase()
      .normalize('NFKD')
      .replace(/\p{M}/gu, '')
      .match(/[\p{L}\p{N}]+/gu) ?? [];
  const matches = (r: Recording): boolean => {
    const { participant, callId, text } = q;
    const people = r.participants.flatMap((p) => [p.aor, p.name]).filter((s) => s !== null);
    const said = [r.id, r.sipCallId, r.communicationSessionId, ...people];
    const has = [...said, ...r.streams.map((s) => s.codec), ...r.warnings].flatMap((s) => words(s ?? ''));
    return (
      (q.from === undefined || r.startedAt >= q.from) &&
      (q.to === undefined || r.startedAt < q.to) &&
      (q.state === undefined || r.state === q.state) &&
      (callId === undefined || r.sipCallId === callId || r.communicationSessionId === callId) &&
      (participant === undefined ||
        people.some((s) => fold(s).includes(fold(participant))) ||
        r.participants.some((p) => p.id === participant)) &&
      (text === undefined || words(text).every((word) => has.some((h) => h.startsWith(word))))
    );
  };
  // Later ones first; toSorted keeps the order of equals, which is that of their coming, last first.
  return [...all]
    .reverse()
    .filter(matches)
    .toSorted((a, b) => Date.parse(b.startedAt) - Date.parse(a.startedAt));
}

function allPages(catalogue: Catalogue, query: RecordingQuery): Recording[] {
  const items: Recording[] = [];
  let cursor: string | undefined;
  do {
    const page = catalogue.search({ ...query, cursor });
    assert.ok(page.items.length <= (query.limit ?? 50));
    items.push(...page.items);
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  return items;
}

for (const fullText of [true, false]) {
  describe(`catalogue in SQLite ${fullText ? 'with' : 'without'} the full-text index`, () => {
    test('search finds what the model finds, in its order, page by page', () => {
      fc.assert(
        fc.property(
          fc.array(anyRecording, { maxLength: 12 }),
          fc.array(anyQuery, { maxLength: 8 }),
          (rows, queries) => {
            const catalogue = new SqliteCatalogue(':memory:', { fullText });
            for (const row of rows) catalogue.put(row);
            const model = new Map(rows.map((row) => [row.id, row]));
            for (const query of queries) {
              assert.deepEqual(
                allPages(catalogue, query).map((r) => r.id),
                modelSearch(model.values(), query).map((r) => r.id),
              );
            }
            catalogue.close();
          },
        ),
        { numRuns: 120 },
      );
    });

    test('a replaced recording is found by its new facts only', () => {
      fc.assert(
        fc.property(fc.array(anyRecording, { minLength: 1, maxLength: 6 }), anyQuery, (versions, query) => {
          const catalogue = new SqliteCatalogue(':memory:', { fullText });
          for (const version of versions) {
            catalogue.put({ ...version, id: FIRST_ID, state: 'failed' });
            if (version.warnings.length > 0) catalogue.flush();
          }
          const last = { ...versions.at(-1)!, id: FIRST_ID, state: 'failed' as const };
          assert.deepEqual(catalogue.get(FIRST_ID), JSON.parse(JSON.stringify(last)));
          assert.deepEqual(
            allPages(catalogue, query).map((r) => r.id),
            modelSearch([last], query).map((r) => r.id),
          );
          catalogue.close();
        }),
        { numRuns: 60 },
      );
    });
  });
}

describe('catalogue', () => {
  test('keeps every member of a recording, known or not', () => {
    const catalogue = new SqliteCatalogue(':memory:');
    const odd = { ...recording(), later: { added: [1, 'two', null] } };
    catalogue.put(odd);
    assert.deepEqual(catalogue.get(FIRST_ID), odd);
    assert.equal(catalogue.get('00000000-0000-0000-0000-000000000000'), null);
    assert.equal(catalogue.get("' OR 1=1 --"), null);
    catalogue.close();
  });

  test('only the transitions that make sense; a refused one changes nothing', () => {
    for (const from of RECORDING_STATES) {
      for (const to of RECORDING_STATES) {
        const catalogue = new SqliteCatalogue(':memory:');
        catalogue.put(recording({ state: from }));
        const allowed =
          from === to ? from !== 'discarded' || to === 'discarded' : from !== 'discarded' && to !== 'recording';
        const put = () => catalogue.put(recording({ state: to, sipCallId: 'changed' }));
        if (allowed) put();
        else assert.throws(put, IllegalTransition, `${from} -> ${to}`);
        const { state, sipCallId } = catalogue.get(FIRST_ID)!;
        assert.deepEqual([state, sipCallId], allowed ? [to, 'changed'] : [from, 'call-1@src.example']);
        catalogue.close();
      }
    }
  });

  test('refuses ids that are no UUIDs, unknown states and times that are none', () => {
    const catalogue = new SqliteCatalogue(':memory:');
    for (const id of ['', '../x', FIRST_ID.toUpperCase(), `${FIRST_ID}\n`]) {
      assert.throws(() => catalogue.put(recording({ id })), TypeError);
    }
    assert.throws(() => catalogue.put(recording({ startedAt: 'yesterday' })), TypeError);
    assert.throws(() => catalogue.put(recording({ state: 'lost' as Recording['state'] })), TypeError);
    assert.deepEqual(catalogue.search({}), { items: [], nextCursor: null });
    catalogue.close();
  });

  test('a page goes on where it ended although newer recordings came in between', () => {
    const catalogue = new SqliteCatalogue(':memory:');
    const at = (n: number) => ({
      id: FIRST_ID.replace('0b9d2a5', `0000000${n}`.slice(-7)),
      startedAt: new Date(n * 1000).toISOString(),
    });
    for (let n = 1; n <= 4; n++) catalogue.put(recording(at(n)));
    const first = catalogue.search({ limit: 2 });
    catalogue.put(recording(at(9)));
    const second = catalogue.search({ limit: 2, cursor: first.nextCursor! });
    assert.deepEqual(
      [...first.items, ...second.items].map((r) => Date.parse(r.startedAt) / 1000),
      [4, 3, 2, 1],
    );
    assert.equal(second.nextCursor, null);
    catalogue.close();
  });

  test('says which parameter of a search is wrong', () => {
    const catalogue = new SqliteCatalogue(':memory:');
    const wrong: RecordingQuery[] = [
      { from: 'today' },
      { to: '2026-02-31T99:00:00Z' },
      { from: '2026-01-01T00:00:00' },
      { cursor: 'AAAA' },
      { cursor: '' },
      { limit: 0 },
      { limit: MAX_SEARCH_LIMIT + 1 },
      { limit: 1.5 },
    ];
    for (const query of wrong) {
      assert.throws(
        () => catalogue.search(query),
        (error) => error instanceof InvalidQuery && error.parameter === Object.keys(query)[0],
        JSON.stringify(query),
      );
    }
    catalogue.close();
  });

  test('a date alone is its midnight in UTC, and offsets count', () => {
    const catalogue = new SqliteCatalogue(':memory:');
    catalogue.put(recording({ startedAt: '2026-01-31T00:00:00.000Z' }));
    const found = (query: RecordingQuery) => catalogue.search(query).items.length;
    assert.equal(found({ from: '2026-01-31' }), 1);
    assert.equal(found({ to: '2026-01-31' }), 0);
    assert.equal(found({ from: '2026-01-31T01:00:00+01:00' }), 1);
    assert.equal(found({ from: '2026-01-31T00:00:00-01:00' }), 0);
    catalogue.close();
  });
});

describe('catalogue file', () => {
  function inFolder(work: (file: string) => void): void {
    const folder = mkdtempSync(path.join(tmpdir(), 'doubletrack-catalogue-'));
    try {
      work(path.join(folder, 'catalogue.sqlite'));
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  test('opens again with what was put, by several at once, without the index too', () => {
    inFolder((file) => {
      const first = new SqliteCatalogue(file);
      first.put(recording());
      assert.ok(first.flush());
      const second = new SqliteCatalogue(file);
      assert.equal(second.search({ text: 'angstrom' }).items.length, 1);
      second.put(recording({ warnings: ['second'] }));
      assert.ok(second.flush());
      assert.equal(first.search({ text: 'second' }).items.length, 1);
      first.close();
      second.close();
      second.close();
      const third = new SqliteCatalogue(file, { fullText: false });
      assert.equal(third.search({ text: 'second' }).items.length, 1);
      third.close();
    });
  });

  test('rows that the disk refuses wait in memory, and are written once it takes them', () => {
    inFolder((file) => {
      const errors: Array<string | null> = [];
      const catalogue = new SqliteCatalogue(file, { onWriteError: (error) => errors.push(error?.message ?? null) });
      const other = new DatabaseSync(file);
      catalogue.put(recording({ state: 'recording' }));
      assert.ok(catalogue.flush());
      other.exec('BEGIN IMMEDIATE');
      catalogue.put(recording({ state: 'finalising' }));
      catalogue.put(recording({ state: 'complete', warnings: ['waited'] }));
      const id = FIRST_ID.replace(/^./, '1');
      catalogue.put(recording({ id }));
      assert.throws(() => catalogue.put(recording({ state: 'recording' })), IllegalTransition);
      assert.equal(catalogue.flush(), false);
      assert.equal(catalogue.get(FIRST_ID)?.state, 'complete');
      assert.match(String(errors[0]), /locked/);
      other.exec('COMMIT');
      assert.ok(catalogue.flush());
      assert.equal(errors.at(-1), null);
      assert.deepEqual(
        catalogue.search({}).items.map((r) => [r.id, r.state, r.warnings.length]),
        [
          [id, 'complete', 0],
          [FIRST_ID, 'complete', 1],
        ],
      );
      catalogue.close();
      assert.equal(other.prepare('SELECT count(*) AS n FROM recording').get()?.n, 2);
      other.close();
    });
  });

  test('what was put is committed soon without being asked to', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'doubletrack-catalogue-'));
    const catalogue = new SqliteCatalogue(path.join(folder, 'c.sqlite'));
    const other = new DatabaseSync(path.join(folder, 'c.sqlite'));
    catalogue.put(recording());
    const count = other.prepare('SELECT count(*) AS n FROM recording');
    while (count.get()?.n === 0) await new Promise((next) => setTimeout(next, 1));
    other.close();
    catalogue.close();
    rmSync(folder, { recursive: true });
  });

  test('many matches and few are found alike, in the same order', () => {
    for (const fullText of [true, false]) {
      const catalogue = new SqliteCatalogue(':memory:', { fullText });
      const ids: string[] = [];
      for (let n = 0; n < 2500; n++) {
        const id = FIRST_ID.replace(/^.{8}/, String(n).padStart(8, '0'));
        // All in one millisecond, which is more than it has rows for.
        catalogue.put(recording({ id, warnings: n % 1000 === 0 ? ['rare'] : [] }));
        ids.unshift(id);
      }
      const found = (query: RecordingQuery) => allPages(catalogue, { ...query, limit: 400 }).map((r) => r.id);
      assert.deepEqual(found({}), ids);
      assert.deepEqual(found({ participant: 'ALICE@' }), ids);
      assert.deepEqual(found({ participant: 'p2', text: 'ali pcmu' }), ids);
      assert.deepEqual(found({ text: 'rare' }).length, 3);
      assert.deepEqual(found({ text: 'rare', participant: 'example' }).length, 3);
      catalogue.close();
    }
  });

  test('gets its full-text index later if it was made without', () => {
    inFolder((file) => {
      new SqliteCatalogue(file).close();
      const database = new DatabaseSync(file);
      for (const event of ['insert', 'delete', 'update']) database.exec(`DROP TRIGGER recording_words_${event}`);
      database.exec('DROP TABLE recording_words');
      database.close();
      const catalogue = new SqliteCatalogue(file);
      catalogue.put(recording());
      assert.equal(catalogue.search({ text: 'alice' }).items.length, 1);
      catalogue.close();
    });
  });

  test('refuses a file that a newer program made, and a file that is none', () => {
    inFolder((file) => {
      new SqliteCatalogue(file).close();
      const database = new DatabaseSync(file);
      database.exec("INSERT INTO migration VALUES (99, '2030-01-01')");
      database.close();
      assert.throws(() => new SqliteCatalogue(file), /schema 99.*upgrade doubletrack/);
      assert.throws(() => new SqliteCatalogue(import.meta.filename), /not a database/);
    });
  });

  test('searches use the indexes', () => {
    inFolder((file) => {
      new SqliteCatalogue(file).close();
      const database = new DatabaseSync(file);
      const plan = (where: string) =>
        database
          .prepare(`EXPLAIN QUERY PLAN SELECT row FROM recording ${where} ORDER BY row DESC LIMIT 50`)
          .all()
          .map((row) => String(row.detail))
          .join('\n');
      assert.match(plan('WHERE row >= 1 AND row < 5'), /INTEGER PRIMARY KEY/);
      assert.match(plan("WHERE state = 'complete' AND row < 5"), /recording_by_state/);
      assert.match(plan("WHERE sip_call_id = 'a' OR communication_session_id = 'a'"), /MULTI-INDEX OR/);
      for (const where of ['', "WHERE state = 'complete'"]) assert.doesNotMatch(plan(where), /TEMP B-TREE/);
      database.close();
    });
  });
});
