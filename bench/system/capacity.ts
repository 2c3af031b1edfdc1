/** How many dual-channel SRTP calls one core records without losing a packet. */
import type { Cores } from './contender.ts';
import { recording } from './recording.ts';
import { search } from './search.ts';

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

const PACKETS_PER_CALL_AND_SECOND = 100;

/** Of a core that has nothing else to do, from what a packet costs. */
export function guessCalls(cpuUsPerPacket: number): number {
  return Math.round(1e6 / cpuUsPerPacket / PACKETS_PER_CALL_AND_SECOND);
}

export async function capacity({ guess, progress, ...plan }: CapacityPlan): Promise<Capacity> {
  const attempt = async (calls: number): Promise<string> => {
    const { share } = await recording({ calls, isSrtp: true, isUnread: true, ...plan });
    return `0 dropped, ${Math.round(share * 100)} % of the core`;
  };
  const { most, limit } = await search({ guess, unit: 'calls', attempt, progress });
  return { calls: most, limit };
}
