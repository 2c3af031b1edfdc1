/**
 * Datagrams that the kernel lost because a socket's buffer was full: our loss, not the network's. Linux counts them per socket
 * in /proc/net/udp (last column); elsewhere there is no such count.
 */
import { readFileSync } from 'node:fs';

const TABLES = ['/proc/net/udp', '/proc/net/udp6'];

function read(table: string): string {
  try {
    return readFileSync(table, 'latin1');
  } catch {
    return '';
  }
}

/** Drops so far by local port, of those ports that have any. */
export function kernelDropsByPort(ports: ReadonlyMap<number, unknown>): Map<number, number> {
  const found = new Map<number, number>();
  for (const table of TABLES) {
    for (const line of read(table).split('\n')) {
      if (line.endsWith(' 0') || line.trimEnd().endsWith(' 0')) continue;
      const columns = line.trim().split(/\s+/);
      const port = Number.parseInt(columns[1]?.split(':')[1] ?? '', 16);
      const drops = Number(columns.at(-1));
      if (ports.has(port) && drops > 0) found.set(port, drops);
    }
  }
  return found;
}
