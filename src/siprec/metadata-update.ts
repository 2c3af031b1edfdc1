/**
 * Metadata updates (RFC 7865 4, RFC 7866 9): a complete document replaces what is known, a partial one is laid over it element
 * by element, by id. Updates must be applied in the order in which they were sent.
 */
import { emptyMetadata, idKey, type RsMetadata, type RsParticipantStreams } from './metadata.ts';

/** The state after an update. Neither argument is changed. */
export function applyMetadata(current: RsMetadata | null, update: RsMetadata): RsMetadata {
  // "Complete" documents with only a session in them are sent with BYE to say when it stopped; they must not wipe out the rest.
  const bare =
    update.participants.length === 0 && update.streams.length === 0 && update.participantStreams.length === 0;
  if (current === null || (update.dataMode === 'complete' && !bare)) return { ...update, dataMode: 'complete' };
  const merged = emptyMetadata();
  merged.groups = mergeBy(current.groups, update.groups, (g) => idKey(g.id));
  merged.sessions = mergeBy(current.sessions, update.sessions, (s) => idKey(s.id));
  merged.participants = mergeBy(current.participants, update.participants, (p) => idKey(p.id));
  merged.streams = mergeBy(current.streams, update.streams, (s) => idKey(s.id));
  merged.sessionRecordings = mergeBy(current.sessionRecordings, update.sessionRecordings, (a) => idKey(a.sessionId));
  merged.participantSessions = mergeBy(
    current.participantSessions,
    update.participantSessions,
    (a) => `${idKey(a.participantId)} ${idKey(a.sessionId ?? '')}`,
  );
  merged.participantStreams = mergeStreams(current.participantStreams, update.participantStreams);
  merged.extensions = update.extensions !== '' ? update.extensions : current.extensions;
  return merged;
}

/** Elements of `update` over those of `current` with the same key: what the update leaves out stays. */
function mergeBy<T extends object>(current: readonly T[], update: readonly T[], key: (item: T) => string): T[] {
  const out = new Map(current.map((item) => [key(item), item]));
  for (const item of update) {
    const known = out.get(key(item));
    out.set(key(item), known ? overlay(known, item) : item);
  }
  return [...out.values()];
}

function overlay<T extends object>(known: T, item: T): T {
  const said = Object.entries(item).filter(([, value]) => value !== null && value !== '' && !isEmptyArray(value));
  return { ...known, ...Object.fromEntries(said) } as T;
}

function isEmptyArray(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}

/** An association is said again as a whole: without send and recv it means hold, not "as before". */
function mergeStreams(current: RsParticipantStreams[], update: RsParticipantStreams[]): RsParticipantStreams[] {
  const said = new Set(update.map((a) => idKey(a.participantId)));
  return [...current.filter((a) => !said.has(idKey(a.participantId))), ...update];
}
