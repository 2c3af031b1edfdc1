/** The HTTP interface of the recording client, put together. It knows the calls by {@link CallControl} only. */
import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import { createApplication, type HealthOptions, registerHealth } from '../../http/application.ts';
import { HttpProblem } from '../../http/problem.ts';
import { json, NO_QUERY, responses } from '../../http/schema-parts.ts';
import { type CallControl, CallNotFound, NoRecorder, WrongState } from '../switch/call-control.ts';
import { registerCalls } from './calls.ts';
import { CLIENT_SCHEMAS, SUPERVISE_BODY } from './schemas.ts';
import { recorderOf, registrationOf } from './views.ts';

export { listenHttp } from '../../http/application.ts';

export interface ClientHttpOptions extends HealthOptions {
  control: CallControl;
  /** Errors, who has controlled what, and at debug level requests; nothing is logged when left out. */
  log?: FastifyBaseLogger | undefined;
  /** Shown in the OpenAPI document. */
  version?: string;
}

/** The application, not yet listening: see {@link listenHttp}. `close()` ends it. */
export function createClientHttp(o: ClientHttpOptions): FastifyInstance {
  const app = createApplication({
    title: 'doubletrack recording client',
    description: 'Calls, their recordings, phones and recorders, and what can be done with them.',
    version: o.version ?? '0',
    schemas: CLIENT_SCHEMAS,
    log: o.log,
    problemOf,
  });
  app.register(async (routes) => {
    registerHealth(routes, o);
    registerCalls(routes, o.control);
    registerLists(routes, o.control);
    registerSupervision(routes, o.control);
  });
  return app;
}

/** The messages are for who asks: they say what to do. */
function problemOf(error: unknown): HttpProblem | null {
  if (error instanceof CallNotFound) return new HttpProblem(404, error.message, { kind: 'no-such-call' });
  if (error instanceof WrongState) return new HttpProblem(409, error.message, { kind: 'wrong-state' });
  if (error instanceof NoRecorder) return new HttpProblem(503, error.message, { kind: 'no-recorder' });
  return null;
}

function registerLists(app: FastifyInstance, control: CallControl): void {
  app.get(
    '/api/v1/registrations',
    {
      schema: {
        tags: ['phones'],
        operationId: 'listRegistrations',
        summary: 'Directory numbers and the phones that have registered them',
        querystring: NO_QUERY,
        response: responses({ 200: json('the registrations', { $ref: 'RegistrationList#' }) }, 400),
      },
    },
    async () => ({ items: control.registrations().map(registrationOf) }),
  );
  app.get(
    '/api/v1/recorders',
    {
      schema: {
        tags: ['recorders'],
        operationId: 'listRecorders',
        summary: 'Recorders, whether they are up, and what runs on them',
        querystring: NO_QUERY,
        response: responses({ 200: json('the recorders', { $ref: 'RecorderList#' }) }, 400),
      },
    },
    async () => ({ items: control.recorders().map(recorderOf) }),
  );
}

interface SuperviseRoute {
  Body: { actor: string; supervisorDn: string; targetDn: string; mode: 'listen' | 'coach' | 'barge' };
}

function registerSupervision(app: FastifyInstance, control: CallControl): void {
  app.post<SuperviseRoute>(
    '/api/v1/supervise',
    {
      schema: {
        tags: ['supervision'],
        operationId: 'supervise',
        summary: "Call a supervisor's phone to listen to a directory number, coach it, or barge in",
        querystring: NO_QUERY,
        body: SUPERVISE_BODY,
        response: responses({ 200: json('begun', { $ref: 'Supervision#' }) }, 400, 404, 409, 415),
      },
    },
    async ({ body: { actor, ...wanted }, log }) => {
      log.info({ actor, ...wanted }, 'supervision asked for over HTTP');
      return { id: await control.supervise(wanted) };
    },
  );
}
