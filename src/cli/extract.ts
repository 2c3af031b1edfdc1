// `doubletrack extract`: streams, counters and audio of captures.

import type { Command } from 'commander';
import { type ExtractReport, extract } from '../capture/extract.ts';
import { type CaptureKey, CaptureKeyError, hexSsrc, parseCaptureKey } from '../capture/srtp-keys.ts';

interface ExtractFlags {
  srtp: string[];
  out?: string;
  json?: boolean;
}

export function register(program: Command): void {
  program
    .command('extract')
    .description('Find the RTP streams in captures: counters, jitter, and the audio as a dual-channel file')
    .argument('<capture...>', 'pcap or pcapng files; several are one recording, their streams get channels in order')
    .option('--srtp <key>', 'SSRC=SUITE:BASE64KEY, or *=… for all other SSRCs; may be given again', collect, [])
    .option('--out <wav>', 'write the audio to this file')
    .option('--json', 'one JSON document on stdout')
    .action(run);
}

async function run(captures: string[], flags: ExtractFlags, command: Command): Promise<void> {
  // Before a key that stands in the place of a file is shown in an error.
  if (captures.some(isLikeKey)) wrongUse(command, '--srtp takes one key: say --srtp before each');
  const srtp = flags.srtp.map((text) => readKey(text, command));
  try {
    const report = await extract({ captures, srtp, ...(flags.out === undefined ? {} : { out: flags.out }) });
    for (const warning of report.warnings) process.stderr.write(`warning: ${warning}\n`);
    process.stdout.write(flags.json === true ? `${JSON.stringify(report)}\n` : describe(report));
    if (report.streams.length === 0) {
      process.stderr.write('doubletrack extract: no RTP streams found\n');
      process.exitCode = 1;
    }
  } catch (error) {
    if (error instanceof CaptureKeyError) wrongUse(command, `--srtp: ${error.message}`);
    process.stderr.write(`doubletrack extract: ${(error as Error).message}\n`);
    process.exitCode = 1;
  }
}

function collect(text: string, before: string[]): string[] {
  return [...before, text];
}

function isLikeKey(text: string): boolean {
  return /^(?:\*|0x[0-9a-f]+|\d+)=[^:]*:/i.test(text);
}

function readKey(text: string, command: Command): CaptureKey {
  try {
    return parseCaptureKey(text);
  } catch (error) {
    return wrongUse(command, `--srtp: ${(error as Error).message}`);
  }
}

function wrongUse(command: Command, message: string): never {
  return command.error(`error: ${message}`, { exitCode: 2, code: 'doubletrack.wrongUse' });
}

function describe(report: ExtractReport): string {
  const lines = report.streams.map((stream) => {
    const { received, lost, duplicate, late, unauthenticated } = stream.packets;
    const ssrcs = stream.ssrcs.map(hexSsrc).join(', ');
    const srtp = stream.srtp === null ? '' : `  ${stream.srtp}`;
    const refused = stream.srtp === null ? '' : `, unauthenticated ${unauthenticated}`;
    const seconds = (stream.durationMs / 1000).toFixed(1);
    return (
      `${stream.label}  ${stream.codec}${srtp}  ssrc ${ssrcs}  seq ${stream.firstSeq}-${stream.lastSeq}  ${seconds} s  ` +
      `received ${received}, lost ${lost}, duplicate ${duplicate}, late ${late}${refused}  jitter ${stream.jitterMs.toFixed(2)} ms`
    );
  });
  return [...lines, ...report.files.map((file) => `audio in ${file}`), ''].join('\n');
}
