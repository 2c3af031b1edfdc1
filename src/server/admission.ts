/** Whether one more call can be taken, decided before anything is allocated for it. */
import { statfsSync } from 'node:fs';
import { formatRecorderLoad, RECORDER_LOAD_HEADER, type RecorderState } from '../siprec/index.ts';

export interface AdmissionLimits {
  limits: { maxSessions: number; minFreeBytes: number };
}

export interface MediaLoad {
  /** 0 to 1. */
  load: number;
  /** What there is too little of for one more call. */
  overload: string | null;
}

const RETRY_AFTER_SEC = 5;
const DISK_LOOK_EVERY_MS = 1000;

export class Admission {
  readonly retryAfterSec = RETRY_AFTER_SEC;
  readonly #limits: AdmissionLimits['limits'];
  readonly #folder: string;
  readonly #timer: NodeJS.Timeout;
  readonly #fullLanes = new Set<number>();
  readonly #startMs = Date.now();
  #sessions = 0;
  #media: (() => MediaLoad) | null = null;
  #draining = false;
  #spaceLow = false;

  constructor(config: AdmissionLimits, folder: string) {
    this.#limits = config.limits;
    this.#folder = folder;
    this.#lookAtDisk();
    this.#timer = setInterval(() => this.#lookAtDisk(), DISK_LOOK_EVERY_MS);
    this.#timer.unref();
  }

  /** A recording session begins to cost something. To be called with the INVITE: the next one may be a moment behind. */
  enter(): void {
    this.#sessions += 1;
  }

  /** Everything that the session had is given back. */
  leave(): void {
    this.#sessions -= 1;
  }

  /** Null: the call may come in. Otherwise it gets a 503 with Retry-After. */
  refusal(): { retryAfterSec: number } | null {
    return this.#state() === 'taking' ? null : { retryAfterSec: RETRY_AFTER_SEC };
  }

  /** Resource managers ask with OPTIONS whether, and how much, this recorder can take. */
  optionsAnswer(): { status: number; reason?: string; headers: [string, string][] } {
    const state = this.#state();
    const load = formatRecorderLoad({
      sessions: this.#sessions,
      max: this.#limits.maxSessions,
      cpu: this.#media?.().load ?? 0,
      state,
      startMs: this.#startMs,
    });
    const headers: [string, string][] = [[RECORDER_LOAD_HEADER, load]];
    if (state === 'taking') return { status: 200, headers };
    return { status: 503, headers: [...headers, ['Retry-After', String(RETRY_AFTER_SEC)]] };
  }

  /** What media can bear; asked with each call. */
  watchMedia(media: () => MediaLoad): void {
    this.#media = media;
  }

  drain(): void {
    this.#draining = true;
  }

  /** A lane tells that its journal cannot be written, or can be again. */
  disk(lane: number, full: boolean): void {
    if (full) this.#fullLanes.add(lane);
    else this.#fullLanes.delete(lane);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #state(): RecorderState {
    if (this.#draining) return 'draining';
    if (this.#spaceLow || this.#fullLanes.size > 0) return 'disk-full';
    if (this.#sessions >= this.#limits.maxSessions) return 'full';
    return this.#media?.().overload ? 'overloaded' : 'taking';
  }

  #lookAtDisk(): void {
    try {
      const { bavail, bsize } = statfsSync(this.#folder);
      this.#spaceLow = bavail * bsize < this.#limits.minFreeBytes;
    } catch {
      this.#spaceLow = true; // a folder that cannot even be looked at is no place for a new recording
    }
  }
}
