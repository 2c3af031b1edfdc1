/** `/api/v1/recordings`: search, one recording, its audio and its manifest. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Catalogue, RecordingQuery } from '../store/catalogue.ts';
import type { Objects, OpenObject } from '../store/objects.ts';
import type { Recording } from '../store/recording.ts';
import { isUuid } from '../store/uuid.ts';
import { HttpProblem } from './problem.ts';
import { checkPreconditions, rangeApplies, selectRange } from './range.ts';
import { ID_PARAMS, json, NO_QUERY, responses } from './schema-parts.ts';
import { AUDIO_QUERY, SEARCH_QUERY } from './schemas.ts';
import { DerivedWav, readWavLayout, UnreadableWav } from './wav.ts';

export const AUDIO_OBJECT = 'audio.wav';
export const MANIFEST_OBJECT = 'manifest.json';

/** How soon to ask again for the audio: a running call may take long, finalising takes moments. */
const RETRY_RUNNING_SEC = 30;
const RETRY_FINALISING_SEC = 2;

const BINARY = { schema: { type: 'string', format: 'binary' } };
const WAV_RESPONSES = responses(
  {
    200: { description: 'the whole file', content: { 'audio/wav': BINARY } },
    206: { description: 'the range that was asked for', content: { 'audio/wav': BINARY } },
    304: { description: 'unchanged since the version that the client has', content: { 'audio/wav': BINARY } },
  },
  400,
  404,
  409,
  410,
  412,
  416,
);

type AudioRequest = FastifyRequest<{ Params: { id: string }; Querystring: { channel?: '0' | '1' | 'mix' } }>;

export interface RecordingRoutes {
  catalogue: Catalogue;
  objects: Objects;
}

function find(catalogue: Catalogue, id: string): Recording {
  const recording = isUuid(id) ? catalogue.get(id) : null;
  if (!recording) throw new HttpProblem(404, 'no recording has this id', { kind: 'no-such-recording' });
  return recording;
}

/** @throws HttpProblem unless the recording is in a state in which its files can be there. */
function requireFinished(recording: Recording, what: string): void {
  if (recording.state === 'recording' || recording.state === 'finalising') {
    const running = recording.state === 'recording';
    const retryAfterSec = running ? RETRY_RUNNING_SEC : RETRY_FINALISING_SEC;
    const why = running ? 'the call is still being recorded' : 'the call has ended and its files are being made';
    throw new HttpProblem(409, `${why}; ask for the ${what} again in ${retryAfterSec} s`, {
      kind: running ? 'still-recording' : 'finalising',
      headers: { 'retry-after': String(retryAfterSec) },
      extensions: { state: recording.state, retryAfterSec },
    });
  }
  if (recording.state === 'discarded') {
    throw new HttpProblem(410, `the recording was discarded; there is no ${what} any more`, { kind: 'discarded' });
  }
}

async function openObject(objects: Objects, recording: Recording, name: string, what: string): Promise<OpenObject> {
  requireFinished(recording, what);
  const object = await objects.open(recording.id, name);
  if (object) return object;
  const why = recording.state === 'failed' ? 'the finaliser could not make it' : 'it is missing in the store';
  throw new HttpProblem(404, `this recording has no ${what}: ${why}`, { kind: `no-${what}` });
}

async function selectChannel(object: OpenObject, channel: '0' | '1' | 'mix'): Promise<DerivedWav> {
  try {
    const layout = await readWavLayout(object);
    const pick = channel === 'mix' ? channel : Number(channel);
    if (pick !== 'mix' && pick >= layout.channels) {
      throw new HttpProblem(404, `this recording has ${layout.channels} channel(s), counted from 0`, {
        kind: 'no-such-channel',
      });
    }
    return new DerivedWav(object, layout, pick);
  } catch (error) {
    await object.close();
    if (!(error instanceof UnreadableWav)) throw error;
    throw new HttpProblem(500, `the stored audio can't be split into channels: ${error.message}`, {
      kind: 'unreadable-audio',
    });
  }
}

type StoredContent = Pick<OpenObject, 'bytes' | 'modifiedAt' | 'version' | 'stream' | 'close'>;

