/** The buffers of the journal's queue: who has which, and what of them is resident, as the kernel counts it. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { BUFFER_BYTES, BufferPool } from '../../src/journal/buffers.ts';

const residentBytes = () => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))![1]) * 1024;

test('no buffer is given twice, and one that came back is the next', () => {
  const pool = new BufferPool(3);
  const all = [pool.take()!, pool.take()!, pool.take()!];
  assert.equal(pool.take(), null);
  for (const [n, buffer] of all.entries()) buffer.fill(n + 1);
  for (const [n, buffer] of all.entries())
    assert.ok(buffer.length === BUFFER_BYTES && buffer.every((x) => x === n + 1));
  pool.giveBack(all[1]!);
  pool.giveBack(Buffer.alloc(BUFFER_BYTES)); // of another origin
  assert.equal(pool.take()!.byteOffset, all[1]!.byteOffset);
  assert.equal(pool.take(), null);
});

test('what is not in use for a while is not resident, what is stays as it is', () => {
  const count = 256;
  const pool = new BufferPool(count);
  const before = residentBytes();
  const all = Array.from({ length: count }, () => pool.take()!.fill(7));
  const full = residentBytes();
  assert.ok(full - before > 0.9 * count * BUFFER_BYTES, `${full - before} bytes`);
  for (const buffer of all.slice(2)) pool.giveBack(buffer);
  pool.trim(); // all of it was in use until now
  assert.equal(pool.residentBytes, count * BUFFER_BYTES);
  pool.trim();
  assert.equal(pool.residentBytes, 2 * BUFFER_BYTES);
  const after = residentBytes();
  assert.ok(full - after > 0.9 * count * BUFFER_BYTES, `${full - after} bytes`);
  assert.ok(all[0]!.every((x) => x === 7) && all[1]!.every((x) => x === 7));
  assert.ok(pool.take()!.every((x) => x === 0)); // the system's, and as good as any
});
