/** Ways for a lane to die, from outside: its lives are seen as they are made. Import this before an engine starts. */
import { Piscina } from 'piscina';
import * as layout from '../../../assembly/layout.ts';
import { LaneLife } from '../../../src/media/lane-life.ts';
import type { LaneTask } from '../../../src/media/lane-protocol.ts';

export interface LifeSeen {
  readonly laneId: number;
  readonly pool: Piscina;
  readonly memory: WebAssembly.Memory;
  hasBegun: boolean;
}

const made: LifeSeen[] = [];
let seenMs = 0;

const { run } = Piscina.prototype;
Piscina.prototype.run = function (this: Piscina, task: Partial<LaneTask>, ...rest: unknown[]) {
  if (task.memory) made.push({ laneId: task.laneId!, pool: this, memory: task.memory, hasBegun: false });
  return Reflect.apply(run, this, [task, ...rest]) as ReturnType<typeof run>;
} as typeof run;

const { begin } = LaneLife.prototype;
LaneLife.prototype.begin = function (this: LaneLife, ...args: Parameters<typeof begin>) {
  seenMs = performance.now();
  made.find(({ memory }) => memory === this.shared)!.hasBegun = true;
  begin.apply(this, args);
};

/** When the death of the latest lane that died was seen: its next life is to begin then. */
export function deathSeenMs(): number {
  return seenMs;
}

/** The latest life of the lane, of the latest engine, that has begun. */
export function lifeOf(laneId: number): LifeSeen {
  return made.findLast((life) => life.laneId === laneId && life.hasBegun)!;
}

/** The life that waits for the end of that one; null: there is none yet. */
export function waitingLifeOf(laneId: number): LifeSeen | null {
  const latest = made.findLast((life) => life.laneId === laneId);
  return latest && !latest.hasBegun ? latest : null;
}

export const DEATHS = {
  /** Its first stream belongs to a recording that lies out of the memory: the core traps on the next packet. */
  trap: (laneId: number): void => {
    const recording = Math.floor(0x8000_0000 / layout.RECORDING_BYTES);
    const { buffer } = lifeOf(laneId).memory;
    new DataView(buffer).setUint32(layout.STREAMS_AT + layout.STREAM_RECORDING_AT, recording, true);
  },
  /** Its thread is ended, the one that waits is not. */
  exit: (laneId: number): void => {
    void lifeOf(laneId).pool.threads[0]!.terminate();
  },
};

export type Death = keyof typeof DEATHS;
