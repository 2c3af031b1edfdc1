/**
 * What Genesys attaches to a call that is recorded: GSIP_RECORD says whether it is, GSIP_REC_FN names the recording,
 *
 *     <CallUUID>_<ANI>_<DNIS>_<recorded DN>_<YYYY-MM-DD>_<HH-MM-SS>_<host>
 */
import type { CtiCall } from './happening.ts';

export const GSIP_RECORD = 'GSIP_RECORD';
export const GSIP_REC_FN = 'GSIP_REC_FN';

/** Set by the switch alone: a client that could would lie about what is recorded. */
export const RESERVED_KEYS: ReadonlySet<string> = new Set([GSIP_RECORD, GSIP_REC_FN]);

export const RECORD_STATES = { on: 'ON', paused: 'PAUSED', off: 'OFF' } as const;
export type RecordState = (typeof RECORD_STATES)[keyof typeof RECORD_STATES];

const MAX_NAME_CHARACTERS = 255;

/** The CallUUID of a conversation. */
export function callUuidOf(conversationId: string): string {
  return conversationId.replaceAll('-', '').toLowerCase();
}

/** Of all recording sessions of a call: on while one records, paused while those that are left are. */
export function recordState(call: Pick<CtiCall, 'recordings'>): RecordState {
  const states = call.recordings.map(({ state }) => state);
  if (states.includes('recording')) return 'ON';
  return states.includes('paused') ? 'PAUSED' : 'OFF';
}

/** What has to be attached, so that the call's data says what is recorded; null: it does. */
export function recordUserData(call: CtiCall, host: string): Record<string, string> | null {
  const state = recordState(call);
  const data: Record<string, string> = {};
  const attached = Object.hasOwn(call.userData, GSIP_RECORD) ? call.userData[GSIP_RECORD] : undefined;
  if (state !== (attached ?? 'OFF')) data[GSIP_RECORD] = state;
  const isNamed = Object.hasOwn(call.userData, GSIP_REC_FN);
  if (state !== 'OFF' && !isNamed) data[GSIP_REC_FN] = recordingFileName(call, host);
  return Object.keys(data).length === 0 ? null : data;
}

export function recordingFileName(call: CtiCall, host: string): string {
  const sinceMs = Math.min(...call.recordings.map((recording) => recording.sinceMs));
  const at = new Date(Number.isFinite(sinceMs) ? sinceMs : call.startedAtMs).toISOString();
  const [date, time] = [at.slice(0, 10), at.slice(11, 19).replaceAll(':', '-')];
  const parts = [call.ani, call.dnis, call.recordedDn ?? call.dnis].map(fileName);
  return [callUuidOf(call.id), ...parts, date, time, fileName(host)].join('_').slice(0, MAX_NAME_CHARACTERS);
}

/** Numbers come from callers: what has a meaning in paths does not go into a file's name. */
function fileName(text: string): string {
  return text.replace(/[^\w.+-]/g, '-').replace(/^\.+/, '');
}
