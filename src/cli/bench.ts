/** `doubletrack bench`: the benchmarks, each beside a contender in the same run. */
import type { Command } from 'commander';
import { type BenchOptions, GROUPS, type Group, reportOf, runBenchmarks } from '../../bench/main.ts';
import { type BenchReport, table } from '../../bench/report.ts';

const DEFAULT_DURATION_S = 4;
const DEFAULT_STREAMS = 1_000;

interface Flags {
  json?: boolean;
  peers?: boolean;
  duration: string;
  streams: string;
  soak?: string;
  load: string;
  check?: boolean;
}

const GROUP_HELP = `
Groups:
  kernel  single functions: parsing, SRTP, codecs, finalising
  lane    the media core without sockets: packets/s of one core, and what each stage takes
  system  real sockets, real disk, the load from another process: CPU per packet, calls per core with nothing
          dropped, forwarding latency, memory and cost per call. Linux; needs koffi, and two cores to be true
  client  the recording client: call set-ups per second and post-dial delay beside sipp alone, conversations per core
          with SRTP on all legs and a recorder each. As system, and sipp (Debian: sip-tester) for the calls
  all     everything

Progress goes to stderr. The whole with --peers takes about fifteen minutes on two cores with nothing else to do.`;

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
  if (flags.check) return check(options, flags.json === true);
  const report =
    flags.soak === undefined ? await runBenchmarks(groups, options) : await soakFor(flags, options, command);
  process.stdout.write(flags.json ? `${JSON.stringify(report)}\n` : table(report));
}

/** Exit 1 when a ratio is worse than the baseline allows. */
async function check({ progress }: BenchOptions, isJson: boolean): Promise<void> {
  const { checkBaseline } = await import('../../bench/check.ts');
  const ratios = await checkBaseline(progress);
  const bad = ratios.filter(({ isGood }) => !isGood);
  if (bad.length > 0) process.exitCode = 1;
  const lines = bad.map(
    ({ name, seen, least }) => `${name}: ${seen.toFixed(2)} times as fast, not ${least.toFixed(2)}`,
  );
  const text = bad.length > 0 ? lines.join('\n') : `${ratios.length} ratios are as good as the baseline`;
  process.stdout.write(isJson ? `${JSON.stringify({ ok: bad.length === 0, ratios })}\n` : `${text}\n`);
}

async function soakFor(flags: Flags, options: BenchOptions, command: Command): Promise<BenchReport> {
  const { soak } = await import('../../bench/system/soak.ts');
  const minutes = positive(flags.soak!, '--soak', command);
  return reportOf([await soak({ ...options, minutes, load: positive(flags.load, '--load', command) })]);
}

export function register(program: Command): void {
  program
    .command('bench')
    .description(`Run the benchmarks: ${GROUPS.join(', ')} or all`)
    .argument('[group]', 'which of them', 'all')
    .option(
      '--peers',
      'also other software in the same run: node:dgram, rtpengine and projectrtp where they are installed',
    )
    .option('--duration <seconds>', 'how long each run of a system benchmark is measured', String(DEFAULT_DURATION_S))
    .option('--streams <number>', 'of the system benchmarks, at 50 packets/s each', String(DEFAULT_STREAMS))
    .option('--soak <minutes>', 'instead: record for so long, and look for drops and growing memory')
    .option('--load <share>', 'of the calls that one core records, for the soak', '0.8')
    .option('--check', "instead: compare this machine's ratios with the committed baseline; exit 1 if one is worse")
    .option('--json', 'one JSON document on stdout: {machine, results, figures, goals, notes}')
    .addHelpText('after', GROUP_HELP)
    .action(bench);
}
