// `doubletrack call`: places SIPREC calls and reports what was sent.

import { type Command, Option } from 'commander';
import {
  CallerOptionError,
  type CallerOptions,
  type CallerReport,
  type CallReport,
  CODEC_NAMES,
  type PortRange,
  placeCalls,
} from '../client/caller/index.ts';
import { TlsFiles } from '../settings/index.ts';

interface CallFlags {
  to: string;
  transport?: string;
  tlsCa?: string;
  tlsCert?: string;
  tlsKey?: string;
  calls: string;
  rate: string;
  concurrency?: string;
  duration?: string;
  srtp?: string;
  codec: string;
  audio?: string[];
  pcap?: string[];
  loss: string;
  reorder: string;
  duplicate: string;
  seed: string;
  localAddress?: string;
  mediaPorts?: string;
  json?: boolean;
}

const PROGRESS_MS = 5000;

export function register(program: Command): void {
  program
    .command('call')
    .description('Place calls as a SIPREC recording client and report, per stream, what was sent')
    .requiredOption('--to <uri>', 'recording server, e.g. sip:127.0.0.1:5060')
    .option('--transport <name>', 'udp, tcp or tls (default: udp; tls for a sips URI)')
    .option(
      '--tls-ca <file>',
      'certificates of the authorities that are trusted, PEM (default: those that Node brings)',
    )
    .option('--tls-cert <file>', 'certificate for recorders that want one, PEM')
    .option('--tls-key <file>', 'its private key, PEM')
    .option('--calls <n>', 'how many calls', '1')
    .option('--rate <cps>', 'calls started per second', '10')
    .option('--concurrency <n>', 'calls at the same time (default: no limit)')
    .option('--duration <s>', 'length of a call in seconds (default: 10, or that of the audio or capture)')
    .option('--srtp <suite>', 'send SRTP, its keys in the SDP (RFC 4568): AES_CM_128_HMAC_SHA1_80, AEAD_AES_256_GCM …')
    .option('--codec <name>', CODEC_NAMES.join(', '), 'PCMU')
    .option('--audio <wav...>', 'WAV files for the two parties, or one with two channels (default: synthesised speech)')
    .option('--pcap <file...>', 'captures whose RTP is sent, one per party')
    .option('--loss <percent>', 'packets to withhold', '0')
    .option('--reorder <percent>', 'packets to send after the one that follows them', '0')
    .option('--duplicate <percent>', 'packets to send twice', '0')
    .option('--seed <n>', 'decides audio, SSRCs and impairment', '1')
    .option('--local-address <ip>', 'address of this side (default: the one that leads to the server)')
    .addOption(new Option('--media-ports <lo-hi>', 'ports of this side for RTP and RTCP (default: 36000-49999)'))
    .option('--json', 'one JSON document on stdout')
    .action(run);
}

