/**
 * The resource manager: finds live recorders in a cluster. The pool decides; here are the clock, the one timer, the heartbeats and the
 * look-ups. It knows nothing of calls: who records tells it what was taken, refused and failed.
 */
import type { GroupConfig, RecorderConfig } from '../config/types.ts';
import { type Due, type PoolEvent, RecorderPool } from './pool.ts';
import type { GroupStatus, ProbeResult, Recorder, RecorderStatus, ServiceTarget } from './recorder.ts';

export interface ResourceManagerLog {
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
  error(facts: object, message: string): void;
}

export interface ResourceManagerOptions {
  recorders: readonly RecorderConfig[];
  groups: readonly GroupConfig[];
  /** Has a time limit of its own; see `optionsProbe`. */
  probe: (recorder: Recorder) => Promise<ProbeResult>;
  /** SRV targets of a URI; see `srvResolver`. Left out: it is left to the stack which target a request goes to. */
  resolve?: (uri: string) => Promise<ServiceTarget[]>;
  /** Milliseconds of a clock that never steps. */
  now(): number;
  /** From 0 to below 1. */
  random(): number;
  log: ResourceManagerLog;
}

const MAX_TIMER_MS = 0x7fffffff;

export class ResourceManager {
  /** A recorder has died, or has been started again: its sessions of ours are gone. */
  onDown: (recorder: Recorder, cause: string) => void = () => {};
  /** A recorder can be used, for the first time or again. */
  onUp: (recorder: Recorder) => void = () => {};
  readonly #options: ResourceManagerOptions;
  readonly #pool: RecorderPool;
  readonly #log: ResourceManagerLog;
  #timer: NodeJS.Timeout | null = null;
  #isRunning = false;

  constructor(options: ResourceManagerOptions) {
    this.#options = options;
    this.#log = options.log;
    this.#pool = new RecorderPool({ random: options.random, looksUp: options.resolve !== undefined });
    this.#pool.configure(options.recorders, options.groups, options.now());
  }

  /** Heartbeats begin. */
  start(): void {
    this.#isRunning = true;
    this.#advance();
  }

  close(): void {
    this.#isRunning = false;
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
  }

  /**
   * Recorders in the order in which they are to be tried: none that is down, draining, full or resting. To be asked once for each set of
   * recordings that begins, and with `exclude` for each that replaces one: it moves round robin on.
   * @param group a group's name, or else a recorder's id.
   */
  candidates(group: string, options?: { exclude?: ReadonlySet<string>; location?: string }): Recorder[] {
    return this.#pool.candidates(group, options, this.#options.now());
  }

  /** How many recorders record a call at the same time; 1 for what is no group. */
  simultaneous(group: string): number {
    return this.#pool.simultaneous(group);
  }

  /** By the id of a candidate; null when it is gone. */
  recorder(id: string): Recorder | null {
    return this.#pool.recorder(id);
  }

  /** To be told when the INVITE is sent, so that calls at the same time are spread, too. */
  taken(id: string): void {
    this.#pool.taken(id);
  }

  /** The session has ended, or its INVITE came to nothing: once for each `taken`. */
  released(id: string): void {
    this.#pool.released(id);
  }

  /** The final response to an INVITE was a refusal. */
  refused(id: string, status: number, retryAfterSec: number | null): void {
    this.#noting(id, () => this.#pool.refused(id, status, retryAfterSec, this.#options.now()));
  }

  /** A session there died in mid-call, or nobody answered its INVITE. */
  failed(id: string, cause: string): void {
    this.#tell(this.#pool.failed(id, cause, this.#options.now()));
    this.#arm();
  }

  /** Media has reason to think that it is gone (silent RTCP, ICMP), which the signalling cannot know yet: it is asked at once. */
  suspect(id: string): void {
    this.#pool.suspect(id, this.#options.now());
    this.#arm();
  }

  view(): RecorderStatus[] {
    const nowMs = this.#options.now();
    return this.#pool.view(nowMs, Date.now() - nowMs);
  }

  groups(): GroupStatus[] {
    return this.#pool.groups(this.#options.now());
  }

  /** Recorders whose id and URI are still there keep their state; those that are not there get no more, and go with their last session. */
  reload(recorders: readonly RecorderConfig[], groups: readonly GroupConfig[]): void {
    this.#pool.configure(recorders, groups, this.#options.now());
    this.#arm();
  }

  #advance(): void {
    const { probes, lookUps, events }: Due = this.#pool.due(this.#options.now());
    for (const event of events) this.#tell(event);
    for (const { recorder, probe } of probes) void this.#probe(recorder, probe);
    for (const { configured, uri } of lookUps) void this.#lookUp(configured, uri);
    this.#arm();
  }

  async #probe(recorder: Recorder, probe: number): Promise<void> {
    let result: ProbeResult;
    try {
      result = await this.#options.probe(recorder);
    } catch (error) {
      result = { alive: false, cause: (error as Error).message };
    }
    const event = this.#noting(recorder.id, () => this.#pool.probed(recorder, probe, result, this.#options.now()));
    this.#tell(event);
    this.#arm();
  }

  async #lookUp(configured: string, uri: string): Promise<void> {
    let targets: ServiceTarget[] = [];
    try {
      targets = (await this.#options.resolve?.(uri)) ?? [];
    } catch (error) {
      this.#log.warn({ recorder: configured, err: error }, 'SRV records cannot be looked up: those known stay');
    }
    this.#pool.lookedUp(configured, uri, targets, this.#options.now());
    this.#arm();
  }

  /** Runs what may bring a recorder to rest or to drain, and logs it when it does. */
  #noting<T>(id: string, run: () => T): T {
    const before = this.#pool.stateOf(id, this.#options.now());
    const result = run();
    const after = this.#pool.stateOf(id, this.#options.now());
    if (before?.state !== after?.state && (after?.state === 'resting' || after?.state === 'draining')) {
      this.#log.warn({ recorder: id, cause: after.cause }, `recorder is ${after.state}`);
    }
    return result;
  }

  #tell(event: PoolEvent | null): void {
    if (event === null || !this.#isRunning) return;
    const { recorder, change } = event;
    const facts = { recorder: recorder.id, uri: recorder.uri };
    try {
      if (change.to === 'up') {
        this.#log.info(facts, 'recorder is up');
        return this.onUp(recorder);
      }
      this.#log.warn(
        { ...facts, cause: change.cause },
        `recorder ${change.to === 'down' ? 'is down' : 'has restarted'}`,
      );
      this.onDown(recorder, change.cause);
      if (change.to === 'restarted') this.onUp(recorder);
    } catch (error) {
      this.#log.error({ ...facts, err: error }, 'what is to be done about a change of this recorder failed');
    }
  }

  #arm(): void {
    if (!this.#isRunning) return;
    if (this.#timer) clearTimeout(this.#timer);
    const delayMs = Math.ceil(this.#pool.nextAtMs - this.#options.now());
    // Infinity, without any heartbeat, is as good as long.
    this.#timer = setTimeout(() => this.#advance(), Math.min(Math.max(1, delayMs), MAX_TIMER_MS));
    this.#timer.unref();
  }
}
