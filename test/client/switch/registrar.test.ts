/** The registrar (RFC 3261 10.3) on a clock of the test's: bindings and their order, who may do what, floods and wrong passwords. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ExtensionConfig } from '../../../src/client/config/types.ts';
import { networkOf } from '../../../src/client/switch/attempts.ts';
import { Registrar, type RegistrarOptions } from '../../../src/client/switch/registrar.ts';
import { RegistrationRate } from '../../../src/client/switch/registration-rate.ts';
import { authorization, parseMessage, type SipAnswer, SipRequest, type SipSource } from '../../../src/sip/index.ts';

const NOW = Date.UTC(2026, 0, 2, 3, 4, 5);
const REALM = 'example.com';
const PHONE: SipSource = { address: '192.0.2.20', port: 5060, transport: 'udp', connection: 0, identities: [] };
const PASSWORD = 'not to be logged';

function extension(dn: string, more: Partial<ExtensionConfig> = {}): ExtensionConfig {
  const forward = { busy: null, noAnswer: null, afterSec: 20 };
  const base = { record: false, forward, supervises: [], srtp: 'off' as const, agentId: null };
  return { dn, name: `Phone ${dn}`, password: PASSWORD, ...base, ...more };
}

const extensionsOf = (...dns: string[]) => new Map(dns.map((dn) => [dn, extension(dn)]));

interface Asked {
  dn?: string;
  user?: string;
  password?: string;
  contacts?: string[];
  expires?: number | string;
  cseq?: number;
  callId?: string;
  source?: SipSource;
  at?: number;
  via?: string;
  from?: string;
  headers?: string[];
}

function setUp(options: Partial<RegistrarOptions> = {}) {
  const logged: { facts: object; message: string }[] = [];
  const note = (facts: object, message: string) => void logged.push({ facts, message });
  const log = { debug: note, info: note, warn: note, error: note };
  const registrar = new Registrar({ realm: REALM, extensions: extensionsOf('201', '202'), log, ...options });
  const changed: string[] = [];
  registrar.onChanged = (dn) => changed.push(dn);
  let cseq = 0;

  function request(method: string, asked: Asked, answer: string[] = []): SipRequest {
    const { dn = '201', contacts = [`<sip:${dn}@${PHONE.address}:5060>`], callId = 'reg', headers = [] } = asked;
    const { from = dn, via = `${PHONE.address}:5060;rport` } = asked;
    const lines = [
      `${method} sip:${REALM} SIP/2.0`,
      `Via: SIP/2.0/UDP ${via};branch=z9hG4bKx`,
      `From: <sip:${from}@${REALM}>;tag=1`,
      `To: <sip:${dn}@${REALM}>`,
      `Call-ID: ${callId}`,
      `CSeq: ${asked.cseq ?? ++cseq} ${method}`,
      'User-Agent: Phone/1.0',
      ...contacts.map((contact) => `Contact: ${contact}`),
      ...(asked.expires === undefined ? [] : [`Expires: ${asked.expires}`]),
      ...headers,
      ...answer,
    ];
    const parsed = parseMessage(Buffer.from(`${lines.join('\r\n')}\r\n\r\n`));
    assert.ok(parsed.kind === 'request' && parsed.message instanceof SipRequest, parsed.kind);
    return parsed.message;
  }

  function credentials(challenge: SipAnswer, method: string, asked: Asked): string[] {
    const [name, value] = challenge.headers!.find(([header]) => header.endsWith('-Authenticate'))!;
    const { dn = '201', user = dn, password = PASSWORD } = asked;
    const input = { method, uri: `sip:${REALM}`, count: 1, cnonce: 'c', credentials: { username: user, password } };
    const header = name.startsWith('WWW') ? 'Authorization' : 'Proxy-Authorization';
    return [`${header}: ${authorization({ challenge: value, ...input })}`];
  }

  /** A REGISTER as a phone does it: asked for its password, it goes again. */
  function register(asked: Asked = {}): SipAnswer {
    const { source = PHONE, at = NOW } = asked;
    const first = registrar.register(request('REGISTER', asked), source, at);
    if (first.status !== 401) return first;
    return registrar.register(request('REGISTER', asked, credentials(first, 'REGISTER', asked)), source, at);
  }

  function invite(asked: Asked = {}) {
    const { source = PHONE, at = NOW } = asked;
    const first = registrar.authenticate(request('INVITE', asked), source, at);
    if ('dn' in first || first.refuse.status !== 407) return first;
    return registrar.authenticate(request('INVITE', asked, credentials(first.refuse, 'INVITE', asked)), source, at);
  }

  return { registrar, register, invite, request, logged, changed };
}

