/** A recorder does not record: it has refused, or what it has answered cannot be followed. Another one may. */
import type { SipFailure, SipResponse } from '../../sip/index.ts';

/** Longest Retry-After that is believed; seconds. */
const MAX_RETRY_AFTER_SEC = 86_400;

export class RecorderRefused extends Error {
  override readonly name = 'RecorderRefused';
  /** SIP status; 488 for an answer that cannot be followed. */
  readonly status: number;
  readonly retryAfterSec: number | null;

  constructor(status: number, cause: string, retryAfterSec: number | null = null) {
    super(`the recorder does not record: ${cause}`);
    this.status = status;
    this.retryAfterSec = retryAfterSec;
  }

  /** What a refusal says; the failure itself when the recorder has said nothing. */
  static from(failure: SipFailure): RecorderRefused | SipFailure {
    const { response } = failure;
    if (response === null) return failure;
    const warning = response.header('warning');
    const cause = warning === undefined ? failure.message : `${failure.message} (${warning.slice(0, 300)})`;
    return new RecorderRefused(failure.status, cause, retryAfter(response));
  }
}

/** RFC 3261 20.33: delta-seconds, then a comment or parameters. */
function retryAfter(response: SipResponse): number | null {
  const seconds = Number.parseInt(response.header('retry-after') ?? '', 10);
  return Number.isNaN(seconds) || seconds < 0 ? null : Math.min(seconds, MAX_RETRY_AFTER_SEC);
}
