/**
 * Whether one recorder lives, and whether it takes new sessions: a state machine over probes, refusals and failures. Time comes
 * in, changes come out, and `nextAtMs` says when to ask again.
 *
 *     unknown ──good──► up ──2 missed in a row, or failed──► down ──good, and its wait is over──► up
 *
 * Beside that a recorder may be draining (it says so in its answer to OPTIONS) or resting: after a 503 until Retry-After has
 * passed (RFC 3261 21.5.4), after one without it for a wait that doubles; after a 503 to OPTIONS until one is answered well.
 */
import { BackOff } from './back-off.ts';
import type { ProbeResult, RecorderState } from './recorder.ts';

export type Change = { to: 'up' } | { to: 'down'; cause: string } | { to: 'restarted'; cause: string };

const MISSES_UNTIL_DOWN = 2;
/** The first probes of all recorders are spread over this time. */
const FIRST_PROBES_WITHIN_MS = 1_000;
/** Heartbeats of many recorders, and of many clients, drift apart. */
const SHORTEST_JITTER = 0.9;
const LONGEST_JITTER = 1.1;
/** What was missed or failed is asked again soon, so that its state is known in seconds whatever the heartbeat is. */
const DOUBT_MS = 1_000;
/** A doubt that comes up at a packet's rate leads to no more probes than this. */
const LEAST_BETWEEN_PROBES_MS = 500;
/** A probe that has not come back by then never will. */
const PROBE_LOST_MS = 10_000;
const FIRST_REST_MS = 5_000;
const LONGEST_REST_MS = 60_000;
/** A Retry-After above this is a mistake, or worse. */
const LONGEST_RETRY_AFTER_MS = 3_600_000;
/** Without a heartbeat nothing tells when a recorder is back: it is tried again after so long. */
const BLIND_WAIT_MS = 10_000;
const MAX_CAUSE = 200;

export class RecorderHealth {
  readonly #random: () => number;
  readonly #refusalWaits = new BackOff(FIRST_REST_MS, LONGEST_REST_MS);
  readonly #failureWaits = new BackOff(FIRST_REST_MS / 2, LONGEST_REST_MS);
  #heartbeatMs: number;
  #life: 'unknown' | 'up' | 'down' = 'unknown';
  #missed = 0;
  #failedAtMs: number | null = null;
  #downUntilMs = -Infinity;
  #restUntilMs = -Infinity;
  #restCause = '';
  #draining = false;
  #busy: string | null = null;
  #downCause = '';
  #startMs: number | null = null;
  #probe = 0;
  #probingSinceMs: number | null = null;
  #lastBegunMs = -Infinity;
  #nextProbeMs: number;
  #state: RecorderState = 'unknown';
  #sinceMs: number;
  lastProbeMs: number | null = null;
  probeRttMs: number | null = null;
  load: number | null = null;
  /** Sessions by its own word, when it last said so. */
  reported: { sessions: number; capacity: number; atProbe: number } | null = null;
  readonly probes = { good: 0, missed: 0 };
  refusals = 0;
  failures = 0;

  /** @param heartbeatMs 0: it is never asked, for recorders that leave OPTIONS unanswered. */
  constructor(heartbeatMs: number, random: () => number, nowMs: number) {
    this.#heartbeatMs = heartbeatMs;
    this.#random = random;
    this.#sinceMs = nowMs;
    this.#nextProbeMs = heartbeatMs === 0 ? Infinity : nowMs + random() * Math.min(heartbeatMs, FIRST_PROBES_WITHIN_MS);
  }

