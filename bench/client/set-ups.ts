/**
 * Back-to-back calls whose media flows between the parties (INVITE, 180, 200, ACK, BYE, 200): how many a core sets up in a second with none
 * failed, and how much later the caller hears that it rings. Beside it what sipp does when it calls sipp, with nobody between.
 */
import type { BenchOptions } from '../main.ts';
import { type Figure, type Goal, NotAvailable, type Outcome, type Row } from '../report.ts';
import { type Cores, NotDone } from '../system/contender.ts';
import { pinnedCores } from '../system/cores.ts';
import { cpuUs } from '../system/process-use.ts';
import { beside, Remote } from '../system/remote.ts';
import { inRounds } from '../system/rows.ts';
import { type Found, search } from '../system/search.ts';
import type { Dialled, DialPlan } from './dialler.ts';
import { CALLED_PORT, CLIENT_PORT } from './places.ts';
import { Sipp, sippVersion } from './sipp.ts';
import { DIRECT, TestedClient } from './tested-client.ts';

const GUESS = { client: 400, directly: 3_000 };
/** Nobody asks how fast sipp is; it only has to be faster. */
const MOST = 6_000;
const DELAY_RATE = 100;
const WARM_UP_RATE = 200;
const WARM_UP_S = 2;
/** Sockets' buffers hide for seconds that a core does not keep up. */
const MAX_SHARE = 0.97;
/** Of the rate that was asked for: else it is sipp that does not keep up. */
const MIN_RATE_SHARE = 0.95;

interface Bench {
  cores: Cores;
  sipp: Sipp;
  options: BenchOptions;
}

/** At one rate, through whoever is at that port. @throws NotDone */
async function callsAt(rate: number, toPort: number, { sipp, options }: Bench): Promise<void> {
  const calls = Math.ceil(rate * options.durationS);
  const { successful, failed, retransmissions, perSecond } = await sipp.call({ toPort, rate, calls });
  if (failed > 0 || successful < calls) throw new NotDone(`${calls - successful} of ${calls} failed`);
  if (retransmissions > 0) throw new NotDone(`${retransmissions} messages were sent again`);
  if (perSecond < rate * MIN_RATE_SHARE) throw new NotDone(`only ${perSecond.toFixed(0)} were made in a second`);
}

/** One process goes through all rates, but for those that are too much: another one begins behind them. */
async function throughClient(bench: Bench): Promise<Found> {
  const { cores, sipp, options } = bench;
  let client: TestedClient | null = null;
  const begin = async (): Promise<TestedClient> => {
    await sipp.answer();
    client = await TestedClient.start(cores.tested, DIRECT);
    await sipp.call({ toPort: CLIENT_PORT, rate: WARM_UP_RATE, calls: WARM_UP_RATE * WARM_UP_S });
    return client;
  };
  const attempt = async (rate: number): Promise<string> => {
    const { pid } = client ?? (await begin());
    const [usedBefore, beganMs] = [cpuUs(pid), performance.now()];
    try {
      await callsAt(rate, CLIENT_PORT, bench);
      const share = (cpuUs(pid) - usedBefore) / (performance.now() - beganMs) / 1_000;
      if (share > MAX_SHARE) throw new NotDone('the core has no time left');
      return `0 failed, ${Math.round(share * 100)} % of the core`;
    } catch (error) {
      await client?.close();
      client = null;
      throw error;
    }
  };
  try {
    return await search({ guess: GUESS.client, unit: 'calls/s', attempt, progress: options.progress });
  } finally {
    await (client as TestedClient | null)?.close();
  }
}

async function directly(bench: Bench): Promise<Found> {
  const attempt = async (rate: number): Promise<string> => {
    await bench.sipp.answer();
    await callsAt(rate, CALLED_PORT, bench);
    return '0 failed, directly';
  };
  const { progress } = bench.options;
  return await search({ guess: GUESS.directly, ceiling: MOST, unit: 'calls/s', attempt, progress });
}

function rowOf(name: string, { most, limit }: Found): Row {
  return { name, value: most > 0 ? most : null, remark: limit };
}

