/** RFC 9110 sections 13 and 14 as pure functions, against a model and the RFC's own examples. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { checkPreconditions, rangeApplies, selectRange } from '../../src/http/range.ts';

test('RFC 9110 14.1.2: the examples, for a representation of 10000 bytes', () => {
  assert.deepEqual(selectRange('bytes=0-499', 10_000), { start: 0, end: 500 });
  assert.deepEqual(selectRange('bytes=500-999', 10_000), { start: 500, end: 1000 });
  assert.deepEqual(selectRange('bytes=-500', 10_000), { start: 9500, end: 10_000 });
  assert.deepEqual(selectRange('bytes=9500-', 10_000), { start: 9500, end: 10_000 });
  assert.deepEqual(selectRange('BYTES= 0-0 ', 10_000), { start: 0, end: 1 });
});

test('RFC 9110 14.2: other units, wrong syntax and several ranges are ignored', () => {
  const ignored = [
    '',
    'bytes',
    'bytes=',
    'bytes=-',
    'bytes=a-b',
    'bytes=5-4',
    'lines=0-1',
    'bytes=0-1,3-4',
    'bytes=+1-2',
  ];
  for (const header of [undefined, ...ignored, 'bytes=0x0-1', 'bytes=1-2-3', `bytes=0-${'9'.repeat(40)}`]) {
    assert.equal(selectRange(header, 100), 'whole', String(header));
  }
});

test('RFC 9110 14.2: every range is the bytes that a model of the content gives', () => {
  const bound = fc.option(fc.nat(40), { nil: undefined });
  fc.assert(
    fc.property(fc.nat(30), bound, bound, (bytes, first, last) => {
      fc.pre(first !== undefined || last !== undefined);
      const content = Array.from({ length: bytes }, (_, n) => n);
      const selected = selectRange(`bytes=${first ?? ''}-${last ?? ''}`, bytes);
      const wanted = content.filter((n) =>
        first === undefined ? n >= bytes - last! : n >= first && (last === undefined || n <= last),
      );
      if (first !== undefined && last !== undefined && last < first) assert.equal(selected, 'whole');
      else if (wanted.length === 0) assert.equal(selected, 'unsatisfiable');
      else {
        assert.ok(typeof selected === 'object');
        assert.deepEqual(content.slice(selected.start, selected.end), wanted);
      }
    }),
    { numRuns: 1000 },
  );
});

const MODIFIED = new Date('2026-01-31T09:30:00.700Z');
const check = (headers: Parameters<typeof checkPreconditions>[0]) =>
  checkPreconditions(headers, { etag: '"v1"', modifiedAt: MODIFIED });

test('RFC 9110 13.1.1, 13.1.2: entity tags', () => {
  assert.equal(check({}), null);
  assert.equal(check({ 'if-match': '*' }), null);
  assert.equal(check({ 'if-match': '"v0", "v1"' }), null);
  assert.equal(check({ 'if-match': 'W/"v1"' }), 412, 'If-Match compares strongly');
  assert.equal(check({ 'if-match': '"v0"' }), 412);
  assert.equal(check({ 'if-none-match': '*' }), 304);
  assert.equal(check({ 'if-none-match': '"v0", W/"v1"' }), 304, 'If-None-Match compares weakly');
  assert.equal(check({ 'if-none-match': '"v0"' }), null);
});

test('RFC 9110 13.1.3, 13.1.4: dates, which count in whole seconds and only without tags', () => {
  const before = 'Sat, 31 Jan 2026 09:29:59 GMT';
  const same = 'Sat, 31 Jan 2026 09:30:00 GMT';
  assert.equal(check({ 'if-modified-since': same }), 304);
  assert.equal(check({ 'if-modified-since': before }), null);
  assert.equal(check({ 'if-modified-since': 'rubbish' }), null);
  assert.equal(check({ 'if-modified-since': same, 'if-none-match': '"v0"' }), null);
  assert.equal(check({ 'if-unmodified-since': same }), null);
  assert.equal(check({ 'if-unmodified-since': before }), 412);
  assert.equal(check({ 'if-unmodified-since': before, 'if-match': '"v1"' }), null);
});

test('RFC 9110 13.1.5: If-Range takes the strong entity tag alone', () => {
  assert.ok(rangeApplies(undefined, '"v1"'));
  assert.ok(rangeApplies('"v1"', '"v1"'));
  for (const other of ['"v0"', 'W/"v1"', 'Sat, 31 Jan 2026 09:30:00 GMT', '', ['"v1"', '"v1"']]) {
    assert.ok(!rangeApplies(other, '"v1"'));
  }
});
