/**
 * The Recording: what the catalogue keeps, the finaliser makes and the HTTP interface answers.
 *
 * Types and their closed vocabularies only, so that every layer may import this file without importing a store.
 */

/** The states that a recording passes through. Only `complete`, `provisional` and `failed` may have audio. */
export const RECORDING_STATES = [
  'recording', // the recording session is running
  'finalising', // the session has ended (or its server has); the files are being made from the journal
  'complete', // the files are there
  'provisional', // ended, but nobody has decided yet between keeping and discarding
  'discarded', // destroyed on request; only this row remains
  'failed', // the finaliser could not make the files; the journal's packets are kept
] as const;

export type RecordingState = (typeof RECORDING_STATES)[number];

/** Somebody whose voice (or a mix with whose voice) is in the recording (RFC 7865 section 6.5). */
export interface RecordingParticipant {
  id: string;
  /** Address of record, usually a SIP or tel URI; null if the recording client did not say. */
  aor: string | null;
  name: string | null;
  /** The channel that carries what this participant sent: 0, 1, or null if it is not known. */
  channel: number | null;
}

/**
 * Packet counts of one stream. Always `expected = received + lost + dropped + paused`; `late`, `duplicate` and
 * `unauthenticated` are counted beside the sum.
 */
export interface PacketCounts {
  expected: number;
  received: number;
  /** Never reached this machine. */
  lost: number;
  /** Reached this machine and was lost here (kernel, ring, disk). */
  dropped: number;
  /** Discarded on purpose. */
  paused: number;
  /** Received after its live playout time; it is in the file all the same. */
  late: number;
  duplicate: number;
  /** Failed SRTP authentication. */
  unauthenticated: number;
}

/** One media stream (one m-line) of the recording session. */
export interface RecordingStream {
  /** The SDP label (RFC 4574), the link between metadata and media. */
  label: string;
  channel: number;
  /** Encoding name as in RFC 3551 (`PCMU`, `PCMA`, `L16` …). */
  codec: string;
  /** The SRTP crypto suite, or null for plain RTP. */
  srtp: string | null;
  /** Every SSRC that the stream has had, in order of appearance. */
  ssrcs: number[];
  /** Interarrival jitter (RFC 3550 section 6.4.1) at the end of the stream. */
  jitterMs: number;
  packets: PacketCounts;
}

/** What the CTI link has told of the conversation. */
export interface RecordingCti {
  connId: string;
  callUuid: string;
  ani: string;
  /** What was dialled: the queue, where there is one. */
  dnis: string;
  /** Those that took part, in order of appearance. */
  agents: { agentId: string; dn: string }[];
  /** Attached data, as it was last. */
  userData: Record<string, string>;
  /** When the last event that is in it happened; ISO 8601. */
  updatedAt: string;
}

/** One recording of one communication session. Times are ISO 8601 in UTC with milliseconds. */
export interface Recording {
  /** UUID made by this server; the name of everything stored for the recording. */
  id: string;
  state: RecordingState;
  startedAt: string;
  /** Null while the recording session is running. */
  endedAt: string | null;
  /** Null while the recording session is running. */
  durationMs: number | null;
  /** Call-ID of the (first) recording session's dialog. */
  sipCallId: string;
  /** Identifies the conversation; two recording sessions of one conversation share it. */
  communicationSessionId: string | null;
  participants: RecordingParticipant[];
  /** Left out where no CTI link has told anything. */
  cti?: RecordingCti;
  streams: RecordingStream[];
  /** True if the server died during the call and the recording was made from what the journal held. */
  recovered: boolean;
  warnings: string[];
}
