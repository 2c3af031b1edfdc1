/** The OpenAPI document: whole, consistent, and true of what the server really answers. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { FIRST_ID, recording } from '../store/recordings.ts';
import { startServer, type TestServer } from './harness.ts';

interface Operation {
  operationId?: string;
  summary?: string;
  parameters?: Array<{ in: string; name: string; schema: object; description?: string }>;
  requestBody?: { content: Record<string, { schema: object }> };
  responses: Record<string, { description: string; content?: Record<string, { schema: Record<string, unknown> }> }>;
}
interface Document {
  openapi: string;
  info: { title: string; version: string };
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, object> };
}

describe('OpenAPI document', () => {
  let server: TestServer;
  let document: Document;
  before(async () => {
    server = await startServer();
    document = (await (await server.get('/openapi.json')).json()) as Document;
  });
  after(() => server.close());

  const operations = () =>
    Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({ name: `${method} ${path}`, operation })),
    );

  test('describes every path of the interface, and no other', () => {
    assert.equal(document.openapi, '3.1.0');
    assert.equal(document.info.version, '1.2.3');
    assert.deepEqual(
      operations()
        .map((o) => o.name)
        .sort(),
      [
        'get /api/v1/recordings',
        'get /api/v1/recordings/{id}',
        'get /api/v1/recordings/{id}/audio',
        'get /api/v1/recordings/{id}/manifest',
        'get /api/v1/sessions',
        'get /healthz',
        'get /metrics',
        'get /readyz',
        ...['discard', 'keep', 'pause', 'resume'].map((action) => `post /api/v1/sessions/{id}/${action}`),
      ],
    );
    const search = document.paths['/api/v1/recordings']?.get?.parameters?.map((p) => p.name);
    assert.deepEqual(search, ['from', 'to', 'participant', 'callId', 'text', 'state', 'limit', 'cursor']);
  });

  test('every reference leads somewhere, every schema compiles, every path parameter is declared', () => {
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    ajv.addSchema({ ...document, $id: 'doc' });
    const references = JSON.stringify(document).match(/"\$ref":"[^"]*"/g) ?? [];
    assert.ok(references.length > 10);
    for (const reference of new Set(references)) {
      const target = reference.slice('"$ref":"'.length, -1);
      assert.ok(ajv.compile({ $ref: `doc${target}` }), target);
    }
    for (const { name, operation } of operations()) {
      assert.ok(operation.summary, name);
      const declared = operation.parameters?.filter((p) => p.in === 'path').map((p) => p.name) ?? [];
      assert.deepEqual(
        declared,
        [...name.matchAll(/\{(\w+)\}/g)].map((m) => m[1]),
        name,
      );
      for (const [status, response] of Object.entries(operation.responses)) {
        assert.ok(response.description, `${name} ${status}`);
        if (Number(status) >= 400) assert.deepEqual(Object.keys(response.content ?? {}), ['application/problem+json']);
      }
    }
  });

  test('answers are what the document says they are', async () => {
    server.catalogue.put(recording());
    server.catalogue.put(
      recording({ id: FIRST_ID.replace(/^./, '1'), state: 'recording', endedAt: null, durationMs: null }),
    );
    await server.objects.write(FIRST_ID, 'manifest.json', Buffer.from('{}'));
    const { startedAt, sipCallId, communicationSessionId, participants } = recording();
    server.sessions.running = [
      { id: FIRST_ID, startedAt, sipCallId, communicationSessionId, participants, paused: true },
    ];
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    ajv.addSchema({ ...document, $id: 'doc' });
    const checks: Array<[string, string, string, number]> = [
      ['get', '/api/v1/recordings', '', 200],
      ['get', '/api/v1/recordings', '?limit=x', 400],
      ['get', '/api/v1/recordings/{id}', '', 200],
      ['get', '/api/v1/recordings/{id}', '?x=1', 400],
      ['get', '/api/v1/recordings/{id}/manifest', '', 200],
      ['get', '/api/v1/recordings/{id}/audio', '', 404],
      ['get', '/api/v1/recordings/{id}/audio', '?channel=3', 400],
      ['get', '/api/v1/sessions', '', 200],
      ['get', '/healthz', '', 200],
      ['get', '/readyz', '', 200],
      ['post', '/api/v1/sessions/{id}/keep', '', 200],
    ];
    for (const [method, path, query, status] of checks) {
      const target = path.replace('{id}', FIRST_ID) + query;
      const by = { actor: 'a', reason: 'b' };
      const response = await (method === 'get' ? server.get(target) : server.post(target, by));
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
});
