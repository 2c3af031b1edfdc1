/** Search, sessions, health and errors over real HTTP. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import type { ProblemDocument } from '../../src/http/problem.ts';
import { ListenRefused, requireLoopback } from '../../src/http/security.ts';
import { listenHttp } from '../../src/http/server.ts';
import type { RecordingPage } from '../../src/store/catalogue.ts';
import { anyQuery, anyRecording, FIRST_ID, recording } from '../store/recordings.ts';
import { sendRaw, startServer, type TestServer } from './harness.ts';

let server: TestServer;
before(async () => {
  server = await startServer();
  server.catalogue.put(recording());
  for (const row of fc.sample(anyRecording, { numRuns: 40, seed: 7 })) server.catalogue.put(row);
});
after(() => server.close());

async function problem(response: Response): Promise<ProblemDocument> {
  assert.equal(response.headers.get('content-type'), 'application/problem+json');
  const document = (await response.json()) as ProblemDocument;
  assert.equal(document.status, response.status);
  assert.ok(document.type && document.title && document.detail);
  return document;
}

describe('search over HTTP', () => {
  test('answers what the catalogue answers, page by page', async () => {
    await fc.assert(
      fc.asyncProperty(anyQuery, async (query) => {
        // An empty filter is a mistake over HTTP: a form that was not filled in leaves it out.
        fc.pre(query.participant !== '' && query.callId !== '');
        let cursor: string | undefined;
        do {
          const wellFormed = Object.entries({ ...query, cursor }).filter(([, value]) => value !== undefined);
          const parameters = new URLSearchParams(
            wellFormed.map(([name, value]): [string, string] => [name, String(value)]),
          );
          const response = await server.get(`/api/v1/recordings?${parameters}`);
          assert.equal(response.status, 200);
          const page = (await response.json()) as RecordingPage;
          const sent = Object.fromEntries(parameters);
          const direct = server.catalogue.search({ ...sent, limit: query.limit });
          assert.deepEqual(page, JSON.parse(JSON.stringify(direct)));
          cursor = page.nextCursor ?? undefined;
        } while (cursor !== undefined);
      }),
      { numRuns: 60 },
    );
  });

  test('names each parameter that is wrong', async () => {
    const response = await server.get('/api/v1/recordings?limit=0&stat=complete&state=lost&from=x&limit=x');
    const { errors = [] } = await problem(response);
    assert.deepEqual(errors.map((e) => e.name).sort(), ['limit', 'stat', 'state']);
    for (const [name, value] of [
      ['from', 'x'],
      ['to', '2026-13-01'],
      ['cursor', '%00'],
      ['limit', '1.5'],
      ['limit', '501'],
      ['participant', ''],
      ['text', 'x'.repeat(257)],
    ]) {
      const { status, errors = [] } = await problem(await server.get(`/api/v1/recordings?${name}=${value}`));
      assert.deepEqual([status, errors[0]?.in, errors[0]?.name], [400, 'query', name]);
    }
  });

  test('no query whatever is answered with anything but a page or a problem', async () => {
    const name = fc.constantFrom(
      'from',
      'to',
      'participant',
      'callId',
      'text',
      'state',
      'limit',
      'cursor',
      '__proto__',
      'a[b]',
    );
    const value = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 20 }).map((s) => encodeURIComponent(s.toWellFormed())),
      fc.constantFrom('%', '%zz', '%00', '%ff', '"', '"*', '-1', '1e3', 'NaN', '*', 'a AND b', `'--`, '9'.repeat(400)),
      fc.base64String({ maxLength: 60 }).map(encodeURIComponent),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(name, value), { minLength: 1, maxLength: 4 }), async (pairs) => {
        const query = pairs.map(([n, v]) => `${n}=${v}`).join('&');
        const response = await server.get(`/api/v1/recordings?${query}`);
        assert.ok([200, 400].includes(response.status), `${response.status} for ${query}`);
        const body = (await response.json()) as Record<string, unknown>;
        assert.ok(response.status === 200 ? 'items' in body : body.status === 400);
        assert.ok([200, 400].includes((await server.get(`/?${query}`)).status));
      }),
      { numRuns: 300 },
    );
  });

  test('one recording, or a problem', async () => {
    assert.deepEqual(await (await server.get(`/api/v1/recordings/${FIRST_ID}`)).json(), recording());
    for (const id of ['x', FIRST_ID.toUpperCase(), FIRST_ID.replace(/^./, 'f'), '..%2f..', '%00', "'--"]) {
      for (const rest of ['', '/audio', '/manifest']) {
        assert.equal((await problem(await server.get(`/api/v1/recordings/${id}${rest}`))).status, 404);
      }
    }
  });
});

describe('sessions over HTTP', () => {
  const by = { actor: 'supervisor', reason: 'card number' };

  test('lists what runs', async () => {
    const { startedAt, sipCallId, communicationSessionId, participants } = recording();
    const view = { id: FIRST_ID, startedAt, sipCallId, communicationSessionId, participants, paused: false, lane: 1 };
    server.sessions.running = [view];
    assert.deepEqual(await (await server.get('/api/v1/sessions')).json(), { items: [view] });
    server.sessions.running = [];
  });

  test('hands each control over with who and why', async () => {
    for (const action of ['pause', 'resume', 'keep', 'discard'] as const) {
      server.sessions.result = 'ok';
      const response = await server.post(`/api/v1/sessions/${FIRST_ID}/${action}`, by);
      assert.deepEqual([response.status, await response.json()], [200, { id: FIRST_ID, action }]);
      assert.deepEqual(server.sessions.calls.at(-1), [FIRST_ID, action, by]);
      server.sessions.result = 'not-found';
      assert.equal((await problem(await server.post(`/api/v1/sessions/x/${action}`, by))).status, 404);
      server.sessions.result = 'conflict';
      assert.equal((await problem(await server.post(`/api/v1/sessions/x/${action}`, by))).status, 409);
    }
  });

  test('takes nothing but the whole JSON body', async () => {
    const before = server.sessions.calls.length;
    const target = `/api/v1/sessions/${FIRST_ID}/pause`;
    const missing = await problem(await server.post(target, { actor: '' }));
    assert.deepEqual(missing.errors?.map((e) => `${e.in} ${e.name}`).sort(), ['body actor', 'body reason']);
    assert.equal((await problem(await server.post(target, { ...by, more: 1 }))).status, 400);
    assert.equal((await problem(await server.post(target, '{"actor"'))).status, 400);
    assert.equal((await problem(await server.post(target, '[]'))).status, 400);
    assert.equal((await problem(await server.post(target, { ...by, reason: 'x'.repeat(20_000) }))).status, 413);
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data']) {
      assert.equal(
        (await problem(await server.post(target, JSON.stringify(by), { 'content-type': type }))).status,
        415,
      );
    }
    assert.equal(server.sessions.calls.length, before);
  });

  test('an error inside is a problem that tells nothing', async () => {
    server.sessions.result = new Error('secret detail');
    const { status, detail } = await problem(await server.post(`/api/v1/sessions/${FIRST_ID}/pause`, by));
    assert.equal(status, 500);
    assert.doesNotMatch(String(detail), /secret/);
    server.sessions.result = 'ok';
  });
});

describe('health', () => {
  test('alive always, ready when it takes calls', async () => {
    assert.equal((await server.get('/healthz')).status, 200);
    assert.equal((await server.get('/readyz')).status, 200);
    server.setReady(false);
    assert.equal((await server.get('/healthz')).status, 200);
    const response = await server.get('/readyz');
    assert.equal((await problem(response)).status, 503);
    assert.equal(response.headers.get('retry-after'), '1');
    server.setReady(true);
  });

  test('metrics are Prometheus text', async () => {
    const response = await server.get('/metrics');
    assert.match(response.headers.get('content-type')!, /^text\/plain; version=0\.0\.4/);
    assert.match(await response.text(), /^doubletrack_sessions_active 0$/m);
  });
});

describe('RFC 9457: every error is a problem document', () => {
  test('paths and methods that are not there', async () => {
    for (const target of ['/nope', '/api', '/api/v1/recordings/', `/api/v1/recordings/${FIRST_ID}/`, '/..%2f']) {
      assert.equal((await problem(await server.get(target))).status, 404, target);
    }
    const wrong = await server.get(`/api/v1/recordings/${FIRST_ID}/audio`, {}, 'DELETE');
    assert.equal((await problem(wrong)).status, 405);
    assert.equal(wrong.headers.get('allow'), 'GET, HEAD');
    const posted = await server.get(`/api/v1/sessions/${FIRST_ID}/pause`);
    assert.deepEqual([posted.status, posted.headers.get('allow')], [405, 'POST']);
  });

  test('URLs that are none', async () => {
    assert.equal((await problem(await server.get('/%zz'))).status, 400);
    assert.equal((await problem(await server.get(`/api/v1/recordings/${'a'.repeat(1000)}`))).status, 414);
  });

  test('bytes that are no HTTP', async () => {
    for (const bytes of [
      '\0\r\n\r\n',
      'GET\r\n\r\n',
      'GET / HTTP/1.1\r\nHost: localhost\r\nX: \x01\0\r\n\r\n',
      'GET / HTTP/9.9\r\n\r\n',
    ]) {
      const answer = await sendRaw(server.port, bytes);
      assert.match(answer, /^HTTP\/1\.1 400 /);
      assert.match(answer, /application\/problem\+json[\s\S]*"status":400/);
    }
    const long = await sendRaw(server.port, `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'a'.repeat(100_000)}\r\n\r\n`);
    assert.match(long, /^HTTP\/1\.1 4\d\d [\s\S]*application\/problem\+json/);
  });
});

describe('security', () => {
  test('every answer carries the headers, errors too', async () => {
    for (const target of [
      '/',
      '/healthz',
      '/nope',
      '/api/v1/recordings',
      '/api/v1/recordings?x=1',
      `/api/v1/recordings/x`,
    ]) {
      const { headers } = await server.get(target);
      assert.match(headers.get('content-security-policy')!, /default-src 'none'.*frame-ancestors 'none'/);
      assert.equal(headers.get('x-content-type-options'), 'nosniff');
      assert.equal(headers.get('referrer-policy'), 'no-referrer');
      assert.equal(headers.get('cache-control'), 'no-store');
      assert.equal(headers.get('access-control-allow-origin'), null);
    }
  });

  test('a foreign name that points here is not answered', async () => {
    const ask = (host: string) =>
      sendRaw(server.port, `GET /healthz HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    for (const host of ['localhost', 'LOCALHOST:80', '127.0.0.1:1', '127.9.9.9', '[::1]:8080', 'recorder.localhost']) {
      assert.match(await ask(host), /^HTTP\/1\.1 200 /, host);
    }
    for (const host of ['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example', '10.0.0.1', '', '[::2]']) {
      assert.match(await ask(host), /^HTTP\/1\.1 421 [\s\S]*application\/problem\+json/, host);
    }
  });

  test("another site's page gives no orders", async () => {
    const raw = (site: string) =>
      sendRaw(
        server.port,
        `POST /api/v1/sessions/x/discard HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: ${site}\r\nContent-Type: application/json\r\nContent-Length: 25\r\nConnection: close\r\n\r\n{"actor":"a","reason":""}`,
      );
    assert.match(await raw('cross-site'), /^HTTP\/1\.1 403 /);
    assert.match(await raw('same-site'), /^HTTP\/1\.1 403 /);
    assert.match(await raw('same-origin'), /^HTTP\/1\.1 400 /);
  });

  test('only loopback is listened on while there is no access control', async () => {
    for (const host of [
      '0.0.0.0',
      '::',
      '[::]',
      '10.0.0.1',
      '192.0.2.1',
      '128.0.0.1',
      '2001:db8::1',
      '::ffff:10.0.0.1',
    ]) {
      await assert.rejects(
        requireLoopback(host),
        (error) => error instanceof ListenRefused && /reverse proxy/.test(error.message),
      );
    }
    for (const host of ['127.0.0.1', '127.255.0.9', '::1', '[::1]', 'localhost', '::ffff:127.0.0.1'])
      await requireLoopback(host);
    await assert.rejects(listenHttp(server.app, { host: '0.0.0.0', port: 0 }), ListenRefused);
  });
});
