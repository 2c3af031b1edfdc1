/** Forwarding with real sockets: what a packet costs that goes on to one sink or to three, and how long it takes. */
import type { BenchOptions } from '../main.ts';
import { forwardingPeers } from '../peers/forwarders.ts';
import type { Figure, Goal, Outcome, Row } from '../report.ts';
import type { ForwardContender } from './contender.ts';
import { ours } from './contenders/our-forwarder.ts';
import { pinnedCores } from './cores.ts';
import { type ForwardingPlan, forwarding } from './forwarding.ts';
import type { Latency } from './load/sinks.ts';
import { inRounds } from './rows.ts';
import { whereFigure } from './where.ts';

const WARM_UP_MS = 1_000;
const SINKS = 3;
/** What goes to three sinks costs that much more: fewer streams, so that nobody is beyond one core. */
const STREAMS_SHARE_OF_SINKS = 0.4;
const PACKETS_PER_SECOND = 50;
const RTPENGINE = 'rtpengine';

interface Race {
  options: BenchOptions;
  plan: ForwardingPlan;
  contenders: ForwardContender[];
}

/** @param where gets a profile of each, by name. */
function cost({ options, plan, contenders }: Race, kind: string, where: Map<string, Figure>): Promise<Row[]> {
  const runners = contenders.map((contender) => {
    const streams = Math.min(plan.streams, contender.mostStreams ?? plan.streams);
    const fewer = streams < plan.streams ? `, ${streams} streams` : '';
    const name = `${contender.name}${fewer}, ${kind}`;
    const measure = async () => {
      const seen = await forwarding(contender, { ...plan, streams });
      where.set(name, whereFigure(`forwarding to ${plan.sinks === 1 ? 'one' : 'three'}: ${name}`, seen));
      return seen.cpuUsPerPacket;
    };
    return { name, measure };
  });
  return inRounds(runners, options.progress);
}

async function oneSink(race: Race, where: Map<string, Figure>): Promise<Figure> {
  const rows = await cost(race, 'in the clear', where);
  return { name: `Forward ${race.plan.streams} streams to one sink`, unit: 'us CPU per packet', rows };
}

/** SRTP for who has it; in the clear too, for that is what published figures are of. */
async function threeSinks({ options, plan, contenders }: Race, where: Map<string, Figure>): Promise<Figure> {
  const streams = Math.max(Math.round(plan.streams * STREAMS_SHARE_OF_SINKS), 1);
  const wider = { ...plan, streams, sinks: SINKS };
  const secure = contenders.filter(({ hasSrtp }) => hasSrtp);
  const wide = contenders.filter(({ mostSinks }) => mostSinks >= SINKS);
  const rows = [
    ...(await cost({ options, plan: { ...wider, isSrtp: true }, contenders: secure }, 'each sink with SRTP', where)),
    ...(await cost({ options, plan: wider, contenders: wide }, 'in the clear', where)),
  ];
  return { name: `Forward ${streams} streams to three sinks each`, unit: 'us CPU per packet received', rows };
}

/** Each at half of what a core of its own could do, as its cost says. */
async function latency({ options, plan, contenders }: Race, costs: Row[]): Promise<Figure> {
  const seen = new Map<string, Latency>();
  const runners = contenders.flatMap((contender, n) => {
    const cpuUsPerPacket = costs[n]!.value;
    if (cpuUsPerPacket === null) return [];
    const half = Math.round(1e6 / cpuUsPerPacket / PACKETS_PER_SECOND / 2);
    const streams = Math.min(Math.max(half, 1), MOST_STREAMS);
    const name = `${contender.name}, ${streams} streams`;
    const measure = async () => {
      const told = (await forwarding(contender, { ...plan, streams, isTimed: true })).latency!;
      if (told.p99Us < (seen.get(name)?.p99Us ?? Number.POSITIVE_INFINITY)) seen.set(name, told);
      return told.p99Us / 1000;
    };
    return [{ name, measure }];
  });
  const rows = (await inRounds(runners, options.progress)).map((row) => {
    const best = seen.get(row.name);
    return best ? { ...row, remark: `best round: ${latencyRemark(best)}${row.remark ? `; ${row.remark}` : ''}` } : row;
  });
  return { name: 'Forwarding latency p99 at half load', unit: 'ms', rows };
}

/** One lane's sessions. */
const MOST_STREAMS = 2_000;

function latencyRemark({ packets, p50Us, p99Us, maxUs }: Latency): string {
  return `p50 ${(p50Us / 1000).toFixed(3)}, p99 ${(p99Us / 1000).toFixed(3)}, max ${(maxUs / 1000).toFixed(1)}, ${packets.toLocaleString('en')} packets`;
}

function timesLess(figure: Figure, kind: string): { seen: number | null; remark?: string } {
  const find = (name: string) => figure.rows.find((row) => row.name.startsWith(name) && row.name.endsWith(kind));
  const [us, peer] = [figure.rows[0], find(RTPENGINE)];
  if (us?.value && peer?.value) return { seen: peer.value / us.value };
  return { seen: null, remark: us?.remark ?? peer?.remark ?? 'rtpengine takes part with --peers' };
}

export default async function run(options: BenchOptions): Promise<Outcome> {
  const plan: ForwardingPlan = {
    ...{ streams: options.streams, sinks: 1, isSrtp: false, isTimed: false, warmUpMs: WARM_UP_MS },
    measureMs: options.durationS * 1_000,
    cores: pinnedCores(),
  };
  const peers = options.peers ? forwardingPeers() : { contenders: [], versions: {}, notes: [] };
  const contenders = [ours, ...peers.contenders];
  const race = { options, plan, contenders };
  const [ofOne, ofThree] = [new Map<string, Figure>(), new Map<string, Figure>()];
  const one = await oneSink(race, ofOne);
  const three = await threeSinks(race, ofThree);
  const isExplained = (name: string) => [ours.name, RTPENGINE].some((known) => name.startsWith(known));
  const where = [...ofOne, ...ofThree].filter(([name]) => isExplained(name)).map(([, figure]) => figure);
  const delays = await latency(race, one.rows);
  const p99Ms = delays.rows.find(({ name }) => name.startsWith(`${ours.name},`))?.value ?? null;
  const [less, more] = [{ better: 'less' } as const, { better: 'more', unit: 'times less CPU' } as const];
  const goals: Goal[] = [
    {
      name: 'forwarding one stream, against rtpengine',
      ...more,
      goal: 4,
      stretch: 6,
      ...timesLess(one, 'in the clear'),
    },
    {
      ...{ name: 'one stream to three sinks with SRTP, against rtpengine in the clear', ...more, goal: 5, stretch: 7 },
      ...timesLess(three, 'in the clear'),
    },
    {
      ...{ name: 'one stream to three sinks with SRTP, against rtpengine with SRTP', ...more, goal: 5, stretch: 7 },
      ...timesLess(three, 'each sink with SRTP'),
    },
    { name: 'forwarding latency p99 at half load', unit: 'ms', ...less, goal: 1, stretch: 0.4, seen: p99Ms },
  ];
  return { figures: [one, three, ...where, delays], goals, notes: peers.notes, versions: peers.versions };
}
