/** Whether one more call can be taken, decided before anything is allocated for it. */
import { statfsSync } from 'node:fs';

export interface AdmissionLimits {
  limits: { maxSessions: number; minFreeBytes: number };
}

const RETRY_AFTER_SEC = 5;
const DISK_LOOK_EVERY_MS = 1000;

export class Admission {
  readonly retryAfterSec = RETRY_AFTER_SEC;
  readonly #limits: AdmissionLimits['limits'];
  readonly #running: () => number;
  readonly #folder: string;
  readonly #timer: NodeJS.Timeout;
  #draining = false;
  #journalFull = false;
  #spaceLow = false;

  constructor(config: AdmissionLimits, running: () => number, folder: string) {
    this.#limits = config.limits;
    this.#running = running;
    this.#folder = folder;
    this.#lookAtDisk();
    this.#timer = setInterval(() => this.#lookAtDisk(), DISK_LOOK_EVERY_MS);
    this.#timer.unref();
  }

  /** Null: the call may come in. Otherwise it gets a 503 with Retry-After. */
  refusal(): { retryAfterSec: number } | null {
    const full = this.#running() >= this.#limits.maxSessions;
    return full || this.#draining || this.#journalFull || this.#spaceLow ? { retryAfterSec: RETRY_AFTER_SEC } : null;
  }

  /** Resource managers ask with OPTIONS whether, and how much, this recorder can take. */
  optionsAnswer(): { status: number; reason?: string; headers: [string, string][] } {
    const load = Math.min(100, Math.round((100 * this.#running()) / this.#limits.maxSessions));
    const state = this.#draining ? 'draining' : this.refusal() ? 'full' : 'ready';
    const headers: [string, string][] = [['X-Doubletrack-Load', `${load};state=${state}`]];
    if (!this.refusal()) return { status: 200, headers };
    return { status: 503, headers: [...headers, ['Retry-After', String(RETRY_AFTER_SEC)]] };
  }

  drain(): void {
    this.#draining = true;
  }

  /** A lane tells that its journal cannot be written, or can be again. */
  disk(full: boolean): void {
    this.#journalFull = full;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #lookAtDisk(): void {
    const { bavail, bsize } = statfsSync(this.#folder);
    this.#spaceLow = bavail * bsize < this.#limits.minFreeBytes;
  }
}
