/** `doubletrack replay`: makes the recordings of a journal again, byte-identical to the first time. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import type { Command } from 'commander';
import { replay } from '../recording/replay.ts';

const DEFAULT_OUT = 'replayed';

async function run(source: string, options: { out: string; json?: true }): Promise<void> {
  const journal = path.resolve(source);
  if (!existsSync(journal))
    throw new Error(`${journal} does not exist: name a journal folder, a segment or a packet file`);
  const out = path.resolve(options.out);
  const recordings = await replay(journal, out);
  if (recordings.some((recording) => recording.state === 'failed')) process.exitCode = 1;
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ out, recordings })}\n`);
    return;
  }
  for (const { id, state, durationMs } of recordings) {
    process.stdout.write(`${state}  ${path.join(out, id)}  ${((durationMs ?? 0) / 1000).toFixed(1)} s\n`);
  }
  if (recordings.length === 0) process.stdout.write('no recordings in this journal\n');
}

export function register(program: Command): void {
  program
    .command('replay')
    .description('Make the recordings of a journal again; byte-identical to the first time')
    .argument('<journal>', 'a journal folder, a segment, a packet file, or a folder of packet files')
    .option('--out <dir>', 'where to put the recordings, one folder each', DEFAULT_OUT)
    .option('--json', 'one JSON document on stdout: {out, recordings: [Recording]}')
    .action(run);
}
