/** A pool of recorders on a clock that is a number: what each answers to OPTIONS is set by the test. */
import type { GroupConfig, RecorderConfig } from '../../../src/client/config/types.ts';
import { type PoolEvent, RecorderPool } from '../../../src/client/resource-manager/pool.ts';
import type { ProbeResult, ServiceTarget } from '../../../src/client/resource-manager/recorder.ts';

export const recorder = (id: string, more: Partial<RecorderConfig> = {}): RecorderConfig => ({
  ...{
    id,
    uri: `sip:${id}.example.com:5060`,
    form: 'siprec',
    srtp: null,
    weight: 1,
    location: null,
    maxSessions: null,
  },
  ...more,
});

export const group = (name: string, recorders: string[], more: Partial<GroupConfig> = {}): GroupConfig => ({
  ...{ name, strategy: 'hunt', recorders, simultaneous: 1, location: null, heartbeatSec: 10 },
  ...more,
});

export const GOOD: ProbeResult = { alive: true, draining: false, load: null, capacity: null };
export const MISSED: ProbeResult = { alive: false, cause: 'no answer' };

/** Numbers from 0 to below 1 that are the same in every run (mulberry32). */
export function randomFrom(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export class VirtualCluster {
  nowMs = 0;
  readonly pool: RecorderPool;
  readonly events: string[] = [];
  /** When each recorder was asked. */
  readonly asked: { id: string; atMs: number }[] = [];
  /** By id; GOOD when there is none. A miss takes 2 s, an answer 5 ms; null never comes. */
  readonly answers = new Map<string, ProbeResult | null>();
  readonly zone = new Map<string, ServiceTarget[]>();
  #underWay: { atMs: number; run: () => PoolEvent | null }[] = [];

  constructor(
    recorders: RecorderConfig[],
    groups: GroupConfig[],
    options: { random?: () => number; looksUp?: boolean } = {},
  ) {
    this.pool = new RecorderPool({ random: options.random ?? randomFrom(1), looksUp: options.looksUp ?? false });
    this.pool.configure(recorders, groups, 0);
  }

  run(forMs: number): void {
    const endMs = this.nowMs + forMs;
    for (let turns = 0; ; turns++) {
      if (turns > 100_000) throw new Error('the pool asks for more and more turns');
      const nextMs = Math.min(this.pool.nextAtMs, ...this.#underWay.map(({ atMs }) => atMs));
      if (nextMs > endMs) break;
      this.nowMs = Math.max(this.nowMs, nextMs);
      this.#turn();
    }
    this.nowMs = endMs;
  }

  ids(name: string, options?: { exclude?: ReadonlySet<string>; location?: string }): string[] {
    return this.pool.candidates(name, options, this.nowMs).map(({ id }) => id);
  }

  state(id: string): string | undefined {
    return this.pool.stateOf(id, this.nowMs)?.state;
  }

  note(event: PoolEvent | null): void {
    if (event) this.events.push(`${event.recorder.id} ${event.change.to}`);
  }

  #turn(): void {
    const { probes, lookUps, events } = this.pool.due(this.nowMs);
    events.forEach((event) => {
      this.note(event);
    });
    for (const { recorder, probe } of probes) {
      this.asked.push({ id: recorder.id, atMs: this.nowMs });
      const answer = this.answers.has(recorder.id) ? this.answers.get(recorder.id)! : GOOD;
      if (answer === null) continue;
      const atMs = this.nowMs + (answer.alive ? 5 : 2_000);
      this.#underWay.push({ atMs, run: () => this.pool.probed(recorder, probe, answer, this.nowMs) });
    }
    for (const { configured, uri } of lookUps) {
      const targets = this.zone.get(uri) ?? [];
      this.#underWay.push({
        atMs: this.nowMs + 3,
        run: () => {
          this.pool.lookedUp(configured, uri, targets, this.nowMs);
          return null;
        },
      });
    }
    const due = this.#underWay.filter(({ atMs }) => atMs <= this.nowMs);
    this.#underWay = this.#underWay.filter(({ atMs }) => atMs > this.nowMs);
    for (const { run } of due) this.note(run());
  }
}
