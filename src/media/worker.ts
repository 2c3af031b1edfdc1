/** The thread of a lane: one life of it, which waits, with everything loaded and rehearsed, until it is to begin. */
import type { MessagePort } from 'node:worker_threads';
import { systemCalls } from '../journal/system-calls.ts';
import { MediaCore, mediaModule } from './core.ts';
import type { LaneMessage, LaneTask } from './lane-protocol.ts';
import { LaneStreams } from './lane-streams.ts';
import { LaneWorker } from './lane-worker.ts';
import { loadLibc } from './libc.ts';
import { rehearse } from './rehearsal.ts';
import { type Begun, beginning } from './standby.ts';

// Before there is a lane to run: a thread that waits for one must be ready at once.
mediaModule();

/**
 * Asked of a thread that is to wait: koffi, which the journal needs with any driver, is loaded then. Nobody may end a thread that loads an
 * addon, for Node would end the process: a life, which somebody may end, finds it loaded.
 */
export function load(): void {
  loadLibc();
  systemCalls();
}

/** The lane's one long-lived task. */
export default async function runLane(task: LaneTask): Promise<void> {
  try {
    const streams = new LaneStreams(new MediaCore(task.memory), task.life);
    const begun = beginning(task.standby, streams);
    if (task.rehearsal) await rehearse(task.rehearsal, task.sockets, begun);
    const contents = await begun;
    if (contents) await live(new LaneWorker(task, streams, contents.before), contents, task.port);
  } finally {
    task.port.close();
  }
}

async function live(lane: LaneWorker, { refused, ...contents }: Begun, port: MessagePort): Promise<void> {
  const say = (message: LaneMessage) => port.postMessage(message);
  try {
    say({ type: 'ready', refused: [...refused, ...(await lane.open(contents))] });
    await lane.serve();
    lane.stop(false);
  } catch (error) {
    lane.stop(true);
    say({ type: 'died', message: (error as Error).message });
    throw error;
  } finally {
    await lane.closeJournal();
  }
}
