/** What a life of a lane hears while it waits for its beginning. */
import { once } from 'node:events';
import type { MessagePort } from 'node:worker_threads';
import { fromWire, type LaneContents, type StandbyMessage, type StreamSetup } from './lane-protocol.ts';

/** Resolves to what is open when it is to begin; null: it never is. */
export async function beginning(standby: MessagePort): Promise<LaneContents | null> {
  const streams = new Map<number, StreamSetup>();
  const begun = new Promise<LaneContents>((resolve) => {
    standby.on('message', (message: StandbyMessage) => {
      if ('begin' in message) resolve({ ...message.begin, streams });
      else if (message.setup) streams.set(message.stream, fromWire(message.setup));
      else streams.delete(message.stream);
    });
  });
  const contents = await Promise.race([begun, once(standby, 'close').then(() => null)]);
  standby.close();
  return contents;
}