const contactsOf = (answer: SipAnswer) =>
  answer.headers!.filter(([name]) => name === 'Contact').map(([, value]) => value);
const urisOf = (registrar: Registrar, dn = '201', at = NOW) => registrar.bindings(dn, at).map(({ contact }) => contact);

test('RFC 3261 10.3: who registers is asked for a password, and then bound; the 200 lists it with what is left', () => {
  const { registrar, register, request, changed } = setUp();
  const challenge = registrar.register(request('REGISTER', {}), PHONE, NOW);
  assert.equal(challenge.status, 401);
  assert.deepEqual(urisOf(registrar), []);
  const answer = register({ expires: 600 });
  assert.equal(answer.status, 200);
  assert.deepEqual(contactsOf(answer), ['<sip:201@192.0.2.20:5060>;expires=600']);
  assert.ok(answer.headers!.some(([name, value]) => name === 'Date' && value === 'Fri, 02 Jan 2026 03:04:05 GMT'));
  const [binding] = registrar.bindings('201', NOW);
  assert.equal(binding?.userAgent, 'Phone/1.0');
  assert.equal(binding?.expiresAtMs, NOW + 600_000);
  assert.deepEqual(changed, ['201']);
  assert.deepEqual(registrar.view(NOW), [
    {
      dn: '201',
      name: 'Phone 201',
      contacts: [{ uri: 'sip:201@192.0.2.20:5060', expiresAtMs: NOW + 600_000, userAgent: 'Phone/1.0' }],
    },
    { dn: '202', name: 'Phone 202', contacts: [] },
  ]);
});

test('RFC 3261 10.2.1.1: the parameter counts more than the header, both are capped; without, it is an hour', () => {
  for (const [contact, expires, sec] of [
    ['<sip:201@h>;expires=120', 600, 120],
    ['<sip:201@h>', 600, 600],
    ['<sip:201@h>', undefined, 3_600],
    ['<sip:201@h>', 'soon', 3_600],
    ['<sip:201@h>', 99_999, 3_600],
  ] as const) {
    const { register } = setUp();
    const asked = expires === undefined ? { contacts: [contact] } : { contacts: [contact], expires };
    assert.deepEqual(contactsOf(register(asked)), [`<sip:201@h>;expires=${sec}`]);
  }
});

test('RFC 3261 10.3, 21.4.17: too brief is a 423 with Min-Expires, and nothing is changed', () => {
  const { registrar, register } = setUp();
  const answer = register({ contacts: ['<sip:201@a>;expires=600', '<sip:201@b>;expires=59'] });
  assert.equal(answer.status, 423);
  assert.deepEqual(answer.headers, [['Min-Expires', '60']]);
  assert.deepEqual(urisOf(registrar), []);
  const strict = setUp({ minExpiresSec: 7_200, maxExpiresSec: 7_200 });
  assert.equal(strict.register({ expires: 3_600 }).status, 200, 'an hour is never too brief');
});

test('RFC 3261 10.3: several contacts, each with its q; most recent first; one is refreshed, one removed', () => {
  const { registrar, register, changed } = setUp();
  register({ contacts: ['<sip:201@a>;q=0.5, <sip:201@b>'] });
  const answer = register({ contacts: ['<sip:201@c>;q=0.1'] });
  assert.deepEqual(contactsOf(answer), [
    '<sip:201@c>;expires=3600;q=0.1',
    '<sip:201@a>;expires=3600;q=0.5',
    '<sip:201@b>;expires=3600',
  ]);
  changed.length = 0;
  register({ contacts: ['<sip:201@A>'] });
  assert.deepEqual(urisOf(registrar), ['sip:201@A', 'sip:201@c', 'sip:201@b'], 'host names are the same in any case');
  register({ contacts: ['<sip:201@b>;expires=0'] });
  assert.deepEqual(urisOf(registrar), ['sip:201@A', 'sip:201@c']);
  const query = register({ contacts: [] });
  assert.equal(contactsOf(query).length, 2, 'without Contact it asks what there is');
});

