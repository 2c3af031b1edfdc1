/** A recorder as the resource manager hands it out, and what a probe finds out about it. */
import type { RecorderConfig } from '../config/types.ts';
import type { RecorderView } from '../switch/call-control.ts';

export interface Recorder extends RecorderConfig {
  /** Its id in the configuration. `id` is the same, or `CONFIGURED/HOST:PORT` for one of several SRV targets. */
  configured: string;
}

export type ProbeResult =
  | {
      alive: true;
      /** It ends what runs and wants nothing new. */
      draining: boolean;
      /** 0 to 1, as it says itself; null: it does not say. */
      load: number | null;
      /** Sessions at a time, at most, as it says itself. */
      capacity: number | null;
      /** Sessions that it has, ours and others'. */
      sessions?: number | null;
      /** It takes nothing for the moment. */
      busy?: { cause: string; retryAfterSec: number | null } | null;
      /** When it was started. Another one than before: it has lost its sessions. */
      startMs?: number | null;
    }
  | { alive: false; cause: string };

export type RecorderState = RecorderView['state'];

/** One of the targets that a recorder's URI stands for (RFC 2782). */
export interface ServiceTarget {
  uri: string;
  /** `host:port`. */
  name: string;
  priority: number;
  weight: number;
}

export interface RecorderStatus extends RecorderView {
  location: string | null;
  /** Since when it is in this state; milliseconds since 1970. */
  sinceMs: number;
  /** While `resting`: until then, or until the next OPTIONS that it answers well when null. */
  restsUntilMs: number | null;
  /** Sessions that it has by its own word, and may have. */
  reported: { sessions: number; capacity: number } | null;
  /** Of the last OPTIONS that was answered. */
  probeRttMs: number | null;
  probes: { good: number; missed: number };
  /** INVITEs that it refused, and how often it went down. */
  refusals: number;
  failures: number;
}

export interface GroupStatus {
  name: string;
  strategy: string;
  simultaneous: number;
  recorders: string[];
  /** Recorders that may get a new session now. */
  usable: number;
  /** How often there were fewer than `simultaneous` when they were asked for. */
  shortages: number;
}
