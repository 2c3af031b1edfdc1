/** Digest authentication: published vectors, the server's verdicts, nonces and their counts, the client's patience. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DigestClient, parseDigest } from '../../src/sip/digest/index.ts';
import { Nonces } from '../../src/sip/digest/nonces.ts';
import { digestResponse } from '../../src/sip/digest/response.ts';
import { authorization, DigestServer, parseMessage, SipRequest, SipResponse } from '../../src/sip/index.ts';

const NOW = 1_700_000_000_000;
const REALM = 'example.com';
const ALICE = { username: 'alice', password: 'wonder"land' };

const hex = (count: number) => 'ab'.repeat(count);

function request(headers: [string, string][], method = 'REGISTER', uri = `sip:${REALM}`): SipRequest {
  const lines = [`${method} ${uri} SIP/2.0`, ...headers.map(([name, value]) => `${name}: ${value}`), '', ''];
  const parsed = parseMessage(Buffer.from(lines.join('\r\n')));
  assert.ok(parsed.kind === 'request' && parsed.message instanceof SipRequest, parsed.kind);
  return parsed.message;
}

function response(status: number, headers: [string, string][]): SipResponse {
  const lines = [`SIP/2.0 ${status} x`, ...headers.map(([name, value]) => `${name}: ${value}`), '', ''];
  const parsed = parseMessage(Buffer.from(lines.join('\r\n')));
  assert.ok(parsed.kind === 'response' && parsed.message instanceof SipResponse, parsed.kind);
  return parsed.message;
}

const RFC_7616 = {
  username: 'Mufasa',
  realm: 'http-auth@example.org',
  password: 'Circle of Life',
  method: 'GET',
  uri: '/dir/index.html',
  nonce: '7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v',
  qop: 'auth',
  nc: '00000001',
  cnonce: 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ',
};

test('RFC 7616 3.9.1: the examples with MD5 and SHA-256', () => {
  assert.equal(digestResponse({ ...RFC_7616, algorithm: 'MD5' }), '8ca523f5e9506fed4657c9700eebdbec');
  assert.equal(
    digestResponse({ ...RFC_7616, algorithm: 'SHA-256' }),
    '753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1',
  );
});

test('RFC 2617 3.5: the example, whose algorithm is MD5 for want of a name', () => {
  const input = {
    ...RFC_7616,
    algorithm: undefined,
    realm: 'testrealm@host.com',
    password: 'Circle Of Life',
    nonce: 'dcd98b7102dd2f0e8b11d0f600bfb0c093',
    cnonce: '0a4f113b',
  };
  assert.equal(digestResponse(input), '6629fae49393a05397450978507c4ef1');
});

test('RFC 2069: without qop neither count nor client nonce matter', () => {
  const input = {
    ...RFC_7616,
    algorithm: 'MD5',
    realm: 'testrealm@host.com',
    password: 'CircleOfLife',
    nonce: 'dcd98b7102dd2f0e8b11d0f600bfb0c093',
    qop: undefined,
  };
  // The errata of RFC 2069 (3 of 749) give this for its example.
  assert.equal(digestResponse(input), '1949323746fe6a43ef61f9606e7febea');
});

test('RFC 8760 2.3: who is challenged with some of the algorithms answers with those', () => {
  const server = new DigestServer({ realm: REALM });
  const headers = server.challenge(401, NOW, false, ['MD5']);
  assert.deepEqual(
    headers.map(([, challenge]) => parseDigest(challenge)!.get('algorithm')),
    ['MD5'],
  );
  const sign = (challenge: string) =>
    authorization({ challenge, credentials: ALICE, method: 'REGISTER', uri: `sip:${REALM}`, count: 1, cnonce: 'c' })!;
  const verdict = (challenge: string) =>
    server.verify(request([['Authorization', sign(challenge)]]), 401, passwordOf, NOW, ['MD5']).result;
  assert.equal(verdict(server.challenge(401, NOW)[0]![1]), 'wrong');
  assert.equal(verdict(headers[0]![1]), 'ok');
});

test('RFC 7616 3.9.1: a client answers the challenge of the example', () => {
  const challenge = `Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=SHA-256, nonce="${RFC_7616.nonce}", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`;
  const credentials = { username: RFC_7616.username, password: RFC_7616.password };
  const value = authorization({
    challenge,
    credentials,
    method: 'GET',
    uri: RFC_7616.uri,
    count: 1,
    cnonce: RFC_7616.cnonce,
  });
  const params = parseDigest(value ?? '');
  assert.equal(params?.get('response'), '753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1');
  assert.equal(params?.get('opaque'), 'FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS');
  assert.equal(params?.get('qop'), 'auth');
  assert.equal(params?.get('nc'), '00000001');
});

test('RFC 8760 2.3: a challenge for each algorithm, the best first, and qop in quotes', () => {
  const challenges = new DigestServer({ realm: REALM }).challenge(401, NOW);
  assert.deepEqual(
    challenges.map(([name, value]) => [name, parseDigest(value)?.get('algorithm')]),
    [
      ['WWW-Authenticate', 'SHA-256'],
      ['WWW-Authenticate', 'MD5'],
    ],
  );
  assert.match(challenges[0]![1], /qop="auth"/);
});

function signed(server: DigestServer, options: { count?: number; password?: string; uri?: string; at?: number } = {}) {
  const { count = 1, password = ALICE.password, uri = `sip:${REALM}`, at = NOW } = options;
  return [...server.challenge(401, at)].map(([, challenge]): [string, string] => {
    const credentials = { username: ALICE.username, password };
    const value = authorization({ challenge, credentials, method: 'REGISTER', uri, count, cnonce: 'c' });
    return ['Authorization', value ?? ''];
  });
}

const passwordOf = (username: string) => (username === ALICE.username ? ALICE.password : null);

test('RFC 7616 3.4: the right password is taken with either algorithm, others are not', () => {
  const server = new DigestServer({ realm: REALM });
  for (const at of [0, 1]) {
    assert.equal(server.verify(request([signed(server)[at]!]), 401, passwordOf, NOW).result, 'ok');
  }
  for (const header of signed(server, { password: 'x' })) {
    assert.equal(server.verify(request([header]), 401, passwordOf, NOW).result, 'wrong');
  }
  const [header] = signed(server);
  assert.equal(server.verify(request([header!]), 401, () => null, NOW).result, 'wrong');
  assert.equal(server.verify(request([header!], 'INVITE'), 401, passwordOf, NOW).result, 'wrong');
  assert.equal(
    server.verify(request([header!], 'REGISTER', 'sip:other.example'), 401, passwordOf, NOW).result,
    'wrong',
  );
  assert.equal(server.verify(request([]), 401, passwordOf, NOW).result, 'missing');
  assert.equal(
    server.verify(request([['Authorization', 'Digest realm="x']]), 401, passwordOf, NOW).result,
    'malformed',
  );
  // 407 has headers of its own.
  assert.equal(server.verify(request([header!]), 407, passwordOf, NOW).result, 'missing');
});

test('a downgrade: what was not offered is not taken', () => {
  const server = new DigestServer({ realm: REALM, algorithms: ['SHA-256'] });
  const [, value] = signed(server)[0]!;
  const nonce = parseDigest(value)!.get('nonce');
  const challenge = `Digest realm="${REALM}", nonce="${nonce}", algorithm=MD5, qop="auth"`;
  const md5 = authorization({
    challenge,
    credentials: ALICE,
    method: 'REGISTER',
    uri: `sip:${REALM}`,
    count: 1,
    cnonce: 'c',
  });
  assert.equal(server.verify(request([['Authorization', md5!]]), 401, passwordOf, NOW).result, 'wrong');
});

test('RFC 7616 3.4, 5.4: a count is good once; counts may overtake each other; an old or foreign nonce is stale', () => {
  const server = new DigestServer({ realm: REALM, nonceLifeMs: 60_000 });
  const [, challenge] = server.challenge(401, NOW)[0]!;
  const use = (count: number, at = NOW, of = challenge) => {
    const uri = `sip:${REALM}`;
    const value = authorization({ challenge: of, credentials: ALICE, method: 'REGISTER', uri, count, cnonce: 'c' });
    return server.verify(request([['Authorization', value ?? '']]), 401, passwordOf, at).result;
  };
  assert.equal(use(1), 'ok');
  assert.equal(use(1), 'stale');
  assert.equal(use(4), 'ok');
  assert.equal(use(3), 'ok');
  assert.equal(use(3), 'stale');
  assert.equal(use(100), 'ok');
  assert.equal(use(2), 'stale', 'too far behind to be known');
  assert.equal(use(101, NOW + 60_000), 'stale');
  const foreign = new DigestServer({ realm: REALM }).challenge(401, NOW)[0]![1];
  assert.equal(use(1, NOW, foreign), 'stale');
  assert.match(server.challenge(401, NOW, true)[0]![1], /stale=true/);
});

test('RFC 2069: without qop a nonce is good once', () => {
  const server = new DigestServer({ realm: REALM });
  const challenge = server.challenge(401, NOW)[1]![1].replace(', qop="auth"', '');
  const uri = `sip:${REALM}`;
  const value = authorization({ challenge, credentials: ALICE, method: 'REGISTER', uri, count: 1, cnonce: 'c' });
  assert.doesNotMatch(value ?? '', /qop|nc=|cnonce/);
  const use = () => server.verify(request([['Authorization', value ?? '']]), 401, passwordOf, NOW).result;
  assert.deepEqual([use(), use()], ['ok', 'stale']);
});

test('nonces: challenges cost no memory; a flood of used ones is bounded, and what was forgotten is not good again', () => {
  const nonces = new Nonces({ realm: REALM, lifeMs: 60_000, maxRemembered: 100 });
  for (let i = 0; i < 1_000; i++) nonces.make(NOW + i);
  assert.equal(nonces.remembered, 0);
  const first = nonces.make(NOW);
  assert.ok(nonces.use(first, 1, NOW));
  for (let i = 0; i < 1_000; i++) assert.ok(nonces.use(nonces.make(NOW + 1 + i), 1, NOW + 1 + i));
  assert.ok(nonces.remembered <= 100);
  assert.equal(nonces.use(first, 1, NOW + 2_000), false);
  const tampered = nonces.make(NOW + 2_000);
  assert.equal(nonces.use(`${tampered[0] === 'A' ? 'B' : 'A'}${tampered.slice(1)}`, 1, NOW + 2_000), false);
  assert.notEqual(nonces.make(NOW), nonces.make(NOW), 'two phones never share one');
});

const www = (more: string): [string, string] => ['WWW-Authenticate', `Digest realm="${REALM}", ${more}`];

test('RFC 8760 2.4: of the challenges of a realm the topmost that is known is answered', () => {
  const client = new DigestClient(ALICE, hex);
  const first = www('nonce="1", algorithm=SHA3-512, qop="auth"');
  assert.ok(client.take(response(401, [first, www('nonce="2", algorithm=SHA-256, qop="auth"'), www('nonce="3"')])));
  const headers = client.headers('REGISTER', 'sip:x');
  assert.equal(headers.length, 1);
  assert.equal(parseDigest(headers[0]![1])?.get('nonce'), '2');
});

test('RFC 3261 22.2: a wrong password is tried once; a stale nonce again, but not for ever', () => {
  const client = new DigestClient(ALICE, hex);
  assert.ok(client.take(response(401, [www('nonce="1", qop="auth"')])));
  client.headers('REGISTER', 'sip:x');
  assert.equal(client.take(response(401, [www('nonce="1", qop="auth"')])), false);
  const other = new DigestClient(ALICE, hex);
  let tries = 0;
  const isStale = (n: number) => other.take(response(401, [www(`nonce="${n}", qop="auth", stale=true`)]));
  for (; isStale(tries); tries++) other.headers('REGISTER', 'sip:x');
  assert.ok(tries > 1 && tries < 10);
  const third = new DigestClient(ALICE, hex);
  assert.ok(third.take(response(401, [www('nonce="1"')])));
  third.headers('REGISTER', 'sip:x');
  assert.equal(third.take(response(401, [www('nonce="2"')])), false, 'not stale, so it is the password');
});

test('RFC 3261 22.3: 407 and 401 in a chain are answered side by side; once taken, a new nonce is answered, too', () => {
  const client = new DigestClient(ALICE, hex);
  assert.ok(client.take(response(407, [['Proxy-Authenticate', 'Digest realm="proxy", nonce="p", qop="auth"']])));
  assert.deepEqual(
    client.headers('INVITE', 'sip:x').map(([name]) => name),
    ['Proxy-Authorization'],
  );
  assert.ok(client.take(response(401, [www('nonce="s", qop="auth"')])));
  const both = client.headers('INVITE', 'sip:x');
  assert.deepEqual(
    both.map(([name]) => name),
    ['Proxy-Authorization', 'Authorization'],
  );
  assert.equal(parseDigest(both[0]![1])?.get('nc'), '00000002');
  assert.deepEqual(client.ofInvite, both);
  client.take(response(200, []));
  assert.ok(client.take(response(401, [www('nonce="s2", qop="auth"')])));
});

test("what can't be answered is left alone", () => {
  for (const more of ['qop="auth"', 'nonce="1", qop="auth-int"', 'nonce="1", algorithm=NONE']) {
    assert.equal(new DigestClient(ALICE, hex).take(response(401, [www(more)])), false, more);
  }
  assert.equal(new DigestClient(ALICE, hex).take(response(401, [['WWW-Authenticate', 'Basic realm="x"']])), false);
  assert.equal(new DigestClient(ALICE, hex).take(response(401, [])), false);
});

test('fuzz: the reader of Digest values neither throws nor lets anything through that breaks a header line', () => {
  const piece = fc.oneof(
    fc.constantFrom(
      'Digest ',
      'realm=',
      '"',
      '\\',
      ',',
      '=',
      ' ',
      'nonce="x"',
      'qop="auth"',
      '\r\n ',
      '\r',
      '\0',
      'stale=true',
    ),
    fc.string({ maxLength: 12 }),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
      const text = `Digest ${pieces.join('')}`;
      const params = parseDigest(text);
      for (const value of params?.values() ?? []) assert.doesNotMatch(value, /[\r\n\0]/);
      const value = authorization({
        challenge: text,
        credentials: ALICE,
        method: 'M',
        uri: 'u',
        count: 1,
        cnonce: 'c',
      });
      if (value !== null) assert.equal(parseDigest(value)?.get('username'), 'alice');
    }),
    { numRuns: 2_000 },
  );
});

test('fuzz: values come back as they were written', () => {
  const printable = fc.string({ unit: fc.constantFrom(...'ab "\\,=;é:'), maxLength: 20 });
  fc.assert(
    fc.property(printable, printable, (realm, nonce) => {
      const quote = (text: string) => `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
      const params = parseDigest(`Digest realm=${quote(realm)},nonce = ${quote(nonce)}`);
      assert.deepEqual([params?.get('realm'), params?.get('nonce')], [realm, nonce]);
    }),
  );
});

test('parser bombs of Digest values stay cheap', () => {
  for (const bomb of [
    `Digest ${'a="b",'.repeat(10_000)}`,
    `Digest a="${'\\"'.repeat(30_000)}`,
    `Digest ${' '.repeat(60_000)}a=b`,
  ]) {
    const start = process.cpuUsage();
    for (let i = 0; i < 20; i++) parseDigest(bomb);
    const { user, system } = process.cpuUsage(start);
    assert.ok((user + system) / 20_000 < 5);
  }
});
