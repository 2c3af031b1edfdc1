/** Facts of CTI in recording metadata: what is written is read back; strangers' extensions harm nobody. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { callExtension, partyExtension, readCallExtension, readPartyExtension } from '../../src/siprec/index.ts';

/** What XML 1.0 can carry. */
const text = fc.string({ unit: 'grapheme', maxLength: 20 }).map((one) => one.trim().split(/\s+/).join(' '));
const name = text.filter((one) => one !== '');

test('what is written of a call is read back', () => {
  const pairs = fc.array(fc.tuple(name, text), { maxLength: 8 }).map((all) => new Map(all));
  fc.assert(
    fc.property(
      name,
      text,
      fc.option(name),
      pairs,
      pairs,
      fc.array(name, { maxLength: 4 }),
      (id, ani, recordedDn, params, userData, sipCallIds) => {
        const facts = {
          callUuid: id,
          connId: id,
          ani,
          dnis: ani,
          recordedDn,
          recordingId: id,
          purpose: ani,
          sipCallIds,
          params,
          userData,
        };
        assert.deepEqual(readCallExtension(`<other xmlns="urn:x"/>${callExtension(facts)}`), facts);
      },
    ),
  );
  fc.assert(
    fc.property(fc.option(name), fc.option(name), fc.option(name), (dn, trunk, agentId) => {
      assert.deepEqual(readPartyExtension(partyExtension({ dn, trunk, agentId })), { dn, trunk, agentId });
    }),
  );
});

test('values with line breaks and spaces are kept as they are', () => {
  const userData = new Map([['note', ' first\n\tsecond  line ']]);
  const facts = { callUuid: 'u', connId: 'c', ani: '', dnis: '', recordedDn: null, recordingId: 'r', purpose: 'p' };
  const read = readCallExtension(callExtension({ ...facts, sipCallIds: [], params: new Map(), userData }));
  assert.deepEqual(read!.userData, userData);
});

test('attached data without end is cut where there is no room, pair by pair', () => {
  const userData = new Map(Array.from({ length: 5_000 }, (_, i) => [`key ${i}`, 'v'.repeat(i % 2_000)]));
  const facts = { callUuid: 'u', connId: 'c', ani: '', dnis: '', recordedDn: null, recordingId: 'r', purpose: 'p' };
  const written = callExtension({ ...facts, sipCallIds: [], params: userData, userData });
  assert.ok(written.length < 50_000);
  for (const [key, value] of readCallExtension(written)!.userData) assert.equal(value, userData.get(key));
});

test('anything else is no such extension', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 200 }), (junk) => {
      readCallExtension(junk);
      readPartyExtension(junk);
    }),
  );
  assert.equal(readCallExtension('<call xmlns="urn:other"/>'), null);
  assert.equal(readPartyExtension(''), null);
});
