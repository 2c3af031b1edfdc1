/**
 * INVITE and UPDATE of ours within a dialog, one at a time (RFC 3261 14.1, RFC 3311 5.1): the next one waits for the answer to
 * the last, for the peer's own offer to be answered, and for the ACK of our 2xx. A 491 is retried after the glare delay, a
 * 422 with the interval that the peer asks for (RFC 4028 7.3).
 */
import type { SipResponse } from '../message/index.ts';
import { Alarm, type DeadlineHeap } from '../transaction/index.ts';
import { timerHeaders, wantedMinSe } from './session-timer.ts';
import { type SipContent, SipFailure } from './types.ts';

const MAX_RETRIES = 4;
const MAX_QUEUED = 64;

/** What became of a request. */
export type Outcome = SipResponse | SipFailure;

export interface OfferQueueActions {
  now(): number;
  /** False while INVITE and UPDATE must wait. */
  mayStart(): boolean;
  transact(method: string, content: SipContent, settle: (outcome: Outcome) => void): void;
  /** RFC 3261 14.1: how long to wait after a 491. */
  glareDelayMs(): number;
}

interface Job {
  method: string;
  content: SipContent;
  retries: number;
  settle: (outcome: Outcome) => void;
}

/** RFC 3311 section 5.2: an UPDATE with no offer collides with none; an INVITE always may (RFC 3261 section 14.2). */
export function mayOffer(method: string, body: { contentType: string } | undefined): boolean {
  return method === 'INVITE' || (body !== undefined && /^(application\/sdp|multipart\/|$)/i.test(body.contentType));
}

export class OfferQueue {
  readonly #deadlines: DeadlineHeap;
  readonly #actions: OfferQueueActions;
  readonly #alarm: Alarm;
  readonly #jobs: Job[] = [];
  #running: Job | null = null;
  #waiting = false;
  #closed = false;

  constructor(deadlines: DeadlineHeap, actions: OfferQueueActions) {
    this.#deadlines = deadlines;
    this.#actions = actions;
    this.#alarm = new Alarm(() => {
      this.#waiting = false;
      this.pump();
    });
  }

  /** True while an offer of ours is unanswered. Waiting after a glare doesn't count: the peer's turn is now. */
  get active(): boolean {
    return this.#running !== null && mayOffer(this.#running.method, this.#running.content.body);
  }

  add(method: string, content: SipContent, settle: (outcome: Outcome) => void): void {
    if (this.#jobs.length >= MAX_QUEUED) settle(new SipFailure(491, 'Too many requests wait for their turn'));
    else this.#jobs.push({ method, content, retries: 0, settle });
    this.pump();
  }

  /** Starts the next request if its time has come. */
  pump(): void {
    if (this.#running || this.#waiting || this.#closed || !this.#actions.mayStart()) return;
    const job = this.#jobs.shift();
    if (!job) return;
    this.#running = job;
    this.#actions.transact(job.method, job.content, (outcome) => this.#settle(job, outcome));
  }

  #settle(job: Job, outcome: Outcome): void {
    this.#running = null;
    if (!this.#closed && !(outcome instanceof SipFailure) && job.retries < MAX_RETRIES && this.#retry(job, outcome))
      return;
    job.settle(outcome);
    this.pump();
  }

  #retry(job: Job, response: SipResponse): boolean {
    const minSe = response.status === 422 ? wantedMinSe(response) : 0;
    if (response.status !== 491 && minSe === 0) return false;
    job.retries++;
    this.#jobs.unshift(job);
    if (minSe > 0) {
      job.content = { ...job.content, headers: [...(job.content.headers ?? []), ...timerHeaders(minSe, minSe, null)] };
      this.pump();
    } else {
      this.#waiting = true;
      this.#deadlines.set(this.#alarm, this.#actions.now() + this.#actions.glareDelayMs());
    }
    return true;
  }

  /** The session is over: what hasn't been sent never will be. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#deadlines.clear(this.#alarm);
    for (const job of this.#jobs.splice(0)) job.settle(new SipFailure(481, 'The session has ended'));
  }
}
