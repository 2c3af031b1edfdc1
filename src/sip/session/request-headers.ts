/** The headers of our requests within a dialog, beside those of the dialog itself and of the application. */
import type { Flow } from '../transport/flow.ts';
import type { SessionHost } from './host.ts';
import { type Interval, timerHeaders } from './session-timer.ts';

/** Requests within a dialog that carry a Contact (RFC 3261 12.2.1.1, RFC 3311, RFC 3515 2.2, RFC 6665 4.1.2.2, 4.2.2). */
const WITH_CONTACT = new Set(['INVITE', 'UPDATE', 'REFER', 'SUBSCRIBE', 'NOTIFY']);

/** INVITE and UPDATE refresh the target (RFC 3261 12.2.1.1, RFC 3311) and the session timer (RFC 4028 7.4), if there is one. */
export function requestHeaders(
  host: SessionHost,
  contact: string,
  method: string,
  to: Flow,
  own: readonly [string, string][],
  interval: Interval | null,
): [string, string][] {
  const headers: [string, string][] = WITH_CONTACT.has(method) ? [['Contact', contact]] : [];
  if (method !== 'INVITE' && method !== 'UPDATE') return [...headers, ['User-Agent', host.options.userAgent]];
  headers.push(...host.capabilities(to));
  if (interval && !own.some(([name]) => name.toLowerCase() === 'session-expires')) {
    headers.push(...timerHeaders(interval.seconds, host.options.minSeSec, interval));
  }
  return headers;
}
