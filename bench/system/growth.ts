/** What a call more costs: memory above the fixed cost, and CPU when there are many. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Cores } from './contender.ts';
import { cpuUs, residentBytes } from './process-use.ts';
import { RecordingRig } from './recording.ts';

export interface GrowthPlan {
  few: number;
  many: number;
  cores: Cores;
  warmUpMs: number;
  measureMs: number;
  /** Between two packets of a stream: 20 ms, or more where that is beyond the core. */
  intervalUs: number;
}

export interface Growth {
  bytesPerCall: number;
  /** CPU of a call among many, to one among few. */
  costRatio: number;
}

/** For garbage to be seen as such. */
const SETTLE_MS = 500;
/** V8 collects what the opening of calls has left 8 s and once more 17 s after it, and compiles meanwhile: that is no part of the silence. */
const QUIET_AFTER_MS = 25_000;

/** @returns the share of a core that calls take which are open and silent. */
export async function silentShare(
  calls: number,
  { cores, measureMs, ...plan }: Omit<GrowthPlan, 'few' | 'many'>,
): Promise<number> {
  const rig = await RecordingRig.start({ cores, measureMs, isSrtp: true, ...plan }, calls);
  try {
    await rig.open(calls);
    await delay(QUIET_AFTER_MS);
    const { pid } = rig.recorder;
    const [before, beganMs] = [cpuUs(pid), performance.now()];
    await delay(measureMs);
    return (cpuUs(pid) - before) / (performance.now() - beganMs) / 1000;
  } finally {
    await rig.close();
  }
}

async function settledBytes(rig: RecordingRig): Promise<number> {
  await rig.recorder.call('collectGarbage');
  await delay(SETTLE_MS);
  return residentBytes(rig.recorder.pid);
}

export async function growth({ few, many, cores, warmUpMs, measureMs, intervalUs }: GrowthPlan): Promise<Growth> {
  const rig = await RecordingRig.start({ cores, isSrtp: true, warmUpMs, measureMs, intervalUs }, many);
  try {
    await rig.open(few);
    const first = await rig.run(warmUpMs, measureMs);
    const fewBytes = await settledBytes(rig);
    await rig.open(many - few);
    const second = await rig.run(warmUpMs, measureMs);
    const manyBytes = await settledBytes(rig);
    await rig.check();
    return {
      bytesPerCall: (manyBytes - fewBytes) / (many - few),
      costRatio: second.cpuUs / second.packets / (first.cpuUs / first.packets),
    };
  } finally {
    await rig.close();
  }
}
