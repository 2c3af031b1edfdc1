/**
 * The heartbeat: an OPTIONS (RFC 3261 11.1) of its own, outside any dialog. Any final response shows that somebody is there and
 * reads SIP, but for those that a server in between gives when nobody is, and a 500; recorders that do not know OPTIONS answer 405 or 501.
 */
import { type SipEndpoint, SipFailure, type SipResponse } from '../../sip/index.ts';
import { parseRecorderLoad, RECORDER_LOAD_HEADER } from '../../siprec/index.ts';
import type { ProbeResult, Recorder } from './recorder.ts';

export interface OptionsProbeOptions {
  endpoint: Pick<SipEndpoint, 'request'>;
  /** How long an answer may take: 2 s when left out, in which UDP is sent three times (RFC 3261 17.1.2.2). */
  timeoutMs?: number;
}

const TIMEOUT_MS = 2_000;
const NOT_ALIVE = new Set([408, 500, 502, 504]);
const MAX_RETRY_AFTER_DIGITS = 9;

export function optionsProbe({ endpoint, timeoutMs = TIMEOUT_MS }: OptionsProbeOptions) {
  return async (recorder: Pick<Recorder, 'uri'>): Promise<ProbeResult> => {
    try {
      const headers: [string, string][] = [['Accept', 'application/sdp']];
      return probeResult(await endpoint.request({ method: 'OPTIONS', to: recorder.uri, headers, timeoutMs }));
    } catch (error) {
      if (error instanceof SipFailure && error.response !== null) return probeResult(error.response);
      return { alive: false, cause: `OPTIONS: ${(error as Error).message}` };
    }
  };
}

/** What the answer to an OPTIONS says. */
export function probeResult(response: Pick<SipResponse, 'status' | 'reason' | 'header'>): ProbeResult {
  const { status } = response;
  if (NOT_ALIVE.has(status)) return { alive: false, cause: `OPTIONS: ${status} ${response.reason}` };
  const told = parseRecorderLoad(response.header(RECORDER_LOAD_HEADER) ?? '');
  const isDraining = told?.state === 'draining';
  const why = told === null || told.state === 'taking' ? `${status} ${response.reason}` : told.state;
  const isBusy = !isDraining && (status === 503 || (told !== null && told.state !== 'taking'));
  return {
    alive: true,
    draining: isDraining,
    load: told && Math.min(1, Math.max(told.cpu, told.sessions / told.max)),
    capacity: told?.max ?? null,
    sessions: told?.sessions ?? null,
    busy: isBusy ? { cause: `it answers OPTIONS: ${why}`, retryAfterSec: retryAfterOf(response) } : null,
    startMs: told?.startMs ?? null,
  };
}

/** Delta seconds of RFC 3261 20.33, whatever comment or parameter is behind them; null: none that can be read. */
export function retryAfterOf(response: Pick<SipResponse, 'header'>): number | null {
  const digits = /^[0-9]+/.exec(response.header('Retry-After')?.trim() ?? '')?.[0];
  return digits === undefined || digits.length > MAX_RETRY_AFTER_DIGITS ? null : Number(digits);
}
