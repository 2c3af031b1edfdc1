/** What accompanies recordings while they run, without a part in how they are made. */
import type { LiveRecording } from './live-recording.ts';

export interface RecordingFollower {
  /** It runs; again after each change of what is known about it. */
  runs(recording: LiveRecording): void;
  /** Its last session has ended; nothing can be noted in its journal any more. */
  ended(recording: LiveRecording): void;
  /** An operator has paused or resumed it. */
  controlled(recording: LiveRecording, action: 'pause' | 'resume', by: { actor: string; reason: string }): void;
}
