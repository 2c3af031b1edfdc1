/**
 * The benchmark harness. Every benchmark times our code beside a contender in the same run, after checking that both do the same
 * work; what counts is the ratio, for the machine is whatever it is.
 */
import { cpus, release, totalmem } from 'node:os';
import { type BenchReport, type BenchResult, NotAvailable, type Outcome } from './report.ts';

export type { BenchReport, BenchResult, Contender } from './report.ts';

export interface BenchOptions {
  /** Also other software, where it is installed or can be. */
  peers: boolean;
  /** Seconds that each run of a system benchmark is measured. */
  durationS: number;
  /** Of the runs that are not to find a limit, at 50 packets/s each. */
  streams: number;
  /** What is going on, for people who wait. */
  progress: (text: string) => void;
}

export type Benchmark = (options: BenchOptions) => Promise<BenchResult | BenchResult[] | Outcome>;

interface Entry {
  name: string;
  load: () => Promise<{ default: Benchmark }>;
}

export const GROUPS = ['kernel', 'lane', 'system', 'client'] as const;
export type Group = (typeof GROUPS)[number];

const BENCHMARKS: Record<Group, Entry[]> = {
  kernel: [
    { name: 'rtp-parse', load: () => import('./kernel/rtp-parse.ts') },
    { name: 'g711', load: () => import('./kernel/g711.ts') },
    { name: 'finalise', load: () => import('./kernel/finalise.ts') },
    { name: 'srtp', load: () => import('./kernel/srtp.ts') },
    { name: 'sip-parse', load: () => import('./kernel/sip-parse.ts') },
  ],
  lane: [
    { name: 'stages', load: () => import('./lane/stages.ts') },
    { name: 'journal', load: () => import('./kernel/journal.ts') },
  ],
  system: [
    { name: 'call-setup', load: () => import('./system/call-setup.ts') },
    { name: 'receive', load: () => import('./system/receive.ts') },
    { name: 'forward', load: () => import('./system/forward.ts') },
    { name: 'restart', load: () => import('./system/restart.ts') },
  ],
  client: [
    { name: 'set-ups', load: () => import('./client/set-ups.ts') },
    { name: 'conversations', load: () => import('./client/conversations.ts') },
  ],
};

/** Runs the groups' benchmarks one after another. */
export async function runBenchmarks(groups: readonly Group[], options: BenchOptions): Promise<BenchReport> {
  const outcomes: Outcome[] = [];
  const restore = keepStdoutClean();
  try {
    for (const group of groups) {
      for (const { name, load } of BENCHMARKS[group]) {
        options.progress(`${group}/${name} …`);
        const { default: benchmark } = await load();
        outcomes.push(await outcomeOf(`${group}/${name}`, benchmark, options));
      }
    }
  } finally {
    restore();
  }
  return reportOf(outcomes);
}

/** What benny shows goes to stderr; stdout is for the report. @returns what undoes it. */
function keepStdoutClean(): () => void {
  const { write } = process.stdout;
  process.stdout.write = process.stderr.write.bind(process.stderr);
  return () => {
    process.stdout.write = write;
  };
}

export function reportOf(outcomes: Outcome[]): BenchReport {
  const versions: Record<string, string> = {};
  for (const outcome of outcomes) Object.assign(versions, outcome.versions);
  return {
    machine: machine(versions),
    results: outcomes.flatMap(({ results = [] }) => results),
    figures: outcomes.flatMap(({ figures = [] }) => figures),
    goals: outcomes.flatMap(({ goals = [] }) => goals),
    notes: outcomes.flatMap(({ notes = [] }) => notes),
  };
}

async function outcomeOf(name: string, benchmark: Benchmark, options: BenchOptions): Promise<Outcome> {
  try {
    const outcome = await benchmark(options);
    return Array.isArray(outcome) || 'contenders' in outcome ? { results: [outcome].flat() } : outcome;
  } catch (error) {
    if (error instanceof NotAvailable) return { notes: [`${name} was not run: it ${error.message}`] };
    throw error;
  }
}

function machine(versions: Record<string, string>): BenchReport['machine'] {
  const processors = cpus();
  return {
    cpu: processors[0]?.model ?? 'unknown',
    cores: processors.length,
    memoryBytes: totalmem(),
    kernel: release(),
    node: process.version,
    versions,
  };
}
