/** What a packet costs in a lane, stage by stage, and how many of them one core takes; beside the same work in TypeScript. */
import { medianNs } from '../kernel/srtp/rounds.ts';
import type { Case, SrtpContender, Suite } from '../kernel/srtp/workload.ts';
import { pinToOneCore } from '../pin.ts';
import type { BenchResult, Figure, Outcome } from '../report.ts';
import { coreLane, type LaneCase } from './core-lane.ts';
import { mixing } from './mix.ts';
import { bufferLane, nodeCryptoLane } from './typescript-lane.ts';

const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 11);
const SUITE: Suite = 'AES_CM_128_HMAC_SHA1_80';
export const TIMED: Case = { suite: SUITE, direction: 'unprotect', bytes: 172 };
const [LARGE, SMALL] = [256, 16];
const SINKS = 3;

function lane(name: string, options: Partial<LaneCase>): SrtpContender {
  return coreLane(name, { suite: SUITE, isSrtp: true, batch: LARGE, part: 'all', ...options });
}

/** The first is ours. */
export function laneContenders(isSrtp: boolean): SrtpContender[] {
  const ours = [LARGE, SMALL].map((batch) => lane(`doubletrack, batches of ${batch}`, { isSrtp, batch }));
  return [...ours, isSrtp ? nodeCryptoLane(SUITE) : bufferLane()];
}

async function compare(isSrtp: boolean): Promise<BenchResult> {
  const contenders = laneContenders(isSrtp);
  const ns = await medianNs(TIMED, contenders, ROUNDS);
  return {
    name: `Lane: receive 172 octets ${isSrtp ? `of SRTP, ${SUITE}` : 'in the clear'}, journal, flush`,
    unit: 'packets',
    contenders: contenders.map(({ name }, n) => ({ name, opsPerSec: 1e9 / ns[n]! })),
  };
}

async function stages(): Promise<Figure> {
  const contenders = [
    lane('clear', { isSrtp: false, part: 'receive' }),
    lane('srtp', { part: 'receive' }),
    lane('flush', { part: 'flush' }),
  ];
  const [clear, srtp, flush] = (await medianNs(TIMED, contenders, ROUNDS)) as [number, number, number];
  const rows = [
    {
      name: 'all of it',
      value: srtp + flush,
      remark: `${Math.round(1e9 / (srtp + flush)).toLocaleString('en')} packets/s`,
    },
    { name: 'admit, receive, stage for the journal', value: clear },
    { name: 'SRTP unprotect', value: srtp - clear },
    { name: 'flush: blocks and their check sums', value: flush },
  ];
  return { name: `Lane: stages of a packet, batches of ${LARGE}`, unit: 'ns', isBreakdown: true, rows };
}

async function replication(): Promise<Figure> {
  const contenders = [
    lane('srtp', { part: 'replicate', sinks: SINKS, areSinksSrtp: true }),
    lane('clear', { part: 'replicate', sinks: SINKS }),
  ];
  const [srtp, clear] = (await medianNs(TIMED, contenders, ROUNDS)) as [number, number];
  const rows = [
    {
      name: `to ${SINKS} sinks, in SRTP of their own`,
      value: srtp,
      remark: `${Math.round(1e9 / srtp).toLocaleString('en')} packets/s in, ${Math.round((SINKS * 1e9) / srtp).toLocaleString('en')} out`,
    },
    { name: 'copies, and headers of their own', value: clear },
    { name: 'SRTP protect', value: srtp - clear },
  ];
  return { name: `Lane: replicate a packet, batches of ${LARGE}`, unit: 'ns', isBreakdown: true, rows };
}

export default async function run(): Promise<Outcome> {
  const unpin = pinToOneCore();
  try {
    const figures = [await stages(), await replication(), mixing(ROUNDS)];
    return { results: [await compare(true), await compare(false)], figures };
  } finally {
    unpin();
  }
}
