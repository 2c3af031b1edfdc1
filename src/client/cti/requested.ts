/** Carries out what CTI clients ask of calls; what they may is decided here, how it is done is the switch's. */
import {
  type Acknowledgement,
  type CallReference,
  CtiError,
  type CtiRequest,
  type PrivateMessages,
  type PrivateService,
  RESERVED_KEYS,
  type Subscriptions,
} from '../../cti/index.ts';
import { type CallControl, CallNotFound, type CallView, NoRecorder, WrongState } from '../switch/call-control.ts';

export interface RequestedOptions {
  calls: CallControl;
  privateMessages: PrivateMessages;
  /** Whether a DN may control the calls of another one that it takes no part in. */
  supervises: (dn: string, targetDn: string) => boolean;
  timeoutMs: number;
}

/** Requests about a call: all that have no effect on what the client is told. */
export type CallRequest = Extract<CtiRequest, CallReference>;

/** Of one call. */
const MAX_PAIRS = 256;
const MAX_DATA_CHARACTERS = 64 * 1024;
const MAX_REASON_CHARACTERS = 1024;

type Action = keyof PrivateMessages;

/**
 * @param actor of the client, for what no DN asks for.
 * @throws CtiError
 */
export async function carryOut(
  request: CallRequest,
  client: { subscriptions: Subscriptions; actor: string },
  options: RequestedOptions,
): Promise<Acknowledgement> {
  try {
    const call = callOf(request, options.calls);
    requireRight(request.ThisDN, call, client.subscriptions, options);
    const answer: Acknowledgement = { message: 'EventACK', ReferenceID: request.ReferenceID, ConnID: call.connId };
    if (request.ThisDN !== undefined) answer.ThisDN = request.ThisDN;
    if (request.message !== 'RequestPrivateService') {
      attach(request, call, options.calls);
      return answer;
    }
    const actor = request.ThisDN === undefined ? client.actor : `DN ${request.ThisDN} (${client.actor})`;
    const started = await within(options.timeoutMs, privateService(request, call, actor, options));
    return started ? { ...answer, Extensions: started } : answer;
  } catch (error) {
    throw asCtiError(error);
  }
}

function callOf({ ConnID, CallUUID }: CallReference, calls: CallControl): CallView {
  const id = (ConnID ?? CallUUID ?? '').toLowerCase();
  const call = calls.call(id);
  if (call) return call;
  throw new CtiError('unknown-call', `no call has the ${ConnID === undefined ? 'CallUUID' : 'ConnID'} ${id}`);
}

function requireRight(dn: string | undefined, call: CallView, mine: Subscriptions, options: RequestedOptions): void {
  if (dn === undefined) {
    if (mine.monitorsAll) return;
    throw new CtiError('not-registered', 'give ThisDN, or monitor all calls first (RequestStartCallMonitoring)');
  }
  if (!mine.has(dn) && !mine.monitorsAll) {
    throw new CtiError('not-registered', `register ${dn} first (RequestRegisterAddress)`);
  }
  if (call.parties.some((party) => party.dn === dn)) return;
  if (call.parties.some((party) => party.dn !== null && options.supervises(dn, party.dn))) return;
  // Whoever has hung up is no party any more.
  if (call.state === 'ended' && (mine.monitorsAll || [call.ani, call.dnis, call.recordedDn].includes(dn))) return;
  throw new CtiError('not-your-call', `${dn} is not in that call, and supervises nobody who is`);
}

async function privateService(
  request: PrivateService,
  call: CallView,
  actor: string,
  { calls, privateMessages }: RequestedOptions,
): Promise<{ id: string; recorder: string }[] | null> {
  const { Extensions: extensions = {}, PrivateMsgID: number } = request;
  const action = (Object.keys(privateMessages) as Action[]).find((name) => privateMessages[name] === number);
  if (!action) {
    const known = Object.entries(privateMessages).map(([name, value]) => `${value} ${name}`);
    throw new CtiError('unsupported', `PrivateMsgID is one of ${known.join(', ')}`);
  }
  if (action === 'start') {
    const { record = 'source', ...rest } = extensions;
    const sessions = await calls.startRecording(call.id, { record, ...rest, actor });
    return sessions.map(({ id, recorder }) => ({ id, recorder }));
  }
  const { id: recording } = extensions;
  const control = { actor, reason: reasonOf(request), ...(recording === undefined ? {} : { recording }) };
  if (action === 'stop') await calls.stopRecording(call.id, control);
  else if (action === 'pause') await calls.pauseRecording(call.id, control);
  else await calls.resumeRecording(call.id, control);
  return null;
}

function reasonOf({ Reasons: reasons = {} }: PrivateService): string {
  const said = Object.entries(reasons).map(([name, value]) => `${name}=${value}`);
  return (said.join('; ') || 'asked for over CTI').slice(0, MAX_REASON_CHARACTERS);
}

function attach(request: Exclude<CallRequest, PrivateService>, call: CallView, calls: CallControl): void {
  const changes = changesOf(request, call);
  const [reserved] = Object.keys(changes).filter((key) => RESERVED_KEYS.has(key));
  if (reserved !== undefined) throw new CtiError('invalid-attribute', `${reserved} is set by the switch alone`);
  requireRoom(call, changes);
  calls.attach(call.id, changes);
}

function changesOf(request: Exclude<CallRequest, PrivateService>, call: CallView): Record<string, string | null> {
  if (request.message === 'RequestDeletePair') {
    if (Object.hasOwn(call.userData, request.DataKey)) return { [request.DataKey]: null };
    throw new CtiError('invalid-attribute', `nothing is attached under ${request.DataKey}`);
  }
  if (request.message !== 'RequestDeleteUserData') return request.UserData;
  const keys = Object.keys(call.userData).filter((key) => !RESERVED_KEYS.has(key));
  return Object.fromEntries(keys.map((key) => [key, null]));
}

function requireRoom(call: CallView, changes: Record<string, string | null>): void {
  const after = new Map<string, string | null>([...Object.entries(call.userData), ...Object.entries(changes)]);
  let characters = 0;
  let pairs = 0;
  for (const [key, value] of after) {
    if (value === null) continue;
    pairs += 1;
    characters += key.length + value.length;
  }
  if (pairs <= MAX_PAIRS && characters <= MAX_DATA_CHARACTERS) return;
  throw new CtiError('too-many', `a call holds ${MAX_PAIRS} pairs and ${MAX_DATA_CHARACTERS} characters of data`);
}

/** The switch goes on with it; only the client is not kept waiting. */
async function within<T>(timeoutMs: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const error = new CtiError('timeout', `the switch did not answer within ${timeoutMs} ms`);
    timer = setTimeout(() => reject(error), timeoutMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Errors of the switch that are the client's to know; what else goes wrong is for the log. */
function asCtiError(error: unknown): unknown {
  if (error instanceof CallNotFound) return new CtiError('unknown-call', error.message);
  if (error instanceof WrongState) return new CtiError('wrong-state', error.message);
  if (error instanceof NoRecorder) return new CtiError('no-recorder', error.message);
  return error;
}