const OURS = 'doubletrack client between sipp and sipp';
const DIRECTLY = 'sipp to sipp, directly';

async function rates(bench: Bench): Promise<{ figure: Figure; goal: Goal }> {
  const found = await throughClient(bench);
  const rows = [rowOf(OURS, found), rowOf(DIRECTLY, await directly(bench))];
  const name = 'back-to-back call set-ups on one core, 0 failed';
  const goal = { name, unit: 'calls/s', better: 'more', goal: 300, stretch: 600 } as const;
  return {
    figure: { name: 'Back-to-back call set-ups, 0 failed', unit: 'calls/s, more is better', rows },
    goal: { ...goal, seen: rows[0]!.value, remark: found.limit },
  };
}

function quantile(sorted: number[], share: number): number {
  return sorted[Math.min(Math.floor(sorted.length * share), sorted.length - 1)]!;
}

/** From INVITE to 180, sorted. @throws NotDone */
async function delays(dialler: Remote, toPort: number, durationS: number): Promise<number[]> {
  const plan: DialPlan = {
    toPort,
    rate: DELAY_RATE,
    calls: Math.ceil(DELAY_RATE * durationS),
    warmUpCalls: DELAY_RATE * WARM_UP_S,
  };
  const { ringingMs, failed } = await dialler.call<Dialled>('dial', plan);
  if (failed > 0) throw new NotDone(`${failed} of ${plan.calls} calls failed`);
  return ringingMs.toSorted((a, b) => a - b);
}

async function postDialDelay({ cores, sipp, options }: Bench): Promise<{ figures: Figure[]; goal: Goal }> {
  await sipp.answer();
  const client = await TestedClient.start(cores.tested, DIRECT);
  const dialler = Remote.start(beside(import.meta.url, './dialler'), cores.load);
  try {
    const p99 = new Map<string, number[]>();
    const runner = (name: string, toPort: number) => ({
      name,
      measure: async () => {
        const sorted = await delays(dialler, toPort, options.durationS);
        p99.set(name, [...(p99.get(name) ?? []), quantile(sorted, 0.99)]);
        return quantile(sorted, 0.5);
      },
    });
    const rows = await inRounds([runner(OURS, CLIENT_PORT), runner(DIRECTLY, CALLED_PORT)], options.progress);
    const late = rows.map(({ name }): Row => {
      const seen = (p99.get(name) ?? []).toSorted((a, b) => a - b);
      return { name, value: seen[seen.length >> 1] ?? null };
    });
    const figure = (which: string, of: Row[]): Figure => ({
      ...{ name: `Post-dial delay (INVITE to 180) ${which} at ${DELAY_RATE} calls/s`, unit: 'ms', rows: of },
    });
    const [added, addedP99] = [addedOf(rows), addedOf(late)];
    const goal = { name: 'added post-dial delay p50', unit: 'ms', better: 'less', goal: 5, stretch: 1 } as const;
    const remark = addedP99 === null ? (rows[0]!.remark ?? 'no baseline') : `p99 ${addedP99.toFixed(2)} ms`;
    return { figures: [figure('p50', rows), figure('p99', late)], goal: { ...goal, seen: added, remark } };
  } finally {
    await Promise.all([client.close(), dialler.close()]);
  }
}

function addedOf([ours, directly]: Row[]): number | null {
  if (ours?.value == null || directly?.value == null) return null;
  return ours.value - directly.value;
}

export default async function run(options: BenchOptions): Promise<Outcome> {
  const version = sippVersion();
  const cores = pinnedCores();
  if (cores.tested === cores.load) throw new NotAvailable('needs two cores: one for the client, one for sipp');
  const sipp = new Sipp(cores.load);
  try {
    const bench = { cores, sipp, options };
    const delay = await postDialDelay(bench);
    const rate = await rates(bench);
    return { figures: [rate.figure, ...delay.figures], goals: [rate.goal, delay.goal], versions: { sipp: version } };
  } finally {
    await sipp.close();
  }
}
