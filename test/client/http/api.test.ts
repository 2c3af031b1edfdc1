/** Views, controls, health and errors of the recording client, over real HTTP. */
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { afterEach, beforeEach, describe, test } from 'node:test';
import fc from 'fast-check';
import { createClientHttp, createClientMetrics, listenHttp } from '../../../src/client/http/index.ts';
import { CallNotFound, NoRecorder, WrongState } from '../../../src/client/switch/call-control.ts';
import type { ProblemDocument } from '../../../src/http/problem.ts';
import { ListenRefused } from '../../../src/http/security.ts';
import { CALL_ID, CALL_UUID, callView, startServer, TestCalls, type TestServer } from './harness.ts';

let server: TestServer;
beforeEach(async () => {
  server = await startServer();
});
afterEach(() => server.close());

const BY = { actor: 'supervisor', reason: 'card number' };
const CALL = `/api/v1/calls/${CALL_ID}`;

async function json(response: Response, status = 200): Promise<Record<string, unknown>> {
  assert.equal(response.status, status);
  return (await response.json()) as Record<string, unknown>;
}

async function problem(response: Response, status: number): Promise<ProblemDocument> {
  assert.equal(response.headers.get('content-type'), 'application/problem+json');
  const document = (await json(response, status)) as unknown as ProblemDocument;
  assert.equal(document.status, status);
  assert.ok(document.type && document.title && document.detail);
  return document;
}

const SHOWN = {
  ...{ id: CALL_ID, callUuid: CALL_UUID, connId: '006a0287f4b21234', state: 'established' },
  ...{
    startedAt: '2026-01-05T12:00:00.000Z',
    ani: '1001',
    dnis: '1002',
    sipCallIds: ['a@b', 'c@d'],
    recordedDn: '1001',
  },
  userData: { queue: 'sales' },
  parties: [
    {
      ...{ id: 'p-1', aor: 'sip:1001@127.0.0.1', name: 'Reception', dn: '1001', trunk: null, agentId: 'agent-7' },
      ...{ codecs: ['PCMU'], joinedAt: '2026-01-05T12:00:01.000Z', held: false },
    },
    {
      ...{ id: 'p-2', aor: 'sip:1002@127.0.0.1', name: '', dn: '1002', trunk: null, agentId: null },
      ...{ codecs: ['PCMU'], joinedAt: '2026-01-05T12:00:01.000Z', held: true },
    },
  ],
  recordings: [
    {
      ...{ id: 'rec-1', recorder: 'recorder-1', purpose: 'main', state: 'recording' },
      ...{ since: '2026-01-05T12:00:01.500Z', packetsSent: 7, packetsLost: null },
    },
  ],
};

describe('views', () => {
  test('calls, all or of one directory number', async () => {
    assert.deepEqual(await json(await server.get('/api/v1/calls')), { items: [SHOWN] });
    assert.deepEqual(await json(await server.get('/api/v1/calls?dn=1002')), { items: [SHOWN] });
    assert.deepEqual(await json(await server.get('/api/v1/calls?dn=7')), { items: [] });
    const { errors } = await problem(await server.get('/api/v1/calls?nd=7'), 400);
    assert.deepEqual(errors, [{ in: 'query', name: 'nd', message: 'is not known here' }]);
  });

  test('one call by id, CallUUID or ConnID', async () => {
    for (const id of [CALL_ID, CALL_UUID, '006a0287f4b21234']) {
      assert.deepEqual(await json(await server.get(`/api/v1/calls/${id}`)), SHOWN);
    }
    const { type } = await problem(await server.get('/api/v1/calls/none'), 404);
    assert.equal(type, 'urn:doubletrack:problem:no-such-call');
  });

  test('registrations and recorders', async () => {
    assert.deepEqual(await json(await server.get('/api/v1/registrations')), {
      items: [
        {
          ...{ dn: '1001', name: 'Reception' },
          contacts: [{ uri: 'sip:1001@127.0.0.1:9', expiresAt: '2026-01-05T12:00:00.000Z', userAgent: 'x' }],
        },
        { dn: '1002', name: 'Sales', contacts: [] },
      ],
    });
    const { items } = (await json(await server.get('/api/v1/recorders'))) as { items: object[] };
    assert.deepEqual(items[1], {
      ...{ id: 'recorder-2', uri: 'sip:127.0.0.1:5062', groups: ['main'], state: 'down', sessions: 0, load: null },
      ...{ cause: 'no answer to OPTIONS', lastProbeAt: null },
    });
  });
});

