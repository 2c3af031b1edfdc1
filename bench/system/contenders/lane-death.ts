/** Ways for a lane to die, from outside: its workers and memories are seen as they are made. Import this before an engine starts. */
import { Piscina } from 'piscina';
import * as layout from '../../../assembly/layout.ts';
import { OpenContents } from '../../../src/media/lane-contents.ts';
import type { LaneTask } from '../../../src/media/lane-protocol.ts';

/** By lane: what its latest life runs on. */
const lives = new Map<number, { pool: Piscina; memory: WebAssembly.Memory }>();

const run = Piscina.prototype.run;
Piscina.prototype.run = function (this: Piscina, task: Partial<LaneTask>, ...rest: unknown[]) {
  if (task.memory) lives.set(task.laneId!, { pool: this, memory: task.memory });
  return Reflect.apply(run, this, [task, ...rest]) as ReturnType<typeof run>;
} as typeof run;

let seenMs = 0;
const { renewed } = OpenContents.prototype;
OpenContents.prototype.renewed = function (this: OpenContents) {
  seenMs = performance.now();
  return renewed.call(this);
};

/** When the death of the latest lane that died was seen: what is to be open in its next life is asked for then. */
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
