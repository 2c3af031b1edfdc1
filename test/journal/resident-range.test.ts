/** What is given to the system, and what never is: the bytes in use, and those of others before and behind the range. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PAGE_BYTES, ResidentRange } from '../../src/journal/resident-range.ts';

const MEMORY_BYTES = 8 * PAGE_BYTES;

const isAll = (bytes: Uint8Array, octet: number) => Buffer.from(bytes).equals(Buffer.alloc(bytes.length, octet));

test('whatever is used and trimmed: what is in use, and what lies outside, stays as it is', () => {
  const act = fc.record({ uses: fc.integer({ max: MEMORY_BYTES, min: 0 }), trimsTo: fc.option(fc.nat(MEMORY_BYTES)) });
  const kept = fc.oneof(fc.constant(0), fc.nat(2 * MEMORY_BYTES));
  const place = fc.tuple(fc.nat(3 * PAGE_BYTES), fc.integer({ min: 1, max: 5 * PAGE_BYTES }));
  fc.assert(
    fc.property(place, fc.array(act, { maxLength: 20 }), fc.boolean(), kept, ([from, bytes], acts, isShared, kept) => {
      const memory = new Uint8Array(
        isShared ? new SharedArrayBuffer(MEMORY_BYTES) : new ArrayBuffer(MEMORY_BYTES),
      ).fill(7);
      const region = memory.subarray(from, from + bytes);
      const range = new ResidentRange(region, kept);
      const most = (inUse: number) => Math.ceil(Math.max(inUse, kept) / PAGE_BYTES) * PAGE_BYTES;
      for (const { uses, trimsTo } of acts) {
        const used = Math.min(uses, bytes);
        region.fill(7, 0, used);
        range.use(used);
        if (trimsTo === null) continue;
        const inUse = Math.min(trimsTo, used);
        range.trim(inUse);
        assert.ok(isAll(region.subarray(0, used), 7), 'what was in use since the last time');
        range.trim(inUse);
        assert.ok(isAll(region.subarray(0, inUse), 7), 'what is in use');
        assert.ok(range.residentBytes <= most(inUse));
      }
      for (const outside of [memory.subarray(0, from), memory.subarray(from + bytes)]) {
        assert.ok(isAll(outside, 7), 'what is of others');
      }
    }),
    { numRuns: 200 },
  );
});

test('what has not been in use for a while reads as zeros, to the last whole page and no further', () => {
  const memory = new Uint8Array(MEMORY_BYTES).fill(7);
  const region = memory.subarray(100, MEMORY_BYTES - 100);
  const range = new ResidentRange(region);
  range.use(region.length);
  range.trim(1);
  range.trim(1);
  const whole = Math.floor((region.length - range.offset) / PAGE_BYTES) * PAGE_BYTES;
  assert.ok(isAll(region.subarray(0, range.offset + PAGE_BYTES), 7));
  assert.ok(isAll(region.subarray(range.offset + PAGE_BYTES, range.offset + whole), 0));
  assert.ok(isAll(region.subarray(range.offset + whole), 7));
});
