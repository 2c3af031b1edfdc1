/** A contender in a process of its own that sends every stream to every sink in the clear. */
import { clearRoutes, type Forwarder, type ForwardSetup } from '../system/contender.ts';
import type { Remote } from '../system/remote.ts';

/** Has it open its streams; ends it when it cannot. @param asked of its handler `open`, which gives the port of each stream */
export async function openForwarder(remote: Remote, asked: object, setup: ForwardSetup): Promise<Forwarder> {
  try {
    const ports = await remote.call<number[]>('open', asked);
    return { pid: remote.pid, ports, routes: clearRoutes(setup), close: () => remote.close() };
  } catch (error) {
    await remote.close();
    throw error;
  }
}
