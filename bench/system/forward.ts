/** Forwarding with real sockets: what a packet costs that goes on to one sink or to three, and how long it takes. */
import type { BenchOptions } from '../main.ts';
import { forwardingPeers } from '../peers/forwarders.ts';
import type { Figure, Goal, Outcome, Row } from '../report.ts';
import type { ForwardContender } from './contender.ts';
import { ours } from './contenders/our-forwarder.ts';
import { pinnedCores } from './cores.ts';
import { type ForwardingPlan, forwarding } from './forwarding.ts';
import type { Latency } from './load/sinks.ts';
import { inRounds, measured } from './rows.ts';

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

function cost({ options, plan, contenders }: Race, kind: string): Promise<Row[]> {
  const runners = contenders.map((contender) => {
    const streams = Math.min(plan.streams, contender.mostStreams ?? plan.streams);
    const fewer = streams < plan.streams ? `, ${streams} streams` : '';
    const measure = async () => (await forwarding(contender, { ...plan, streams })).cpuUsPerPacket;
    return { name: `${contender.name}${fewer}, ${kind}`, measure };
  });
  return inRounds(runners, options.progress);
}

async function oneSink(race: Race): Promise<Figure> {
  const rows = await cost(race, 'in the clear');
  return { name: `Forward ${race.plan.streams} streams to one sink`, unit: 'us CPU per packet', rows };
}

/** SRTP for who has it; in the clear too, for that is what published figures are of. */
async function threeSinks({ options, plan, contenders }: Race): Promise<Figure> {
  const streams = Math.max(Math.round(plan.streams * STREAMS_SHARE_OF_SINKS), 1);
  const wider = { ...plan, streams, sinks: SINKS };
  const secure = contenders.filter(({ hasSrtp }) => hasSrtp);
  const wide = contenders.filter(({ mostSinks }) => mostSinks >= SINKS);
  const rows = [
    ...(await cost({ options, plan: { ...wider, isSrtp: true }, contenders: secure }, 'each sink with SRTP')),
    ...(await cost({ options, plan: wider, contenders: wide }, 'in the clear')),
  ];
  return { name: `Forward ${streams} streams to three sinks each`, unit: 'us CPU per packet received', rows };
}

/** Each at half of what a core of its own could do, as its cost says. */
async function latency(
  { options, plan, contenders }: Race,
  costs: Row[],
): Promise<{ figure: Figure; p99Us: number | null }> {
  const rows: Row[] = [];
  let p99Us: number | null = null;
  for (const [n, contender] of contenders.entries()) {
    const cpuUsPerPacket = costs[n]!.value;
    if (cpuUsPerPacket === null) continue;
    const streams = Math.max(Math.round(1e6 / cpuUsPerPacket / PACKETS_PER_SECOND / 2), 1);
    const loaded = { ...plan, streams: Math.min(streams, MOST_STREAMS), isTimed: true };
    let seen: Latency | null = null;
    const row = await measured(`${contender.name}, ${loaded.streams} streams`, options.progress, async () => {
      seen = (await forwarding(contender, loaded)).latency;
      return seen!.p99Us / 1000;
    });
    rows.push(seen ? { ...row, remark: latencyRemark(seen) } : row);
    if (contender === ours) p99Us = row.value;
  }
  return { figure: { name: 'Forwarding latency p99 at half load', unit: 'ms', rows }, p99Us };
}

/** One lane's, and rtpengine's ports. */
const MOST_STREAMS = 4_000;

function latencyRemark({ packets, p50Us, maxUs }: Latency): string {
  return `p50 ${(p50Us / 1000).toFixed(3)}, max ${(maxUs / 1000).toFixed(1)}, ${packets.toLocaleString('en')} packets`;
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
  const one = await oneSink(race);
  const three = await threeSinks(race);
  const { figure, p99Us } = await latency(race, one.rows);
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
    { name: 'forwarding latency p99 at half load', unit: 'ms', ...less, goal: 1, stretch: 0.4, seen: p99Us },
  ];
  return { figures: [one, three, figure], goals, notes: peers.notes, versions: peers.versions };
}
