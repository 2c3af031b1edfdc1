/** `doubletrack verify`: checks recordings against their manifests. Exit 1 and the first difference if anything was changed. */
import { type Dirent, existsSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import type { Command } from 'commander';
import { verify } from '../recording/verify.ts';
import { isUuid } from '../store/uuid.ts';

const MANIFEST = 'manifest.json';

interface Verdict {
  path: string;
  ok: boolean;
  /** The first difference; null if nothing was changed. */
  difference: string | null;
}

/** One recording's folder (or a file in it), a folder of recordings, or the server's data folder. */
function recordingFolders(given: string): string[] {
  const stat = statSync(given, { throwIfNoEntry: false });
  if (stat?.isFile()) return [path.dirname(given)];
  if (!stat || existsSync(path.join(given, MANIFEST))) return [given];
  const shelf = [path.join(given, 'recordings'), given].find((folder) => existsSync(folder)) ?? given;
  const inside = readdirSync(shelf, { withFileTypes: true })
    // By name, not by manifest: one whose manifest is gone has been changed too.
    .filter((entry: Dirent) => entry.isDirectory() && isUuid(entry.name))
    .map((entry) => path.join(shelf, entry.name));
  // A folder that holds no recording is looked at as one, and found to have no manifest.
  return inside.length > 0 ? inside.sort() : [given];
}

async function check(folder: string, remake: boolean): Promise<Verdict> {
  try {
    const { ok, difference } = await verify(folder, { remake });
    return { path: folder, ok, difference: ok ? null : (difference ?? 'differs from its manifest') };
  } catch (error) {
    return { path: folder, ok: false, difference: (error as Error).message };
  }
}

async function run(given: string, options: { json?: true; remake?: true }): Promise<void> {
  const recordings: Verdict[] = [];
  for (const folder of recordingFolders(path.resolve(given))) {
    recordings.push(await check(folder, options.remake === true));
  }
  const first = recordings.find((verdict) => !verdict.ok);
  if (first) process.exitCode = 1;
  if (options.json) {
    const result = { ok: !first, difference: first?.difference ?? null, recordings };
    process.stdout.write(`${JSON.stringify(result)}\n`);
    return;
  }
  for (const { path: folder, ok, difference } of recordings) {
    process.stdout.write(`${ok ? 'unchanged' : 'CHANGED  '}  ${folder}${ok ? '' : `: ${difference}`}\n`);
  }
}

export function register(program: Command): void {
  program
    .command('verify')
    .description('Check recordings against their manifests; exit 1 and the first difference if anything was changed')
    .argument('<path>', "a recording's folder, a folder of recordings, or a data folder")
    .option('--remake', 'also make each recording again from its packets, where they were kept, and compare every byte')
    .option('--json', 'one JSON document on stdout: {ok, difference, recordings: [{path, ok, difference}]}')
    .action(run);
}
