// The recording metadata that the caller sends (RFC 7865): one session, two participants, each sending its own stream and
// receiving the other's.

import { emptyMetadata, type RsMetadata } from '../../siprec/index.ts';

/** One of the two parties of a call. */
export interface Party {
  /** Address of record, e.g. `sip:alice@example.com`. */
  aor: string;
  name: string;
}

/** Ids of a call's metadata: base64 of a UUID each (RFC 7865 section 6.11). */
export interface MetadataIds {
  session: string;
  participants: [string, string];
  streams: [string, string];
}

export const LABELS = ['1', '2'] as const;

/** Makes the ids of a call from a source of random bytes. */
export function metadataIds(randomUuid: () => string): MetadataIds {
  const id = () => Buffer.from(randomUuid().replaceAll('-', ''), 'hex').toString('base64');
  return { session: id(), participants: [id(), id()], streams: [id(), id()] };
}

/** A complete snapshot of the call. */
export function callMetadata(
  ids: MetadataIds,
  parties: readonly [Party, Party],
  startTime: string,
  sipSessionId: string,
): RsMetadata {
  const metadata = emptyMetadata();
  metadata.sessions.push({
    id: ids.session,
    sipSessionIds: [sipSessionId],
    groupRef: null,
    reason: null,
    startTime,
    stopTime: null,
    extensions: '',
  });
  metadata.sessionRecordings.push({ sessionId: ids.session, associateTime: startTime, disassociateTime: null });
  for (const i of [0, 1] as const) {
    const { aor, name } = parties[i];
    const id = ids.participants[i];
    metadata.participants.push({ id, aor, name, nameIds: [{ aor, name }], sessions: [], extensions: '' });
    metadata.streams.push({ id: ids.streams[i], sessionId: ids.session, label: LABELS[i], mode: null, extensions: '' });
    metadata.participantSessions.push({
      participantId: id,
      sessionId: ids.session,
      associateTime: startTime,
      disassociateTime: null,
      params: [],
    });
    metadata.participantStreams.push({
      participantId: id,
      send: [ids.streams[i]],
      recv: [ids.streams[i === 0 ? 1 : 0]],
      associateTime: startTime,
      disassociateTime: null,
    });
  }
  return metadata;
}

/** What the BYE tells (RFC 8068 4.x): the session has stopped. */
export function stopMetadata(ids: MetadataIds, stopTime: string): RsMetadata {
  const metadata = emptyMetadata('partial');
  metadata.sessions.push({
    id: ids.session,
    sipSessionIds: [],
    groupRef: null,
    reason: null,
    startTime: null,
    stopTime,
    extensions: '',
  });
  metadata.sessionRecordings.push({ sessionId: ids.session, associateTime: null, disassociateTime: stopTime });
  return metadata;
}
