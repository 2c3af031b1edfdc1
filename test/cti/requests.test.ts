/** Requests of the CTI link: what is taken, what is refused and in which words, and that nothing at all gets past the check. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { CtiError, MAX_ADDRESSES, REQUESTS, readRequest } from '../../src/cti/index.ts';

const CALL = { ConnID: '00000000000000a1' };
const GOOD: Record<string, object> = {
  RequestRegisterAddress: { ThisDN: '5001' },
  RequestUnregisterAddress: { ThisDN: '5001' },
  RequestStartCallMonitoring: {},
  RequestStopCallMonitoring: {},
  RequestResume: { LinkID: '6f8c9c52-4d55-4c0c-9e8b-2b1d0a3c4d5e', EventSequenceNumber: 0, Addresses: ['5001'] },
  RequestPrivateService: { ...CALL, PrivateMsgID: 3013, ThisDN: '5001', Extensions: { record: 'source', params: {} } },
  RequestAttachUserData: { ...CALL, UserData: { key: 'value' } },
  RequestUpdateUserData: { CallUUID: 'A'.repeat(32), UserData: { key: '' } },
  RequestDeletePair: { ...CALL, DataKey: 'key' },
  RequestDeleteUserData: { ...CALL, ThisDN: '5001' },
};

function refused(message: object | string): CtiError {
  const text = typeof message === 'string' ? message : JSON.stringify(message);
  try {
    readRequest(text);
  } catch (error) {
    assert.ok(error instanceof CtiError, String(error));
    return error;
  }
  return assert.fail(`${text} was taken`);
}

describe('requests of the CTI link', () => {
  test('every request in its least and usual form', () => {
    assert.deepEqual(Object.keys(GOOD).sort(), [...REQUESTS].sort());
    for (const [message, rest] of Object.entries(GOOD)) {
      const request = { message, ReferenceID: 1, ...rest };
      assert.deepEqual(readRequest(JSON.stringify(request)), request);
    }
  });

  test('what is wrong is named, with the number of the request', () => {
    const about = (message: string, more: object) => refused({ message, ReferenceID: 9, ...GOOD[message], ...more });
    const wrong: [string, object, RegExp][] = [
      ['RequestRegisterAddress', { ThisDN: '' }, /^ThisDN must NOT have fewer than 1/],
      ['RequestRegisterAddress', { ThisDN: 'a b' }, /^ThisDN must match pattern/],
      ['RequestRegisterAddress', { ThisDN: '5'.repeat(65) }, /^ThisDN must NOT have more than 64/],
      ['RequestRegisterAddress', { Password: 'x' }, /^the message has no attribute Password/],
      ['RequestResume', { EventSequenceNumber: -1 }, /^EventSequenceNumber must be >= 0/],
      ['RequestResume', { Addresses: ['1', '1'] }, /^Addresses must NOT have duplicate/],
      [
        'RequestResume',
        { Addresses: Array.from({ length: MAX_ADDRESSES + 1 }, (_, i) => `${i}`) },
        /^Addresses must NOT/,
      ],
      ['RequestPrivateService', { PrivateMsgID: '3013' }, /^PrivateMsgID must be integer/],
      ['RequestPrivateService', { Extensions: { record: 'both' } }, /^Extensions\.record must be one of source, dest/],
      ['RequestPrivateService', { Extensions: { id: 'a\r\nb' } }, /^Extensions\.id must match/],
      ['RequestPrivateService', { CallUUID: 'a'.repeat(32) }, /needs ConnID .* or CallUUID .*, one of them/],
      ['RequestAttachUserData', { ConnID: 'xyz' }, /^ConnID must match/],
      ['RequestAttachUserData', { UserData: {} }, /^UserData must NOT have fewer than 1/],
      ['RequestAttachUserData', { UserData: { key: 1 } }, /^UserData\.key must be string/],
      ['RequestAttachUserData', { UserData: { key: 'x'.repeat(4097) } }, /^UserData\.key must NOT have more/],
      ['RequestAttachUserData', { UserData: { ['k'.repeat(129)]: 'x' } }, /^UserData has a key that can't be/],
      ['RequestAttachUserData', { UserData: JSON.parse('{"__proto__":"x"}') }, /^UserData has a key that can't be/],
      ['RequestDeletePair', { DataKey: '__proto__' }, /^DataKey must NOT be valid/],
    ];
    for (const [message, more, what] of wrong) {
      const error = about(message, more);
      assert.match(error.message, what);
      assert.deepEqual([error.referenceId, error.error, error.code], [9, 'invalid-attribute', 53]);
    }
    assert.equal(refused({ message: 'RequestMakeCall', ReferenceID: 3 }).error, 'unsupported');
    assert.equal(refused({ message: 'constructor' }).referenceId, null);
    assert.equal(refused('{').referenceId, null);
    const pairs = Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`k${i}`, 'v']));
    assert.match(about('RequestAttachUserData', { UserData: pairs }).message, /more than 64/);
  });

  test('a message that says its prototype is an own member is refused like any other unknown one', () => {
    const text = '{"message":"RequestDeleteUserData","ReferenceID":1,"ConnID":"00000000000000a1","__proto__":{"x":1}}';
    assert.match(refused(text).message, /no attribute __proto__/);
  });

  test('whatever comes is a request that keeps the bounds, or a CtiError with a short text', () => {
    const attribute = fc.constantFrom(
      'ReferenceID',
      'ThisDN',
      'ConnID',
      'CallUUID',
      'UserData',
      'Extensions',
      '__proto__',
    );
    const value = fc.oneof(
      fc.jsonValue(),
      fc.constantFrom<unknown>(1, '5001', '00000000000000a1', 'a'.repeat(32), { key: 'value' }, { record: 'source' }),
    );
    const message = fc
      .tuple(fc.constantFrom(...REQUESTS, 'toString'), fc.dictionary(attribute, value, { maxKeys: 2 }), fc.boolean())
      .map(([name, members, isWhole]) => {
        const rest = isWhole ? { ReferenceID: 1, ...GOOD[name] } : {};
        return JSON.stringify({ message: name, ...rest, ...members });
      });
    const cut = fc.tuple(message, fc.nat()).map(([text, at]) => text.slice(0, at % (text.length + 1)));
    let taken = 0;
    fc.assert(
      fc.property(fc.oneof(message, cut, fc.string(), fc.json()), (text) => {
        try {
          const request = readRequest(text);
          taken += 1;
          assert.ok(REQUESTS.includes(request.message) && Number.isSafeInteger(request.ReferenceID));
          assert.ok(!('ThisDN' in request) || (request.ThisDN ?? '').length <= 64);
          assert.ok(!('UserData' in request) || Object.keys(request.UserData).length <= 64);
        } catch (error) {
          assert.ok(error instanceof CtiError, String(error));
          assert.ok(error.message.length <= 600);
        }
      }),
      { numRuns: 2000 },
    );
    assert.ok(taken > 50, 'some are good');
  });
});