/** RFC 9110 sections 13 and 14 on one piece of stored content, which is closed on every way out. */
async function sendContent(
  request: FastifyRequest,
  reply: FastifyReply,
  content: StoredContent,
  as: { mediaType: string; fileName: string },
) {
  const etag = `"${content.version}"`;
  reply.headers({
    etag,
    'last-modified': content.modifiedAt.toUTCString(),
    'accept-ranges': 'bytes',
    // Kept by the browser, never by anything shared, and asked about each time: it may be discarded.
    'cache-control': 'private, no-cache',
  });
  const instead = checkPreconditions(request.headers, { etag, modifiedAt: content.modifiedAt });
  if (instead !== null) {
    await content.close();
    if (instead === 412) throw new HttpProblem(412, 'the content has changed since the version that you have');
    return reply.code(304).send();
  }
  // Range is defined for GET alone (RFC 9110 section 14.2).
  const asked = request.method === 'GET' && rangeApplies(request.headers['if-range'], etag);
  const range = asked ? selectRange(request.headers.range, content.bytes) : 'whole';
  if (range === 'unsatisfiable') {
    await content.close();
    throw new HttpProblem(416, `the content has ${content.bytes} bytes; the range begins behind them`, {
      headers: { 'content-range': `bytes */${content.bytes}` },
    });
  }
  const { start, end } = range === 'whole' ? { start: 0, end: content.bytes } : range;
  reply.type(as.mediaType).header('content-length', end - start);
  reply.header('content-disposition', `inline; filename="${as.fileName}"`);
  if (range !== 'whole') reply.code(206).header('content-range', `bytes ${start}-${end - 1}/${content.bytes}`);
  if (request.method === 'HEAD' || end === start) {
    await content.close();
    return reply.send();
  }
  return reply.send(content.stream(start, end));
}

export function registerRecordings(app: FastifyInstance, routes: RecordingRoutes): void {
  registerFacts(app, routes);
  registerAudio(app, routes);
  registerManifest(app, routes);
}

const tags = ['recordings'];

function registerFacts(app: FastifyInstance, { catalogue }: RecordingRoutes): void {
  app.get<{ Querystring: RecordingQuery }>(
    '/api/v1/recordings',
    {
      schema: {
        tags,
        operationId: 'searchRecordings',
        summary: 'Search recordings, newest first',
        querystring: SEARCH_QUERY,
        response: responses({ 200: json('one page', { $ref: 'RecordingPage#' }) }, 400),
      },
    },
    async (request) => catalogue.search(request.query),
  );

  app.get<{ Params: { id: string } }>(
    '/api/v1/recordings/:id',
    {
      schema: {
        tags,
        operationId: 'getRecording',
        summary: 'One recording',
        params: ID_PARAMS,
        querystring: NO_QUERY,
        response: responses({ 200: json('the recording', { $ref: 'Recording#' }) }, 400, 404),
      },
    },
    async (request) => find(catalogue, request.params.id),
  );
}

function registerAudio(app: FastifyInstance, { catalogue, objects }: RecordingRoutes): void {
  const audio = {
    url: '/api/v1/recordings/:id/audio',
    handler: async (request: AudioRequest, reply: FastifyReply) => {
      const recording = find(catalogue, request.params.id);
      const stored = await openObject(objects, recording, AUDIO_OBJECT, 'audio');
      const { channel } = request.query;
      const content = channel === undefined ? stored : await selectChannel(stored, channel);
      const suffix = channel === undefined ? '' : `-${channel}`;
      return sendContent(request, reply, content, {
        mediaType: 'audio/wav',
        fileName: `${recording.id}${suffix}.wav`,
      });
    },
  };
  const audioSchema = {
    tags,
    operationId: 'getAudio',
    summary: 'The audio as WAV; Range is honoured',
    params: ID_PARAMS,
    querystring: AUDIO_QUERY,
    response: WAV_RESPONSES,
  };
  app.route({ ...audio, method: 'GET', exposeHeadRoute: false, schema: audioSchema });
  app.route({ ...audio, method: 'HEAD', schema: { ...audioSchema, hide: true } });
}

function registerManifest(app: FastifyInstance, { catalogue, objects }: RecordingRoutes): void {
  const manifest = {
    url: '/api/v1/recordings/:id/manifest',
    handler: async (request: FastifyRequest<{ Params: { id: string } }>, reply: FastifyReply) => {
      const recording = find(catalogue, request.params.id);
      const content = await openObject(objects, recording, MANIFEST_OBJECT, 'manifest');
      return sendContent(request, reply, content, {
        mediaType: 'application/json; charset=utf-8',
        fileName: `${recording.id}.json`,
      });
    },
  };
  const manifestSchema = {
    tags,
    operationId: 'getManifest',
    summary: 'The completeness certificate',
    params: ID_PARAMS,
    querystring: NO_QUERY,
    response: responses({ 200: json('the manifest', { type: 'object' }) }, 400, 404, 409, 410, 412, 416),
  };
  app.route({ ...manifest, method: 'GET', exposeHeadRoute: false, schema: manifestSchema });
  app.route({ ...manifest, method: 'HEAD', schema: { ...manifestSchema, hide: true } });
}
