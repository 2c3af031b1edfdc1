/**
 * The HTTP interface of the recording server, put together: search and retrieval, control of running sessions, and the page. It knows the
 * catalogue, the objects and the sessions by their interfaces only.
 */
import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import { type Catalogue, InvalidQuery, type RecordingQuery } from '../store/catalogue.ts';
import type { Objects } from '../store/objects.ts';
import { createApplication, type HealthOptions, registerHealth } from './application.ts';
import { type CtiControl, registerCti } from './cti.ts';
import { renderPage, STYLE_HASH } from './page.ts';
import { invalidRequest } from './problem.ts';
import { registerRecordings } from './recordings.ts';
import { SHARED_SCHEMAS } from './schemas.ts';
import type { SessionControl } from './session-control.ts';
import { registerSessions } from './sessions.ts';

export { listenHttp } from './application.ts';

export interface HttpServerOptions extends HealthOptions {
  catalogue: Catalogue;
  objects: Objects;
  sessions: SessionControl;
  /** Null or left out: there is no CTI link. */
  cti?: CtiControl | null;
  /** Errors and, at debug level, requests; nothing is logged when left out. */
  log?: FastifyBaseLogger | undefined;
  /** Shown in the OpenAPI document. */
  version?: string;
}

function registerPage(app: FastifyInstance, catalogue: Catalogue): void {
  app.get<{ Querystring: Record<string, unknown> }>('/', { schema: { hide: true } }, async (request, reply) => {
    // A form sends the fields left empty too; a field given twice counts once.
    const given = Object.entries(request.query).filter(([, value]) => typeof value === 'string' && value.trim() !== '');
    const { limit, ...rest } = Object.fromEntries(given) as Record<string, string>;
    const query = { ...rest, ...(limit === undefined ? {} : { limit: Number(limit) }) } as RecordingQuery;
    reply.type('text/html; charset=utf-8');
    try {
      return renderPage(query, catalogue.search(query));
    } catch (error) {
      if (!(error instanceof InvalidQuery)) throw error;
      reply.code(400);
      return renderPage(query, { items: [], nextCursor: null }, `${error.parameter}: ${error.message}`);
    }
  });
}

/** The application, not yet listening: see {@link listenHttp}. `close()` ends it. */
export function createHttpServer(o: HttpServerOptions): FastifyInstance {
  const app = createApplication({
    title: 'doubletrack',
    description: 'Search, retrieval and control of call recordings.',
    version: o.version ?? '0',
    schemas: SHARED_SCHEMAS,
    styleHash: STYLE_HASH,
    log: o.log,
    problemOf: (error) =>
      error instanceof InvalidQuery
        ? invalidRequest([{ in: 'query', name: error.parameter, message: error.message }])
        : null,
  });
  app.register(async (routes) => {
    registerHealth(routes, o);
    registerRecordings(routes, o);
    registerSessions(routes, o.sessions);
    if (o.cti) registerCti(routes, o.cti);
    registerPage(routes, o.catalogue);
  });
  return app;
}