describe('controls', () => {
  test('a recording starts with what was asked for; without a side, that of the calling party', async () => {
    const asked = { record: 'destination', id: 'r', dest: 'archive', dest2: 'sip:x', params: { a: 'b' } };
    const answer = await json(await server.post(`${CALL}/recording/start`, { ...BY, ...asked }));
    assert.deepEqual(answer, { items: SHOWN.recordings });
    await json(await server.post(`${CALL}/recording/start`, { actor: 'x' }));
    assert.deepEqual(server.calls.asked, [
      ['startRecording', CALL_ID, { actor: 'supervisor', ...asked }],
      ['startRecording', CALL_ID, { actor: 'x', record: 'source' }],
    ]);
  });

  test('recordings are stopped, paused and resumed, all or one', async () => {
    for (const action of ['stop', 'pause', 'resume']) {
      const answer = await json(await server.post(`${CALL}/recording/${action}`, BY));
      assert.deepEqual(answer, { id: CALL_ID, action });
      await json(await server.post(`${CALL}/recording/${action}`, { ...BY, recording: 'rec-1' }));
    }
    assert.deepEqual(
      server.calls.asked,
      ['stop', 'pause', 'resume'].flatMap((action) => [
        [`${action}Recording`, CALL_ID, BY],
        [`${action}Recording`, CALL_ID, { ...BY, recording: 'rec-1' }],
      ]),
    );
  });

  test('a call ends, data is attached and deleted, a supervisor listens in', async () => {
    assert.deepEqual(await json(await server.post(`${CALL}/hangup`, BY)), { id: CALL_ID, action: 'hangup' });
    const third = await server.post(`${CALL}/parties`, { actor: BY.actor, number: '1003' });
    assert.deepEqual(await json(third), { id: CALL_ID, action: 'add-party' });
    const data = { queue: null, customer: '42' };
    const attached = await json(await server.post(`${CALL}/userdata`, { actor: 'crm', data }));
    assert.deepEqual(attached, { userData: { customer: '42' } });
    const wanted = { supervisorDn: '1002', targetDn: '1001', mode: 'coach' };
    const begun = await json(await server.post('/api/v1/supervise', { actor: 'x', ...wanted }));
    assert.deepEqual(begun, { id: 'supervision-1' });
    assert.deepEqual(server.calls.asked, [
      ['hangUp', CALL_ID, 'card number'],
      ['addParty', CALL_ID, '1003'],
      ['attach', CALL_ID, data],
      ['supervise', wanted],
    ]);
  });

  test('what the switch refuses is a problem with its own message', async () => {
    const refusals: [Error, number, string][] = [
      [new CallNotFound('no such call: look again'), 404, 'no-such-call'],
      [new WrongState('nothing is recorded: start it first'), 409, 'wrong-state'],
      [new NoRecorder('all recorders are down: start one'), 503, 'no-recorder'],
    ];
    const routes: [string, object][] = [
      [`${CALL}/recording/start`, BY],
      [`${CALL}/recording/pause`, BY],
      [`${CALL}/hangup`, BY],
      ['/api/v1/supervise', { actor: 'x', supervisorDn: '1', targetDn: '2', mode: 'listen' }],
    ];
    for (const [failure, status, kind] of refusals) {
      server.calls.failure = failure;
      for (const [route, body] of routes) {
        const { type, detail } = await problem(await server.post(route, body), status);
        assert.deepEqual([type, detail], [`urn:doubletrack:problem:${kind}`, failure.message]);
      }
    }
    server.calls.failure = new Error('inner secret');
    assert.ok(!(await problem(await server.post(`${CALL}/hangup`, BY), 500)).detail?.includes('secret'));
    assert.match(
      (await problem(await server.post('/api/v1/calls/x/userdata', { actor: 'x', data: { a: 'b' } }), 404)).detail!,
      /lists/,
    );
  });

  const BAD: [string, unknown, string[]][] = [
    ['recording/start', {}, ['actor']],
    ['recording/start', { actor: '' }, ['actor']],
    ['recording/start', { actor: 'x', record: 'both' }, ['record']],
    ['recording/start', { actor: 'x', id: 'a\r\nVia: b' }, ['id']],
    ['recording/start', { actor: 'x', dest: 'x'.repeat(513) }, ['dest']],
    ['recording/start', { actor: 'x', params: { 'a;b': 'c' } }, ['params', 'params']],
    ['recording/start', { actor: 'x', params: { a: 'b\n' } }, ['params/a']],
    ['recording/pause', { actor: 'x' }, ['reason']],
    ['recording/pause', { ...BY, recordings: 'x' }, ['recordings']],
    ['recording/stop', { ...BY, reason: 'x'.repeat(1025) }, ['reason']],
    ['userdata', { actor: 'x', data: {} }, ['data']],
    ['userdata', { actor: 'x', data: { a: {} } }, ['data/a']],
    ['userdata', { actor: 'x', data: { a: 'x'.repeat(4097) } }, ['data/a']],
    ['hangup', { reason: 'x' }, ['actor']],
  ];
  for (const [route, body, names] of BAD) {
    test(`${route} with ${JSON.stringify(body).slice(0, 60)} is refused, and nothing happens`, async () => {
      const { errors = [] } = await problem(await server.post(`${CALL}/${route}`, body), 400);
      assert.deepEqual([...new Set(errors.map(({ name }) => name))], [...new Set(names)]);
      assert.deepEqual(server.calls.asked, []);
    });
  }

  test('bodies that are too large, no JSON, of another type, or poisoned', async () => {
    await problem(await server.post(`${CALL}/userdata`, { actor: 'x', data: { a: 'x'.repeat(17_000) } }), 413);
    await problem(await server.post(`${CALL}/hangup`, '{'), 400);
    await problem(await server.post(`${CALL}/hangup`, 'actor=x', { 'content-type': 'text/plain' }), 415);
    await problem(await server.post(`${CALL}/hangup`, '{"actor":"x","reason":"y","__proto__":{}}'), 400);
    assert.equal((await problem(await server.post('/api/v1/recorders', {}), 405)).detail, 'this takes GET, HEAD');
    assert.deepEqual(server.calls.asked, []);
  });

  test('whatever a body says, the answer is 200 or a problem document', async () => {
    const member = fc.constantFrom('actor', 'reason', 'record', 'id', 'dest', 'params', 'recording', 'data', 'mode');
    const value = fc.oneof(fc.constantFrom('source', 'x'), fc.jsonValue({ maxDepth: 2 }));
    const route = fc.constantFrom('recording/start', 'recording/stop', 'hangup', 'parties', 'userdata');
    await fc.assert(
      fc.asyncProperty(route, fc.dictionary(member, value, { maxKeys: 4 }), async (at, body) => {
        const response = await server.post(`${CALL}/${at}`, body);
        if (response.status === 200) await response.arrayBuffer();
        else await problem(response, 400);
      }),
      { numRuns: 150 },
    );
  });
});

