/**
 * Throughput stays what it is: how many times as fast as a contender in the same run, beside what is committed in baseline.json. Never an
 * absolute time. A ratio that is worse than its tolerance is measured again, for a machine may have been busy with something else.
 */
import baseline from './baseline.json' with { type: 'json' };
import { inPlace } from './kernel/srtp/doubletrack.ts';
import { nodeCrypto } from './kernel/srtp/node-crypto.ts';
import { medianNs } from './kernel/srtp/rounds.ts';
import type { Case, Direction, SrtpContender, Suite } from './kernel/srtp/workload.ts';
import { coreLane } from './lane/core-lane.ts';
import { bufferLane, nodeCryptoLane } from './lane/typescript-lane.ts';
import { pinToOneCore } from './pin.ts';

export interface CheckedRatio {
  name: string;
  /** How many times as fast as the contender we were, and the least that is good enough. */
  baseline: number;
  least: number;
  seen: number;
  isGood: boolean;
}

const ROUNDS = 5;
const TURNS = 3;
const SUITE: Suite = 'AES_CM_128_HMAC_SHA1_80';
const PACKET_BYTES = 172;

/** The case, and ours before its contender. */
function pairOf(name: string): [Case, SrtpContender, SrtpContender] {
  const [kind, suite, direction] = name.split('/') as [string, string, Direction];
  const timed: Case = { suite: SUITE, direction: 'unprotect', bytes: PACKET_BYTES };
  const isSrtp = suite === 'srtp';
  if (kind === 'lane') {
    const ours = coreLane('ours', { suite: SUITE, isSrtp, batch: 256, part: 'all' });
    return [timed, ours, isSrtp ? nodeCryptoLane(SUITE) : bufferLane()];
  }
  const srtp: Case = { suite: suite as Suite, direction, bytes: PACKET_BYTES };
  return [srtp, inPlace(srtp, 64), nodeCrypto(srtp)];
}

async function timesAsFast(name: string): Promise<number> {
  const [timed, ours, contender] = pairOf(name);
  const [us, them] = (await medianNs(timed, [ours, contender], ROUNDS)) as [number, number];
  return them / us;
}

/** @returns every ratio of the baseline, as it is now. */
export async function checkBaseline(progress: (text: string) => void): Promise<CheckedRatio[]> {
  const unpin = pinToOneCore();
  try {
    const checked: CheckedRatio[] = [];
    for (const { name, timesAsFast: expected, tolerance } of baseline.ratios) {
      const least = expected * (1 - tolerance);
      let seen = 0;
      for (let turn = 0; turn < TURNS && seen < least; turn++) seen = Math.max(seen, await timesAsFast(name));
      progress(`${name}: ${seen.toFixed(2)} times as fast, baseline ${expected}, at least ${least.toFixed(2)}`);
      checked.push({ name, baseline: expected, least, seen, isGood: seen >= least });
    }
    return checked;
  } finally {
    unpin();
  }
}
