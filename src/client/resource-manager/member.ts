/** One recorder of the pool, or one target of it: its health, and how many sessions it has. Reads no clock. */
import type { RecorderConfig } from '../config/types.ts';
import type { Candidate } from './choice.ts';
import type { RecorderHealth } from './health.ts';
import type { Recorder, RecorderStatus, ServiceTarget } from './recorder.ts';

export class Member {
  recorder: Recorder;
  readonly health: RecorderHealth;
  target: ServiceTarget | null;
  /** Sessions of ours. */
  sessions = 0;
  /** No longer configured, or no longer in the DNS: stays until its sessions have ended. */
  isLeaving = false;

  constructor(config: RecorderConfig, target: ServiceTarget | null, health: RecorderHealth) {
    this.target = target;
    this.recorder = recorderOf(config, target);
    this.health = health;
  }

  update(config: RecorderConfig, target: ServiceTarget | null): void {
    this.target = target;
    this.recorder = recorderOf(config, target);
    this.isLeaving = false;
  }

  isUsable(nowMs: number): boolean {
    const { maxSessions } = this.recorder;
    if (this.isLeaving || (maxSessions !== null && this.sessions >= maxSessions)) return false;
    const state = this.health.state(nowMs);
    return state === 'up' || state === 'unknown';
  }

  /** How it compares with others of a group. */
  candidate(place: number, location: string | null, lastOffered: number, nowMs: number): Candidate {
    const { id, configured, weight, maxSessions } = this.recorder;
    const { reported } = this.health;
    // What it said holds for then; since then ours have come and gone.
    const used = reported
      ? Math.max(this.sessions, reported.sessions + this.sessions - reported.atProbe)
      : this.sessions;
    return {
      ...{ id, configured, place, weight, used, lastOffered },
      isNear: location === null || this.recorder.location === location,
      isKnown: this.health.state(nowMs) === 'up',
      seemsFull: reported !== null && used >= reported.capacity,
      capacity: reported === null ? maxSessions : Math.min(reported.capacity, maxSessions ?? Infinity),
      srvPriority: this.target?.priority ?? 0,
      srvWeight: this.target?.weight ?? 0,
    };
  }

  /** @param wallMs adds to a time of the clock that the pool is driven by, for milliseconds since 1970. */
  status(groups: string[], nowMs: number, wallMs: number): RecorderStatus {
    const { id, uri, location } = this.recorder;
    const { health, sessions } = this;
    const { reported, lastProbeMs, load, probeRttMs, probes, refusals, failures } = health;
    const restsUntilMs = health.restsUntilMs(nowMs);
    const wall = (atMs: number | null) => (atMs === null ? null : Math.round(atMs + wallMs));
    return {
      ...{ id, uri, location, groups, sessions, load, probeRttMs, refusals, failures },
      state: health.state(nowMs),
      cause: health.cause(nowMs),
      sinceMs: Math.round(health.sinceMs(nowMs) + wallMs),
      lastProbeMs: wall(lastProbeMs),
      restsUntilMs: wall(restsUntilMs),
      reported: reported && { sessions: reported.sessions, capacity: reported.capacity },
      probes: { ...probes },
    };
  }
}

function recorderOf(config: RecorderConfig, target: ServiceTarget | null): Recorder {
  if (target === null) return { ...config, configured: config.id };
  return { ...config, configured: config.id, id: `${config.id}/${target.name}`, uri: target.uri };
}
