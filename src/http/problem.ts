/** Every error of the HTTP interface is a problem document (RFC 9457). */
import { STATUS_CODES } from 'node:http';

export const PROBLEM_MEDIA_TYPE = 'application/problem+json';

export interface ProblemField {
  /** `query`, `body`, `params` or `headers`. */
  in: string;
  name: string;
  message: string;
}

/** RFC 9457 section 3.1; further members are extensions. */
export interface ProblemDocument {
  type: string;
  title: string;
  status: number;
  detail?: string;
  /** What exactly was wrong with the request, one entry per field. */
  errors?: ProblemField[];
  /** When the same request may succeed. */
  retryAfterSec?: number;
  [extension: string]: unknown;
}

export interface ProblemOptions {
  /** Short name of the kind of problem; `about:blank` (the status says it all) when left out. */
  kind?: string;
  title?: string;
  headers?: Record<string, string>;
  extensions?: Record<string, unknown>;
}

/** Thrown by a handler, answered by the error handler. `detail` is for the reader: it says what to do next. */
export class HttpProblem extends Error {
  override name = 'HttpProblem';
  readonly statusCode: number;
  readonly headers: Record<string, string>;
  readonly document: ProblemDocument;

  constructor(status: number, detail: string, options: ProblemOptions = {}) {
    super(detail);
    this.statusCode = status;
    this.headers = options.headers ?? {};
    this.document = {
      type: options.kind ? `urn:doubletrack:problem:${options.kind}` : 'about:blank',
      title: options.title ?? titleOf(status),
      status,
      detail,
      ...options.extensions,
    };
  }
}

/** RFC 9457 section 4.2.1: with `about:blank` the title is the status' own phrase. */
export function titleOf(status: number): string {
  return STATUS_CODES[status] ?? 'Error';
}

/** 400, with what was wrong about each field. */
export function invalidRequest(errors: ProblemField[]): HttpProblem {
  const detail = errors.map((e) => `${e.name || e.in}: ${e.message}`).join('; ');
  return new HttpProblem(400, detail, { kind: 'invalid-request', title: 'Invalid request', extensions: { errors } });
}
