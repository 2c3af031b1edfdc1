/** How many dual-channel SRTP calls one core records without losing a packet: found by halving what is not known yet. */
import { type Cores, LoadTooSlow, NotDone } from './contender.ts';
import { type RecordingPlan, recording } from './recording.ts';

export interface Capacity {
  /** The most calls that were recorded whole. */
  calls: number;
  /** Why not more. */
  limit: string;
}

export interface CapacityPlan {
  cores: Cores;
  warmUpMs: number;
  measureMs: number;
  /** Where to look first. */
  guess: number;
  progress: (text: string) => void;
}

/** What is found is so near to the truth. */
const RESOLUTION = 0.05;
const STEP = 1.25;
const PACKETS_PER_CALL_AND_SECOND = 100;

/** Of a core that has nothing else to do, from what a packet costs. */
export function guessCalls(cpuUsPerPacket: number): number {
  return Math.round(1e6 / cpuUsPerPacket / PACKETS_PER_CALL_AND_SECOND);
}

/** @returns null, or what was in the way. A step that fails is tried once more: others use the machine too. */
async function tryCalls(calls: number, plan: CapacityPlan): Promise<string | null> {
  const { cores, warmUpMs, measureMs, progress } = plan;
  const asked: RecordingPlan = { calls, isSrtp: true, cores, warmUpMs, measureMs, isUnread: true };
  let fault = '';
  for (let tries = 0; tries < 2; tries++) {
    try {
      const { share } = await recording(asked);
      progress(`${calls} calls: 0 dropped, ${Math.round(share * 100)} % of the core`);
      return null;
    } catch (error) {
      if (!(error instanceof NotDone || error instanceof LoadTooSlow)) throw error;
      fault = `${calls} calls: ${error.message}`;
      progress(fault);
    }
  }
  return fault;
}

export async function capacity(plan: CapacityPlan): Promise<Capacity> {
  let [most, least] = [0, Number.POSITIVE_INFINITY];
  let limit = '';
  let calls = Math.max(plan.guess, 1);
  while (least - most > Math.max(most * RESOLUTION, 1)) {
    const fault = await tryCalls(calls, plan);
    if (fault === null) most = calls;
    else [least, limit] = [calls, fault];
    if (least === Number.POSITIVE_INFINITY) calls = Math.ceil(calls * STEP);
    else if (most === 0) calls = Math.floor(calls / STEP);
    else calls = Math.round((most + least) / 2);
    if (calls < 1) break;
  }
  return { calls: most, limit };
}
