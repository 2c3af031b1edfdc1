/** Reads what the CTI link's server sends; members that are not known here are let through, for later servers may tell more. */
import { Ajv, type ValidateFunction } from 'ajv';
import { CALL_EVENTS, type CtiEvent } from './events.ts';

/** Of one event: attached data makes up most of it. */
export const MAX_EVENT_BYTES = 1024 * 1024;

const text = (maxLength: number) => ({ type: 'string', maxLength });
const seq = { type: 'integer', minimum: 0 };
const referenceId = { type: ['integer', 'null'] };

const CALL = {
  ConnID: text(64),
  CallUUID: text(64),
  ANI: text(256),
  DNIS: text(256),
  SIPCallIDs: { type: 'array', maxItems: 64, items: text(1024) },
  UserData: { type: 'object', maxProperties: 1024, additionalProperties: text(65_536) },
  ThisDN: text(256),
  AgentID: text(256),
};
const CALL_MEMBERS = ['ConnID', 'CallUUID', 'ANI', 'DNIS', 'SIPCallIDs', 'UserData', 'ThisDN'];

function event(properties: Record<string, object>, required: string[]): object {
  return { type: 'object', required: ['message', ...required], properties: { message: text(64), ...properties } };
}

const recorded = {
  type: 'object',
  properties: { id: text(256), recorder: text(256), GSIP_RECORD: { enum: ['ON', 'PAUSED', 'OFF'] } },
};
const callEvent = event(
  {
    ...CALL,
    EventSequenceNumber: seq,
    TimeinSecs: { type: 'integer' },
    TimeinuSecs: { type: 'integer' },
    PreviousConnID: text(64),
    Extensions: recorded,
  },
  [...CALL_MEMBERS, 'EventSequenceNumber', 'TimeinSecs', 'TimeinuSecs'],
);
const answer = event({ ReferenceID: referenceId, EventSequenceNumber: seq }, ['ReferenceID']);

const SCHEMAS: Record<string, object> = {
  ...Object.fromEntries(Object.values(CALL_EVENTS).map((name) => [name, callEvent])),
  EventPartyInfo: event({ ...CALL, ReferenceID: referenceId }, [...CALL_MEMBERS, 'ReferenceID']),
  EventLinkConnected: event(
    {
      LinkID: text(64),
      EventSequenceNumber: seq,
      KeepAliveMs: { type: 'integer', minimum: 1 },
      PrivateMessages: {
        type: 'object',
        required: ['start', 'stop', 'pause', 'resume'],
        additionalProperties: { type: 'integer' },
      },
    },
    ['LinkID', 'EventSequenceNumber', 'KeepAliveMs', 'PrivateMessages'],
  ),
  EventACK: answer,
  EventRegistered: answer,
  EventUnregistered: answer,
  EventError: event({ ReferenceID: referenceId, ErrorCode: { type: 'integer' }, Error: text(64) }, [
    'ReferenceID',
    'ErrorCode',
    'Error',
  ]),
};

const ajv = new Ajv({ allowUnionTypes: true });
const validators = new Map<string, ValidateFunction<CtiEvent>>(
  Object.entries(SCHEMAS).map(([name, schema]) => [name, ajv.compile<CtiEvent>(schema)]),
);

/** @returns null for an event that this program does not know. @throws Error that says what is wrong with the message. */
export function readEvent(message: string): CtiEvent | null {
  let parsed: unknown;
  try {
    parsed = JSON.parse(message);
  } catch {
    throw new Error('an event is no JSON text');
  }
  const name = (parsed as { message?: unknown } | null)?.message;
  if (typeof name !== 'string') throw new Error('an event has no name');
  const validate = validators.get(name);
  if (!validate) return null;
  if (validate(parsed)) return parsed;
  const [error] = validate.errors ?? [];
  throw new Error(`${name}: ${error?.instancePath.slice(1) ?? ''} ${error?.message ?? 'is wrong'}`);
}
