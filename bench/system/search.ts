/** The most of something that still goes well, found by halving what is not known yet. */
import { LoadTooSlow, NotDone } from './contender.ts';

export interface Found {
  /** The most that went well; 0: nothing did. */
  most: number;
  /** Why not more. */
  limit: string;
}

export interface Search {
  /** Where to look first. */
  guess: number;
  /** Nothing above is tried. */
  ceiling?: number;
  /** What is counted, for people. */
  unit: string;
  /** Rejects with NotDone or LoadTooSlow for too many. @returns what was seen, for people. */
  attempt(count: number): Promise<string>;
  progress: (text: string) => void;
}

/** What is found is so near to the truth. */
const RESOLUTION = 0.05;
const STEP = 1.25;

/** @returns null, or what was in the way. A step that fails is tried once more: others use the machine too. */
async function faultOf(count: number, { unit, attempt, progress }: Search): Promise<string | null> {
  let fault = '';
  for (let tries = 0; tries < 2; tries++) {
    try {
      progress(`${count} ${unit}: ${await attempt(count)}`);
      return null;
    } catch (error) {
      if (!(error instanceof NotDone || error instanceof LoadTooSlow)) throw error;
      fault = `${count} ${unit}: ${error.message}`;
      progress(fault);
    }
  }
  return fault;
}

export async function search(asked: Search): Promise<Found> {
  const { guess, ceiling = Number.POSITIVE_INFINITY } = asked;
  let [most, least] = [0, Number.POSITIVE_INFINITY];
  let limit = '';
  let count = Math.min(Math.max(guess, 1), ceiling);
  while (least - most > Math.max(most * RESOLUTION, 1)) {
    const fault = await faultOf(count, asked);
    if (fault === null) most = count;
    else [least, limit] = [count, fault];
    if (most === ceiling) return { most, limit: `${ceiling} ${asked.unit}: more were not tried` };
    if (least === Number.POSITIVE_INFINITY) count = Math.min(Math.ceil(count * STEP), ceiling);
    else if (most === 0) count = Math.floor(count / STEP);
    else count = Math.round((most + least) / 2);
    if (count < 1) break;
  }
  return { most, limit };
}
