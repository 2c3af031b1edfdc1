/** What a system benchmark needs of the machine. */
import { createRequire } from 'node:module';
import { coresToMeasureOn } from '../pin.ts';
import { NotAvailable } from '../report.ts';
import type { Cores } from './contender.ts';

/** @throws NotAvailable where processes cannot be pinned or the load cannot be sent: nothing true could be said then. */
export function pinnedCores(): Cores {
  const cores = coresToMeasureOn();
  if (!cores) throw new NotAvailable('needs Linux and taskset (Debian: util-linux)');
  try {
    createRequire(import.meta.url)('koffi');
  } catch {
    throw new NotAvailable('needs koffi, an optional dependency that is not installed or does not load here');
  }
  return cores;
}
