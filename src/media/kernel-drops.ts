/**
 * Datagrams that the kernel lost because a socket's buffer was full: our loss, not the network's. Linux counts them per socket
 * in /proc/net/udp (last column); elsewhere there is no such count.
 */
import { readFileSync } from 'node:fs';
import { addressBytes } from './address.ts';

const TABLE = '/proc/net/udp';
const TABLE_IPV6 = '/proc/net/udp6';

function read(table: string): string {
  try {
    return readFileSync(table, 'latin1');
  } catch {
    return '';
  }
}

/** A local address as the kernel prints it: each group of four bytes as one number of this machine, little endian. */
function printed(address: string): string {
  const bytes = addressBytes(address);
  const groups = address.includes(':') ? [0, 4, 8, 12] : [12];
  return groups
    .map((at) => Buffer.from(bytes.subarray(at, at + 4)).readUInt32LE())
    .map((group) => group.toString(16).toUpperCase().padStart(8, '0'))
    .join('');
}

/** Drops so far by local port, of those `ports` of `address` that have any. */
export function kernelDropsByPort(
  address: string,
  ports: ReadonlyMap<number, unknown>,
  table = read(address.includes(':') ? TABLE_IPV6 : TABLE),
): Map<number, number> {
  const found = new Map<number, number>();
  const local = printed(address);
  for (const line of table.split('\n')) {
    const text = line.trimEnd();
    if (text.endsWith(' 0')) continue; // nearly all
    const columns = text.trimStart().split(/\s+/);
    const [socketAddress, socketPort = ''] = (columns[1] ?? '').split(':');
    const port = Number.parseInt(socketPort, 16);
    const drops = Number(columns.at(-1));
    if (socketAddress === local && ports.has(port) && drops > 0) found.set(port, drops);
  }
  return found;
}
