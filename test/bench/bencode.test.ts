/** Bencoding as BEP 3 gives it, and as rtpengine's control protocol uses it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Bencodable, decode, encode } from '../../bench/peers/bencode.ts';

test('the examples of BEP 3', () => {
  const examples: [string, Bencodable][] = [
    ['4:spam', 'spam'],
    ['i3e', 3],
    ['i-3e', -3],
    ['l4:spam4:eggse', ['spam', 'eggs']],
    ['d3:cow3:moo4:spam4:eggse', { cow: 'moo', spam: 'eggs' }],
    ['d4:spaml1:a1:bee', { spam: ['a', 'b'] }],
  ];
  for (const [text, value] of examples) {
    assert.equal(encode(value), text);
    assert.deepEqual(decode(Buffer.from(text)), value);
  }
});

test('strings are counted in octets', () => {
  assert.equal(encode('é'), '2:é');
  assert.equal(decode(Buffer.from('2:é')), 'é');
});

test('what is encoded is decoded', () => {
  const { value } = fc.letrec<{ value: Bencodable }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.string({ unit: 'grapheme' }),
      fc.integer(),
      fc.array(tie('value')),
      fc.dictionary(fc.string(), tie('value'), { noNullPrototype: true }),
    ),
  }));
  fc.assert(fc.property(value, (given) => assert.deepEqual(decode(Buffer.from(encode(given))), given)));
});

test('cut at each octet it is refused', () => {
  const whole = Buffer.from(encode({ result: 'ok', sdp: 'v=0', tags: ['a', 'b'], n: 7 }));
  for (let end = 0; end < whole.length; end++) {
    assert.throws(() => decode(whole.subarray(0, end)), SyntaxError, `${end} octets`);
  }
});
