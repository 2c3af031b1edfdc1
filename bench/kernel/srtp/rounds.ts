/**
 * Times contenders in turns, so that what else the machine does falls on all of them alike; what counts is the median of many short runs.
 * It leaves out most collections of garbage, which favours those who make some.
 */
import assert from 'node:assert/strict';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type Case, type Round, RUN_PACKETS, type SrtpContender, Workload } from './workload.ts';

/** Code is at its final speed after some thousand packets. */
const WARM_UP_ROUNDS = 8;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as (options: { type: 'minor' | 'major' }) => void;

/** @returns nanoseconds per packet of each run. */
async function timeRound(contender: SrtpContender, round: Round): Promise<number[]> {
  const { ns, packets } = await contender.run(round);
  collectGarbage({ type: 'minor' }); // its own, not in the time of the next
  for (const [n, expected] of round.expected.entries()) {
    assert.ok(expected.equals(packets[n]!), `${contender.name} gives other bytes for packet ${n}`);
  }
  return ns.map((run) => run / RUN_PACKETS);
}

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** @returns the median of nanoseconds per packet for each contender, in their order. */
export async function medianNs(timed: Case, contenders: SrtpContender[], rounds: number): Promise<number[]> {
  const workload = new Workload(timed);
  const measured = contenders.map((): number[] => []);
  for (let n = -WARM_UP_ROUNDS; n < rounds; n++) {
    const round = workload.nextRound();
    collectGarbage({ type: 'major' });
    for (const [i, contender] of contenders.entries()) {
      const ns = await timeRound(contender, round);
      if (n >= 0) measured[i]!.push(...ns);
    }
  }
  return measured.map(median);
}
