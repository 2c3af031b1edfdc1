/** The OpenAPI document of the recording client is whole and true, and the reference page says the same. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { CALL_ID, startServer, type TestServer } from './harness.ts';
import { type ApiDocument, operationsOf, referenceOf } from './reference.ts';

const PAGE = path.resolve(import.meta.dirname, '../../../docs/recording-client/http.md');
const BEGIN = '<!-- tables from the OpenAPI document: begin -->\n\n';
const END = '\n\n<!-- tables from the OpenAPI document: end -->';

describe('OpenAPI document of the recording client', () => {
  let server: TestServer;
  let document: ApiDocument;
  before(async () => {
    server = await startServer();
    document = (await (await server.get('/openapi.json')).json()) as ApiDocument;
  });
  after(() => server.close());

  test('describes every path of the interface, and no other', () => {
    assert.deepEqual([document.openapi, document.info.version], ['3.1.0', '1.2.3']);
    assert.deepEqual(
      operationsOf(document)
        .map(({ method, path }) => `${method} ${path}`)
        .sort(),
      [
        'get /api/v1/calls',
        'get /api/v1/calls/{id}',
        'get /api/v1/recorders',
        'get /api/v1/registrations',
        ...['get /healthz', 'get /metrics', 'get /readyz'],
        ...['hangup', 'parties', 'recording/pause', 'recording/resume', 'recording/start', 'recording/stop', 'userdata'].map(
          (action) => `post /api/v1/calls/{id}/${action}`,
        ),
        'post /api/v1/supervise',
      ],
    );
  });

  test('every reference leads somewhere, and every error is a problem document', () => {
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    ajv.addSchema({ ...document, $id: 'doc' });
    const references = JSON.stringify(document).match(/"\$ref":"[^"]*"/g) ?? [];
    assert.ok(references.length > 10);
    for (const reference of new Set(references)) {
      const target = reference.slice('"$ref":"'.length, -1);
      assert.ok(ajv.compile({ $ref: `doc${target}` }), target);
    }
    for (const { path, operation } of operationsOf(document)) {
      assert.ok(operation.summary, path);
      for (const [status, { content = {} }] of Object.entries(operation.responses)) {
        if (Number(status) >= 400) assert.deepEqual(Object.keys(content), ['application/problem+json']);
      }
    }
  });

  test('answers are what it says they are', async () => {
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    ajv.addSchema({ ...document, $id: 'doc' });
    const by = { actor: 'a', reason: 'b' };
    const checks: [string, string, unknown, number][] = [
      ['get', '/api/v1/calls', null, 200],
      ['get', '/api/v1/calls/{id}', null, 200],
      ['get', '/api/v1/registrations', null, 200],
      ['get', '/api/v1/recorders', null, 200],
      ['get', '/healthz', null, 200],
      ['get', '/readyz', null, 200],
      ['post', '/api/v1/calls/{id}/recording/start', by, 200],
      ['post', '/api/v1/calls/{id}/recording/start', {}, 400],
      ['post', '/api/v1/calls/{id}/recording/pause', by, 200],
      ['post', '/api/v1/calls/{id}/hangup', by, 200],
      ['post', '/api/v1/calls/{id}/userdata', { actor: 'a', data: { b: 'c' } }, 200],
      ['post', '/api/v1/supervise', { actor: 'a', supervisorDn: '1', targetDn: '2', mode: 'barge' }, 200],
    ];
    for (const [method, path, body, status] of checks) {
      const target = path.replace('{id}', CALL_ID);
      const response = await (method === 'get' ? server.get(target) : server.post(target, body));
      assert.equal(response.status, status, target);
      const mediaType = response.headers.get('content-type')!.split(';', 1)[0]!;
      const place = ['paths', path, method, 'responses', String(status), 'content', mediaType, 'schema'];
      const pointer = place
        .map((part) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1')))
        .join('/');
      const validate = ajv.compile({ $ref: `doc#/${pointer}` });
      assert.ok(validate(await response.json()), `${target}: ${ajv.errorsText(validate.errors)}`);
    }
  });

  test('the reference page has its routes and fields; DOUBLETRACK_WRITE_DOCS=1 writes them anew', () => {
    const page = readFileSync(PAGE, 'utf8');
    const [front, rest] = page.split(BEGIN);
    const [tables, behind] = rest!.split(END);
    const wanted = referenceOf(document);
    if (process.env.DOUBLETRACK_WRITE_DOCS === '1') writeFileSync(PAGE, front + BEGIN + wanted + END + behind);
    else assert.equal(tables, wanted, 'DOUBLETRACK_WRITE_DOCS=1 node --test test/client/http/openapi.test.ts');
  });
});
