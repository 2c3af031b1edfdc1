/** Keeps this process, and those that it starts, on one core while something is timed, where there is `taskset`. */
import { spawnSync } from 'node:child_process';

function affinity(...args: string[]): string | null {
  const { status, stdout } = spawnSync('taskset', ['-acp', ...args, String(process.pid)], { encoding: 'utf8' });
  return status === 0 ? stdout : null;
}

/** @returns what undoes it. */
export function pinToOneCore(): () => void {
  const allowed = affinity()?.match(/: ([\d,-]+)/)?.[1];
  const core = allowed?.match(/\d+$/)?.[0];
  if (!allowed || !core) return () => {};
  affinity(core);
  return () => void affinity(allowed);
}
