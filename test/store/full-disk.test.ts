/** The catalogue on a disk that is full: rows are found at once all the same, and written when there is room. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { SqliteCatalogue } from '../../src/store/sqlite-catalogue.ts';
import { FIRST_ID, recording } from './recordings.ts';
import { eatRoom, MIB, mountSmallDisk, unmount } from './small-disk.ts';

test('rows that a full disk refuses are found by id and by search, and written once there is room', (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'doubletrack-catalogue-'));
  const reason = mountSmallDisk(folder, 4 * MIB);
  t.after(() => {
    if (!reason) unmount(folder);
    rmSync(folder, { recursive: true, force: true });
  });
  if (reason) return t.skip(reason);
  const file = path.join(folder, 'catalogue.sqlite');
  const errors: unknown[] = [];
  const catalogue = new SqliteCatalogue(file, { onWriteError: (error) => errors.push(error?.message ?? null) });
  const found = (state: 'recording' | 'finalising') => catalogue.search({ state }).items.map((row) => row.id);
  catalogue.put(recording({ state: 'recording' }));
  assert.ok(catalogue.flush());
  const giveBack = eatRoom(folder);

  // More than what the log has room for already.
  const warnings = Array.from({ length: 2000 }, (_, i) => `warning number ${i}`);
  catalogue.put(recording({ state: 'finalising', warnings }));
  const other = FIRST_ID.replace(/^./, '1');
  for (let attempt = 0; attempt < 3; attempt++) {
    assert.equal(catalogue.flush(), false);
    assert.equal(catalogue.get(FIRST_ID)?.state, 'finalising');
    assert.deepEqual([found('recording'), found('finalising')], [attempt ? [other] : [], [FIRST_ID]]);
    catalogue.put(recording({ id: other, state: 'recording' }));
  }
  assert.ok(errors.length > 0 && !errors.includes(null));

  giveBack();
  assert.ok(catalogue.flush());
  assert.equal(errors.at(-1), null);
  catalogue.close();
  const again = new SqliteCatalogue(file);
  const rows = again.search({}).items.map(({ id, state }) => [id, state]);
  assert.deepEqual(rows, [
    [other, 'recording'],
    [FIRST_ID, 'finalising'],
  ]);
  again.close();
});
