/**
 * What every HTTP interface of this project is: problem documents for errors (RFC 9457), bodies that are JSON, health, metrics, the OpenAPI
 * document, on loopback alone.
 */
import type { Duplex } from 'node:stream';
import swagger from '@fastify/swagger';
import fastify, {
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  LogController,
} from 'fastify';
import type { Registry } from 'prom-client';
import { HttpProblem, invalidRequest, PROBLEM_MEDIA_TYPE, type ProblemDocument, titleOf } from './problem.ts';
import { json, PROBLEM_SCHEMAS, responses } from './schema-parts.ts';
import { registerSecurity, requireLoopback } from './security.ts';

const MAX_BODY_BYTES = 16 * 1024;
/** A client that takes longer than this to send a whole request is holding a connection, not asking. */
const REQUEST_TIMEOUT_MS = 10_000;

export interface ApplicationOptions {
  /** Of the OpenAPI document. */
  title: string;
  description: string;
  version: string;
  /** Added by `$id`, beside those of problem documents. */
  schemas: readonly object[];
  /** CSP source of the style sheet of its pages, if it has any. */
  styleHash?: string;
  /** Errors and, at debug level, requests; nothing is logged when left out. */
  log?: FastifyBaseLogger | undefined;
  /** What an error that a handler has thrown means; null: what it says itself, or 500. */
  problemOf?: (error: unknown) => HttpProblem | null;
}

export interface HealthOptions {
  health: { ready(): boolean };
  metrics: Registry;
}

function sendProblem(reply: FastifyReply, document: ProblemDocument): FastifyReply {
  return reply
    .code(document.status)
    .type(PROBLEM_MEDIA_TYPE)
    .serializer((body: unknown) => JSON.stringify(body))
    .send(document);
}

type ValidationIssue = NonNullable<FastifyError['validation']>[number];

/** `/limit` to `limit`; a missing or unknown member is named by the keyword's own parameters. */
function fieldName(issue: ValidationIssue): string {
  const named = issue.params.missingProperty ?? issue.params.additionalProperty;
  return typeof named === 'string' ? named : issue.instancePath.slice(1);
}

function fieldMessage(issue: ValidationIssue): string {
  if (issue.keyword === 'additionalProperties') return 'is not known here';
  if (issue.keyword === 'required') return 'is missing';
  const values = issue.params.allowedValues;
  return Array.isArray(values) ? `must be one of ${values.join(', ')}` : (issue.message ?? 'is wrong');
}

function toDocument(error: FastifyError | HttpProblem): ProblemDocument {
  if (error instanceof HttpProblem) return error.document;
  if (error.validation) {
    const place = error.validationContext === 'querystring' ? 'query' : (error.validationContext ?? 'request');
    const fields = error.validation.map((issue) => ({
      in: place,
      name: fieldName(issue),
      message: fieldMessage(issue),
    }));
    return invalidRequest(fields).document;
  }
  const status = error.statusCode !== undefined && error.statusCode >= 400 ? error.statusCode : 500;
  // What went wrong inside is for the log, not for the client.
  const detail = status < 500 ? error.message : 'the server failed to answer; its log says why';
  return { type: 'about:blank', title: titleOf(status), status, detail };
}

/** Which methods exist for a path that was asked for with another one. */
class MethodsByPath {
  readonly #routes: Array<{ pattern: RegExp; method: string }> = [];

  add(url: string, methods: string | string[]): void {
    const pattern = new RegExp(`^${url.replace(/[.]/g, '\\.').replace(/:[a-z]+/gi, '[^/]+')}$`);
    for (const method of [methods].flat()) this.#routes.push({ pattern, method });
  }

