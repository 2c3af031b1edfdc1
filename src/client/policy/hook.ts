/**
 * The routing hook: an HTTP server that is asked about a call. POST with JSON, answer in JSON. It may be slow, gone or wrong: the time
 * limit covers the whole answer, which is bounded, redirects are not followed, and whatever is not a good answer is none.
 */
import type { RecordChoice, RecordingPolicyConfig } from '../config/types.ts';
import type { CallFacts } from './facts.ts';

export const MAX_ANSWER_BYTES = 16 * 1024;
const MAX_ID_CHARACTERS = 256;
const MAX_DEST_CHARACTERS = 512;
const MAX_PARAMS = 32;
const MAX_PARAM_CHARACTERS = 512;
const CHOICES: ReadonlySet<unknown> = new Set(['source', 'destination', 'disable_destination', 'none']);
const PARAM_NAME = /^[A-Za-z0-9._-]{1,64}$/;
/** They go into URIs and headers. */
const CONTROL = /[\u0000-\u001f\u007f]/;

export interface HookAnswer {
  record: RecordChoice;
  id: string | null;
  dest: string | null;
  params: Record<string, string>;
}

/** Why there is no good answer; the message is for the log. */
export class HookFailed extends Error {
  override name = 'HookFailed';
}

/** @throws HookFailed */
export async function askHook(
  { url, timeoutMs }: NonNullable<RecordingPolicyConfig['hook']>,
  facts: CallFacts,
  fetchIt: typeof fetch,
): Promise<HookAnswer> {
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetchIt(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: JSON.stringify(questionOf(facts)),
      redirect: 'manual',
      signal,
    });
    return answerOf(await bodyOf(response));
  } catch (error) {
    if (error instanceof HookFailed) throw error;
    if (signal.aborted) throw new HookFailed(`no answer within ${timeoutMs} ms`);
    const { cause, message } = error as Error;
    throw new HookFailed(`can't be asked: ${cause instanceof Error ? cause.message : message}`);
  }
}

function questionOf(facts: CallFacts): Record<string, string | null> {
  const { callUuid, from, to, fromDn, toDn, fromAgent, toAgent, trunkIn, trunkOut } = facts;
  return { callUuid, from, to, fromDn, toDn, fromAgent, toAgent, trunkIn, trunkOut };
}

async function bodyOf(response: Response): Promise<string> {
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new HookFailed(`answered ${response.status}, not 200`);
  }
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES) throw new HookFailed(`answered with more than ${MAX_ANSWER_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** @throws HookFailed */
export function answerOf(text: string): HookAnswer {
  let said: unknown;
  try {
    said = JSON.parse(text);
  } catch {
    throw new HookFailed('answered with what is no JSON');
  }
  if (typeof said !== 'object' || said === null || Array.isArray(said)) throw new HookFailed('answered with no object');
  const { record, id, dest, params } = said as Record<string, unknown>;
  if (!CHOICES.has(record)) throw new HookFailed(`answered without record as one of ${[...CHOICES].join(', ')}`);
  return {
    record: record as RecordChoice,
    id: textOf(id, 'id', MAX_ID_CHARACTERS),
    dest: textOf(dest, 'dest', MAX_DEST_CHARACTERS),
    params: paramsOf(params),
  };
}

function textOf(value: unknown, name: string, maxCharacters: number): string | null {
  if (value === undefined || value === null) return null;
  if (typeof value === 'string' && value !== '' && value.length <= maxCharacters && !CONTROL.test(value)) return value;
  throw new HookFailed(`answered with a wrong ${name}: text of 1 to ${maxCharacters} characters is expected`);
}

function paramsOf(value: unknown): Record<string, string> {
  if (value === undefined || value === null) return {};
  const entries = typeof value === 'object' && !Array.isArray(value) ? Object.entries(value) : null;
  if (!entries || entries.length > MAX_PARAMS) {
    throw new HookFailed(`answered with wrong params: at most ${MAX_PARAMS} names with text are expected`);
  }
  for (const [name, text] of entries) {
    if (!PARAM_NAME.test(name)) throw new HookFailed('answered with a wrong name among params');
    if (typeof text !== 'string' || text.length > MAX_PARAM_CHARACTERS || CONTROL.test(text)) {
      throw new HookFailed(
        `answered with wrong params: ${name} must be text of at most ${MAX_PARAM_CHARACTERS} characters`,
      );
    }
  }
  // Without a prototype, for the names come from outside.
  return Object.assign(
    Object.create(null) as Record<string, string>,
    Object.fromEntries(entries as [string, string][]),
  );
}
