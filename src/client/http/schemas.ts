/** JSON Schemas of the recording client's HTTP interface: they check what comes in, and make the OpenAPI document. */
import { count, nullable, record, text } from '../../http/schema-parts.ts';

const time = (description?: string) => ({ type: 'string', format: 'date-time', ...(description && { description }) });
const listOf = (schema: string) => ({ type: 'array', items: { $ref: `${schema}#` } });

const PARTY = record('Party', 'Somebody who talks.', {
  id: { type: 'string', format: 'uuid' },
  aor: text('`sip:` URI'),
  name: { type: 'string' },
  dn: nullable('string', 'null: from outside'),
  trunk: nullable('string'),
  agentId: nullable('string'),
  codecs: { type: 'array', items: { type: 'string' }, description: 'encoding names (RFC 3551) that are agreed on' },
  joinedAt: time(),
  held: { type: 'boolean' },
});

const RECORDING_SESSION = record('RecordingSession', 'One recording of a call by one recorder.', {
  id: text('of the recording'),
  recorder: { type: 'string' },
  purpose: { type: 'string' },
  state: { type: 'string', enum: ['recording', 'paused', 'ended'] },
  since: time(),
  packetsSent: count(),
  packetsLost: { ...nullable('integer', 'as the recorder reports; null: it has not') },
});

const CALL = record('Call', 'A call.', {
  id: { type: 'string', format: 'uuid' },
  callUuid: text("Genesys' CallUUID: the id without dashes"),
  connId: text('sixteen hexadecimal digits'),
  state: { type: 'string', enum: ['ringing', 'established', 'held', 'ended'] },
  startedAt: time(),
  ani: text('the calling number'),
  dnis: text('the number that was dialled'),
  sipCallIds: { type: 'array', items: { type: 'string' } },
  recordedDn: nullable('string', 'the side that is recorded, through transfers of the other one'),
  userData: { type: 'object', description: 'attached data', additionalProperties: { type: 'string' } },
  parties: { ...listOf('Party'), description: 'the calling side first' },
  recordings: listOf('RecordingSession'),
});

const REGISTRATION = record('Registration', 'A directory number and the phones that have registered it.', {
  dn: { type: 'string' },
  name: { type: 'string' },
  contacts: {
    type: 'array',
    items: {
      type: 'object',
      required: ['uri', 'expiresAt', 'userAgent'],
      properties: { uri: { type: 'string' }, expiresAt: time(), userAgent: nullable('string') },
    },
  },
});

const RECORDER = record('Recorder', 'A recording server as the resource manager sees it.', {
  id: { type: 'string' },
  uri: { type: 'string' },
  groups: { type: 'array', items: { type: 'string' } },
  state: {
    type: 'string',
    enum: ['up', 'down', 'draining', 'resting', 'unknown'],
    description: '`resting`: it said 503, with Retry-After',
  },
  sessions: count('recording sessions of this client on it'),
  load: nullable('number', 'as it says itself'),
  cause: nullable('string', 'why it is not up'),
  lastProbeAt: { type: ['string', 'null'], format: 'date-time' },
});

const page = ($id: string, of: string, description: string) => record($id, description, { items: listOf(of) });

export const CLIENT_SCHEMAS = [
  PARTY,
  RECORDING_SESSION,
  CALL,
  REGISTRATION,
  RECORDER,
  page('CallList', 'Call', 'Calls that run now.'),
  page('RecordingSessionList', 'RecordingSession', 'Recordings of a call.'),
  page('RegistrationList', 'Registration', 'All directory numbers.'),
  page('RecorderList', 'Recorder', 'All recorders.'),
  record('Done', 'It has been done.', { id: text('of the call'), action: { type: 'string' } }),
  record('UserData', 'Attached data of the call, after the change.', {
    userData: { type: 'object', additionalProperties: { type: 'string' } },
  }),
  record('Supervision', 'Supervision has begun.', { id: text("of the supervisor's call") }),
];

const ACTOR = { type: 'string', minLength: 1, maxLength: 256, description: 'who asks for it' };
const REASON = { type: 'string', minLength: 1, maxLength: 1024, description: 'why' };
/** Ids and destinations go into URIs and headers. */
const NO_CONTROL = '^[^\\u0000-\\u001f\\u007f]+$';
const printable = (maxLength: number, description: string) => ({
  ...{ type: 'string', minLength: 1, maxLength, pattern: NO_CONTROL, description },
});
const body = (required: string[], properties: Record<string, object>) => ({
  ...{ type: 'object', required, additionalProperties: false, properties },
});

const DN = printable(64, 'a directory number');
const DEST = 'recorder to use instead of those of the usual group: its id, the name of a group, or a SIP URI';

export const CALLS_QUERY = body([], { dn: { ...DN, description: 'only those with this directory number' } });

export const START_BODY = body(['actor'], {
  actor: ACTOR,
  reason: REASON,
  record: {
    ...{ type: 'string', enum: ['source', 'destination'] },
    description: 'the side that is recorded through transfers: `source` (when left out) is the calling one',
  },
  id: printable(256, 'id of the recording, globally unique; made here when left out'),
  dest: printable(512, DEST),
  dest2: printable(512, 'a second one, at the same time'),
  params: {
    type: 'object',
    description: 'passed on to the recorder',
    maxProperties: 32,
    propertyNames: { pattern: '^[A-Za-z0-9._-]{1,64}$' },
    additionalProperties: { type: 'string', maxLength: 512, pattern: '^[^\\u0000-\\u001f\\u007f]*$' },
  },
});

export const CONTROL_BODY = body(['actor', 'reason'], {
  actor: ACTOR,
  reason: REASON,
  recording: printable(256, 'id of one recording session; all of the call when left out'),
});

export const HANG_UP_BODY = body(['actor', 'reason'], { actor: ACTOR, reason: REASON });

export const PARTY_BODY = body(['actor', 'number'], {
  actor: ACTOR,
  number: { ...DN, description: 'whom to call: what a phone would dial' },
});

export const USER_DATA_BODY = body(['actor', 'data'], {
  actor: ACTOR,
  data: {
    type: 'object',
    description: 'keys with text; null deletes a key, the others stay',
    minProperties: 1,
    maxProperties: 64,
    propertyNames: { minLength: 1, maxLength: 128 },
    additionalProperties: { type: ['string', 'null'], maxLength: 4096 },
  },
});

export const SUPERVISE_BODY = body(['actor', 'supervisorDn', 'targetDn', 'mode'], {
  actor: ACTOR,
  supervisorDn: { ...DN, description: 'whose phone is called' },
  targetDn: { ...DN, description: 'whom it listens to' },
  mode: {
    ...{ type: 'string', enum: ['listen', 'coach', 'barge'] },
    description: '`listen`: heard by nobody; `coach`: by the target alone; `barge`: by all',
  },
});