test('RFC 3261 10.2.2: * with Expires 0 removes all; any other * is a 400', () => {
  const { registrar, register } = setUp();
  register({ contacts: ['<sip:201@a>, <sip:201@b>'] });
  assert.equal(register({ contacts: ['*'] }).status, 400);
  assert.equal(register({ contacts: ['*'], expires: 60 }).status, 400);
  assert.equal(register({ contacts: ['*, <sip:201@a>'], expires: 0 }).status, 400);
  assert.equal(urisOf(registrar).length, 2);
  const answer = register({ contacts: ['*'], expires: 0 });
  assert.equal(answer.status, 200);
  assert.deepEqual(contactsOf(answer), []);
  assert.deepEqual(urisOf(registrar), []);
});

test('RFC 3261 10.3 step 7: of one Call-ID what is not newer changes nothing, not even in part', () => {
  const { registrar, register } = setUp();
  assert.equal(register({ cseq: 9, contacts: ['<sip:201@a>'] }).status, 200);
  assert.equal(register({ cseq: 9, contacts: ['<sip:201@b>, <sip:201@a>;expires=0'] }).status, 400);
  assert.equal(register({ cseq: 8, contacts: ['*'], expires: 0 }).status, 400);
  assert.deepEqual(urisOf(registrar), ['sip:201@a']);
  assert.equal(register({ cseq: 1, callId: 'restarted', contacts: ['<sip:201@a>;expires=90'] }).status, 200);
  assert.equal(registrar.bindings('201', NOW)[0]?.expiresAtMs, NOW + 90_000);
});

test('RFC 5626 6: a phone that names its instance has one binding per reg-id, wherever it is now', () => {
  const { registrar, register } = setUp();
  const instance = '+sip.instance="<urn:uuid:00000000-0000-1000-8000-000a95a0e128>"';
  register({ contacts: [`<sip:201@10.0.0.1:1111>;${instance};reg-id=1`] });
  const answer = register({ callId: 'rebooted', contacts: [`<sip:201@10.0.0.1:2222>;${instance};reg-id=1`] });
  assert.deepEqual(contactsOf(answer), [`<sip:201@10.0.0.1:2222>;expires=3600;${instance};reg-id=1`]);
  register({ contacts: [`<sip:201@10.0.0.1:3333>;${instance};reg-id=2`] });
  const [second, first] = registrar.bindings('201', NOW);
  assert.deepEqual([second?.regId, first?.regId], [2, 1]);
  assert.equal(first?.instance, '<urn:uuid:00000000-0000-1000-8000-000a95a0e128>');
});

test('RFC 3261 10.3: what runs out is gone, and is told once', () => {
  const { registrar, register, changed } = setUp();
  register({ contacts: ['<sip:201@a>;expires=60, <sip:201@b>;expires=120'] });
  changed.length = 0;
  registrar.expire(NOW + 59_999);
  assert.deepEqual(changed, []);
  assert.deepEqual(urisOf(registrar, '201', NOW + 60_000), ['sip:201@b']);
  registrar.expire(NOW + 60_000);
  registrar.expire(NOW + 60_001);
  registrar.expire(NOW + 120_000);
  assert.deepEqual(changed, ['201', '201']);
  assert.deepEqual(urisOf(registrar, '201', NOW + 120_000), []);
});

test('a refresh is no change; another place of the same contact is one', () => {
  const { register, changed } = setUp();
  const contacts = ['<sip:201@10.1.1.1>'];
  const via = '10.1.1.1:5060;rport';
  register({ contacts, via });
  register({ contacts, via });
  assert.deepEqual(changed, ['201']);
  register({ contacts, via, source: { ...PHONE, port: 40_001 } });
  assert.deepEqual(changed, ['201', '201']);
});

test('RFC 3581, RFC 5626: a phone is reached where it sent from; a contact that is somebody else is reached there', () => {
  const nextHop = (asked: Asked) => {
    const { registrar, register } = setUp();
    register(asked);
    return registrar.bindings('201', NOW)[0]?.nextHop;
  };
  const nat: SipSource = { ...PHONE, address: '203.0.113.9', port: 40_000 };
  const behind = { contacts: ['<sip:201@10.0.0.5:5060>'], via: '10.0.0.5:5060;rport' };
  assert.equal(nextHop({ ...behind, source: nat }), 'sip:203.0.113.9:40000;transport=udp;flow=0');
  const tcp: SipSource = { ...PHONE, port: 51_111, transport: 'tcp', connection: 7 };
  assert.equal(nextHop({ source: tcp }), 'sip:192.0.2.20:51111;transport=tcp;flow=7');
  const v6: SipSource = { ...tcp, transport: 'tls', address: '2001:db8::5', connection: 8 };
  const contacts = ['<sip:201@x7.invalid;transport=tls>'];
  assert.equal(nextHop({ contacts, source: v6 }), 'sip:[2001:db8::5]:51111;transport=tls;flow=8');
  const elsewhere = { contacts: ['<sip:201@198.51.100.77:5070>'] };
  assert.equal(nextHop(elsewhere), 'sip:201@198.51.100.77:5070');
  const asymmetric = { via: PHONE.address, source: { ...PHONE, port: 40_000 } };
  assert.equal(nextHop(asymmetric), 'sip:201@192.0.2.20:5060');
});

