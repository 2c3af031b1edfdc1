/** What the media engine has open in this process. */
import { readdirSync, readlinkSync } from 'node:fs';

/** Sockets, and what they are waited for with: a link for each, which names it. */
export function openSockets(): string[] {
  return readdirSync('/proc/self/fd')
    .map(linkOf)
    .filter((link) => /socket|eventpoll|eventfd/.test(link));
}

function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return ''; // that of the folder itself, closed by now
  }
}
