/**
 * How text is compared in searches. One place for both sides, the stored and the asked, so that they can't disagree.
 */

import type { Recording, RecordingCti } from './recording.ts';

/** Longer queries are cut: more words than this never make a search better. */
const MAX_QUERY_WORDS = 16;

/** Compatibility form, lower case, well-formed and without NUL: what a substring comparison sees. */
export function fold(text: string): string {
  return text.toWellFormed().normalize('NFKC').toLowerCase().replaceAll('\0', '');
}

/** The words of a text: runs of letters and digits, lower case, without accents. */
export function wordsOf(text: string): string[] {
  const plain = text.toWellFormed().normalize('NFKD').toLowerCase().normalize('NFKD').replace(/\p{M}/gu, '');
  return plain.match(/[\p{L}\p{N}]+/gu) ?? [];
}

/** The words of a free-text query; each must begin some word of the recording. */
export function queryWords(text: string): string[] {
  return [...new Set(wordsOf(text))].slice(0, MAX_QUERY_WORDS);
}

/** The words under which a recording is found by free text. */
export function recordingWords(recording: Recording): string[] {
  const said = [
    recording.id,
    recording.sipCallId,
    recording.communicationSessionId,
    ...recording.participants.flatMap((p) => [p.aor, p.name]),
    ...recording.streams.map((s) => s.codec),
    ...recording.warnings,
    ...(recording.cti ? ctiTexts(recording.cti) : []),
  ];
  return [...new Set(said.flatMap((text) => (text === null ? [] : wordsOf(text))))];
}

function ctiTexts({ connId, callUuid, ani, dnis, agents, userData }: RecordingCti): string[] {
  const attached = Object.entries(userData).flat();
  return [connId, callUuid, ani, dnis, ...agents.flatMap(({ agentId, dn }) => [agentId, dn]), ...attached];
}
