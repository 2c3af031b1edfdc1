/**
 * Whether there is still somebody who receives a stream that is sent: its receiver's reports (RFC 3550 section 6.4), which have come and
 * then stay away although it is sent packets, and errors of the network. Who has never reported is not judged by that. Pure: looked at
 * about once a second.
 */

/** What is looked at of a sink. */
export interface ReceiverSigns {
  packets: number;
  sendErrors: number;
  receiverReport: { atMs: number } | null;
}

/** RFC 3550 section 6.2: reports come every 5 s, or less by half. */
const MIN_SILENCE_MS = 15_000;
const MAX_SILENCE_MS = 60_000;
/** Gaps between its reports, as long as the longest of them, that may be missing. */
const MISSING_REPORTS = 3;
/** Looks in a row that find nothing but errors. */
const MAX_REFUSALS = 3;

export class ReceiverWatch {
  #packets = 0;
  #sendErrors = 0;
  #lastReportMs: number | null = null;
  #longestGapMs = 0;
  #silentSinceMs = 0;
  #refusals = 0;

  /** @param nowMs on the clock of the reports. @returns what is wrong; null: nothing is, as far as can be seen. */
  look({ packets, sendErrors, receiverReport }: ReceiverSigns, nowMs: number): string | null {
    const sent = packets - this.#packets;
    const failed = sendErrors - this.#sendErrors;
    this.#packets = packets;
    this.#sendErrors = sendErrors;
    // A stream that says nothing is reported by nobody.
    if (sent <= 0) this.#silentSinceMs = nowMs;
    this.#note(receiverReport?.atMs ?? null);
    this.#refusals = failed > 0 && failed >= sent ? this.#refusals + 1 : 0;
    if (this.#refusals >= MAX_REFUSALS) return 'the network takes no packet for the recorder';
    if (this.#lastReportMs === null) return null;
    const silentMs = nowMs - Math.max(this.#silentSinceMs, this.#lastReportMs);
    return silentMs > this.#allowedMs()
      ? `the recorder has reported nothing for ${Math.round(silentMs / 1000)} s`
      : null;
  }

  #allowedMs(): number {
    return Math.min(Math.max(MIN_SILENCE_MS, MISSING_REPORTS * this.#longestGapMs), MAX_SILENCE_MS);
  }

  #note(reportMs: number | null): void {
    if (reportMs === null || reportMs === this.#lastReportMs) return;
    if (this.#lastReportMs !== null && reportMs > this.#silentSinceMs) {
      this.#longestGapMs = Math.max(this.#longestGapMs, reportMs - Math.max(this.#lastReportMs, this.#silentSinceMs));
    }
    this.#lastReportMs = reportMs;
  }
}
