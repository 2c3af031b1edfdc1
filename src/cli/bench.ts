/** `doubletrack bench`: the benchmarks, each beside a contender in the same run. */
import type { Command } from 'commander';
import { type BenchReport, GROUPS, type Group, runBenchmarks } from '../../bench/main.ts';

/** What one operation takes, where that is short. */
function timeOfOne(opsPerSec: number): string {
  const ns = 1e9 / opsPerSec;
  return (ns < 1e6 ? `${Math.round(ns).toLocaleString('en')} ns` : '').padStart(12);
}

function table({ machine, results }: BenchReport): string {
  const lines = [`${machine.cpu}, ${machine.cores} cores, Node ${machine.node}`];
  for (const { name, unit, contenders } of results) {
    lines.push('', `${name}${unit ? ` (${unit})` : ''}`);
    const ours = contenders[0]?.opsPerSec ?? 0;
    for (const contender of contenders) {
      const ratio =
        contender === contenders[0] ? '' : `  ours is ${(ours / contender.opsPerSec).toFixed(2)} times as fast`;
      const perSecond = Math.round(contender.opsPerSec).toLocaleString('en').padStart(14);
      lines.push(`  ${contender.name.padEnd(42)} ${perSecond} /s ${timeOfOne(contender.opsPerSec)}${ratio}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

async function bench(group: string, options: { json?: boolean }, command: Command): Promise<void> {
  if (group !== 'all' && !GROUPS.includes(group as Group)) {
    command.error(`error: no group '${group}': choose ${GROUPS.join(', ')} or all`, { exitCode: 2 });
  }
  const groups = group === 'all' ? GROUPS : [group as Group];
  const report = await runBenchmarks(groups, (name) => process.stderr.write(`${name} …\n`));
  process.stdout.write(options.json ? `${JSON.stringify(report)}\n` : table(report));
}

export function register(program: Command): void {
  program
    .command('bench')
    .description(`Run the benchmarks: ${GROUPS.join(', ')} or all`)
    .argument('[group]', 'which of them', 'all')
    .option('--json', 'one JSON document on stdout')
    .action(bench);
}
