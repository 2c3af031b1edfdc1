// `doubletrack extract`: streams, counters and audio of captures.

import type { Command } from 'commander';
import { type ExtractReport, extract } from '../capture/extract.ts';

interface ExtractFlags {
  srtp?: string[];
  out?: string;
  json?: boolean;
}

export function register(program: Command): void {
  program
    .command('extract')
    .description('Find the RTP streams in captures: counters, jitter, and the audio as a dual-channel file')
    .argument('<capture...>', 'pcap or pcapng files; several are one recording, their streams get channels in order')
    .option('--srtp <key...>', 'SSRC=SUITE:KEY or *=SUITE:KEY (not available yet)')
    .option('--out <wav>', 'write the audio to this file')
    .option('--json', 'one JSON document on stdout')
    .action(run);
}

async function run(captures: string[], flags: ExtractFlags, command: Command): Promise<void> {
  if (flags.srtp !== undefined) {
    command.error('error: --srtp is not available yet: streams are taken as plain RTP', {
      exitCode: 2,
      code: 'doubletrack.wrongUse',
    });
  }
  try {
    const report = await extract({ captures, ...(flags.out === undefined ? {} : { out: flags.out }) });
    for (const warning of report.warnings) process.stderr.write(`warning: ${warning}\n`);
    process.stdout.write(flags.json === true ? `${JSON.stringify(report)}\n` : describe(report));
    if (report.streams.length === 0) {
      process.stderr.write('doubletrack extract: no RTP streams found\n');
      process.exitCode = 1;
    }
  } catch (error) {
    process.stderr.write(`doubletrack extract: ${(error as Error).message}\n`);
    process.exitCode = 1;
  }
}

function describe(report: ExtractReport): string {
  const lines = report.streams.map((stream) => {
    const { received, lost, duplicate, late } = stream.packets;
    const ssrcs = stream.ssrcs.map((ssrc) => ssrc.toString(16).padStart(8, '0')).join(', ');
    const seconds = (stream.durationMs / 1000).toFixed(1);
    return (
      `${stream.label}  ${stream.codec}  ssrc ${ssrcs}  seq ${stream.firstSeq}-${stream.lastSeq}  ${seconds} s  ` +
      `received ${received}, lost ${lost}, duplicate ${duplicate}, late ${late}  jitter ${stream.jitterMs.toFixed(2)} ms`
    );
  });
  return [...lines, ...report.files.map((file) => `audio in ${file}`), ''].join('\n');
}
