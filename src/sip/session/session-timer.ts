/** Session timers (RFC 4028): negotiation for both roles, and when to refresh or give up. */
import { parseDigits, type SipMessage, type SipRequest, type SipResponse } from '../message/index.ts';

/** RFC 4028 4: "The minimum value … SHOULD NOT be less than 90 seconds." */
export const LOWEST_MIN_SE_SEC = 90;

/** An agreed session interval. */
export interface Interval {
  seconds: number;
  /** True when it is our duty to refresh. */
  weRefresh: boolean;
}

interface SessionExpires {
  seconds: number;
  refresher: 'uac' | 'uas' | null;
}

/** Session-Expires of a message; null when it is missing or malformed. */
export function sessionExpires(message: SipMessage): SessionExpires | null {
  const [digits = '', ...params] = (message.header('session-expires') ?? '').split(';');
  const seconds = parseDigits(digits.trim(), 9);
  if (seconds <= 0) return null;
  const refresher = params.map((param) => param.replace(/\s/g, '').toLowerCase());
  const uas = refresher.includes('refresher=uas');
  return { seconds, refresher: uas ? 'uas' : refresher.includes('refresher=uac') ? 'uac' : null };
}

function minSe(message: SipMessage): number {
  const [digits = ''] = (message.header('min-se') ?? '').split(';');
  return Math.max(parseDigits(digits.trim(), 9), 0);
}

/** What a server answers: an interval and the headers of its 2xx, a 422, or no session timer at all. */
export type TimerAnswer =
  | { kind: 'none' }
  | { kind: 'too-small'; headers: [string, string][] }
  | { kind: 'interval'; interval: Interval; headers: [string, string][] };

/** Server role (RFC 4028 9, table 2). */
export function answerTimer(request: SipRequest, ours: { sessionExpiresSec: number; minSeSec: number }): TimerAnswer {
  const asked = sessionExpires(request);
  const supported = request.lists('supported', 'timer') || request.lists('require', 'timer');
  if (asked && asked.seconds < ours.minSeSec && supported) {
    return { kind: 'too-small', headers: [['Min-SE', String(ours.minSeSec)]] };
  }
  const most = ours.sessionExpiresSec > 0 ? ours.sessionExpiresSec : Infinity;
  if (!asked && (!supported || most === Infinity)) return { kind: 'none' };
  const floor = Math.max(minSe(request), ours.minSeSec);
  const seconds = Math.max(Math.min(asked?.seconds ?? most, most), floor);
  // Without support for timers the client can't refresh, whoever put the header in.
  const refresher = supported ? (asked?.refresher ?? 'uac') : 'uas';
  const headers: [string, string][] = [['Session-Expires', `${seconds};refresher=${refresher}`]];
  if (refresher === 'uac') headers.push(['Require', 'timer']);
  return { kind: 'interval', interval: { seconds, weRefresh: refresher === 'uas' }, headers };
}

/** Client role (RFC 4028 7.2): the interval of a 2xx; null when the peer wants none. */
export function acceptedInterval(response: SipResponse): Interval | null {
  const granted = sessionExpires(response);
  return granted ? { seconds: granted.seconds, weRefresh: granted.refresher !== 'uas' } : null;
}

/** Client role (RFC 4028 7.3): the Min-SE that a 422 asks for; 0 when it names none. */
export function wantedMinSe(response: SipResponse): number {
  return minSe(response);
}

/** Headers of a session refresh request. `interval` is what was agreed before, if anything. */
export function timerHeaders(seconds: number, minSeSec: number, interval: Interval | null): [string, string][] {
  const refresher = interval ? `;refresher=${interval.weRefresh ? 'uac' : 'uas'}` : '';
  return [
    ['Session-Expires', `${Math.max(seconds, minSeSec)}${refresher}`],
    ['Min-SE', String(minSeSec)],
  ];
}

/** RFC 4028 10: the refresher acts at half the interval, the other side gives up min(32 s, a third) before its end. */
export function timerDelayMs(interval: Interval): number {
  const { seconds, weRefresh } = interval;
  return (weRefresh ? seconds / 2 : seconds - Math.min(32, seconds / 3)) * 1_000;
}

/** How long after the refresh was sent the refresher itself gives up. */
export function graceMs(interval: Interval): number {
  return (interval.seconds / 2 - Math.min(32, interval.seconds / 6)) * 1_000;
}