  /** When `advance` wants to be called at the latest. */
  get nextAtMs(): number {
    if (this.#probingSinceMs !== null) return this.#probingSinceMs + PROBE_LOST_MS;
    return this.#heartbeatMs === 0 && this.#life === 'down' ? this.#downUntilMs : this.#nextProbeMs;
  }

  state(nowMs: number): RecorderState {
    const state = this.#stateAt(nowMs);
    if (state !== this.#state) {
      // A rest that is over has ended then, not when somebody looked.
      this.#sinceMs = this.#state === 'resting' && this.#restUntilMs <= nowMs ? this.#restUntilMs : nowMs;
      this.#state = state;
    }
    return state;
  }

  sinceMs(nowMs: number): number {
    this.state(nowMs);
    return this.#sinceMs;
  }

  /** Null: the state needs no explanation. */
  cause(nowMs: number): string | null {
    const state = this.state(nowMs);
    if (state === 'down') return this.#downCause;
    if (state === 'draining') return 'it says that it is draining';
    if (state === 'resting') return nowMs < this.#restUntilMs ? this.#restCause : this.#busy;
    return null;
  }

  /** Null: not for a time that is known. */
  restsUntilMs(nowMs: number): number | null {
    return nowMs < this.#restUntilMs ? this.#restUntilMs : null;
  }

  /** Whether the next probe is due: its number then, for `probed`. */
  advance(nowMs: number): { probe: number | null; change: Change | null } {
    let change: Change | null = null;
    if (this.#probingSinceMs !== null) {
      if (nowMs < this.#probingSinceMs + PROBE_LOST_MS) return { probe: null, change };
      change = this.probed(this.#probe, { alive: false, cause: 'the probe never ended' }, 0, nowMs);
    }
    if (this.#heartbeatMs === 0 && this.#life === 'down' && nowMs >= this.#downUntilMs) this.#life = 'unknown';
    if (nowMs < this.#nextProbeMs) return { probe: null, change };
    this.#probingSinceMs = nowMs;
    this.#lastBegunMs = nowMs;
    this.#probe += 1;
    return { probe: this.#probe, change };
  }

  /** @param ours sessions of ours that it has now. */
  probed(probe: number, result: ProbeResult, ours: number, nowMs: number): Change | null {
    if (this.#probingSinceMs === null || probe !== this.#probe) return null;
    const begunMs = this.#probingSinceMs;
    this.#probingSinceMs = null;
    this.lastProbeMs = nowMs;
    this.#scheduleAt(nowMs, this.#jittered());
    if (!result.alive) return this.#onMissed(result.cause, nowMs);
    // What was asked before the failure may have been answered before it, too.
    if (this.#failedAtMs !== null && begunMs < this.#failedAtMs) {
      this.#scheduleAt(nowMs, DOUBT_MS);
      return null;
    }
    this.probeRttMs = nowMs - begunMs;
    return this.#onGood(result, ours, nowMs);
  }

  #onMissed(cause: string, nowMs: number): Change | null {
    this.#missed += 1;
    this.probes.missed += 1;
    if (this.#life === 'down') {
      this.#downCause = clipped(cause);
      return null;
    }
    if (this.#missed >= MISSES_UNTIL_DOWN) return this.#goDown(cause, nowMs);
    this.#scheduleAt(nowMs, DOUBT_MS);
    return null;
  }

  #onGood(result: ProbeResult & { alive: true }, ours: number, nowMs: number): Change | null {
    this.#missed = 0;
    this.probes.good += 1;
    this.load = result.load;
    const { capacity, sessions = null, busy = null, startMs = null } = result;
    this.reported = capacity === null || sessions === null ? null : { sessions, capacity, atProbe: ours };
    this.#draining = result.draining;
    this.#busy = busy === null ? null : clipped(busy.cause);
    if (busy !== null && busy.retryAfterSec !== null) this.#scheduleAt(nowMs, this.#askAgainAfter(busy.retryAfterSec));
    const isRestarted = this.#startMs !== null && startMs !== null && startMs !== this.#startMs;
    this.#startMs = startMs ?? this.#startMs;
    if (this.#life === 'down') return this.#onBack(nowMs);
    const wasUp = this.#life === 'up';
    this.#life = 'up';
    if (isRestarted && wasUp) {
      this.failures += 1;
      return { to: 'restarted', cause: 'it has been started again: the sessions that it had are gone' };
    }
    return wasUp ? null : { to: 'up' };
  }

  #onBack(nowMs: number): Change | null {
    if (nowMs < this.#downUntilMs) {
      this.#scheduleAt(nowMs, Math.min(this.#jittered(), Math.max(DOUBT_MS, this.#downUntilMs - nowMs)));
      return null;
    }
    this.#failedAtMs = null;
    this.#life = 'up';
    return { to: 'up' };
  }

  /** A session of ours failed there, or an INVITE was not answered. */
  failed(cause: string, nowMs: number): Change | null {
    if (this.#life === 'down') return null;
    // The first failure is over with the first good answer. Who answers OPTIONS well and fails again has to wait.
    const isFirst = this.#failureWaits.isForgotten(nowMs);
    const waitMs = this.#failureWaits.next(nowMs);
    this.#downUntilMs = nowMs + (isFirst ? 0 : waitMs);
    if (this.#heartbeatMs === 0) this.#downUntilMs = nowMs + Math.max(waitMs, BLIND_WAIT_MS);
    this.#failedAtMs = nowMs;
    this.#scheduleAt(nowMs, DOUBT_MS);
    return this.#goDown(cause, nowMs);
  }

  #goDown(cause: string, nowMs: number): Change {
    this.#life = 'down';
    this.#downCause = clipped(cause);
    this.failures += 1;
    this.#missed = Math.max(this.#missed, MISSES_UNTIL_DOWN);
    this.state(nowMs);
    return { to: 'down', cause: this.#downCause };
  }

  /**
   * An INVITE was refused. It rests for Retry-After, whatever the status is; without, only after what is no fault of the call:
   * a 5xx, or a 408 of somebody in between.
   */
  refused(status: number, retryAfterSec: number | null, nowMs: number): void {
    this.refusals += 1;
    const isAsked = retryAfterSec !== null && retryAfterSec > 0;
    if (isAsked)
      this.#rest(retryAfterSec * 1_000, `it refused a call with ${status}, Retry-After ${retryAfterSec}`, nowMs);
    else if (isOfTheServer(status) && nowMs >= this.#restUntilMs) {
      // One that comes during a rest was under way when it began.
      this.#rest(this.#refusalWaits.next(nowMs), `it refused a call with ${status}`, nowMs);
    }
  }

  #rest(forMs: number, cause: string, nowMs: number): void {
    const untilMs = nowMs + Math.min(forMs, LONGEST_RETRY_AFTER_MS);
    if (untilMs <= this.#restUntilMs) return;
    this.#restUntilMs = untilMs;
    this.#restCause = cause;
    this.state(nowMs);
  }

  /** Something may be wrong with it (silent RTCP, an ICMP message): it is asked soon. */
  suspect(nowMs: number): void {
    if (this.#heartbeatMs === 0 || this.#probingSinceMs !== null) return;
    this.#nextProbeMs = Math.min(this.#nextProbeMs, Math.max(nowMs, this.#lastBegunMs + LEAST_BETWEEN_PROBES_MS));
  }

  setHeartbeat(heartbeatMs: number, nowMs: number): void {
    if (heartbeatMs === this.#heartbeatMs) return;
    this.#heartbeatMs = heartbeatMs;
    if (heartbeatMs > 0) this.#nextProbeMs = Math.min(this.#nextProbeMs, nowMs + this.#random() * heartbeatMs);
    else this.#forgetProbes(nowMs);
  }

  /** Nobody will ask any more: what only an answer could change must not last. */
  #forgetProbes(nowMs: number): void {
    this.#nextProbeMs = Infinity;
    this.#probingSinceMs = null;
    this.#draining = false;
    this.#busy = null;
    this.reported = null;
    this.load = null;
    if (this.#life === 'down') this.#downUntilMs = Math.max(this.#downUntilMs, nowMs + BLIND_WAIT_MS);
  }

  #stateAt(nowMs: number): RecorderState {
    if (this.#life === 'down') return 'down';
    if (this.#draining) return 'draining';
    if (nowMs < this.#restUntilMs || this.#busy !== null) return 'resting';
    return this.#life;
  }

  #scheduleAt(nowMs: number, delayMs: number): void {
    this.#nextProbeMs =
      this.#heartbeatMs === 0 ? Infinity : nowMs + Math.min(delayMs, LONGEST_JITTER * this.#heartbeatMs);
  }

  /** Retry-After is for OPTIONS, too; but whether it lives is to be known all the same. */
  #askAgainAfter(retryAfterSec: number): number {
    return Math.max(DOUBT_MS, Math.min(retryAfterSec * 1_000, this.#heartbeatMs));
  }

  #jittered(): number {
    return this.#heartbeatMs * (SHORTEST_JITTER + (LONGEST_JITTER - SHORTEST_JITTER) * this.#random());
  }
}

/** 501, 505 and 513 say that it cannot do what this call wants. */
function isOfTheServer(status: number): boolean {
  return status === 408 || (status >= 500 && status < 600 && ![501, 505, 513].includes(status));
}

/** Causes may come from the wire. */
function clipped(text: string): string {
  return text.length > MAX_CAUSE ? `${text.slice(0, MAX_CAUSE)}…` : text;
}