describe('around it', () => {
  test('health, readiness, metrics', async () => {
    assert.deepEqual(await json(await server.get('/healthz')), { status: 'ok' });
    assert.deepEqual(await json(await server.get('/readyz')), { status: 'ready' });
    server.setReady(false);
    assert.equal((await problem(await server.get('/readyz'), 503)).retryAfterSec, 1);
    server.calls.running = [callView(), callView({ state: 'ringing', recordings: [] })];
    const text = await (await server.get('/metrics')).text();
    for (const line of [
      'doubletrack_client_calls{state="established"} 1',
      'doubletrack_client_calls{state="ringing"} 1',
      'doubletrack_client_calls{state="held"} 0',
      'doubletrack_client_recordings{state="recording"} 1',
      'doubletrack_client_registered_phones 1',
      'doubletrack_client_recorder_state{recorder="recorder-1",state="up"} 1',
      'doubletrack_client_recorder_state{recorder="recorder-2",state="down"} 1',
      'doubletrack_client_recorder_state{recorder="recorder-2",state="up"} 0',
      'doubletrack_client_recorder_sessions{recorder="recorder-1"} 3',
    ]) {
      assert.ok(text.split('\n').includes(line), line);
    }
  });

  test('it listens on loopback alone', async () => {
    const control = new TestCalls();
    const app = createClientHttp({ control, metrics: createClientMetrics({ control }), health: { ready: () => true } });
    for (const host of ['0.0.0.0', '::', '192.0.2.1']) {
      await assert.rejects(listenHttp(app, { host, port: 0 }), ListenRefused);
    }
    await app.close();
  });

  test('other names and pages of other sites are refused', async () => {
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const target = { host: '127.0.0.1', port: server.port, path: '/api/v1/calls', headers: { host: 'evil.example' } };
      request(target, (response) => resolve(response.resume().statusCode))
        .on('error', reject)
        .end();
    });
    assert.equal(status, 421);
    const headers = { 'content-type': 'application/json', 'sec-fetch-site': 'cross-site' };
    await problem(await server.post(`${CALL}/hangup`, BY, headers), 403);
    assert.deepEqual(server.calls.asked, []);
    const policy = (await server.get('/healthz')).headers.get('content-security-policy');
    assert.equal(policy, "default-src 'none'; base-uri 'none'; frame-ancestors 'none'");
  });
});
