/**
 * Keeps this thread, and processes that it starts, on one core while something is timed, where there is `taskset`. V8's helpers stay where
 * they were: one contender's garbage must not be collected in the time of another.
 */
import { spawnSync } from 'node:child_process';

function affinity(...args: string[]): string | null {
  const { status, stdout } = spawnSync('taskset', ['-cp', ...args, String(process.pid)], { encoding: 'utf8' });
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
