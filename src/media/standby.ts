/** What a life of a lane hears while it waits for its beginning. */
import { once } from 'node:events';
import type { MessagePort } from 'node:worker_threads';
import { type Beginning, fromWire, type RefusedStream, type StandbyMessage, type WireSetup } from './lane-protocol.ts';
import type { LaneStreams } from './lane-streams.ts';

export interface Begun extends Beginning {
  /** Streams that could not be opened meanwhile. */
  refused: RefusedStream[];
}

/** Opens and closes streams as it is told, until it is to begin; null: it never is. Rejects when the core traps. */
export async function beginning(standby: MessagePort, streams: LaneStreams): Promise<Begun | null> {
  const refused = new Map<number, RefusedStream>();
  const begun = new Promise<Begun>((resolve, reject) => {
    standby.on('message', (message: StandbyMessage) => {
      if ('begin' in message) return resolve({ ...message.begin, refused: [...refused.values()] });
      try {
        follow(streams, refused, message.stream, message.setup);
      } catch (error) {
        reject(error);
      }
    });
  });
  try {
    return await Promise.race([begun, once(standby, 'close').then(() => null)]);
  } finally {
    standby.close();
  }
}

/** Of one that has changed nothing was received yet: it is opened anew. */
function follow(
  streams: LaneStreams,
  refused: Map<number, RefusedStream>,
  slot: number,
  setup: WireSetup | null,
): void {
  refused.delete(slot);
  if (streams.open.has(slot)) streams.remove(slot);
  if (!setup) return;
  try {
    streams.add(slot, fromWire(setup));
  } catch (error) {
    if (error instanceof WebAssembly.RuntimeError) throw error;
    refused.set(slot, { slot, message: (error as Error).message });
  }
}
