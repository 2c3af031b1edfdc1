/** The tasks of the finaliser's Piscina pool: one short task per segment or recording. */

import path from 'node:path';
import { demultiplex, packetFilePath } from '../journal/index.ts';
import type { Recording } from '../store/recording.ts';
import { finalise } from './finalise.ts';
import { release } from './release.ts';
import { type Verdict, verify } from './verify.ts';

export type RecordingTask =
  | { do: 'demux'; segment: string; packetsDir: string }
  | { do: 'finalise'; recordingId: string; packetsDir: string; recordingsDir: string; keepPackets: boolean }
  | { do: 'release'; recordingId: string; packetsDir: string; recordingsDir: string }
  | { do: 'verify'; dir: string };

/**
 * Runs one task: `demux` gives the ids of the recordings in the segment, `finalise` the Recording, `release` whether
 * the packet file is gone, `verify` the verdict.
 */
export default async function run(task: RecordingTask): Promise<string[] | Recording | boolean | Verdict> {
  switch (task.do) {
    case 'demux':
      return await demultiplex(task.segment, task.packetsDir);
    case 'finalise': {
      const packetFile = packetFilePath(task.packetsDir, task.recordingId);
      const { files: _, ...recording } = await finalise(packetFile, path.join(task.recordingsDir, task.recordingId), {
        keepPackets: task.keepPackets,
      });
      return recording;
    }
    case 'release':
      return await release(
        packetFilePath(task.packetsDir, task.recordingId),
        path.join(task.recordingsDir, task.recordingId),
      );
    case 'verify':
      return await verify(task.dir);
  }
}
