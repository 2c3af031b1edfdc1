/** What HTTP and the CTI link see of the calls, and may do to them. */
import type { RecordSide } from '../config/types.ts';
import type { ConversationView } from '../conversation.ts';

export type CallState = 'ringing' | 'established' | 'held' | 'ended';

/** One recording session of a call. */
export interface RecordingSessionView {
  id: string;
  recorder: string;
  purpose: string;
  state: 'recording' | 'paused' | 'ended';
  sinceMs: number;
  packetsSent: number;
  /** As the recorder reports (RFC 3550 section 6.4); null: it has not. */
  packetsLost: number | null;
}

export interface CallView extends ConversationView {
  state: CallState;
  recordings: RecordingSessionView[];
}

export interface RegistrationView {
  dn: string;
  name: string;
  contacts: { uri: string; expiresAtMs: number; userAgent: string | null }[];
}

export interface RecorderView {
  id: string;
  uri: string;
  groups: string[];
  state: 'up' | 'down' | 'draining' | 'resting' | 'unknown';
  sessions: number;
  /** As it says itself; null: it does not. */
  load: number | null;
  cause: string | null;
  lastProbeMs: number | null;
}

export interface StartRequest {
  record: RecordSide;
  /** Globally unique; made here when left out. */
  id?: string;
  /** Recorders to use instead of those of the usual group: id, group name, or SIP URI. */
  dest?: string;
  dest2?: string;
  params?: Record<string, string>;
  actor: string;
}

export interface ControlRequest {
  /** One recording session; all of the call when left out. */
  recording?: string;
  actor: string;
  reason: string;
}

/** Something that happened to a DN in a call. */
export interface SwitchEvent {
  type:
    | 'dialing'
    | 'ringing'
    | 'established'
    | 'held'
    | 'retrieved'
    | 'party-added'
    | 'party-changed'
    | 'party-deleted'
    | 'released'
    | 'abandoned'
    | 'data-changed'
    | 'recording';
  dn: string;
  otherDn: string | null;
  thirdDn: string | null;
  atMs: number;
  call: CallView;
  /** Of the consultation call that was joined, after a transfer or conference. */
  previousConnId: string | null;
  cause: string | null;
  recording?: { id: string; state: 'on' | 'paused' | 'off'; recorder: string };
  /** Attached data that changed; null: deleted. */
  changed?: Record<string, string | null>;
}

export interface CallControl {
  calls(): CallView[];
  /** By conversation id, CallUUID or ConnID. */
  call(id: string): CallView | null;
  callsOf(dn: string): CallView[];
  /** Rejects with CallNotFound, WrongState or NoRecorder. Also for a call that has ended, while its past is kept. */
  startRecording(call: string, request: StartRequest): Promise<RecordingSessionView[]>;
  stopRecording(call: string, request: ControlRequest): Promise<void>;
  pauseRecording(call: string, request: ControlRequest): Promise<void>;
  resumeRecording(call: string, request: ControlRequest): Promise<void>;
  /** @throws CallNotFound */
  attach(call: string, data: Record<string, string | null>): void;
  hangUp(call: string, reason: string): Promise<void>;
  registrations(): RegistrationView[];
  recorders(): RecorderView[];
  /** A third party comes in. Resolves to the id of its leg when it has answered. */
  addParty(call: string, number: string): Promise<string>;
  /** Resolves to the id of the supervisor's leg when the phone is answered. */
  supervise(options: { supervisorDn: string; targetDn: string; mode: 'listen' | 'coach' | 'barge' }): Promise<string>;
  /** @returns what ends it. */
  on(listener: (event: SwitchEvent) => void): () => void;
}

export class CallNotFound extends Error {
  override readonly name = 'CallNotFound';
}

export class WrongState extends Error {
  override readonly name = 'WrongState';
}

export class NoRecorder extends Error {
  override readonly name = 'NoRecorder';
}
