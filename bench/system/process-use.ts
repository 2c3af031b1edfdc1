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

export function residentBytes(pid: number): number {
  const [, kilobytes] = readFileSync(`/proc/${pid}/status`, 'latin1').match(/VmRSS:\s+(\d+) kB/) ?? [];
  return Number(kilobytes) * 1024;
}

export function openFiles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}
