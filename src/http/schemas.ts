/**
 * JSON Schemas of the recording server's HTTP interface. They check what comes in, and make the OpenAPI document; what goes out is checked
 * against them by the tests. Objects that go out may gain members, so they stay open.
 */
import { MAX_SEARCH_LIMIT } from '../store/catalogue.ts';
import { RECORDING_STATES } from '../store/recording.ts';
import { count, nullable, record, text } from './schema-parts.ts';

const PACKET_COUNTS = record('PacketCounts', 'Always expected = received + lost + dropped + paused.', {
  expected: count(),
  received: count(),
  lost: count('never reached this machine'),
  dropped: count('reached this machine and was lost here'),
  paused: count('discarded on purpose'),
  late: count('received after its live playout time; still in the file'),
  duplicate: count(),
  unauthenticated: count('failed SRTP authentication'),
});

const PARTICIPANT = record('Participant', 'Somebody who takes part in the communication session.', {
  id: { type: 'string' },
  aor: nullable('string', 'address of record'),
  name: nullable('string'),
  channel: nullable('integer', 'the channel that carries this voice'),
});

const STREAM = record('Stream', 'One media stream of the recording session.', {
  label: text('SDP label (RFC 4574)'),
  channel: count(),
  codec: text('encoding name (RFC 3551)'),
  srtp: nullable('string', 'SRTP crypto suite'),
  ssrcs: { type: 'array', items: { type: 'integer', minimum: 0, maximum: 4294967295 } },
  jitterMs: { type: 'number', minimum: 0 },
  packets: { $ref: 'PacketCounts#' },
});

const CTI = record('Cti', 'What the CTI link has told of the conversation.', {
  connId: { type: 'string' },
  callUuid: { type: 'string' },
  ani: text('number of the calling side'),
  dnis: text('number that was dialled'),
  agents: {
    type: 'array',
    items: {
      type: 'object',
      required: ['agentId', 'dn'],
      properties: { agentId: { type: 'string' }, dn: { type: 'string' } },
    },
  },
  userData: { type: 'object', additionalProperties: { type: 'string' }, description: 'attached data' },
  updatedAt: { type: 'string', format: 'date-time' },
});

const RECORDING_PROPERTIES = {
  id: { type: 'string', format: 'uuid' },
  state: { type: 'string', enum: [...RECORDING_STATES] },
  startedAt: { type: 'string', format: 'date-time' },
  endedAt: { type: ['string', 'null'], format: 'date-time' },
  durationMs: { type: ['number', 'null'], minimum: 0 },
  sipCallId: { type: 'string' },
  communicationSessionId: nullable('string'),
  participants: { type: 'array', items: { $ref: 'Participant#' } },
  cti: { $ref: 'Cti#' },
  streams: { type: 'array', items: { $ref: 'Stream#' } },
  recovered: { type: 'boolean', description: 'the server died during the call' },
  warnings: { type: 'array', items: { type: 'string' } },
};
const RECORDING = record('Recording', 'One recording of one communication session.', RECORDING_PROPERTIES, ['cti']);

const RECORDING_PAGE = record('RecordingPage', 'One page of recordings, newest first.', {
  items: { type: 'array', items: { $ref: 'Recording#' } },
  nextCursor: nullable('string', '`cursor` of the next page; null on the last one'),
});

const SESSION = record('Session', 'A recording session that runs now.', {
  id: text('id of the recording'),
  startedAt: { type: 'string', format: 'date-time' },
  sipCallId: { type: 'string' },
  communicationSessionId: nullable('string'),
  paused: { type: 'boolean' },
  participants: { type: 'array', items: { $ref: 'Participant#' } },
});

const SESSION_LIST = record('SessionList', 'The recording sessions that run now.', {
  items: { type: 'array', items: { $ref: 'Session#' } },
});

const CONTROL_RESULT = record('ControlResult', 'The control has been carried out.', {
  id: { type: 'string' },
  action: { type: 'string', enum: ['pause', 'resume', 'keep', 'discard'] },
});

/** Added to the application by `$id`. */
export const SHARED_SCHEMAS = [
  PACKET_COUNTS,
  PARTICIPANT,
  STREAM,
  CTI,
  RECORDING,
  RECORDING_PAGE,
  SESSION,
  SESSION_LIST,
  CONTROL_RESULT,
];

export const SEARCH_QUERY = {
  type: 'object',
  additionalProperties: false,
  properties: {
    from: { type: 'string', maxLength: 40, description: 'ISO 8601 date or time: started at it or later' },
    to: { type: 'string', maxLength: 40, description: 'ISO 8601 date or time: started before it' },
    participant: {
      type: 'string',
      minLength: 1,
      maxLength: 256,
      description: "part of a participant's address of record or name, in any case; or exactly a participant's id",
    },
    callId: { type: 'string', minLength: 1, maxLength: 512, description: 'SIP Call-ID or communication session id' },
    text: {
      type: 'string',
      maxLength: 256,
      description:
        'every word of it begins a word of the recording (participants, ids, codecs, warnings, agents, attached data)',
    },
    state: { type: 'string', enum: [...RECORDING_STATES] },
    limit: { type: 'integer', minimum: 1, maximum: MAX_SEARCH_LIMIT, default: 50 },
    cursor: { type: 'string', minLength: 1, maxLength: 128, description: '`nextCursor` of the page before' },
  },
};

export const AUDIO_QUERY = {
  type: 'object',
  additionalProperties: false,
  properties: {
    channel: {
      type: 'string',
      enum: ['0', '1', 'mix'],
      description: '0 = the first label, 1 = the second, mix = both in one; dual-channel when left out',
    },
  },
};

export const CONTROL_BODY = {
  type: 'object',
  required: ['actor', 'reason'],
  additionalProperties: false,
  properties: {
    actor: { type: 'string', minLength: 1, maxLength: 256, description: 'who asks for it' },
    reason: { type: 'string', minLength: 1, maxLength: 1024, description: 'why' },
  },
};
