/** A lane that dies under its load: how long its calls are not received, what they lose, and whether their certificates say so. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { BenchOptions } from '../main.ts';
import type { Goal, Outcome } from '../report.ts';
import { ADDRESS, checkLoad, LOAD, MEDIA_PORTS, NotDone, SOURCE_PORT } from './contender.ts';
import type { Death } from './contenders/lane-death.ts';
import type { CallsSetup, Certified, Outage, RestartSetup } from './contenders/restarted-recorder.ts';
import { pinnedCores } from './cores.ts';
import type { LoadSetup } from './load/generator.ts';
import type { RunResult, RunSetup } from './load/handlers.ts';
import { beside, Remote } from './remote.ts';
import { measured } from './rows.ts';

const CALLS = 500;
const CALLS_BESIDE = 20;
const BEFORE_MS = 2_000;
const LOAD_MS = 5_000;
const RUNS = 5;

export interface Restarted extends Outage {
  dying: Certified;
  beside: Certified;
}

/** One death of a lane. @throws NotDone when a packet is neither received nor declared. @throws LoadTooSlow */
export async function restart(death: Death, calls = CALLS): Promise<Restarted> {
  const journalDir = mkdtempSync(path.join(tmpdir(), 'doubletrack-bench-'));
  // Wherever they like: the dying lane, its successor and the main thread are not to share a core.
  const recorder = Remote.start(beside(import.meta.url, './contenders/restarted-recorder'), null);
  const load = Remote.start(beside(import.meta.url, './load/process'), null);
  try {
    const streams = 2 * (calls + CALLS_BESIDE);
    const setup: RestartSetup = { address: ADDRESS, ports: MEDIA_PORTS, journalDir };
    await recorder.call('start', setup);
    const open = (asked: Pick<CallsSetup, 'lane' | 'calls' | 'firstStream'>) =>
      recorder.call<number[]>('open', { ...asked, address: ADDRESS, sourcePort: SOURCE_PORT } satisfies CallsSetup);
    const ports = await open({ lane: 0, calls, firstStream: 0 });
    ports.push(...(await open({ lane: 1, calls: CALLS_BESIDE, firstStream: ports.length })));
    await load.call('openGenerator', { ...LOAD, isSrtp: true, mostStreams: streams } satisfies LoadSetup);
    await load.call('addStreams', ports);
    const run: RunSetup = { warmUpMs: 0, measureMs: LOAD_MS, pid: recorder.pid };
    const running = load.call<RunResult>('run', run);
    await delay(BEFORE_MS);
    const outage = await recorder.call<Outage>('kill', { lane: 0, death });
    const result = await running;
    checkLoad(result);
    const told = await recorder.call<Certified[]>('certify', { sentOfEach: result.sent / streams });
    return { ...outage, ...checked(told[0]!, told[1]!) };
  } finally {
    await Promise.all([recorder.close(), load.close()]);
    rmSync(journalDir, { recursive: true, force: true });
  }
}

function checked(dying: Certified, other: Certified): Pick<Restarted, 'dying' | 'beside'> {
  const unaccounted = dying.unaccounted + other.unaccounted;
  if (unaccounted > 0) throw new NotDone(`${unaccounted} streams have packets that are neither received nor declared`);
  if (dying.told < dying.calls) throw new NotDone('recordings do not tell of the restart');
  if (other.missing > 0 || other.told > 0) throw new NotDone(`the other lane has lost ${other.missing} packets`);
  return { dying, beside: other };
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

async function goalOf(death: Death, name: string, { progress }: BenchOptions): Promise<Goal> {
  const seen: Restarted[] = [];
  const { value, remark } = await measured(name, progress, async () => {
    for (let n = 0; n < RUNS; n++) seen.push(await restart(death));
    return median(seen.map(({ allReceivingMs }) => allReceivingMs));
  });
  const range = (of: (one: Restarted) => number) => {
    const values = seen.map(of).toSorted((a, b) => a - b);
    return `${Math.round(values[0]!)} to ${Math.round(values.at(-1)!)}`;
  };
  const all = `median of ${RUNS}, ${range((one) => one.allReceivingMs)} ms`;
  const first = `the first of them ${range((one) => one.receivingMs)} ms`;
  const seenAfter = `seen ${range((one) => one.seenMs)} ms after the order`;
  const told = `${all}; ${first}; ${seenAfter}; ${range((one) => one.dying.missing)} packets missing and declared`;
  const goal = { name, unit: 'ms', better: 'less', goal: 100, stretch: 50 } as const;
  return { ...goal, seen: value, remark: remark ?? told };
}

export default async function run(options: BenchOptions): Promise<Outcome> {
  pinnedCores(); // the load needs what this asks for
  const of = `all of ${CALLS} dual-channel SRTP calls are received again, once their lane is seen to have died of`;
  return {
    goals: [
      await goalOf('trap', `${of} a trap`, options),
      await goalOf('exit', `${of} the end of its thread`, options),
    ],
  };
}
