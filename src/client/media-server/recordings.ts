/**
 * The recordings of one conversation: as many at a time as are wanted, each by a recorder of its own, each failing alone. A recorder that is
 * lost is replaced by another one, which gets the past that the look-back has first.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { MediaSession } from '../../media/index.ts';
import { type SipEndpoint, SipFailure } from '../../sip/index.ts';
import type { ConversationView } from '../conversation.ts';
import type { Recorder } from '../resource-manager/index.ts';
import type { RecordingSessionView } from '../switch/call-control.ts';
import { RecorderRefused } from './recorder-refused.ts';
import { RecordingSession } from './recording-session.ts';

export interface RecordingLog {
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
}

export interface RecordingsOptions {
  endpoint: Pick<SipEndpoint, 'invite'>;
  recorders: RecorderChoice;
  media: MediaSession;
  conversation(): ConversationView;
  /** Of the past, for a recorder that takes the place of another. */
  lookBackSec: number;
  /** One begins, is paused, goes on, or ends. */
  onChange(id: string, state: 'on' | 'paused' | 'off', recorder: string): void;
  /** One that was wanted has no recorder now; it is tried again. */
  onLost(cause: string): void;
  log: RecordingLog;
}

/** What of the resource manager is needed here. */
export interface RecorderChoice {
  candidates(group: string, options?: { exclude?: ReadonlySet<string> }): Recorder[];
  simultaneous(group: string): number;
  taken(id: string): void;
  released(id: string): void;
  refused(id: string, status: number, retryAfterSec: number | null): void;
  failed(id: string, cause: string): void;
}

export interface WantedRecording {
  /** Where recorders are chosen from: the name of a group, or recorders. */
  from: string | Recorder[];
  purpose: string;
  /** Null: made here. */
  id: string | null;
  params: Record<string, string>;
  /** Of the past, to begin with; seconds. */
  lookBackSec: number;
  /** Begins so; false when left out. */
  isPaused?: boolean;
}

const SET_UP_MS = 4_000;
/** A call may be over before a recorder has answered: so long it is waited for, over several recorders. */
const LATE_SET_UP_MS = 10_000;
const REPLAY_LOOK_MS = 50;
const RETRY_MS = { first: 1_000, most: 30_000 };

export class Recordings {
  readonly #options: RecordingsOptions;
  readonly #tasks = new Set<RecordingTask>();
  #isOver = false;

  constructor(options: RecordingsOptions) {
    this.#options = options;
  }

  get isEmpty(): boolean {
    return this.#tasks.size === 0;
  }

