/**
 * Recording metadata to XML (RFC 7865 section 9) and the request for a snapshot of it (RFC 7866 9.2).
 */
import { parseHeaderValue } from './content-type.ts';
import { METADATA_CONTENT_TYPE, RECORDING_NAMESPACE, type RsMetadata, type RsParticipant } from './metadata.ts';
import { escapeXml, readXml, textOf } from './xml.ts';

/** Writes metadata as RFC 7865 wants it. `extensions` are taken in as they are and must be well-formed. */
export function buildMetadata(md: RsMetadata): string {
  const lines = ['<?xml version="1.0" encoding="UTF-8"?>', `<recording xmlns="${RECORDING_NAMESPACE}">`];
  lines.push(`<datamode>${md.dataMode}</datamode>`);
  for (const g of md.groups) {
    const inner = time('associate-time', g.associateTime) + time('disassociate-time', g.disassociateTime);
    lines.push(`<group${attr('group_id', g.id)}>${inner}${g.extensions}</group>`);
  }
  for (const s of md.sessions) {
    const ids = s.sipSessionIds.map((id) => leaf('sipSessionID', id)).join('');
    const inner = ids + leaf('reason', s.reason) + leaf('group-ref', s.groupRef) + leaf('start-time', s.startTime);
    lines.push(`<session${attr('session_id', s.id)}>${inner}${leaf('stop-time', s.stopTime)}${s.extensions}</session>`);
  }
  for (const p of md.participants) lines.push(participantXml(p));
  for (const s of md.streams) {
    const inner = leaf('label', s.label) + leaf('mode', s.mode) + s.extensions;
    lines.push(`<stream${attr('stream_id', s.id)}${attr('session_id', s.sessionId)}>${inner}</stream>`);
  }
  lines.push(...associations(md));
  if (md.extensions !== '') lines.push(md.extensions);
  lines.push('</recording>');
  return `${lines.join('\n')}\n`;
}

function participantXml(p: RsParticipant): string {
  const nameIds =
    p.nameIds.length > 0 ? p.nameIds : p.aor !== null || p.name !== null ? [{ aor: p.aor, name: p.name }] : [];
  const inner = nameIds.map((n) => `<nameID${attr('aor', n.aor)}>${leaf('name', n.name)}</nameID>`).join('');
  const sessions = p.sessions.length > 0 ? attr('session_id', p.sessions.join(' ')) : '';
  return `<participant${attr('participant_id', p.id)}${sessions}>${inner}${p.extensions}</participant>`;
}

function associations(md: RsMetadata): string[] {
  const lines: string[] = [];
  for (const a of md.sessionRecordings) {
    lines.push(`<sessionrecordingassoc${attr('session_id', a.sessionId)}>${times(a)}</sessionrecordingassoc>`);
  }
  for (const a of md.participantSessions) {
    const params = a.params.map((p) => `<param${attr('pname', p.name)}${attr('pval', p.value)}/>`).join('');
    const ids = attr('participant_id', a.participantId) + attr('session_id', a.sessionId);
    lines.push(`<participantsessionassoc${ids}>${times(a)}${params}</participantsessionassoc>`);
  }
  for (const a of md.participantStreams) {
    const streams = a.send.map((id) => leaf('send', id)).join('') + a.recv.map((id) => leaf('recv', id)).join('');
    const ids = attr('participant_id', a.participantId);
    lines.push(`<participantstreamassoc${ids}>${streams}${times(a)}</participantstreamassoc>`);
  }
  return lines;
}

function times(a: { associateTime: string | null; disassociateTime: string | null }): string {
  return time('associate-time', a.associateTime) + time('disassociate-time', a.disassociateTime);
}

function time(name: string, value: string | null): string {
  return leaf(name, value);
}

function leaf(name: string, value: string | null): string {
  return value === null ? '' : `<${name}>${escapeXml(value)}</${name}>`;
}

function attr(name: string, value: string | null): string {
  return value === null ? '' : ` ${name}="${escapeXml(value)}"`;
}

/** The request belongs to the same schema and goes under the same type as the metadata (RFC 7866 9.2, RFC 9806). */
export const SNAPSHOT_REQUEST_CONTENT_TYPE = METADATA_CONTENT_TYPE;

/** The type to send a snapshot request with, from the client's Accept header: some list an own type for it (RFC 8068). */
export function snapshotRequestContentType(accept: string | undefined): string {
  const types = (accept ?? '').split(',', 32).map((type) => parseHeaderValue(type).value);
  const known = ['application/rs-metadata+xml', 'application/rs-metadata-request', 'application/rs-metadata'];
  return known.find((type) => types.includes(type)) ?? SNAPSHOT_REQUEST_CONTENT_TYPE;
}

/** Of every body with metadata or a request for it (RFC 7866 9.1). */
export const METADATA_DISPOSITION = 'recording-session';

/** The body of an UPDATE that asks the recording client for complete metadata. `reason` is for people, in English. */
export function requestSnapshot(reason: string): string {
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<requestsnapshot xmlns="${RECORDING_NAMESPACE}">`,
    `<requestreason xml:lang="en">${escapeXml(reason)}</requestreason>`,
    '</requestsnapshot>\n',
  ].join('\n');
}

/** On the recording client's side: the request in a body, or null when it is none. */
export function parseSnapshotRequest(input: Uint8Array | string): { reason: string } | null {
  const root = readXml(input).roots[0];
  if (root?.local.toLowerCase() !== 'requestsnapshot') return null;
  const reason = root.children.find((child) => child.local.toLowerCase() === 'requestreason');
  return { reason: reason ? textOf(reason) : '' };
}
