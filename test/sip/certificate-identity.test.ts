/** RFC 5922 7.1 and 7.2: which SIP identities a certificate has. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { provesIdentity, sipIdentities } from '../../src/sip/transport/certificate-identity.ts';

const names = (subjectaltname: string | undefined, CN?: string | string[]) =>
  sipIdentities({ subjectaltname, ...(CN === undefined ? {} : { subject: { CN } }) });

test('RFC 5922 7.1: sip: URIs without a user part are identities, and then DNS names are not', () => {
  assert.deepEqual(names('DNS:a.example, URI:sip:B.example'), ['b.example']);
  assert.deepEqual(names('URI:SIP:b.example, URI:sip:c.example'), ['b.example', 'c.example']);
  assert.deepEqual(names('DNS:a.example, URI:sip:alice@b.example'), ['a.example']);
  assert.deepEqual(names('DNS:a.example, URI:sip:@b.example'), ['a.example']);
  assert.deepEqual(names('DNS:a.example, URI:sips:b.example'), ['a.example']);
  assert.deepEqual(names('DNS:a.example, URI:https://b.example/'), ['a.example']);
  assert.deepEqual(names('URI:sip:b.example;transport=tls'), ['b.example']);
});

test('RFC 5922 7.1: the CN counts only without any subjectAltName, and only if it is a domain name', () => {
  assert.deepEqual(names(undefined, 'A.example'), ['a.example']);
  assert.deepEqual(names(undefined, ['a.example', 'b.example']), ['a.example', 'b.example']);
  assert.deepEqual(names('email:x@a.example', 'a.example'), []);
  assert.deepEqual(names(undefined, 'Recorder of A'), []);
  assert.deepEqual(names(undefined, '192.0.2.1'), []);
  assert.deepEqual(names(undefined), []);
});

test('RFC 5922 7.2: whole names without regard to case; no suffixes, no wildcards', () => {
  const proves = (list: string, host: string) => provesIdentity({ subjectaltname: list }, host);
  assert.ok(proves('DNS:Example.COM', 'example.com'));
  assert.ok(!proves('DNS:example.com', 'sip.example.com'));
  assert.ok(!proves('DNS:*.example.com', 'sip.example.com'));
  assert.ok(!proves('DNS:*.example.com', '*.example.com'));
  assert.ok(!proves('DNS:.example.com', 'sip.example.com'));
});

test('an IP address is proven by an iPAddress entry or a sip: URI alone, in any way of writing it', () => {
  const proves = (list: string, host: string) => provesIdentity({ subjectaltname: list }, host);
  assert.ok(proves('IP Address:192.0.2.1', '192.0.2.1'));
  assert.ok(proves('URI:sip:192.0.2.1', '192.0.2.1'));
  assert.ok(proves('URI:sip:[2001:db8::1]', '2001:DB8:0:0:0:0:0:1'));
  assert.ok(proves('IP Address:2001:DB8:0:0:0:0:0:1', '2001:db8::1'));
  assert.ok(!proves('DNS:192.0.2.1', '192.0.2.1'));
  assert.ok(proves('DNS:a.example, IP Address:192.0.2.1', 'a.example'));
});

test('a value that holds a comma or a quote does not become another entry', () => {
  assert.deepEqual(names('DNS:a.example, URI:"sip:b.example, DNS:c.example"'), ['a.example']);
  assert.deepEqual(names('othername:"x\\", DNS:evil.example", DNS:a.example'), ['a.example']);
  assert.deepEqual(names('URI:"unclosed, DNS:evil.example'), []);
});

test('whatever stands there, identities are names or addresses and nothing throws', () => {
  const piece = fc.constantFrom(
    'DNS:',
    'URI:sip:',
    'IP Address:',
    ', ',
    '"',
    '\\',
    'a.example',
    '*.b',
    '::1',
    '@',
    '\0',
  );
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 80 }),
    fc.array(piece).map((all) => all.join('')),
  );
  fc.assert(
    fc.property(text, text, (subjectaltname, CN) => {
      for (const name of sipIdentities({ subjectaltname, subject: { CN } })) assert.match(name, /^[a-z0-9_.:-]+$/);
    }),
    { numRuns: 2_000 },
  );
});
