/**
 * All recorders and groups: what is due, what has changed, and who is to be tried. Time comes in, decisions come out; whoever drives it
 * sends the probes, asks the DNS and has the timer.
 */
import type { GroupConfig, RecorderConfig } from '../config/types.ts';
import { inOrderOfChoice } from './choice.ts';
import { type Change, RecorderHealth } from './health.ts';
import { Member } from './member.ts';
import type { GroupStatus, ProbeResult, Recorder, RecorderState, RecorderStatus, ServiceTarget } from './recorder.ts';
import { mayBeSeveral } from './srv-members.ts';

/** What is to be done now. */
export interface Due {
  probes: { recorder: Recorder; probe: number }[];
  /** Recorders of the configuration whose SRV records are to be looked up. */
  lookUps: { configured: string; uri: string }[];
  events: PoolEvent[];
}

export interface PoolEvent {
  recorder: Recorder;
  change: Change;
}

interface Configured {
  config: RecorderConfig;
  /** Null: not looked up, or there is nothing to be looked up. */
  targets: ServiceTarget[] | null;
  lookUpAtMs: number;
  isLookingUp: boolean;
}

/** Node tells no TTL of SRV records. */
const LOOK_UP_EVERY_MS = 30_000;
const MAX_TARGETS = 32;
/** Of a recorder that is in no group, and can be asked for by name only. */
const ALONE_HEARTBEAT_SEC = 30;

export class RecorderPool {
  readonly #random: () => number;
  readonly #looksUp: boolean;
  readonly #configured = new Map<string, Configured>();
  readonly #members = new Map<string, Member>();
  readonly #offered = new Map<string, Map<string, number>>();
  readonly #shortages = new Map<string, number>();
  #groups = new Map<string, GroupConfig>();
  #offers = 0;

  /** @param looksUp whether SRV records can be asked for. */
  constructor(options: { random: () => number; looksUp: boolean }) {
    this.#random = options.random;
    this.#looksUp = options.looksUp;
  }

