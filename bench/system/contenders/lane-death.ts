/** Ways for a lane to die, from outside: its workers and memories are seen as they are made. Import this before an engine starts. */
import { Piscina } from 'piscina';
import * as layout from '../../../assembly/layout.ts';
import { LaneLife } from '../../../src/media/lane-life.ts';
import type { LaneTask } from '../../../src/media/lane-protocol.ts';

interface LifeSeen {
  laneId: number;
  pool: Piscina;
  memory: WebAssembly.Memory;
}

/** What lives were made on, with those that wait for their beginning. */
const made: LifeSeen[] = [];
/** By lane: the latest that has begun. */
const lives = new Map<number, LifeSeen>();
let seenMs = 0;

const { run } = Piscina.prototype;
Piscina.prototype.run = function (this: Piscina, task: Partial<LaneTask>, ...rest: unknown[]) {
  if (task.memory) made.push({ laneId: task.laneId!, pool: this, memory: task.memory });
  return Reflect.apply(run, this, [task, ...rest]) as ReturnType<typeof run>;
} as typeof run;

const { begin } = LaneLife.prototype;
LaneLife.prototype.begin = function (this: LaneLife, ...args: Parameters<typeof begin>) {
  seenMs = performance.now();
  const life = made.find(({ memory }) => memory === this.shared)!;
  lives.set(life.laneId, life);
  begin.apply(this, args);
};

/** When the death of the latest lane that died was seen: its next life is to begin then. */
export function deathSeenMs(): number {
  return seenMs;
}

/** Of the latest life of the lane. */
export function memoryOf(laneId: number): WebAssembly.Memory {
  return lives.get(laneId)!.memory;
}

export const DEATHS = {
  /** Its first stream belongs to a recording that lies out of the memory: the core traps on the next packet. */
  trap: (laneId: number): void => {
    const recording = Math.floor(0x8000_0000 / layout.RECORDING_BYTES);
    new DataView(memoryOf(laneId).buffer).setUint32(layout.STREAMS_AT + layout.STREAM_RECORDING_AT, recording, true);
  },
  /** Its thread is ended, the one that waits is not. */
  exit: (laneId: number): void => {
    void lives.get(laneId)!.pool.threads[0]!.terminate();
  },
};

export type Death = keyof typeof DEATHS;
