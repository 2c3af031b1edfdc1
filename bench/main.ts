/**
 * The benchmark harness. Every benchmark times our code beside a contender in the same run, after checking that both do the same
 * work; what counts is the ratio, for the machine is whatever it is.
 */
import { cpus } from 'node:os';

export interface Contender {
  name: string;
  opsPerSec: number;
}

/** The first contender is ours. `unit` says what one operation is. */
export interface BenchResult {
  name: string;
  unit?: string;
  contenders: Contender[];
}

export type Benchmark = () => Promise<BenchResult | BenchResult[]>;

interface Entry {
  name: string;
  load: () => Promise<{ default: Benchmark }>;
}

export const GROUPS = ['kernel', 'system'] as const;
export type Group = (typeof GROUPS)[number];

const BENCHMARKS: Record<Group, Entry[]> = {
  kernel: [
    { name: 'rtp-parse', load: () => import('./kernel/rtp-parse.ts') },
    { name: 'g711', load: () => import('./kernel/g711.ts') },
    { name: 'finalise', load: () => import('./kernel/finalise.ts') },
    { name: 'srtp', load: () => import('./kernel/srtp.ts') },
    { name: 'sip-parse', load: () => import('./kernel/sip-parse.ts') },
  ],
  system: [{ name: 'call-setup', load: () => import('./system/call-setup.ts') }],
};

export interface BenchReport {
  machine: { cpu: string; cores: number; node: string };
  results: BenchResult[];
}

/** Runs the groups' benchmarks one after another. `progress` gets the name of each before it starts. */
export async function runBenchmarks(groups: readonly Group[], progress: (name: string) => void): Promise<BenchReport> {
  const results: BenchResult[] = [];
  console.log = (...words) => void process.stderr.write(`${words.join(' ')}\n`); // benny's; stdout is for the report
  for (const group of groups) {
    for (const { name, load } of BENCHMARKS[group]) {
      progress(`${group}/${name}`);
      const { default: benchmark } = await load();
      results.push(...[await benchmark()].flat());
    }
  }
  const processors = cpus();
  const machine = { cpu: processors[0]?.model ?? 'unknown', cores: processors.length, node: process.version };
  return { machine, results };
}
