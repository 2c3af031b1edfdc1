/** Ways for a lane to die, from outside: its workers and memories are seen as they are made. Import this before an engine starts. */
import { Piscina } from 'piscina';
import * as layout from '../../../assembly/layout.ts';
import type { LaneTask } from '../../../src/media/lane-protocol.ts';

/** By lane: what its latest life runs on. */
const lives = new Map<number, { pool: Piscina; memory: WebAssembly.Memory }>();

const run = Piscina.prototype.run;
Piscina.prototype.run = function (this: Piscina, task: Partial<LaneTask>, ...rest: unknown[]) {
  if (task.memory) lives.set(task.laneId!, { pool: this, memory: task.memory });
  return Reflect.apply(run, this, [task, ...rest]) as ReturnType<typeof run>;
} as typeof run;

/** Of the latest life of the lane. */
export function memoryOf(laneId: number): WebAssembly.Memory {
  return lives.get(laneId)!.memory;
}

export const DEATHS = {
  /** A chain of staged records that leads out of the memory: the core traps when it flushes. */
  trap: (laneId: number): void => {
    const view = new DataView(memoryOf(laneId).buffer);
    view.setUint32(layout.RECORDINGS_AT + layout.RECORDING_HEAD_AT, 0xffff_fff0, true);
    view.setUint32(layout.RECORDINGS_AT + layout.RECORDING_COUNT_AT, 1, true);
    view.setUint32(layout.LANE_AT + layout.LANE_DIRTY_HEAD_AT, 1, true);
    view.setUint32(layout.LANE_AT + layout.LANE_DIRTY_TAIL_AT, 1, true);
  },
  /** Its thread is ended, the one that waits is not. */
  exit: (laneId: number): void => {
    void lives.get(laneId)!.pool.threads[0]!.terminate();
  },
};

export type Death = keyof typeof DEATHS;
