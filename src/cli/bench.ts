/** `doubletrack bench`: the benchmarks, each beside a contender in the same run. */
import type { Command } from 'commander';
import { type BenchOptions, GROUPS, type Group, runBenchmarks } from '../../bench/main.ts';
import { table } from '../../bench/report.ts';

const DEFAULT_DURATION_S = 4;
const DEFAULT_STREAMS = 1_000;

interface Flags {
  json?: boolean;
  peers?: boolean;
  duration: string;
  streams: string;
}

const GROUP_HELP = `
Groups:
  kernel  single functions: parsing, SRTP, codecs, finalising
  lane    the media core without sockets: packets/s of one core, and what each stage takes
  system  real sockets, real disk, the load from another process: CPU per packet, calls per core with nothing
          dropped, forwarding latency, memory and cost per call. Linux; needs koffi, and two cores to be true
  all     everything

Progress goes to stderr. The whole with --peers takes about ten minutes on two cores with nothing else to do.`;

function positive(text: string, option: string, command: Command): number {
  const value = Number(text);
  if (!(value > 0)) command.error(`error: ${option} takes a number above 0, not '${text}'`, { exitCode: 2 });
  return value;
}

async function bench(group: string, flags: Flags, command: Command): Promise<void> {
  if (group !== 'all' && !GROUPS.includes(group as Group)) {
    command.error(`error: no group '${group}': choose ${GROUPS.join(', ')} or all`, { exitCode: 2 });
  }
  const groups = group === 'all' ? GROUPS : [group as Group];
  const options: BenchOptions = {
    peers: flags.peers === true,
    durationS: positive(flags.duration, '--duration', command),
    streams: Math.ceil(positive(flags.streams, '--streams', command)),
    progress: (text) => void process.stderr.write(`${text}\n`),
  };
  const report = await runBenchmarks(groups, options);
  process.stdout.write(flags.json ? `${JSON.stringify(report)}\n` : table(report));
}

export function register(program: Command): void {
  program
    .command('bench')
    .description(`Run the benchmarks: ${GROUPS.join(', ')} or all`)
    .argument('[group]', 'which of them', 'all')
    .option('--peers', 'also other software in the same run: node:dgram, and rtpengine where it is installed')
    .option('--duration <seconds>', 'how long each run of a system benchmark is measured', String(DEFAULT_DURATION_S))
    .option('--streams <number>', 'of the system benchmarks, at 50 packets/s each', String(DEFAULT_STREAMS))
    .option('--json', 'one JSON document on stdout: {machine, results, figures, goals}')
    .addHelpText('after', GROUP_HELP)
    .action(bench);
}