  /** RFC 7866 6.1.2, as parties are told. */
  get state(): 'on' | 'paused' | 'off' {
    const running = [...this.#tasks].filter(({ recorderId }) => recorderId !== null);
    if (running.length === 0) return 'off';
    return running.every(({ isPaused }) => isPaused) ? 'paused' : 'on';
  }

  views(): RecordingSessionView[] {
    return [...this.#tasks].flatMap((task) => task.view() ?? []);
  }

  /** Resolves when the first attempts are over: `views` tells what has come of them. Rejects with the last refusal when all have failed. */
  async start(wanted: WantedRecording): Promise<RecordingSessionView[]> {
    if (this.#isOver) throw new Error('the conversation is over');
    const count = typeof wanted.from === 'string' ? this.#options.recorders.simultaneous(wanted.from) : 1;
    const tasks = Array.from({ length: count }, (_, n) => {
      const id = n === 0 ? (wanted.id ?? randomUUID()) : randomUUID();
      const task = new RecordingTask(this.#options, { ...wanted, id }, () => this.#busy(wanted.from));
      task.onOver = () => this.#tasks.delete(task);
      this.#tasks.add(task);
      return task;
    });
    if ([...this.#tasks].some(({ isPaused }) => isPaused)) await this.#holdLookBack();
    const outcomes = await Promise.all(tasks.map((task) => task.begin()));
    const failure = outcomes.find((outcome) => outcome !== null);
    if (failure && outcomes.every((outcome) => outcome !== null)) throw failure;
    return tasks.flatMap((task) => task.view() ?? []);
  }

  /** Parties, holds or streams have changed. */
  update(): void {
    const view = this.#options.conversation();
    for (const task of this.#tasks) task.update(view);
  }

  /** One, or all. Nothing of what comes from now on is sent or kept. */
  async pause(id?: string): Promise<void> {
    const done = this.#of(id).map((task) => task.pause());
    await this.#holdLookBack();
    await Promise.all(done);
  }

  async resume(id?: string): Promise<void> {
    const tasks = this.#of(id);
    await this.#holdLookBack(tasks);
    await Promise.all(tasks.map((task) => task.resume()));
  }

  async stop(reason: string, id?: string): Promise<void> {
    await Promise.all(this.#of(id).map((task) => task.stop(reason)));
    await this.#holdLookBack();
  }

  /** The conversation is over. What recorders have not got yet of what was said is sent to them first. */
  async end(reason: string): Promise<void> {
    this.#isOver = true;
    const opening = [...this.#tasks].flatMap((task) => task.opening ?? []);
    if (opening.length > 0) {
      await Promise.race([Promise.allSettled(opening), delay(LATE_SET_UP_MS, null, { ref: false })]);
    }
    await this.untilSent();
    await this.stop(reason);
  }

  /** All of the past that recorders get has left; that takes less time than the call. */
  async untilSent(): Promise<void> {
    while ([...this.#tasks].some(({ isCatchingUp }) => isCatchingUp)) await delay(REPLAY_LOOK_MS);
  }

  /** The recorder is gone, as others have noticed. */
  lost(recorder: string, cause: string): void {
    for (const task of this.#tasks) if (task.recorderId === recorder) task.lost(cause);
  }

  has(id: string): boolean {
    return this.#of(id).length > 0;
  }

  #of(id: string | undefined): RecordingTask[] {
    return [...this.#tasks].filter((task) => id === undefined || task.id === id);
  }

  /** Recorders that have a recording of the same kind already: two at a time are two recorders. */
  #busy(from: WantedRecording['from']): Set<string> {
    return new Set([...this.#tasks].flatMap((task) => (task.from === from ? (task.recorderId ?? []) : [])));
  }

  /** What nobody may record is kept for nobody. */
  async #holdLookBack(resuming: RecordingTask[] = []): Promise<void> {
    const isHeld = this.#tasks.size > 0 && [...this.#tasks].every((task) => task.isPaused && !resuming.includes(task));
    await this.#options.media.pauseLookBack(isHeld);
  }
}

/** One recording that is wanted, by whichever recorder has it at the time. */
class RecordingTask {
  readonly id: string;
  readonly from: WantedRecording['from'];
  isPaused = false;
  /** Of `performance.now`: the last pause ended then. What was said before it is not this recording's, though another one may have kept it. */
  #resumedMs = -Infinity;
  onOver: () => void = () => {};
  readonly #options: RecordingsOptions;
  readonly #wanted: WantedRecording & { id: string };
  readonly #busy: () => Set<string>;
  #session: RecordingSession | null = null;
  #recorder: Recorder | null = null;
  #isOver = false;
  #opening: Promise<Error | null> | null = null;
  #retry: NodeJS.Timeout | null = null;
  #retryMs = RETRY_MS.first;

  constructor(options: RecordingsOptions, wanted: WantedRecording & { id: string }, busy: () => Set<string>) {
    this.id = wanted.id;
    this.from = wanted.from;
    this.#options = options;
    this.#wanted = wanted;
    this.isPaused = wanted.isPaused ?? false;
    this.#busy = busy;
  }

  get recorderId(): string | null {
    return this.#recorder?.id ?? null;
  }

  /** Settles when the recorders that are being asked have answered; null: none is. */
  get opening(): Promise<unknown> | null {
    return this.#opening;
  }

  /** Its recorder has not got all of the past yet. */
  get isCatchingUp(): boolean {
    return this.#session?.isCatchingUp ?? false;
  }

  view(): RecordingSessionView | null {
    return this.#session?.view() ?? null;
  }

  /** @returns why there is none yet; null: it runs. */
  begin(): Promise<Error | null> {
    return this.#try(this.#wanted.lookBackSec, new Set());
  }

  update(view: ConversationView): void {
    this.#session?.update(view);
  }

  async pause(): Promise<void> {
    if (this.isPaused) return;
    this.isPaused = true;
    await this.#session?.pause();
    if (this.#recorder) this.#options.onChange(this.id, 'paused', this.#recorder.id);
  }

  async resume(): Promise<void> {
    if (!this.isPaused) return;
    this.isPaused = false;
    this.#resumedMs = performance.now();
    await this.#session?.resume();
    if (this.#recorder) this.#options.onChange(this.id, 'on', this.#recorder.id);
  }

  async stop(reason: string): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#retry) clearTimeout(this.#retry);
    this.onOver();
    const session = this.#session;
    if (!session) return;
    session.onEnded = () => {};
    await session.stop(reason);
    this.#release();
  }

  /** Its recorder is given up; a dialog with it may still stand. */
  lost(cause: string): void {
    const [session, recorder] = [this.#session, this.#recorder];
    if (!session || !recorder || this.#isOver) return;
    session.onEnded = () => {};
    void session.stop(cause);
    this.#onEnded(recorder, cause);
  }

  #try(lookBackSec: number, failed: Set<string>): Promise<Error | null> {
    const opening = this.#tryEach(lookBackSec, failed).finally(() => {
      if (this.#opening === opening) this.#opening = null;
    });
    this.#opening = opening;
    return opening;
  }

  async #tryEach(lookBackSec: number, failed: Set<string>): Promise<Error | null> {
    let last: Error | null = null;
    for (const recorder of this.#candidates(failed)) {
      if (this.#isOver) return null;
      try {
        await this.#open(recorder, lookBackSec);
        return null;
      } catch (error) {
        last = error as Error;
        this.#release();
        if (this.#isOver) return null;
        this.#note(recorder, last);
      }
    }
    if (this.#isOver) return null;
    last ??= new Error('no recorder is up: GET /api/v1/recorders says why');
    this.#options.onLost(last.message);
    this.#tryLater();
    return last;
  }

  #candidates(failed: Set<string>): Recorder[] {
    const { from } = this.#wanted;
    if (typeof from !== 'string') return from.filter(({ id }) => !failed.has(id));
    return this.#options.recorders.candidates(from, { exclude: new Set([...failed, ...this.#busy()]) });
  }

  async #open(recorder: Recorder, lookBackSec: number): Promise<void> {
    const { endpoint, media, conversation, recorders, log } = this.#options;
    this.#recorder = recorder;
    recorders.taken(recorder.id);
    const session = await RecordingSession.start({
      ...{ endpoint, recorder, media, log, id: this.id, conversation: conversation() },
      ...{ purpose: this.#wanted.purpose, params: this.#wanted.params },
      ...{ lookBackSec: this.#pastOf(lookBackSec), isPaused: this.isPaused, setUpTimeoutMs: SET_UP_MS },
    });
    if (this.#isOver) {
      await session.stop('no longer wanted');
      return this.#release();
    }
    this.#session = session;
    this.#retryMs = RETRY_MS.first;
    session.onEnded = ({ by, reason }) => this.#onEnded(recorder, `${by}: ${reason}`);
    session.update(conversation()); // it may be another one by now
    if (this.isPaused !== (session.state === 'paused')) await (this.isPaused ? session.pause() : session.resume());
    log.info({ recording: this.id, recorder: recorder.id }, 'recording');
    this.#options.onChange(this.id, this.isPaused ? 'paused' : 'on', recorder.id);
  }

  #pastOf(seconds: number): number {
    return this.isPaused ? 0 : Math.min(seconds, (performance.now() - this.#resumedMs) / 1000);
  }

  #note(recorder: Recorder, error: Error): void {
    const { recorders, log } = this.#options;
    if (error instanceof RecorderRefused) recorders.refused(recorder.id, error.status, error.retryAfterSec);
    else if (error instanceof SipFailure) recorders.failed(recorder.id, error.message);
    log.warn({ recording: this.id, recorder: recorder.id, reason: error.message }, 'the recorder does not record');
  }

  /** The conversation goes on: so does its recording, with another one. */
  #onEnded(recorder: Recorder, cause: string): void {
    if (this.#isOver) return;
    const { recorders, log, onChange, lookBackSec } = this.#options;
    log.warn({ recording: this.id, recorder: recorder.id, cause }, 'the recorder is lost');
    this.#release();
    recorders.failed(recorder.id, cause);
    onChange(this.id, 'off', recorder.id);
    void this.#try(lookBackSec, new Set([recorder.id]));
  }

  #tryLater(): void {
    this.#retry = setTimeout(() => void this.#try(this.#options.lookBackSec, new Set()), this.#retryMs);
    this.#retry.unref();
    this.#retryMs = Math.min(2 * this.#retryMs, RETRY_MS.most);
  }

  #release(): void {
    if (this.#recorder) this.#options.recorders.released(this.#recorder.id);
    this.#recorder = null;
    this.#session = null;
  }
}
