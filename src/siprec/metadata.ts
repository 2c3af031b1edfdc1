/**
 * Recording metadata (RFC 7865) as plain data: what it says about the communication session, whoever wrote it and in whichever
 * draft of the format. Times are the texts that were sent (RFC 3339 where the sender keeps to it); ids too.
 */

export const RECORDING_NAMESPACE = 'urn:ietf:params:xml:ns:recording:1';
/** RFC 9806; RFC 7866 wrote it without `+xml`. */
export const METADATA_CONTENT_TYPE = 'application/rs-metadata+xml';

export interface RsGroup {
  id: string;
  associateTime: string | null;
  disassociateTime: string | null;
  /** Foreign XML inside this element, '' when none. */
  extensions: string;
}

export interface RsSession {
  id: string;
  sipSessionIds: string[];
  groupRef: string | null;
  reason: string | null;
  startTime: string | null;
  stopTime: string | null;
  extensions: string;
}

export interface RsNameId {
  aor: string | null;
  name: string | null;
}

/** `aor` and `name` are those of the first nameID. `sessions` are the ids that the participant element itself names. */
export interface RsParticipant {
  id: string;
  aor: string | null;
  name: string | null;
  nameIds: RsNameId[];
  sessions: string[];
  extensions: string;
}

export interface RsStream {
  id: string;
  sessionId: string | null;
  label: string | null;
  /** `mixed` or `separate` in drafts of the format, null in RFC 7865. */
  mode: string | null;
  extensions: string;
}

export interface RsSessionRecording {
  sessionId: string;
  associateTime: string | null;
  disassociateTime: string | null;
}

export interface RsParticipantSession {
  participantId: string;
  sessionId: string | null;
  associateTime: string | null;
  disassociateTime: string | null;
  params: Array<{ name: string; value: string }>;
}

/** Which streams a participant contributes to and hears, by stream id. Neither: on hold. */
export interface RsParticipantStreams {
  participantId: string;
  send: string[];
  recv: string[];
  associateTime: string | null;
  disassociateTime: string | null;
}

export interface RsMetadata {
  dataMode: 'complete' | 'partial';
  groups: RsGroup[];
  sessions: RsSession[];
  participants: RsParticipant[];
  streams: RsStream[];
  sessionRecordings: RsSessionRecording[];
  participantSessions: RsParticipantSession[];
  participantStreams: RsParticipantStreams[];
  /** Foreign XML directly below the root, '' when none. */
  extensions: string;
}

/** Metadata that says nothing yet. */
export function emptyMetadata(dataMode: 'complete' | 'partial' = 'complete'): RsMetadata {
  return {
    dataMode,
    groups: [],
    sessions: [],
    participants: [],
    streams: [],
    sessionRecordings: [],
    participantSessions: [],
    participantStreams: [],
    extensions: '',
  };
}

/**
 * The form of an id in which two spellings of it are equal: `urn:uuid:` and the case of a UUID do not matter. Base64 ids, the
 * usual kind, compare as they are.
 */
export function idKey(id: string): string {
  const bare = id.length >= 9 && id.slice(0, 9).toLowerCase() === 'urn:uuid:' ? id.slice(9) : id;
  return bare.length === 36 && bare.charAt(8) === '-' ? bare.toLowerCase() : bare;
}
