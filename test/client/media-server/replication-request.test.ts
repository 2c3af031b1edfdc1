/** Genesys' Request-URIs: what is written is what the recording server's reader reads, and the way to the recorder is left as it was. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { dnOf, replicationRequest } from '../../../src/client/media-server/replication-request.ts';
import { parseSipUri } from '../../../src/sip/index.ts';
import { genesysInfo } from '../../../src/siprec/index.ts';
import { conversationView, partyView } from './rig.ts';

const view = conversationView({ id: '550e8400-e29b-41d4-a716-446655440000' });
const facts = { recorderUri: 'sip:rec.example.com:5070;transport=tcp', recordingId: 'r', location: null, params: {} };

function read({ uri, headers }: { uri: string; headers: [string, string][] }) {
  const byName = new Map(headers.map(([name, value]) => [name.toLowerCase(), value]));
  return genesysInfo([uri], (name) => byName.get(name), byName.keys())!;
}

test('one dialog for both parties names both, and the side that is recorded', () => {
  const request = replicationRequest(
    { ...facts, recordingId: '2026-01-02:03' },
    view,
    view.parties[0]!,
    view.parties[1]!,
  );
  assert.equal(
    request.uri,
    'sip:record=2026-01-02%3A03@rec.example.com:5070;transport=tcp;calluuid=550e8400e29b41d4a716446655440000;dn=5001;otherDN=5002;recordDN=5002',
  );
  const info = read(request);
  assert.deepEqual([info.recordId, info.dn, info.otherDn, info.recordDn], ['2026-01-02:03', '5001', '5002', '5002']);
  assert.equal(info.headers['x-genesys-calluuid'], '550e8400e29b41d4a716446655440000');
  assert.equal(info.headers['x-genesys-agentid'], 'agent-7');
});

test('one dialog per party names its party; one from outside has its number', () => {
  const outside = partyView(2, { dn: null, trunk: 'carrier', aor: 'sip:%2B4930123@carrier.example.com' });
  const conversation = { ...view, parties: [outside, view.parties[0]!], recordedDn: 'nobody' };
  const info = read(replicationRequest(facts, conversation, outside, null));
  assert.deepEqual([info.dn, info.otherDn, info.recordDn], ['+4930123', null, '+4930123']);
  assert.equal(dnOf({ ...outside, aor: 'sip:carrier.example.com' }), 'carrier.example.com');
});

test('any id, DN and parameter is read back as it was, and none changes where the request goes', () => {
  const text = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 30 })
    .map((one) => one.toWellFormed().trim())
    .filter((one) => one !== '');
  const hosts = fc.constantFrom(
    'sip:10.0.0.1',
    'sips:user@rec.example.com',
    'sip:[2001:db8::1]:5062;transport=tcp',
    'sip:a@b:5060;lr?x=y',
  );
  const params = fc.dictionary(
    fc.oneof(fc.constantFrom('transport', 'maddr', 'CallUUID', 'lr'), fc.stringMatching(/^[a-z.-]{1,8}$/), fc.string()),
    text,
    { maxKeys: 6 },
  );
  fc.assert(
    fc.property(text, text, text, hosts, params, (id, dn, other, recorderUri, extra) => {
      const [a, b] = [partyView(1, { dn }), partyView(2, { dn: other })];
      const conversation = { ...view, parties: [a, b], recordedDn: other };
      const request = replicationRequest({ ...facts, recorderUri, recordingId: id, params: extra }, conversation, a, b);
      const info = read(request);
      assert.deepEqual([info.recordId, info.dn, info.otherDn, info.recordDn], [id, dn, other, other]);
      assert.equal(info.callUuid, '550e8400e29b41d4a716446655440000');
      const [before, after] = [parseSipUri(recorderUri), parseSipUri(request.uri)];
      assert.deepEqual([after.scheme, after.host, after.port], [before.scheme, before.host, before.port]);
      for (const name of ['transport', 'maddr', 'lr']) assert.equal(after.params.get(name), before.params.get(name));
      // Names of URI parameters know no case (RFC 3261 section 19.1.4): of two that differ in it alone, one is taken.
      const isOne = (name: string) => Object.keys(extra).filter((one) => one.toLowerCase() === name).length === 1;
      for (const [name, value] of Object.entries(extra).filter(([one]) => isOne(one))) {
        if (/^[a-z.-]{1,8}$/.test(name) && !after.params.has(name))
          assert.ok(['transport', 'maddr', 'lr'].includes(name));
        else if (/^[a-z.-]{1,8}$/.test(name) && !['transport', 'maddr', 'lr', 'dn'].includes(name)) {
          assert.equal(info.params[name], value);
        }
      }
    }),
  );
});