  allowed(path: string): string[] {
    return [...new Set(this.#routes.filter((route) => route.pattern.test(path)).map((route) => route.method))].sort();
  }
}

/** Bytes that are no HTTP request: no request and no reply, only the socket. */
function answerNoHttp(error: Error, socket: Duplex): void {
  if ((error as NodeJS.ErrnoException).code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const body = JSON.stringify(new HttpProblem(400, 'this is no HTTP request that can be read').document);
  const head = ['HTTP/1.1 400 Bad Request', `Content-Type: ${PROBLEM_MEDIA_TYPE}`, `Content-Length: ${body.length}`];
  socket.end(`${head.join('\r\n')}\r\nConnection: close\r\n\r\n${body}`);
}

function registerErrors(app: FastifyInstance, problemOf: ApplicationOptions['problemOf'] = () => null): void {
  const methods = new MethodsByPath();
  app.addHook('onRoute', (route) => methods.add(route.url, route.method));
  app.setErrorHandler<FastifyError | HttpProblem>((thrown, request, reply) => {
    const error = problemOf(thrown) ?? thrown;
    const document = toDocument(error);
    if (document.status >= 500) request.log.error({ err: error, route: request.routeOptions.url }, 'request failed');
    if (error instanceof HttpProblem) reply.headers(error.headers);
    return sendProblem(reply, document);
  });
  app.setNotFoundHandler((request, reply) => {
    const allowed = methods.allowed(request.url.split('?', 1)[0] ?? '');
    if (allowed.length === 0) return sendProblem(reply, new HttpProblem(404, 'nothing is here').document);
    reply.header('allow', allowed.join(', '));
    return sendProblem(reply, new HttpProblem(405, `this takes ${allowed.join(', ')}`).document);
  });
}

/** `/healthz`, `/readyz`, `/metrics` and `/openapi.json`. */
export function registerHealth(app: FastifyInstance, o: HealthOptions): void {
  const tags = ['health'];
  const status = (value: string) => ({ type: 'object', properties: { status: { type: 'string', enum: [value] } } });
  app.get(
    '/healthz',
    { schema: { tags, summary: 'The process is alive', response: { 200: json('alive', status('ok')) } } },
    async () => ({ status: 'ok' }),
  );
  app.get(
    '/readyz',
    {
      schema: {
        tags,
        summary: 'Calls are taken',
        response: responses({ 200: json('yes', status('ready')) }, 503),
      },
    },
    async () => {
      if (o.health.ready()) return { status: 'ready' };
      throw new HttpProblem(503, 'it is starting or draining and takes no calls', {
        kind: 'not-ready',
        headers: { 'retry-after': '1' },
        extensions: { retryAfterSec: 1 },
      });
    },
  );
  const text = { description: 'Prometheus text', content: { 'text/plain': { schema: { type: 'string' } } } };
  app.get('/metrics', { schema: { tags, summary: 'Metrics', response: { 200: text } } }, async (_request, reply) => {
    reply.type(o.metrics.contentType);
    return o.metrics.metrics();
  });
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger());
}

/** Without routes, which are to be registered in a plugin of their own; not yet listening, see {@link listenHttp}. */
export function createApplication(o: ApplicationOptions): FastifyInstance {
  const app: FastifyInstance = fastify({
    ...(o.log && { loggerInstance: o.log }),
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    forceCloseConnections: true,
    // A parameter that is not known or not of its type is an error, never silently left out.
    ajv: { customOptions: { removeAdditional: false, coerceTypes: true, useDefaults: false, allErrors: true } },
    frameworkErrors: (error, _request, reply) => {
      sendProblem(reply as FastifyReply, toDocument(error));
    },
    clientErrorHandler: answerNoHttp,
  });
  // Bodies are JSON or nothing: a form on another site can send text, but not JSON.
  app.removeContentTypeParser('text/plain');
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  for (const schema of [...PROBLEM_SCHEMAS, ...o.schemas]) app.addSchema(schema);
  registerSecurity(app, o.styleHash);
  registerErrors(app, o.problemOf);
  app.addHook('onResponse', async (request, reply) => {
    // The route's pattern, not the URL: queries hold names.
    const { method, routeOptions } = request;
    request.log.debug({ method, route: routeOptions.url, status: reply.statusCode, ms: reply.elapsedTime }, 'request');
  });
  app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: o.title,
        description: `${o.description} Every error is a problem document (RFC 9457).`,
        version: o.version,
      },
    },
    refResolver: { buildLocalReference: (schema) => String(schema.$id) },
  });
  return app;
}

/**
 * @returns the port, for when 0 was asked for.
 * @throws ListenRefused for an address that is not loopback; the system's error if the port is taken.
 */
export async function listenHttp(app: FastifyInstance, at: { host: string; port: number }): Promise<number> {
  await requireLoopback(at.host);
  await app.listen({ host: at.host.replace(/^\[(.*)\]$/, '$1'), port: at.port });
  const bound = app.server.address();
  return typeof bound === 'object' && bound !== null ? bound.port : at.port;
}
