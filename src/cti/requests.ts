/**
 * Requests of the CTI link: T-Lib's, as JSON objects whose `message` is the name of the request and whose members are its attributes
 * without the word Attribute. What comes from the wire is checked whole (shape, sizes, counts) before anything looks at it.
 */
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import { CtiError } from './errors.ts';

/** The call that a request is about: one of the two. */
export interface CallReference {
  ConnID?: string;
  CallUUID?: string;
}

export interface RegisterAddress {
  message: 'RequestRegisterAddress';
  ReferenceID: number;
  ThisDN: string;
}
export interface UnregisterAddress {
  message: 'RequestUnregisterAddress';
  ReferenceID: number;
  ThisDN: string;
}
export interface StartCallMonitoring {
  message: 'RequestStartCallMonitoring';
  ReferenceID: number;
}
export interface StopCallMonitoring {
  message: 'RequestStopCallMonitoring';
  ReferenceID: number;
}
/** After a reconnection: everything that was subscribed to, and the last event that was seen. */
export interface Resume {
  message: 'RequestResume';
  ReferenceID: number;
  LinkID: string;
  EventSequenceNumber: number;
  Addresses?: string[];
  CallMonitoring?: boolean;
}
export interface PrivateService extends CallReference {
  message: 'RequestPrivateService';
  ReferenceID: number;
  PrivateMsgID: number;
  /** May be left out by who monitors all calls. */
  ThisDN?: string;
  Extensions?: RecordExtensions;
  Reasons?: Record<string, string>;
}
export interface RecordExtensions {
  record?: 'source' | 'destination';
  id?: string;
  dest?: string;
  dest2?: string;
  params?: Record<string, string>;
}
export interface AttachUserData extends CallReference {
  message: 'RequestAttachUserData' | 'RequestUpdateUserData';
  ReferenceID: number;
  ThisDN?: string;
  UserData: Record<string, string>;
}
export interface DeletePair extends CallReference {
  message: 'RequestDeletePair';
  ReferenceID: number;
  ThisDN?: string;
  DataKey: string;
}
export interface DeleteUserData extends CallReference {
  message: 'RequestDeleteUserData';
  ReferenceID: number;
  ThisDN?: string;
}

export type CtiRequest =
  | RegisterAddress
  | UnregisterAddress
  | StartCallMonitoring
  | StopCallMonitoring
  | Resume
  | PrivateService
  | AttachUserData
  | DeletePair
  | DeleteUserData;

/** Of one message in UTF-8; the transport holds it. */
export const MAX_MESSAGE_BYTES = 64 * 1024;
export const MAX_ADDRESSES = 1000;
export const MAX_USER_DATA_PAIRS = 64;
const MAX_KEY_CHARACTERS = 128;
const MAX_VALUE_CHARACTERS = 4096;
const MAX_ERROR_CHARACTERS = 300;

const referenceId = { type: 'integer', minimum: 0, maximum: 2 ** 31 - 1 };
const dn = { type: 'string', minLength: 1, maxLength: 64, pattern: '^[!-~]+$' };
const word = { type: 'string', minLength: 1, maxLength: 256, pattern: '^[ -~]+$' };
const connId = { type: 'string', pattern: '^[0-9a-fA-F]{16}$' };
const callUuid = { type: 'string', pattern: '^[0-9a-fA-F]{32}$' };
/** Not the one name that assignment to a plain object takes for its prototype. */
const key = {
  type: 'string',
  minLength: 1,
  maxLength: MAX_KEY_CHARACTERS,
  not: { const: '__proto__' },
};
const pairs = (least: number) => ({
  type: 'object',
  minProperties: least,
  maxProperties: MAX_USER_DATA_PAIRS,
  propertyNames: key,
  additionalProperties: { type: 'string', maxLength: MAX_VALUE_CHARACTERS },
});

function request(properties: Record<string, object>, required: string[] = []): object {
  return {
    type: 'object',
    additionalProperties: false,
    required: ['message', 'ReferenceID', ...required],
    properties: { message: { type: 'string' }, ReferenceID: referenceId, ...properties },
  };
}

