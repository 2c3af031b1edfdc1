/**
 * The benchmark harness. Every benchmark times our code beside a contender in the same run, after checking that both do the same
 * work; what counts is the ratio, for the machine is whatever it is.
 */
import { cpus, release, totalmem } from 'node:os';
import type { BenchReport, BenchResult, Outcome } from './report.ts';

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

export const GROUPS = ['kernel', 'lane', 'system'] as const;
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
  ],
};

/** Runs the groups' benchmarks one after another. */
export async function runBenchmarks(groups: readonly Group[], options: BenchOptions): Promise<BenchReport> {
  const report: Required<Outcome> = { results: [], figures: [], goals: [] };
  console.log = (...words) => void process.stderr.write(`${words.join(' ')}\n`); // benny's; stdout is for the report
  for (const group of groups) {
    for (const { name, load } of BENCHMARKS[group]) {
      options.progress(`${group}/${name} …`);
      const { default: benchmark } = await load();
      const outcome = await benchmark(options);
      if ('contenders' in outcome) report.results.push(outcome);
      else if (Array.isArray(outcome)) report.results.push(...outcome);
      else
        for (const kind of ['results', 'figures', 'goals'] as const)
          report[kind].push(...((outcome[kind] ?? []) as never[]));
    }
  }
  return { machine: await machine(options), ...report };
}

async function machine({ peers }: BenchOptions): Promise<BenchReport['machine']> {
  const processors = cpus();
  const { peerVersions } = await import('./peers/versions.ts');
  return {
    cpu: processors[0]?.model ?? 'unknown',
    cores: processors.length,
    memoryBytes: totalmem(),
    kernel: release(),
    node: process.version,
    versions: peers ? peerVersions() : {},
  };
}