  /** Recorders that stay keep their state and their sessions. */
  configure(recorders: readonly RecorderConfig[], groups: readonly GroupConfig[], nowMs: number): void {
    this.#groups = new Map(groups.map((group) => [group.name, group]));
    const wanted = new Set(recorders.map(({ id }) => id));
    for (const id of [...this.#configured.keys()]) if (!wanted.has(id)) this.#configured.delete(id);
    for (const config of recorders) {
      const known = this.#configured.get(config.id);
      if (known?.config.uri === config.uri) known.config = config;
      else {
        const lookUpAtMs = this.#looksUp && mayBeSeveral(config.uri) ? nowMs : Infinity;
        this.#configured.set(config.id, { config, targets: null, lookUpAtMs, isLookingUp: false });
      }
    }
    for (const name of [...this.#offered.keys()]) if (!this.#groups.has(name)) this.#offered.delete(name);
    for (const name of [...this.#shortages.keys()]) if (!this.#groups.has(name)) this.#shortages.delete(name);
    this.#settle(nowMs);
  }

  /** The DNS has answered. Nothing, after there was something, is taken for a DNS that fails: what was known stays. */
  lookedUp(configured: string, uri: string, targets: readonly ServiceTarget[], nowMs: number): void {
    const known = this.#configured.get(configured);
    if (known === undefined || known.config.uri !== uri) return;
    known.isLookingUp = false;
    known.lookUpAtMs = nowMs + LOOK_UP_EVERY_MS * (0.9 + 0.2 * this.#random());
    if (targets.length > 0) known.targets = targets.slice(0, MAX_TARGETS);
    this.#settle(nowMs);
  }

  /** When `due` wants to be called at the latest. */
  get nextAtMs(): number {
    let nextMs = Infinity;
    for (const { lookUpAtMs, isLookingUp } of this.#configured.values()) {
      if (!isLookingUp) nextMs = Math.min(nextMs, lookUpAtMs);
    }
    for (const member of this.#members.values()) nextMs = Math.min(nextMs, member.health.nextAtMs);
    return nextMs;
  }

  due(nowMs: number): Due {
    const due: Due = { probes: [], lookUps: [], events: [] };
    for (const [configured, known] of this.#configured) {
      if (known.isLookingUp || nowMs < known.lookUpAtMs) continue;
      known.isLookingUp = true;
      due.lookUps.push({ configured, uri: known.config.uri });
    }
    for (const { health, recorder } of this.#members.values()) {
      const { probe, change } = health.advance(nowMs);
      if (probe !== null) due.probes.push({ recorder, probe });
      if (change) due.events.push({ recorder, change });
    }
    return due;
  }

  probed(recorder: Recorder, probe: number, result: ProbeResult, nowMs: number): PoolEvent | null {
    const member = this.#members.get(recorder.id);
    // Another one by the same id, since a reload.
    if (member?.recorder.uri !== recorder.uri) return null;
    return eventOf(member, member.health.probed(probe, result, member.sessions, nowMs));
  }

  failed(id: string, cause: string, nowMs: number): PoolEvent | null {
    const member = this.#members.get(id);
    return member ? eventOf(member, member.health.failed(cause, nowMs)) : null;
  }

  refused(id: string, status: number, retryAfterSec: number | null, nowMs: number): void {
    this.#members.get(id)?.health.refused(status, retryAfterSec, nowMs);
  }

  suspect(id: string, nowMs: number): void {
    this.#members.get(id)?.health.suspect(nowMs);
  }

  taken(id: string): void {
    const member = this.#members.get(id);
    if (member) member.sessions += 1;
  }

  released(id: string): void {
    const member = this.#members.get(id);
    if (member === undefined) return;
    member.sessions = Math.max(0, member.sessions - 1);
    if (member.isLeaving && member.sessions === 0) this.#remove(id);
  }

  /** @param name of a group, or else the configured id of a recorder: a group of its own. */
  candidates(
    name: string,
    options: { exclude?: ReadonlySet<string>; location?: string } | undefined,
    nowMs: number,
  ): Recorder[] {
    const group = this.#groups.get(name) ?? this.#alone(name);
    if (group === null) return [];
    const offered = this.#offersOf(group.name);
    const location = options?.location ?? group.location;
    const usable = this.#membersOf(group).flatMap(({ member, place }) => {
      if (options?.exclude?.has(member.recorder.id) || !member.isUsable(nowMs)) return [];
      return [member.candidate(place, location, offered?.get(member.recorder.id) ?? 0, nowMs)];
    });
    const ordered = inOrderOfChoice(usable, group.strategy, this.#random);
    // Who excludes some looks for one in place of another.
    const needed = options?.exclude?.size ? 1 : group.simultaneous;
    for (const { id } of ordered.slice(0, needed)) offered?.set(id, ++this.#offers);
    if (offered !== null && ordered.length < needed) this.#shortages.set(name, (this.#shortages.get(name) ?? 0) + 1);
    return ordered.map(({ id }) => this.#members.get(id)!.recorder);
  }

  simultaneous(name: string): number {
    return this.#groups.get(name)?.simultaneous ?? 1;
  }

  recorder(id: string): Recorder | null {
    return this.#members.get(id)?.recorder ?? null;
  }

  stateOf(id: string, nowMs: number): { state: RecorderState; cause: string | null } | null {
    const health = this.#members.get(id)?.health;
    return health ? { state: health.state(nowMs), cause: health.cause(nowMs) } : null;
  }

  /** @param wallMs what to add to times for milliseconds since 1970. */
  view(nowMs: number, wallMs: number): RecorderStatus[] {
    return [...this.#members.values()].map((member) => member.status(this.#groupsOf(member), nowMs, wallMs));
  }

  groups(nowMs: number): GroupStatus[] {
    return [...this.#groups.values()].map((group) => {
      const members = this.#membersOf(group).map(({ member }) => member);
      return {
        ...{ name: group.name, strategy: group.strategy, simultaneous: group.simultaneous },
        recorders: members.map(({ recorder }) => recorder.id),
        usable: members.filter((member) => member.isUsable(nowMs)).length,
        shortages: this.#shortages.get(group.name) ?? 0,
      };
    });
  }

  /** Makes the members those that configuration and DNS name. */
  #settle(nowMs: number): void {
    const wanted = new Set<string>();
    for (const { config, targets } of this.#configured.values()) {
      for (const target of targets ?? [null]) wanted.add(this.#keep(config, target, nowMs));
    }
    for (const [id, member] of this.#members) {
      if (wanted.has(id)) continue;
      member.isLeaving = true;
      if (member.sessions === 0) this.#remove(id);
    }
  }

  /** Returns the id. */
  #keep(config: RecorderConfig, target: ServiceTarget | null, nowMs: number): string {
    const heartbeatMs = 1_000 * this.#heartbeatSec(config.id);
    const fresh = new Member(config, target, new RecorderHealth(heartbeatMs, this.#random, nowMs));
    const { id, uri } = fresh.recorder;
    const known = this.#members.get(id);
    if (known?.recorder.uri === uri) {
      known.update(config, target);
      known.health.setHeartbeat(heartbeatMs, nowMs);
    } else {
      // Whoever has sessions at the old address gives them back by this id.
      fresh.sessions = known?.sessions ?? 0;
      this.#members.set(id, fresh);
    }
    return id;
  }

  /** The shortest of its groups; 0, none, only when all of them say so. */
  #heartbeatSec(configured: string): number {
    const all = [...this.#groups.values()].filter(({ recorders }) => recorders.includes(configured));
    if (all.length === 0) return ALONE_HEARTBEAT_SEC;
    const wanted = all.map(({ heartbeatSec }) => heartbeatSec).filter((sec) => sec > 0);
    return wanted.length === 0 ? 0 : Math.min(...wanted);
  }

  #membersOf(group: GroupConfig): { member: Member; place: number }[] {
    const places = new Map(group.recorders.map((id, place) => [id, place]));
    return [...this.#members.values()].flatMap((member) => {
      const place = member.isLeaving ? undefined : places.get(member.recorder.configured);
      return place === undefined ? [] : [{ member, place }];
    });
  }

  #groupsOf({ isLeaving, recorder }: Member): string[] {
    if (isLeaving) return [];
    return [...this.#groups.values()]
      .filter(({ recorders }) => recorders.includes(recorder.configured))
      .map(({ name }) => name);
  }

  #alone(id: string): GroupConfig | null {
    if (!this.#configured.has(id)) return null;
    const group = { name: id, strategy: 'hunt' as const, recorders: [id], simultaneous: 1 };
    return { ...group, location: null, heartbeatSec: ALONE_HEARTBEAT_SEC };
  }

  /** When its recorders were offered; null: it does not count. */
  #offersOf(group: string): Map<string, number> | null {
    if (!this.#groups.has(group)) return null;
    const known = this.#offered.get(group) ?? new Map<string, number>();
    this.#offered.set(group, known);
    return known;
  }

  #remove(id: string): void {
    this.#members.delete(id);
    for (const offered of this.#offered.values()) offered.delete(id);
  }
}

function eventOf({ recorder }: Member, change: Change | null): PoolEvent | null {
  return change ? { recorder, change } : null;
}
