/** The listen addresses: all are bound, or none. */
import { formatHost } from '../message/index.ts';
import type { ListenAddress } from './flow.ts';

export interface Listener {
  /** With its actual port. */
  readonly address: ListenAddress;
  close(): Promise<void>;
}

type Bind = (address: ListenAddress) => Promise<Listener>;

/** Ports that the system chose for one transport, and that turned out to be taken for the other. */
const MAX_TAKEN_PORTS = 16;

const CAUSES = new Map([
  ['EADDRINUSE', 'the address is in use'],
  ['EACCES', 'no permission'],
]);

/**
 * Binds all addresses; when one fails, frees the others and rejects, naming it. RFC 3261 18.2.1: who listens for UDP does so for TCP
 * on the same port, so where the system chooses the port (0) of both at one host, it is the same.
 */
export async function bindAll(listen: readonly ListenAddress[], bind: Bind): Promise<readonly Listener[]> {
  for (let taken = 0; ; taken++) {
    const bound: Listener[] = [];
    const failed = await bindEach(listen, bind, bound);
    if (failed === null) return bound;
    // The addresses are free at once; what is waited for is the end of connections that have come already.
    for (const listener of bound) void listener.close();
    const { address, error } = failed;
    const isTaken = address.port === 0 && error.code === 'EADDRINUSE';
    if (!isTaken || taken === MAX_TAKEN_PORTS) throw explained(address, error);
  }
}

/** Adds to `bound` until one fails. */
async function bindEach(listen: readonly ListenAddress[], bind: Bind, bound: Listener[]) {
  for (const address of listen) {
    try {
      bound.push(await bind({ ...address, port: address.port || portOfOther(address, bound) }));
    } catch (error) {
      return { address, error: error as NodeJS.ErrnoException };
    }
  }
  return null;
}

/** 0: any. */
function portOfOther({ transport, host }: ListenAddress, bound: readonly Listener[]): number {
  const other = { udp: 'tcp', tcp: 'udp', tls: null }[transport];
  return bound.find(({ address }) => address.transport === other && address.host === host)?.address.port ?? 0;
}

function explained({ transport, host, port }: ListenAddress, error: NodeJS.ErrnoException): Error {
  const why = CAUSES.get(error.code ?? '') ?? error.code ?? error.message;
  return new Error(`cannot listen on ${transport}:${formatHost(host)}:${port}: ${why}`, { cause: error });
}
