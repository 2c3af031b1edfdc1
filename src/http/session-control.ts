/** What the HTTP interface needs to know of running recording sessions; the recording server implements it. */
import type { RecordingParticipant } from '../store/recording.ts';

export const CONTROL_ACTIONS = ['pause', 'resume', 'keep', 'discard'] as const;
export type ControlAction = (typeof CONTROL_ACTIONS)[number];

/** A recording session that runs now; an implementation may show more. */
export interface SessionView {
  /** Id of the recording. */
  id: string;
  /** ISO 8601. */
  startedAt: string;
  sipCallId: string;
  communicationSessionId: string | null;
  paused: boolean;
  participants: RecordingParticipant[];
  [more: string]: unknown;
}

export interface SessionControl {
  list(): SessionView[];
  /** `conflict`: the session is there, but can't do this now. */
  control(
    id: string,
    action: ControlAction,
    by: { actor: string; reason: string },
  ): Promise<'ok' | 'not-found' | 'conflict'>;
}
