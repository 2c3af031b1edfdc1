import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SeqSet } from '../../src/recording/seq-set.ts';

test('a SeqSet is a set, and its gaps are what is missing', () => {
  const seq = fc.oneof(fc.integer({ min: 65530, max: 65800 }), fc.integer({ min: 0, max: 0xffffffff }));
  fc.assert(
    fc.property(fc.array(seq), fc.array(seq), (a, b) => {
      const [first, second] = [new SeqSet(), new SeqSet()];
      const model = new Set<number>();
      for (const n of a) {
        assert.equal(first.add(n), !model.has(n));
        model.add(n);
      }
      assert.equal(first.size, model.size);
      for (const n of [...a, ...b]) assert.equal(first.has(n), model.has(n));
      for (const n of b) second.add(n);
      const [from, to] = [65500, 66000];
      const missing: number[] = [];
      SeqSet.gaps([first, second], from, to, (start, end) => {
        for (let n = start; n <= end; n++) missing.push(n);
      });
      const all = new Set([...a, ...b]);
      assert.deepEqual(
        missing,
        Array.from({ length: to - from + 1 }, (_, i) => from + i).filter((n) => !all.has(n)),
      );
    }),
  );
});
