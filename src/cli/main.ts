/**
 * The command line: finds the command, and turns what comes of it into an exit code. 0 done, 1 failed, 2 wrong use. Results
 * go to stdout, everything else to stderr.
 */
import { readFileSync } from 'node:fs';
import { findPackageJSON } from 'node:module';
import { Command, CommanderError } from 'commander';
import { ListenRefused } from '../http/index.ts';
import { ConfigError } from '../server/config.ts';
import { register as registerBench } from './bench.ts';
import { register as registerCall } from './call.ts';
import { register as registerCertificate } from './certificate.ts';
import { register as registerClient } from './client.ts';
import { register as registerDemo } from './demo.ts';
import { register as registerExtract } from './extract.ts';
import { register as registerReplay } from './replay.ts';
import { register as registerServe } from './serve.ts';
import { register as registerVerify } from './verify.ts';

const EXIT_FAILED = 1;
const EXIT_WRONG_USE = 2;

/** In the order of the help. */
const COMMANDS = [
  registerServe,
  registerClient,
  registerCall,
  registerExtract,
  registerVerify,
  registerReplay,
  registerCertificate,
  registerDemo,
  registerBench,
];

function version(): string {
  const file = findPackageJSON(import.meta.url);
  return file ? String((JSON.parse(readFileSync(file, 'utf8')) as { version: unknown }).version) : 'unknown';
}

function createProgram(): Command {
  const program = new Command('doubletrack')
    .description('Active call recording: a SIPREC recording server and client around a WebAssembly media core')
    .version(version())
    .exitOverride()
    .showHelpAfterError('Add --help for how to use it.')
    .addHelpText('after', '\nExit codes: 0 done, 1 failed, 2 wrong use. With --json, stdout holds one JSON document.');
  for (const register of COMMANDS) register(program);
  return program;
}

/** Help and version that were asked for end well; a command line that can't be understood is wrong use. */
function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_WRONG_USE;
  return error instanceof ConfigError || error instanceof ListenRefused ? EXIT_WRONG_USE : EXIT_FAILED;
}

/** An operator gets the message; a mistake of ours, which has no message for them, shows where it happened. */
function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const ours = error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError;
  return ours ? (error.stack ?? error.message) : error.message;
}

/**
 * Runs one command line.
 * @param argv as in `process.argv`: the interpreter and the script first.
 */
export async function main(argv: string[]): Promise<void> {
  // Whoever reads us may stop early (`| head`): there is nobody left to tell.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit();
    throw error;
  });
  try {
    await createProgram().parseAsync(argv);
  } catch (error) {
    // Commander has said on its own what was wrong.
    if (!(error instanceof CommanderError)) process.stderr.write(`doubletrack: ${explain(error)}\n`);
    // What a failed command left open must not keep the process alive.
    process.exit(exitCodeOf(error));
  }
}
