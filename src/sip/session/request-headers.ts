/** The headers of our requests within a dialog, beside those of the dialog itself and of the application. */
import type { Dialog } from '../dialog/index.ts';
import type { Flow } from '../transport/flow.ts';
import type { SessionHost } from './host.ts';
import { type Interval, timerHeaders } from './session-timer.ts';

/** INVITE and UPDATE refresh the target (RFC 3261 12.2.1.1, RFC 3311) and the session timer (RFC 4028 7.4), if there is one. */
export function requestHeaders(
  host: SessionHost,
  dialog: Dialog,
  method: string,
  to: Flow,
  own: readonly [string, string][],
  interval: Interval | null,
): [string, string][] {
  if (method !== 'INVITE' && method !== 'UPDATE') return [['User-Agent', host.options.userAgent]];
  const headers: [string, string][] = [['Contact', host.contact(to, dialog.secure)], ...host.capabilities(to)];
  if (interval && !own.some(([name]) => name.toLowerCase() === 'session-expires')) {
    headers.push(...timerHeaders(interval.seconds, host.options.minSeSec, interval));
  }
  return headers;
}
