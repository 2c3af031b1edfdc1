/** `/api/v1/cti`: what the recording server can ask the switch for over its CTI link; there only with a link. */
import type { FastifyInstance } from 'fastify';
import { HttpProblem } from './problem.ts';
import { json, NO_QUERY, responses } from './schema-parts.ts';
import { CONTROL_BODY } from './schemas.ts';

export interface RecordRequest {
  /** CallUUID or ConnID. */
  call: string;
  record?: 'source' | 'destination';
  id?: string;
  actor: string;
  reason: string;
}

export interface CtiControl {
  /** Starts recording sessions of a call that is not recorded (dynamic recording), or not only here. */
  record(
    request: RecordRequest,
  ): Promise<{ result: 'ok'; sessions: { id: string; recorder: string }[] } | { result: CtiRefusal; detail: string }>;
}

/** There is no such call; the switch refuses it; the link is down, or the switch does not answer. */
export type CtiRefusal = 'not-found' | 'conflict' | 'unavailable';

const STATUS = { 'not-found': 404, conflict: 409, unavailable: 503 } as const;
const ID = { type: 'string', minLength: 1, maxLength: 256, pattern: '^[ -~]+$' };
const BODY = {
  ...CONTROL_BODY,
  required: ['call', ...CONTROL_BODY.required],
  properties: {
    call: { type: 'string', pattern: '^([0-9a-fA-F]{16}|[0-9a-fA-F]{32})$', description: 'CallUUID or ConnID' },
    record: { type: 'string', enum: ['source', 'destination'], description: 'the side that is followed; source' },
    id: { ...ID, description: 'of the recording session; made by the switch when left out' },
    ...CONTROL_BODY.properties,
  },
};
const SESSION = { type: 'object', properties: { id: { type: 'string' }, recorder: { type: 'string' } } };
const STARTED = { type: 'object', properties: { sessions: { type: 'array', items: SESSION } } };

export function registerCti(app: FastifyInstance, cti: CtiControl): void {
  app.post<{ Body: RecordRequest }>(
    '/api/v1/cti/record',
    {
      schema: {
        tags: ['cti'],
        operationId: 'recordCall',
        summary: 'Have the switch record a call that runs, or has ended while its past is kept',
        querystring: NO_QUERY,
        body: BODY,
        response: responses({ 200: json('recording sessions that were started', STARTED) }, 400, 404, 409, 415, 503),
      },
    },
    async (request) => {
      const answer = await cti.record(request.body);
      if (answer.result === 'ok') return { sessions: answer.sessions };
      throw new HttpProblem(STATUS[answer.result], answer.detail, { kind: `cti-${answer.result}` });
    },
  );
}
