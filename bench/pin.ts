/**
 * Keeps this thread, and processes that it starts, on one core while something is timed, where there is `taskset`. V8's helpers stay where
 * they were: one contender's garbage must not be collected in the time of another.
 */
import { spawnSync } from 'node:child_process';

function affinity(...args: string[]): string | null {
  const { status, stdout } = spawnSync('taskset', ['-cp', ...args, String(process.pid)], { encoding: 'utf8' });
  return status === 0 ? stdout : null;
}

/** As taskset lists them: `0,2-3`. */
function allowedCores(): string | null {
  return affinity()?.match(/: ([\d,-]+)/)?.[1] ?? null;
}

/** The last core that we may use for what is measured, the first for what loads it; the same if there is one only. */
export function coresToMeasureOn(): { tested: string; load: string } | null {
  const allowed = allowedCores();
  const [load, tested] = [allowed?.match(/^\d+/)?.[0], allowed?.match(/\d+$/)?.[0]];
  return load && tested ? { tested, load } : null;
}

/** @returns what undoes it. */
export function pinToOneCore(): () => void {
  const allowed = allowedCores();
  const core = allowed?.match(/\d+$/)?.[0];
  if (!allowed || !core) return () => {};
  affinity(core);
  return () => void affinity(allowed);
}
