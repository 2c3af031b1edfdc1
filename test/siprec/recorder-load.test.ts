/** The line by which a recorder tells its load: what is written is read, and nothing else. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatRecorderLoad, parseRecorderLoad, RECORDER_STATES } from '../../src/siprec/index.ts';

const LINE = 'sessions=12;max=2000;cpu=0.31;state=taking;start=1764134400123';
const LOAD = { sessions: 12, max: 2_000, cpu: 0.31, state: 'taking', startMs: 1_764_134_400_123 };

test('a line in parts, in any order, with spaces and parts of later versions', () => {
  assert.deepEqual(parseRecorderLoad(LINE), LOAD);
  assert.deepEqual(
    parseRecorderLoad(' state=taking ; cpu = 0.31;disk=0.5; MAX=2000;sessions=12;start=1764134400123'),
    LOAD,
  );
  assert.deepEqual(parseRecorderLoad('sessions=0;max=1;cpu=1;state=draining'), {
    ...{ sessions: 0, max: 1, cpu: 1, state: 'draining', startMs: null },
  });
});

test('what is written is read', () => {
  const parts = {
    sessions: fc.nat(),
    max: fc.integer({ min: 1 }),
    cpu: fc.integer({ min: 0, max: 100 }).map((percent) => percent / 100),
    state: fc.constantFrom(...RECORDER_STATES),
    startMs: fc.option(fc.nat({ max: 10 ** 14 }), { nil: null }),
  };
  const load = fc.record(parts, { noNullPrototype: true });
  fc.assert(fc.property(load, (told) => assert.deepEqual(parseRecorderLoad(formatRecorderLoad(told)), told)));
});

test('a line that cannot be read as a whole is none', () => {
  for (const line of [
    '',
    '42;state=ready',
    'sessions=12',
    LINE.replace('sessions=12', 'sessions=-1'),
    LINE.replace('sessions=12', 'sessions=1e3'),
    LINE.replace('sessions=12', 'sessions=0x10'),
    LINE.replace('sessions=12', `sessions=${'9'.repeat(40)}`),
    LINE.replace('max=2000', 'max=0'),
    LINE.replace('cpu=0.31', 'cpu=1.5'),
    LINE.replace('cpu=0.31', 'cpu=NaN'),
    LINE.replace('cpu=0.31', 'cpu=0.31415926535'),
    LINE.replace('taking', 'TAKING!'),
    LINE.replace('start=1764134400123', 'start='),
    `${LINE};sessions=13`,
    `${LINE};`,
    `${LINE};=1`,
    `${LINE}${';x=1'.repeat(80)}`,
    Array.from({ length: 20 }, (_, i) => `p${i}=1`).join(';'),
  ]) {
    assert.equal(parseRecorderLoad(line), null, line);
  }
});

test('any text, and any line cut or changed, is read within bounds or not at all', () => {
  const changed = fc
    .tuple(fc.nat(LINE.length), fc.nat(LINE.length), fc.string({ maxLength: 40 }))
    .map(([from, to, text]) => LINE.slice(0, from) + text + LINE.slice(to));
  fc.assert(
    fc.property(fc.oneof(fc.string({ maxLength: 400 }), changed), (text) => {
      const told = parseRecorderLoad(text);
      if (told === null) return;
      assert.ok(Number.isSafeInteger(told.sessions) && told.sessions >= 0);
      assert.ok(Number.isSafeInteger(told.max) && told.max > 0);
      assert.ok(told.cpu >= 0 && told.cpu <= 1);
      assert.ok(RECORDER_STATES.includes(told.state));
    }),
    { numRuns: 2_000 },
  );
});
