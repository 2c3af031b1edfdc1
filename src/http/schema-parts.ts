/** What JSON Schemas of HTTP interfaces are made of, and those of problem documents (RFC 9457). */

export const nullable = (type: string, description?: string) => ({
  type: [type, 'null'],
  ...(description && { description }),
});
export const text = (description: string) => ({ type: 'string', description });
export const count = (description?: string) => ({ type: 'integer', minimum: 0, ...(description && { description }) });

/** An object all of whose listed members are always there. */
export function record($id: string, description: string, properties: Record<string, object>, optional: string[] = []) {
  const required = Object.keys(properties).filter((name) => !optional.includes(name));
  return { $id, type: 'object', description, required, properties };
}

const PROBLEM_FIELD = record('ProblemField', 'One field of the request that was wrong.', {
  in: text('query, body, params or headers'),
  name: { type: 'string' },
  message: { type: 'string' },
});

const PROBLEM = record(
  'Problem',
  'Problem document (RFC 9457).',
  {
    type: { type: 'string', format: 'uri-reference' },
    title: { type: 'string' },
    status: { type: 'integer', minimum: 400, maximum: 599 },
    detail: { type: 'string' },
    errors: { type: 'array', items: { $ref: 'ProblemField#' } },
    retryAfterSec: count(),
  },
  ['detail', 'errors', 'retryAfterSec'],
);

/** Added to every application by `$id`. */
export const PROBLEM_SCHEMAS = [PROBLEM_FIELD, PROBLEM];

export const NO_QUERY = { type: 'object', additionalProperties: false, properties: {} };

/** Any text: one that names nothing is a 404, not a 400. */
export const ID_PARAMS = { type: 'object', required: ['id'], properties: { id: { type: 'string' } } };

const MEANINGS: Record<number, string> = {
  400: 'a parameter is wrong; `errors` says which',
  404: 'there is no such thing',
  409: 'not in this state; `retryAfterSec` says when to try again, if that may help',
  410: 'it was discarded',
  412: 'a precondition failed',
  415: 'the body is not JSON',
  416: 'the range begins behind the end',
  503: 'not now: `detail` says why',
};

/** Responses of a route for the OpenAPI document: those given, and problem documents for the statuses listed. */
export function responses(good: Record<string, object>, ...problems: number[]): Record<string, object> {
  const bad = problems.map((status) => [
    String(status),
    {
      description: MEANINGS[status] ?? 'problem',
      content: { 'application/problem+json': { schema: { $ref: 'Problem#' } } },
    },
  ]);
  return { ...good, ...Object.fromEntries(bad) };
}

export function json(description: string, schema: object): object {
  return { description, content: { 'application/json': { schema } } };
}
