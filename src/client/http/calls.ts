/** `/api/v1/calls`: the calls that run now, their recordings, and what an operator or a workflow can do with them. */
import type { FastifyInstance } from 'fastify';
import { HttpProblem } from '../../http/problem.ts';
import { ID_PARAMS, json, NO_QUERY, responses } from '../../http/schema-parts.ts';
import type { RecordSide } from '../config/types.ts';
import type { CallControl, CallView, ControlRequest, StartRequest } from '../switch/call-control.ts';
import { CALLS_QUERY, CONTROL_BODY, HANG_UP_BODY, PARTY_BODY, START_BODY, USER_DATA_BODY } from './schemas.ts';
import { callOf, recordingOf } from './views.ts';

const tags = ['calls'];

interface CallRoute<Body = unknown> {
  Params: { id: string };
  Body: Body;
}

const CONTROLS = {
  stop: ['stopRecording', 'Stop recording'],
  pause: ['pauseRecording', 'Pause: what is said until resumed reaches no recorder and is kept nowhere'],
  resume: ['resumeRecording', 'Go on recording after a pause'],
} as const;

export function registerCalls(app: FastifyInstance, control: CallControl): void {
  registerViews(app, control);
  registerRecordingStart(app, control);
  for (const action of Object.keys(CONTROLS) as (keyof typeof CONTROLS)[]) {
    registerRecordingControl(app, control, action);
  }
  registerHangUp(app, control);
  registerParties(app, control);
  registerUserData(app, control);
}

function found(control: CallControl, id: string): CallView {
  const call = control.call(id);
  if (call) return call;
  throw new HttpProblem(404, 'no call with this id, CallUUID or ConnID runs now', { kind: 'no-such-call' });
}

function registerViews(app: FastifyInstance, control: CallControl): void {
  app.get<{ Querystring: { dn?: string } }>(
    '/api/v1/calls',
    {
      schema: {
        tags,
        operationId: 'listCalls',
        summary: 'Calls that run now',
        querystring: CALLS_QUERY,
        response: responses({ 200: json('the calls', { $ref: 'CallList#' }) }, 400),
      },
    },
    async ({ query: { dn } }) => ({
      items: (dn === undefined ? control.calls() : control.callsOf(dn)).map(callOf),
    }),
  );
  app.get<CallRoute>(
    '/api/v1/calls/:id',
    {
      schema: {
        tags,
        operationId: 'getCall',
        summary: 'One call, by id, CallUUID or ConnID',
        params: ID_PARAMS,
        querystring: NO_QUERY,
        response: responses({ 200: json('the call', { $ref: 'Call#' }) }, 400, 404),
      },
    },
    async ({ params }) => callOf(found(control, params.id)),
  );
}

function registerRecordingStart(app: FastifyInstance, control: CallControl): void {
  app.post<CallRoute<Omit<StartRequest, 'record'> & { record?: RecordSide; reason?: string }>>(
    '/api/v1/calls/:id/recording/start',
    {
      schema: {
        tags,
        operationId: 'startRecording',
        summary: 'Record a call; with pre-recording from its first packet on, and for a while after its end',
        params: ID_PARAMS,
        querystring: NO_QUERY,
        body: START_BODY,
        response: responses(
          { 200: json('the recordings that were begun', { $ref: 'RecordingSessionList#' }) },
          ...[400, 404, 409, 415, 503],
        ),
      },
    },
    async ({ params: { id }, body, log }) => {
      const { reason, record = 'source', ...rest } = body;
      log.info({ call: id, action: 'start', actor: rest.actor, reason }, 'recording asked for over HTTP');
      const begun = await control.startRecording(id, { ...rest, record });
      return { items: begun.map(recordingOf) };
    },
  );
}

function registerRecordingControl(app: FastifyInstance, control: CallControl, action: keyof typeof CONTROLS): void {
  const [operation, summary] = CONTROLS[action];
  app.post<CallRoute<ControlRequest>>(
    `/api/v1/calls/:id/recording/${action}`,
    {
      schema: {
        tags,
        operationId: operation,
        summary,
        params: ID_PARAMS,
        querystring: NO_QUERY,
        body: CONTROL_BODY,
        response: responses({ 200: json('done', { $ref: 'Done#' }) }, 400, 404, 409, 415),
      },
    },
    async ({ params: { id }, body, log }) => {
      log.info({ call: id, action, ...body }, 'control of a recording over HTTP');
      await control[operation](id, body);
      return { id, action };
    },
  );
}

function registerParties(app: FastifyInstance, control: CallControl): void {
  app.post<CallRoute<{ actor: string; number: string }>>(
    '/api/v1/calls/:id/parties',
    {
      schema: {
        tags,
        operationId: 'addParty',
        summary: 'Call a third party into a call; answered when it has',
        params: ID_PARAMS,
        querystring: NO_QUERY,
        body: PARTY_BODY,
        response: responses({ 200: json('it is in the call', { $ref: 'Done#' }) }, 400, 404, 409, 415),
      },
    },
    async ({ params: { id }, body: { actor, number }, log }) => {
      log.info({ call: id, actor, number }, 'a third party is called over HTTP');
      await control.addParty(id, number);
      return { id, action: 'add-party' };
    },
  );
}

function registerHangUp(app: FastifyInstance, control: CallControl): void {
  app.post<CallRoute<{ actor: string; reason: string }>>(
    '/api/v1/calls/:id/hangup',
    {
      schema: {
        tags,
        operationId: 'hangUp',
        summary: 'End a call',
        params: ID_PARAMS,
        querystring: NO_QUERY,
        body: HANG_UP_BODY,
        response: responses({ 200: json('done', { $ref: 'Done#' }) }, 400, 404, 409, 415),
      },
    },
    async ({ params: { id }, body, log }) => {
      log.info({ call: id, ...body }, 'a call is ended over HTTP');
      await control.hangUp(id, body.reason);
      return { id, action: 'hangup' };
    },
  );
}

function registerUserData(app: FastifyInstance, control: CallControl): void {
  app.post<CallRoute<{ actor: string; data: Record<string, string | null> }>>(
    '/api/v1/calls/:id/userdata',
    {
      schema: {
        tags,
        operationId: 'attachUserData',
        summary: "Attach data to a call (T-Lib's UserData)",
        params: ID_PARAMS,
        querystring: NO_QUERY,
        body: USER_DATA_BODY,
        response: responses({ 200: json('all that is attached now', { $ref: 'UserData#' }) }, 400, 404, 409, 415),
      },
    },
    async ({ params: { id }, body, log }) => {
      // The names only: what is attached may be anybody's.
      log.info({ call: id, actor: body.actor, keys: Object.keys(body.data) }, 'data attached over HTTP');
      control.attach(id, body.data);
      return { userData: found(control, id).userData };
    },
  );
}