function requestOfCall(properties: Record<string, object>, required: string[] = []): object {
  return {
    ...request({ ThisDN: dn, ConnID: connId, CallUUID: callUuid, ...properties }, required),
    oneOf: [{ required: ['ConnID'] }, { required: ['CallUUID'] }],
  };
}

const recordExtensions = {
  type: 'object',
  additionalProperties: false,
  properties: {
    record: { type: 'string', enum: ['source', 'destination'] },
    id: word,
    dest: word,
    dest2: word,
    params: pairs(0),
  },
};

const SCHEMAS: Record<CtiRequest['message'], object> = {
  RequestRegisterAddress: request({ ThisDN: dn }, ['ThisDN']),
  RequestUnregisterAddress: request({ ThisDN: dn }, ['ThisDN']),
  RequestStartCallMonitoring: request({}),
  RequestStopCallMonitoring: request({}),
  RequestResume: request(
    {
      LinkID: { type: 'string', pattern: '^[0-9a-f-]{36}$' },
      EventSequenceNumber: { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER },
      Addresses: { type: 'array', maxItems: MAX_ADDRESSES, uniqueItems: true, items: dn },
      CallMonitoring: { type: 'boolean' },
    },
    ['LinkID', 'EventSequenceNumber'],
  ),
  RequestPrivateService: requestOfCall(
    {
      PrivateMsgID: { type: 'integer', minimum: 0, maximum: 2 ** 31 - 1 },
      Extensions: recordExtensions,
      Reasons: pairs(0),
    },
    ['PrivateMsgID'],
  ),
  RequestAttachUserData: requestOfCall({ UserData: pairs(1) }, ['UserData']),
  RequestUpdateUserData: requestOfCall({ UserData: pairs(1) }, ['UserData']),
  RequestDeletePair: requestOfCall({ DataKey: key }, ['DataKey']),
  RequestDeleteUserData: requestOfCall({}),
};

const ajv = new Ajv({ strictRequired: false });
const validators = new Map<string, ValidateFunction<CtiRequest>>(
  Object.entries(SCHEMAS).map(([name, schema]) => [name, ajv.compile<CtiRequest>(schema)]),
);

/** The names of all requests. */
export const REQUESTS: readonly string[] = [...validators.keys()];

/**
 * Reads one message.
 * @throws CtiError saying what is wrong; its `referenceId` is that of the message where one can be seen.
 */
export function readRequest(text: string): CtiRequest {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw new CtiError('invalid-attribute', 'the message is no JSON text');
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new CtiError('invalid-attribute', 'a message is a JSON object with a member "message"');
  }
  const { message, ReferenceID: id } = parsed as Record<string, unknown>;
  const seen = Number.isSafeInteger(id) ? (id as number) : null;
  const validate = typeof message === 'string' ? validators.get(message) : undefined;
  if (!validate) {
    throw new CtiError('unsupported', `message must be one of ${REQUESTS.join(', ')}`, seen);
  }
  if (validate(parsed)) return parsed;
  throw new CtiError('invalid-attribute', describe(validate.errors?.[0]), seen);
}

function describe(error: ErrorObject | undefined): string {
  if (!error) return 'the message is wrong';
  const place = error.instancePath.slice(1).replaceAll('/', '.') || 'the message';
  const what = () => {
    if (error.keyword === 'oneOf') return 'needs ConnID (16 hexadecimal digits) or CallUUID (32), one of them';
    if (error.keyword === 'additionalProperties') return `has no attribute ${String(error.params.additionalProperty)}`;
    if (error.propertyName !== undefined) return `has a key that can't be: ${error.propertyName.slice(0, 64)}`;
    if (error.keyword === 'enum') return `must be one of ${(error.params.allowedValues as string[]).join(', ')}`;
    return error.message ?? 'is wrong';
  };
  return `${place} ${what()}`.slice(0, MAX_ERROR_CHARACTERS);
}
