/** By which ids a recording and a call of the CTI link are the same conversation, in a spelling in which equal ones are equal. */
import type { CallEvent, PartyInfo } from '../cti/index.ts';
import type { GenesysInfo } from '../siprec/genesys.ts';
import { type RsMetadata, readCallExtension } from '../siprec/index.ts';
import type { SessionFacts } from './live-recording.ts';

const MAX_KEYS = 64;
const MAX_EXTENSION_CHARACTERS = 64 * 1024;
/** Ids of the conversation or the recording in metadata extensions, ours and others'. Attached data may name any call. */
const EXTENSION_ID = /<(?:[\w-]{1,32}:)?(?:calluuid|recording-?id|genesysuuid)\b[^<>]{0,256}>([^<>]{1,128})</gi;
const BASE64_UUID = /^[A-Za-z0-9+/]{22}==$/;

/** Without `urn:uuid:`, dashes and capitals; ids of RFC 7865 metadata, base64 of a UUID, become that UUID. */
export function callKey(id: string): string {
  if (BASE64_UUID.test(id)) return Buffer.from(id, 'base64').toString('hex');
  const bare = id.toLowerCase().replace(/^urn:uuid:/, '');
  return bare.length === 36 && bare[8] === '-' ? bare.replaceAll('-', '') : bare;
}

function keysOf(ids: Iterable<string | null | undefined>): Set<string> {
  const keys = new Set<string>();
  for (const id of ids) {
    if (id) keys.add(callKey(id));
    if (keys.size >= MAX_KEYS) break;
  }
  return keys;
}

/** The best first: what names the conversation, then what names the recording, then what may. */
export function recordingKeys(facts: SessionFacts, metadata: RsMetadata | null): Set<string> {
  const genesys = facts.genesys as GenesysInfo | null;
  const sessions = metadata?.sessions ?? [];
  return keysOf([
    facts.communicationSessionId,
    genesys?.callUuid,
    genesys?.headers['x-genesys-calluuid'],
    ...sessions.map(({ id }) => id),
    genesys?.recordId,
    facts.sipCallId,
    ...sessions.flatMap(({ sipSessionIds }) => sipSessionIds.flatMap((id) => [id, id.split(';', 1)[0]])),
    ...(metadata ? extensionIds(metadata) : []),
    ...sessions.flatMap(({ extensions }) => readCallExtension(extensions)?.sipCallIds ?? []),
  ]);
}

function extensionIds({ extensions, groups, sessions }: RsMetadata): string[] {
  const texts = [extensions, ...groups.map((group) => group.extensions), ...sessions.map((one) => one.extensions)];
  const found = texts.join(' ').slice(0, MAX_EXTENSION_CHARACTERS).matchAll(EXTENSION_ID);
  return Array.from(found, ([, id]) => id!.trim());
}

export function eventKeys(event: CallEvent | PartyInfo): Set<string> {
  const recording = event.message === 'EventPartyInfo' ? undefined : event.Extensions?.id;
  return keysOf([event.CallUUID, recording, ...event.SIPCallIDs]);
}