test('RFC 3261 10.3 step 4 and 5: nobody registers for another; who is not there is a 404 only to who may ask', () => {
  const { registrar, register } = setUp();
  const other = register({ dn: '202', user: '201' });
  assert.equal(other.status, 403);
  assert.equal(register({ dn: '299', user: '201' }).status, 404);
  assert.deepEqual(urisOf(registrar, '202'), []);
  const unknown = register({ dn: '299', user: '299' });
  const wrong = register({ password: 'x' });
  assert.deepEqual(unknown, wrong, 'an unknown DN looks like a wrong password');
  assert.equal(wrong.status, 403);
});

test('an extension without a password can not sign in', () => {
  const { register } = setUp({ extensions: new Map([['201', extension('201', { password: '' })]]) });
  assert.equal(register({ password: '' }).status, 403);
});

test('contacts are capped: in one request refused, over several the one that was refreshed longest ago gives way', () => {
  const { registrar, register } = setUp({ maxContacts: 3 });
  assert.equal(register({ contacts: ['<sip:1@a>, <sip:2@a>, <sip:3@a>, <sip:4@a>'] }).status, 403);
  for (let i = 0; i < 6; i++) register({ contacts: [`<sip:${i}@a>`] });
  assert.deepEqual(urisOf(registrar), ['sip:5@a', 'sip:4@a', 'sip:3@a']);
});

test('a contact that nobody could call is a 400', () => {
  for (const contact of ['<tel:+1>', '<mailto:a@b>', `<sip:${'a'.repeat(600)}@b>`]) {
    const { registrar, register } = setUp();
    assert.equal(register({ contacts: [contact] }).status, 400);
    assert.deepEqual(urisOf(registrar), []);
  }
});

test('RFC 3261 22.3: an INVITE is asked for a password by 407, and is from whom it says', () => {
  const { invite } = setUp();
  assert.deepEqual(invite(), { dn: '201' });
  const forged = invite({ dn: '202', user: '201' });
  assert.ok('refuse' in forged && forged.refuse.status === 403);
  const wrong = invite({ password: 'x' });
  assert.ok('refuse' in wrong && wrong.refuse.status === 403);
});

test('wrong passwords: a few are looked at, then none for a minute, the right one neither; others are not concerned', () => {
  const { register, logged } = setUp();
  for (let i = 0; i < 5; i++) assert.equal(register({ password: `guess ${i}` }).reason, 'Wrong Credentials');
  const refused = register();
  assert.equal(refused.reason, 'Too Many Wrong Passwords');
  assert.deepEqual(refused.headers, [['Retry-After', '60']]);
  assert.equal(register({ dn: '202' }).status, 200, 'another DN');
  assert.equal(register({ source: { ...PHONE, address: '192.0.2.21' } }).status, 200, 'another place');
  assert.equal(register({ at: NOW + 60_000 }).status, 200);
  for (let i = 0; i < 100; i++) register({ password: 'guess' });
  const warnings = logged.filter(({ message }) => message.startsWith('wrong password'));
  assert.ok(warnings.length <= 10, `${warnings.length} lines of log`);
  assert.match(warnings[4]!.message, /no more tries/);
});

test('what is logged holds neither passwords nor what could be tried on them', () => {
  const { register, invite, logged } = setUp();
  register();
  register({ password: 'guess' });
  invite({ password: 'guess' });
  register({ dn: '9'.repeat(500), user: '9'.repeat(500) });
  const text = JSON.stringify(logged);
  assert.ok(logged.length >= 4);
  assert.doesNotMatch(text, /not to be logged|guess|response|nonce|cnonce/);
  assert.ok(!text.includes('9'.repeat(65)), 'and nothing that is as long as a stranger likes');
});

