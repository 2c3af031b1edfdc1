/** The cores of a system benchmark. */
import { coresToMeasureOn } from '../pin.ts';
import type { Cores } from './contender.ts';

/** @throws Error where processes cannot be pinned, for then nothing can be said of one core. */
export function pinnedCores(): Cores {
  const cores = coresToMeasureOn();
  if (!cores) throw new Error('system benchmarks need Linux and taskset (Debian: util-linux)');
  return cores;
}
