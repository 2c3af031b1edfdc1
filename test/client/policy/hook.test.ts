/** The HTTP hook, over real servers: good answers, and all the ways in which there is none. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { answerOf, HookFailed, MAX_ANSWER_BYTES } from '../../../src/client/policy/hook.ts';
import { changed, type Tree } from '../config/files.ts';
import { call, decisions, type Setting } from './calls.ts';

type Answer = (request: IncomingMessage, response: ServerResponse, body: string) => void;

describe('the recording hook', () => {
  let server: Server;
  let url: string;
  let answer: Answer;
  const requests: { method: string | undefined; path: string | undefined; type: string | undefined; body: string }[] =
    [];

  before(async () => {
    server = createServer(async (request, response) => {
      let body = '';
      for await (const chunk of request) body += chunk;
      requests.push({ method: request.method, path: request.url, type: request.headers['content-type'], body });
      answer(request, response, body);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/record`;
  });
  after(() => {
    server.close();
    server.closeAllConnections();
  });

  const says = (value: unknown): Answer => {
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    return (_request, response) => response.end(text);
  };
  const policy = (hook: Tree = {}, setting: Setting = {}, tree?: Tree) =>
    decisions(
      { hook: { url, default: 'destination', timeoutMs: 2000, ...hook }, mandatory: true },
      { fetch, ...setting },
      tree,
    );

  test('is asked about a call that nothing has decided, and its answer is the decision', async () => {
    answer = says({ record: 'source', id: 'rec-1', dest: 'archive', params: { campaign: 'x' }, more: 1 });
    requests.length = 0;
    const decision = await policy().decide(call({ from: '0301', fromDn: null, trunkIn: 'outside' }));
    assert.deepEqual(
      { ...decision, params: { ...decision.params } },
      {
        ...{ record: 'source', reason: 'hook', group: 'main', id: 'rec-1', dest: 'archive', params: { campaign: 'x' } },
        ...{ mandatory: true, preRecord: false },
      },
    );
    assert.deepEqual(
      requests.map(({ method, path, type }) => [method, path, type]),
      [['POST', '/record', 'application/json']],
    );
    assert.deepEqual(JSON.parse(requests[0]!.body), {
      ...{ callUuid: 'C0FFEE', from: '0301', to: '1002', fromDn: null, toDn: '1002', fromAgent: null, toAgent: null },
      ...{ trunkIn: 'outside', trunkOut: null },
    });
  });

  test('none and disable_destination record nothing', async () => {
    for (const record of ['none', 'disable_destination']) {
      answer = says({ record, id: 'x', dest: 'y' });
      const decision = await policy().decide(call());
      assert.deepEqual([decision.record, decision.reason, decision.id, decision.group], ['none', 'hook', null, null]);
    }
  });

  test('is not asked about what full-time recording or a rule has decided', async () => {
    requests.length = 0;
    answer = says({ record: 'none' });
    const fullTime = await policy({}, {}, changed('extensions.1.record', true)).decide(call());
    assert.equal(fullTime.reason, 'full-time');
    const ruled = decisions({ hook: { url, default: 'none' }, rules: [{ record: 'source' }] }, { fetch });
    assert.equal((await ruled.decide(call())).reason, 'rule');
    assert.equal(requests.length, 0);
  });

  test('with askFullTime it can take back full-time recording of the called side, and nothing else can', async () => {
    const warnings: object[] = [];
    const called = policy({ askFullTime: true }, { warnings }, changed('extensions.1.record', true));
    const outcome = async () => {
      const { record, reason, id } = await called.decide(call());
      return [record, reason, id];
    };
    answer = says({ record: 'disable_destination' });
    assert.deepEqual(await outcome(), ['none', 'hook', null]);
    answer = says({ record: 'none', id: 'named' });
    assert.deepEqual(await outcome(), ['destination', 'full-time', 'named']);
    answer = says('rubbish');
    assert.deepEqual(await outcome(), ['destination', 'full-time', null]);
    assert.equal(warnings.length, 1);
    requests.length = 0;
    const calling = policy({ askFullTime: true }, {}, changed('extensions.0.record', true));
    assert.equal((await calling.decide(call())).record, 'source');
    assert.equal(requests.length, 0);
  });

  describe('no good answer is the default, with the reason in the log', () => {
    const bad: [string, Answer, RegExp][] = [
      ['no JSON', says('{"record"'), /no JSON/],
      ['no object', says([1]), /no object/],
      ['null', says('null'), /no object/],
      ['no record', says({}), /without record as one of source, destination, disable_destination, none/],
      ['an unknown record', says({ record: 'both' }), /without record/],
      ['an id that is no text', says({ record: 'source', id: 7 }), /wrong id/],
      ['an id with a line break', says({ record: 'source', id: 'a\r\nVia: x' }), /wrong id/],
      ['a dest that is too long', says({ record: 'source', dest: 'x'.repeat(513) }), /wrong dest/],
      ['params that are no object', says({ record: 'source', params: 'x' }), /wrong params/],
      ['params with numbers', says({ record: 'source', params: { a: 1 } }), /wrong params: a must be text/],
      ['params with a wrong name', says({ record: 'source', params: { 'a;b': 'x' } }), /wrong name among params/],
      ['an error', (_q, r) => r.writeHead(500).end('{"record":"source"}'), /answered 500, not 200/],
      ['no content', (_q, r) => r.writeHead(204).end(), /answered 204, not 200/],
      ['a redirect', (_q, r) => r.writeHead(307, { location: `${url}/other` }).end(), /answered 307, not 200/],
      ['too much', says(' '.repeat(MAX_ANSWER_BYTES + 1)), /more than 16384 bytes/],
      ['a connection that breaks', (_q, r) => r.destroy(), /can't be asked/],
      [
        'half an answer',
        (_q, r) => {
          r.writeHead(200, { 'content-length': '100' });
          r.write('{');
          setImmediate(() => r.destroy());
        },
        /can't be asked/,
      ],
    ];
    for (const [name, respond, why] of bad) {
      test(name, async () => {
        answer = respond;
        requests.length = 0;
        const warnings: Tree[] = [];
        const decision = await policy({}, { warnings }).decide(call());
        assert.deepEqual([decision.record, decision.reason, decision.group], ['destination', 'hook-default', 'main']);
        assert.match(String(warnings[0]?.why), why);
        assert.equal(warnings[0]?.callUuid, 'C0FFEE');
        assert.equal(requests.length, 1, 'asked once, and nobody else');
      });
    }
  });

  test('the time limit holds for a server that says nothing, and for one that never ends', async () => {
    const silent: Answer = () => {};
    const endless: Answer = (_request, response) => {
      const more = setInterval(() => response.write(' '), 20);
      response.on('close', () => clearInterval(more));
    };
    for (answer of [silent, endless]) {
      const warnings: Tree[] = [];
      const begun = performance.now();
      const decision = await policy({ timeoutMs: 150, default: 'none' }, { warnings }).decide(call());
      const tookMs = performance.now() - begun;
      assert.deepEqual([decision.record, decision.reason], ['none', 'hook-default']);
      assert.match(String(warnings[0]?.why), /no answer within 150 ms/);
      assert.ok(tookMs >= 140 && tookMs < 1500, `${tookMs} ms`);
    }
  });

  test('nobody there is told at once', async () => {
    const gone = createServer();
    gone.listen(0, '127.0.0.1');
    await once(gone, 'listening');
    const { port } = gone.address() as AddressInfo;
    gone.close();
    await once(gone, 'close');
    const warnings: Tree[] = [];
    const decision = await policy({ url: `http://127.0.0.1:${port}/` }, { warnings }).decide(call());
    assert.equal(decision.reason, 'hook-default');
    assert.match(String(warnings[0]?.why), /can't be asked: .*ECONNREFUSED/);
  });

  test('so many questions may wait, more get the default at once', async () => {
    const resolvers: (() => void)[] = [];
    const slow = (async () => {
      await new Promise<void>((resolve) => resolvers.push(resolve));
      return new Response('{"record":"source"}');
    }) as typeof fetch;
    const warnings: Tree[] = [];
    const crowded = policy({}, { fetch: slow, warnings });
    const waiting = Array.from({ length: 1000 }, () => crowded.decide(call()));
    assert.equal((await crowded.decide(call())).reason, 'hook-default');
    assert.match(String(warnings[0]?.why), /1000 questions wait/);
    for (const resolve of resolvers) resolve();
    assert.ok((await Promise.all(waiting)).every(({ reason }) => reason === 'hook'));
    const next = crowded.decide(call());
    resolvers.at(-1)!();
    assert.equal((await next).reason, 'hook');
  });
});

test('whatever text answers, it is an answer or HookFailed', () => {
  const member = fc.constantFrom('record', 'id', 'dest', 'params', '__proto__');
  const value = fc.oneof(fc.constantFrom('source', 'none', ''), fc.jsonValue({ maxDepth: 2 }));
  const text = fc.oneof(
    fc.string(),
    fc.dictionary(member, value).map((object) => JSON.stringify(object)),
  );
  fc.assert(
    fc.property(text, (answer) => {
      try {
        const { record, id, dest, params } = answerOf(answer);
        assert.match(record, /^(source|destination|disable_destination|none)$/);
        assert.ok([id, dest].every((part) => part === null || part.length > 0));
        assert.ok(Object.values(params).every((part) => typeof part === 'string'));
      } catch (error) {
        assert.ok(error instanceof HookFailed, String(error));
      }
    }),
    { numRuns: 1000 },
  );
});