test('a source that guesses at many DNs, and a DN at which many sources guess; a phone that is signed in is not locked out', () => {
  const { register } = setUp({ attempts: { perSourceAndDn: 5, perSource: 8, perDn: 12 } });
  for (let i = 0; i < 8; i++) register({ dn: `3${i}`, user: `3${i}`, source: { ...PHONE, address: '203.0.113.1' } });
  assert.equal(register({ source: { ...PHONE, address: '203.0.113.1' } }).reason, 'Too Many Wrong Passwords');
  assert.equal(register().status, 200);
  for (let i = 0; i < 12; i++) register({ password: 'x', source: { ...PHONE, address: `203.0.113.${10 + i}` } });
  assert.equal(register({ source: { ...PHONE, address: '203.0.113.99' } }).reason, 'Too Many Wrong Passwords');
  assert.equal(register().status, 200, 'it is known where it is');
});

test('a sender that hides behind the address of a phone can not lock it out', () => {
  const { registrar, register, request } = setUp();
  const spoofed = registrar.register(request('REGISTER', {}), { ...PHONE, address: '203.0.113.66' }, NOW);
  const nonce = spoofed.headers!.find(([name]) => name === 'WWW-Authenticate')![1];
  const credentials = { username: '201', password: 'x' };
  for (let i = 0; i < 20; i++) {
    const value = authorization({
      challenge: nonce,
      credentials,
      method: 'REGISTER',
      uri: `sip:${REALM}`,
      count: i + 1,
      cnonce: 'c',
    });
    const answer = registrar.register(request('REGISTER', {}, [`Authorization: ${value}`]), PHONE, NOW);
    assert.equal(answer.status, 401, 'that nonce was not sent to the phone');
  }
  assert.equal(register().status, 200);
});

test('floods: a source has its rate and a burst, others have their own, and nothing grows without bound', () => {
  const rate = { perSecond: 10, burst: 20 };
  const { registrar } = setUp({ rate });
  const admitted = (address: string, at: number) => registrar.admit({ ...PHONE, address }, at) === null;
  assert.equal(Array.from({ length: 100 }, () => admitted('203.0.113.1', NOW)).filter(Boolean).length, 20);
  assert.ok(admitted('203.0.113.2', NOW));
  assert.equal(Array.from({ length: 100 }, () => admitted('203.0.113.1', NOW + 1_000)).filter(Boolean).length, 10);
  const sources = new RegistrationRate(rate);
  for (let i = 0; i < 30_000; i++) sources.take(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, NOW);
  assert.ok(sources.size <= 10_000);
});

test('an IPv6 source is its network of 64 bits', () => {
  assert.equal(networkOf('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2::/64');
  assert.equal(networkOf('2001:db8:1:2::9'), '2001:db8:1:2::/64');
  assert.equal(networkOf('2001:db8::9'), '2001:db8:0:0::/64');
  assert.equal(networkOf('::1'), '0:0:0:0::/64');
  assert.equal(networkOf('192.0.2.1'), '192.0.2.1');
});

test('a configuration that is read again: who is gone loses the registration, the others keep theirs', () => {
  const { registrar, register, changed } = setUp();
  register();
  register({ dn: '202' });
  changed.length = 0;
  registrar.reload(extensionsOf('202', '203'));
  assert.deepEqual(changed, ['201']);
  assert.deepEqual(urisOf(registrar, '201'), []);
  assert.equal(urisOf(registrar, '202').length, 1);
  assert.equal(register({ dn: '203' }).status, 200);
});

test('fuzz: whatever stands in Contact and Expires, the answer is one of those of RFC 3261 10.3, and what is kept can be called', () => {
  const piece = fc.oneof(
    fc.constantFrom(
      '<sip:201@a>',
      'sip:b@c',
      '*',
      ';expires=',
      '60',
      ';q=',
      '0.5',
      ';+sip.instance="<u>"',
      ';reg-id=1',
      ',',
      '"',
      '<',
      '>',
    ),
    fc.string({ unit: 'binary-ascii', maxLength: 8 }),
  );
  fc.assert(
    fc.property(
      fc.array(fc.array(piece, { maxLength: 8 }), { maxLength: 4 }),
      fc.string({ maxLength: 6 }),
      (lines, expires) => {
        const { registrar, register } = setUp();
        const contacts = lines.map((parts) => parts.join('').replaceAll(/[\r\n\0]/g, ''));
        const answer = register({ contacts, expires: expires.replaceAll(/[\r\n\0]/g, '') });
        assert.ok([200, 400, 403, 423].includes(answer.status), String(answer.status));
        for (const [name, value] of answer.headers ?? []) assert.doesNotMatch(`${name}: ${value}`, /[\r\n]/);
        for (const { contact } of registrar.bindings('201', NOW)) assert.match(contact, /^sips?:/i);
      },
    ),
    { numRuns: 500 },
  );
});
