/** `/api/v1/sessions`: the recording sessions that run now, and what an operator can do with them. */
import type { FastifyInstance } from 'fastify';
import { HttpProblem } from './problem.ts';
import { ID_PARAMS, json, NO_QUERY, responses } from './schema-parts.ts';
import { CONTROL_BODY } from './schemas.ts';
import { CONTROL_ACTIONS, type SessionControl } from './session-control.ts';

const SUMMARIES = {
  pause: 'Discard what arrives until resumed; each packet is still counted',
  resume: 'Go on recording after a pause',
  keep: 'Decide that the recording stays',
  discard: 'Decide that the recording is destroyed',
};

interface ControlRoute {
  Params: { id: string };
  Body: { actor: string; reason: string };
}

export function registerSessions(app: FastifyInstance, sessions: SessionControl): void {
  const tags = ['sessions'];
  app.get(
    '/api/v1/sessions',
    {
      schema: {
        tags,
        operationId: 'listSessions',
        summary: 'Recording sessions that run now',
        querystring: NO_QUERY,
        response: responses({ 200: json('the sessions', { $ref: 'SessionList#' }) }, 400),
      },
    },
    async () => ({ items: sessions.list() }),
  );

  for (const action of CONTROL_ACTIONS) {
    app.post<ControlRoute>(
      `/api/v1/sessions/:id/${action}`,
      {
        schema: {
          tags,
          operationId: `${action}Session`,
          summary: SUMMARIES[action],
          params: ID_PARAMS,
          querystring: NO_QUERY,
          body: CONTROL_BODY,
          response: responses({ 200: json('done', { $ref: 'ControlResult#' }) }, 400, 404, 409, 415),
        },
      },
      async (request) => {
        const { id } = request.params;
        const result = await sessions.control(id, action, request.body);
        if (result === 'not-found') {
          throw new HttpProblem(404, 'no recording session with this id runs now', { kind: 'no-such-session' });
        }
        if (result === 'conflict') {
          throw new HttpProblem(409, `the recording session can't ${action} in its present state`, {
            kind: 'session-conflict',
          });
        }
        return { id, action };
      },
    );
  }
}
