/**
 * What a recorder of ours says of itself in the answer to an OPTIONS, for resource managers to choose by. One line:
 *
 *     X-Doubletrack-Load: sessions=12;max=2000;cpu=0.31;state=taking;start=1764134400123
 *
 * Recorders of others do not send it. What cannot be read as a whole is taken for not sent.
 */

export const RECORDER_LOAD_HEADER = 'X-Doubletrack-Load';

/** Anything but `taking` comes with a 503: no new session, for this reason. */
export const RECORDER_STATES = ['taking', 'draining', 'full', 'disk-full', 'overloaded'] as const;
export type RecorderState = (typeof RECORDER_STATES)[number];

export interface RecorderLoad {
  sessions: number;
  /** Sessions at a time, at most. */
  max: number;
  /** Share of its processors' time for media that is used, 0 to 1. */
  cpu: number;
  state: RecorderState;
  /** Milliseconds since 1970 when it was started: another one than before means that its sessions are gone. Null: not told. */
  startMs: number | null;
}

const MAX_TEXT = 256;
const MAX_PARTS = 16;
const MAX_DIGITS = 15;
const CPU_DIGITS = 4;

export function formatRecorderLoad({ sessions, max, cpu, state, startMs }: RecorderLoad): string {
  const share = Math.min(1, Math.max(0, cpu)).toFixed(2);
  const start = startMs === null ? '' : `;start=${startMs}`;
  return `sessions=${sessions};max=${max};cpu=${share};state=${state}${start}`;
}

/** Null when a part is missing, twice there or malformed. Parts with other names are left for later versions. */
export function parseRecorderLoad(text: string): RecorderLoad | null {
  if (text.length > MAX_TEXT) return null;
  const parts = new Map<string, string>();
  for (const part of text.split(';', MAX_PARTS + 1)) {
    const equals = part.indexOf('=');
    const name = part.slice(0, equals).trim().toLowerCase();
    if (equals <= 0 || parts.has(name) || parts.size === MAX_PARTS) return null;
    parts.set(name, part.slice(equals + 1).trim());
  }
  const sessions = wholeNumber(parts.get('sessions'));
  const max = wholeNumber(parts.get('max'));
  const cpu = share(parts.get('cpu'));
  const state = RECORDER_STATES.find((one) => one === parts.get('state'));
  const start = parts.get('start');
  const startMs = wholeNumber(start);
  if (sessions === null || max === null || max === 0 || cpu === null || state === undefined) return null;
  if (start !== undefined && startMs === null) return null;
  return { sessions, max, cpu, state, startMs };
}

function wholeNumber(text: string | undefined): number | null {
  if (text === undefined || text.length > MAX_DIGITS || !/^[0-9]+$/.test(text)) return null;
  return Number(text);
}

function share(text: string | undefined): number | null {
  if (text === undefined || text.length > CPU_DIGITS + 2 || !/^[01](\.[0-9]+)?$/.test(text)) return null;
  const value = Number(text);
  return value <= 1 ? value : null;
}
