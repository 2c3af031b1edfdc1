/** What a process has used, as the kernel tells it in /proc: all threads, user and system. */
import { readdirSync, readFileSync } from 'node:fs';

/** CPU time in us, of the threads that live: to the nanosecond, where /proc/PID/stat counts in ticks. */
export function cpuUs(pid: number): number {
  let ns = 0;
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    try {
      ns += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'latin1').split(' ')[0]);
    } catch {
      // The thread has ended meanwhile.
    }
  }
  return ns / 1000;
}

/** CPU time of the threads of one name. */
export interface ThreadUse {
  name: string;
  userUs: number;
  systemUs: number;
}

/** Counted by the kernel's clock ticks, which are 10 ms here: for shares, not for sums. */
const TICK_US = 10_000;
const [UTIME_FIELD, STIME_FIELD] = [11, 12];

/** By name: what each kind of thread of the process has used so far. */
export function threadUse(pid: number): ThreadUse[] {
  const found = new Map<string, ThreadUse>();
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    const stat = readFileSync(`/proc/${pid}/task/${task}/stat`, 'latin1');
    const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const use = found.get(name) ?? { name, userUs: 0, systemUs: 0 };
    use.userUs += Number(fields[UTIME_FIELD]) * TICK_US;
    use.systemUs += Number(fields[STIME_FIELD]) * TICK_US;
    found.set(name, use);
  }
  return [...found.values()];
}

/** What was used between two looks. */
export function usedBetween(before: ThreadUse[], after: ThreadUse[]): ThreadUse[] {
  return after.map((use) => {
    const known = before.find(({ name }) => name === use.name);
    return { ...use, userUs: use.userUs - (known?.userUs ?? 0), systemUs: use.systemUs - (known?.systemUs ?? 0) };
  });
}

export function residentBytes(pid: number): number {
  const [, kilobytes] = readFileSync(`/proc/${pid}/status`, 'latin1').match(/VmRSS:\s+(\d+) kB/) ?? [];
  return Number(kilobytes) * 1024;
}

export function openFiles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}
