/** Which threads the time of a packet is spent in, and how much of it in the kernel: what explains a figure. */
import type { Figure } from '../report.ts';
import type { ThreadUse } from './process-use.ts';

/** As Node names its threads. */
const THREADS: Record<string, string> = {
  WorkerThread: 'lane',
  MainThread: 'main thread',
  'libuv-worker': 'files',
  V8Worker: 'garbage and compilers',
};

export interface Spent {
  cpuUsPerPacket: number;
  threads: ThreadUse[];
}

export function whereFigure(what: string, { cpuUsPerPacket, threads }: Spent): Figure {
  const allUs = threads.reduce((sum, { userUs, systemUs }) => sum + userUs + systemUs, 0);
  const parts = threads.flatMap(({ name, userUs, systemUs }) => {
    const shown = THREADS[name] ?? name;
    const share = (us: number) => (us / allUs) * cpuUsPerPacket;
    return [
      { name: `${shown}, user`, value: share(userUs) },
      { name: `${shown}, kernel`, value: share(systemUs) },
    ];
  });
  const rows = parts.filter(({ value }) => value > 0).toSorted((a, b) => b.value - a.value);
  return {
    name: `Where the time of ${what} goes`,
    unit: 'us CPU per packet',
    isBreakdown: true,
    rows: [{ name: 'all of it', value: cpuUsPerPacket }, ...rows],
  };
}
