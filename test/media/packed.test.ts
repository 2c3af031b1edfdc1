/** Plain data as one text and one run of octets. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { pack, unpack } from '../../src/media/packed.ts';

const leaf = fc.oneof(
  fc.string(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.boolean(),
  fc.constant(null),
);
const { data } = fc.letrec((tie) => ({
  data: fc.oneof(
    { depthSize: 'small' },
    leaf,
    fc.uint8Array({ maxLength: 40 }),
    fc.array(tie('data')),
    fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), tie('data')),
  ),
}));

test('what is packed comes out as it was', () => {
  fc.assert(
    fc.property(fc.array(data), (value) => {
      const packed = pack(value);
      const sent = structuredClone(packed, { transfer: [packed.octets.buffer] });
      assert.equal(packed.octets.length, 0, 'no octets are left behind');
      // JSON knows no negative zero.
      assert.deepEqual(unpack(sent), withoutNegativeZero(value));
    }),
  );
});

function withoutNegativeZero(value: unknown): unknown {
  if (value === 0) return 0;
  if (Array.isArray(value)) return value.map(withoutNegativeZero);
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, withoutNegativeZero(part)]));
}
