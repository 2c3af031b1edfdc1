/**
 * Receiving with real sockets and a real disk: what a packet costs, how many calls one core records, and what one call more costs.
 */
import type { BenchOptions } from '../main.ts';
import { receivedByDgram } from '../peers/dgram-receiver.ts';
import type { Figure, Goal, Outcome } from '../report.ts';
import { capacity, guessCalls } from './capacity.ts';
import type { Cores } from './contender.ts';
import { pinnedCores } from './cores.ts';
import { growth, silentShare } from './growth.ts';
import { PACKET_US } from './load/packets.ts';
import { recording } from './recording.ts';
import { inRounds, measured } from './rows.ts';
import { whereFigure } from './where.ts';

const WARM_UP_MS = 1_000;
const [FEW_CALLS, MANY_CALLS] = [200, 2_000];
const SILENT_CALLS = 1_000;
/** Of ports that are shared. */
const STREAMS_PER_PORT = 64;
/** Of what the core can do: so much must be left for the growth to be seen without loss. */
const GROWTH_LOAD = 0.8;

interface Plan {
  cores: Cores;
  warmUpMs: number;
  measureMs: number;
}

async function costFigures(
  { streams, progress }: BenchOptions,
  plan: Plan,
): Promise<[cost: Figure, where: Figure | null]> {
  const calls = Math.ceil(streams / 2);
  let where: Figure | null = null;
  const srtp = {
    name: 'doubletrack: receive + SRTP unprotect + journal',
    measure: async () => {
      const seen = await recording({ calls, isSrtp: true, ...plan });
      where = whereFigure('receive + SRTP unprotect + journal', seen);
      return seen.cpuUsPerPacket;
    },
  };
  const others = [
    { name: `the same, ${STREAMS_PER_PORT} streams per port`, isSrtp: true, streamsPerPort: STREAMS_PER_PORT },
    { name: 'doubletrack: receive in the clear + journal', isSrtp: false, streamsPerPort: 1 },
  ].map(({ name, ...how }) => ({
    name,
    measure: async () => (await recording({ calls, ...how, ...plan })).cpuUsPerPacket,
  }));
  const peer = { name: 'node:dgram: receive only', measure: () => receivedByDgram({ streams: 2 * calls, ...plan }) };
  const rows = await inRounds([srtp, ...others, peer], progress);
  const name = `Receive and record ${2 * calls} streams at 50 packets/s`;
  return [{ name, unit: 'us CPU per packet', rows }, where];
}

async function callsGoal({ progress }: BenchOptions, plan: Plan, cpuUsPerPacket: number): Promise<Goal> {
  const { calls, limit } = await capacity({ ...plan, guess: guessCalls(cpuUsPerPacket), progress });
  const goal = { goal: 2_000, stretch: 3_000, better: 'more', unit: 'calls' } as const;
  return { name: 'dual-channel SRTP calls recorded per core, 0 dropped', ...goal, seen: calls, remark: limit };
}

async function growthGoals({ progress }: BenchOptions, plan: Plan, mostCalls: number): Promise<Goal[]> {
  const intervals = Math.max(Math.ceil(MANY_CALLS / (mostCalls * GROWTH_LOAD)), 1);
  const asked = { ...plan, few: FEW_CALLS, many: MANY_CALLS, intervalUs: intervals * PACKET_US };
  const remark = intervals > 1 ? `a packet every ${20 * intervals} ms, for this core does not take more` : '';
  let seen: { bytesPerCall: number | null; costRatio: number | null } = { bytesPerCall: null, costRatio: null };
  const row = await measured(`${FEW_CALLS} and ${MANY_CALLS} calls`, progress, async () => {
    const grown = await growth(asked);
    seen = grown;
    return grown.bytesPerCall;
  });
  const why = row.remark ?? remark;
  const tell = why ? { remark: why } : {};
  const memory = { name: 'memory per dual-channel call above the fixed cost', unit: 'KB', goal: 64, stretch: 32 };
  const cost = {
    name: `cost per call at ${MANY_CALLS} calls against ${FEW_CALLS}`,
    unit: 'times',
    goal: 1.1,
    stretch: 1,
  };
  const kilobytes = seen.bytesPerCall === null ? null : seen.bytesPerCall / 1024;
  return [
    { ...memory, better: 'less', seen: kilobytes, ...tell },
    { ...cost, better: 'less', seen: seen.costRatio, ...tell },
  ];
}

async function silenceGoal({ progress }: BenchOptions, plan: Plan): Promise<Goal> {
  const measure = async () => 100 * (await silentShare(SILENT_CALLS, { ...plan, intervalUs: PACKET_US }));
  const { value, remark } = await measured(`${SILENT_CALLS} calls on hold`, progress, measure);
  const goal = {
    name: `${SILENT_CALLS} calls on hold`,
    unit: '% of a core',
    better: 'less',
    goal: 2,
    stretch: 1,
  } as const;
  return { ...goal, seen: value, ...(remark ? { remark } : {}) };
}

export default async function run(options: BenchOptions): Promise<Outcome> {
  const plan: Plan = { cores: pinnedCores(), warmUpMs: WARM_UP_MS, measureMs: options.durationS * 1_000 };
  const [cost, where] = await costFigures(options, plan);
  const cpuUsPerPacket = cost.rows[0]!.value;
  const costGoal = { name: 'receive + SRTP unprotect + journal', unit: 'us CPU per packet', goal: 3, stretch: 2.4 };
  const goals: Goal[] = [
    { ...costGoal, better: 'less', seen: cpuUsPerPacket },
    {
      ...{ ...costGoal, name: `${costGoal.name}, ${STREAMS_PER_PORT} streams per port`, better: 'less' },
      seen: cost.rows[1]!.value,
    },
  ];
  if (cpuUsPerPacket !== null) {
    const calls = await callsGoal(options, plan, cpuUsPerPacket);
    goals.push(calls, ...(await growthGoals(options, plan, calls.seen ?? 1)));
  }
  goals.push(await silenceGoal(options, plan));
  return { figures: where ? [cost, where] : [cost], goals };
}
