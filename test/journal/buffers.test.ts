/** The buffers of the journal's queue: who has which, and what of them is resident, as the kernel counts it. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { BufferPool } from '../../src/journal/buffers.ts';
import { PAGE_BYTES } from '../../src/journal/resident-range.ts';

const residentBytes = () => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))![1]) * 1024;

test('what is not in use for a while is not resident, what is stays as it is', () => {
  const pages = 4096;
  const pool = new BufferPool(pages * PAGE_BYTES);
  const before = residentBytes();
  const all = Array.from({ length: pages }, () => pool.take(PAGE_BYTES)!.fill(7));
  const full = residentBytes();
  assert.ok(full - before > 0.7 * pages * PAGE_BYTES, `${full - before} bytes`);
  for (const buffer of all.slice(2)) pool.giveBack(buffer);
  pool.trim(); // all of it was in use until now
  assert.equal(pool.residentBytes, pages * PAGE_BYTES);
  pool.trim();
  assert.equal(pool.residentBytes, 2 * PAGE_BYTES);
  const after = residentBytes();
  assert.ok(full - after > 0.7 * pages * PAGE_BYTES, `${full - after} bytes`);
  assert.ok(all[0]!.every((octet) => octet === 7) && all[1]!.every((octet) => octet === 7));
  assert.ok(pool.take(1)!.every((octet) => octet === 0)); // the system's, and as good as any
});

test('what is kept becomes resident step by step, and is never given to the system', () => {
  const keptBytes = 1024 * PAGE_BYTES;
  const pool = new BufferPool(2 * keptBytes, keptBytes);
  assert.equal(pool.residentBytes, 0);
  const before = residentBytes();
  pool.giveBack(pool.take(1)!);
  assert.ok(pool.residentBytes > PAGE_BYTES && pool.residentBytes < keptBytes / 64, `${pool.residentBytes} at once`);
  for (let n = 0; n < 1024 && pool.residentBytes < keptBytes; n++) pool.giveBack(pool.take(1)!);
  assert.equal(pool.residentBytes, keptBytes);
  const buffers = [pool.take(1)!, pool.take(keptBytes)!.fill(7)];
  for (const buffer of buffers) pool.giveBack(buffer);
  pool.trim();
  assert.equal(pool.residentBytes, keptBytes + PAGE_BYTES);
  for (let i = 0; i < 3; i++) {
    pool.trim();
    assert.equal(pool.residentBytes, keptBytes);
  }
  assert.ok(residentBytes() - before > 0.7 * keptBytes, `${residentBytes() - before} bytes`);
  assert.ok(
    pool
      .take(keptBytes)!
      .subarray(PAGE_BYTES)
      .every((octet) => octet === 7),
  );
});

test('whatever is taken, given back and trimmed: no byte is in two buffers, and what is in them stays', () => {
  const act = fc.record({ pages: fc.integer({ min: 1, max: 7 }), gives: fc.nat(9), trims: fc.boolean() });
  fc.assert(
    fc.property(fc.array(act, { maxLength: 60 }), fc.nat(20), (acts, keptPages) => {
      const pool = new BufferPool(16 * PAGE_BYTES, keptPages * PAGE_BYTES);
      const taken: { buffer: Buffer; mark: number }[] = [];
      for (const [mark, { pages, gives, trims }] of acts.entries()) {
        const buffer = pool.take((pages - 1) * PAGE_BYTES + 1);
        if (buffer !== null) {
          assert.equal(buffer.length, pages * PAGE_BYTES);
          taken.push({ buffer: buffer.fill(mark), mark });
        }
        for (const one of taken.splice(gives, 2)) {
          assert.ok(one.buffer.equals(Buffer.alloc(one.buffer.length, one.mark)));
          pool.giveBack(one.buffer);
        }
        if (trims) pool.trim();
      }
      for (const { buffer, mark } of taken) assert.ok(buffer.equals(Buffer.alloc(buffer.length, mark)));
      for (const { buffer } of taken) pool.giveBack(buffer);
      assert.equal(pool.take(16 * PAGE_BYTES)?.length, 16 * PAGE_BYTES);
    }),
    { numRuns: 100 },
  );
});

test('a buffer that is no longer needed is the next; one of another origin is not', () => {
  const pool = new BufferPool(3 * PAGE_BYTES);
  const [, second] = [pool.take(1)!, pool.take(1)!, pool.take(1)!];
  assert.equal(pool.take(1), null);
  pool.giveBack(Buffer.alloc(PAGE_BYTES));
  assert.equal(pool.take(1), null);
  pool.giveBack(second!);
  assert.equal(pool.take(2 * PAGE_BYTES), null);
  assert.equal(pool.take(1)!.byteOffset, second!.byteOffset);
});
