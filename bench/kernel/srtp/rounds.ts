/** Times contenders in turns, round by round, so that what else the machine does falls on all of them; what counts is the median. */
import assert from 'node:assert/strict';
import { type Case, type Round, type SrtpContender, Workload } from './workload.ts';

/** Code is at its final speed after some thousand packets. */
const WARM_UP_ROUNDS = 4;

async function timeRound(contender: SrtpContender, round: Round): Promise<number> {
  const { ns, packets } = await contender.run(round);
  for (const [n, expected] of round.expected.entries()) {
    assert.ok(expected.equals(packets[n]!), `${contender.name} gives other bytes for packet ${n}`);
  }
  return ns / round.given.length;
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
    for (const [i, contender] of contenders.entries()) {
      const ns = await timeRound(contender, round);
      if (n >= 0) measured[i]!.push(ns);
    }
  }
  return measured.map(median);
}