async function run(flags: CallFlags, command: Command): Promise<void> {
  const options = callerOptions(flags, (message) => wrongUse(command, message));
  if (options.srtp !== undefined && options.transport !== 'tls') {
    process.stderr.write('warning: the SRTP keys are in the SDP, and that is sent in the clear: use --transport tls\n');
  }
  const stop = new AbortController();
  const interrupt = () => stop.abort();
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  const progress = startProgress(options.calls ?? 1);
  try {
    const report = await placeCalls({ ...options, signal: stop.signal, onCall: progress.onCall });
    progress.stop();
    process.stdout.write(flags.json === true ? `${JSON.stringify(publicReport(report))}\n` : describe(report));
    process.exitCode = report.calls.every((call) => call.status === 200 && call.error === null) ? 0 : 1;
  } catch (error) {
    progress.stop();
    if (error instanceof CallerOptionError) wrongUse(command, error.message);
    process.stderr.write(`doubletrack call: ${(error as Error).message}\n`);
    process.exitCode = 1;
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
}

function wrongUse(command: Command, message: string): never {
  return command.error(`error: ${message}`, { exitCode: 2, code: 'doubletrack.wrongUse' });
}

function callerOptions(flags: CallFlags, wrong: (message: string) => never): CallerOptions {
  if (!/^sips?:/i.test(flags.to)) wrong(`--to must be a SIP URI such as sip:127.0.0.1:5060, not ${flags.to}`);
  const { transport, tls } = signalling(flags, wrong);
  if (flags.audio !== undefined && flags.pcap !== undefined) wrong('--audio and --pcap exclude each other');
  for (const [name, files] of [
    ['--audio', flags.audio],
    ['--pcap', flags.pcap],
  ] as const) {
    if (files !== undefined && files.length > 2) wrong(`${name} takes at most two files, one per party`);
  }
  const number = (name: string, text: string, least: number, most: number, whole: boolean) => {
    const value = text.trim() === '' ? Number.NaN : Number(text);
    const sound = value >= least && value <= most && (!whole || Number.isInteger(value));
    return sound
      ? value
      : wrong(`${name} must be a ${whole ? 'whole ' : ''}number from ${least} to ${most}, not ${text}`);
  };
  return {
    to: flags.to,
    transport,
    tls,
    calls: number('--calls', flags.calls, 1, 1e7, true),
    rate: number('--rate', flags.rate, 0.001, 10000, false),
    codec: flags.codec,
    ...(flags.srtp === undefined ? {} : { srtp: flags.srtp }),
    lossPercent: number('--loss', flags.loss, 0, 100, false),
    reorderPercent: number('--reorder', flags.reorder, 0, 100, false),
    duplicatePercent: number('--duplicate', flags.duplicate, 0, 100, false),
    seed: number('--seed', flags.seed, -(2 ** 31), 2 ** 32, true),
    ...(flags.concurrency === undefined
      ? {}
      : { concurrency: number('--concurrency', flags.concurrency, 1, 1e6, true) }),
    ...(flags.duration === undefined
      ? {}
      : { durationMs: 1000 * number('--duration', flags.duration, 0.02, 1e6, false) }),
    ...(flags.audio === undefined ? {} : { audio: flags.audio }),
    ...(flags.pcap === undefined ? {} : { pcap: flags.pcap }),
    ...(flags.localAddress === undefined ? {} : { localAddress: flags.localAddress }),
    ...(flags.mediaPorts === undefined ? {} : { mediaPorts: portRange(flags.mediaPorts, wrong) }),
  };
}

function signalling(
  flags: CallFlags,
  wrong: (message: string) => never,
): Required<Pick<CallerOptions, 'transport' | 'tls'>> {
  const secure = /^sips:/i.test(flags.to);
  const transport = flags.transport ?? (secure ? 'tls' : 'udp');
  if (transport !== 'udp' && transport !== 'tcp' && transport !== 'tls') {
    wrong(`--transport must be udp, tcp or tls, not ${transport}`);
  }
  if (secure && transport !== 'tls') wrong(`a sips URI is called over TLS only: leave out --transport ${transport}`);
  if ((flags.tlsCert === undefined) !== (flags.tlsKey === undefined)) wrong('--tls-cert and --tls-key belong together');
  const names = { cert: flags.tlsCert ?? null, key: flags.tlsKey ?? null, ca: flags.tlsCa ?? null };
  try {
    return { transport, tls: new TlsFiles({ ...names, clientCertificate: 'none' }).read() };
  } catch (error) {
    return wrong((error as Error).message);
  }
}

function portRange(text: string, wrong: (message: string) => never): PortRange {
  const [lo, hi] = text.split('-').map(Number);
  if (!(lo! >= 1024 && hi! > lo! && hi! <= 65535)) wrong(`--media-ports must be LO-HI within 1024-65535, not ${text}`);
  return { lo: lo!, hi: hi! };
}

function startProgress(total: number): { onCall: (call: CallReport) => void; stop: () => void } {
  let over = 0;
  let failed = 0;
  const timer = setInterval(() => {
    process.stderr.write(`${over} of ${total} calls over${failed > 0 ? `, ${failed} failed` : ''}\n`);
  }, PROGRESS_MS);
  timer.unref();
  return {
    onCall(call) {
      over++;
      if (call.error === null && call.status === 200) return;
      failed++;
      if (failed <= 10) process.stderr.write(`call ${call.callId || '(not set up)'}: ${call.error ?? call.status}\n`);
    },
    stop: () => clearInterval(timer),
  };
}

function publicReport(report: CallerReport): unknown {
  const { calls, setupMs, pacing } = report;
  return { calls, setupMs, pacing };
}

function describe(report: CallerReport): string {
  const lines = report.calls.flatMap((call) => [
    `${call.callId || '(no call)'}  ${call.error ?? call.status}`,
    ...call.streams.map(({ label, ssrc, packets }) => {
      const { sent, withheld, duplicated, reordered } = packets;
      const name = ssrc.toString(16).padStart(8, '0');
      return `  ${label}  ssrc ${name}  sent ${sent}, withheld ${withheld}, duplicated ${duplicated}, reordered ${reordered}`;
    }),
  ]);
  const { p50, p99 } = report.setupMs;
  if (p50 !== null) lines.push(`set up in ${p50} ms (median), ${p99} ms (99th percentile)`);
  return `${lines.join('\n')}\n`;
}
