/**
 * SRTP stays as fast as it is: not an absolute time but how many times as fast as node:crypto in the same run, beside what has been committed
 * in speed-baseline.json. Packets of 172 octets, 200 sessions interleaved, batches of 64 in place.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inPlace } from '../../../bench/kernel/srtp/doubletrack.ts';
import { nodeCrypto } from '../../../bench/kernel/srtp/node-crypto.ts';
import { medianNs } from '../../../bench/kernel/srtp/rounds.ts';
import type { Direction, Suite } from '../../../bench/kernel/srtp/workload.ts';
import baseline from './speed-baseline.json' with { type: 'json' };

const ROUNDS = 5;
/** Other tests run at the same time: a bad turn is taken again. */
const TURNS = 4;

async function timesAsFast(suite: Suite, direction: Direction): Promise<number> {
  const timed = { suite, direction, bytes: 172 };
  const [ours, theirs] = (await medianNs(timed, [inPlace(timed, 64), nodeCrypto(timed)], ROUNDS)) as [number, number];
  return theirs / ours;
}

for (const { suite, direction, timesAsFastAsNodeCrypto } of baseline.cases) {
  const least = timesAsFastAsNodeCrypto * (1 - baseline.tolerance);

  test(`${suite} ${direction}: at least ${least.toFixed(1)} times as fast as node:crypto`, async (t) => {
    let best = 0;
    for (let turn = 0; turn < TURNS && best < least; turn++) {
      best = Math.max(best, await timesAsFast(suite as Suite, direction as Direction));
    }
    t.diagnostic(`${best.toFixed(1)} times as fast`);
    assert.ok(best >= least, `${best.toFixed(2)} times as fast as node:crypto`);
  });
}
