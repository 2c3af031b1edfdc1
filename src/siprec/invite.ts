/**
 * What an INVITE to the recording server is: a SIPREC recording session (RFC 7866), a Genesys recording, one mixed stream, or a
 * plain call; with its offer, its metadata and who speaks where. Only what cannot be recorded is refused.
 */
import {
  type CryptoPolicy,
  chooseCrypto,
  type MediaDescription,
  NO_CRYPTO,
  parseSdp,
  type Sdp,
  SdpError,
} from '../sdp/index.ts';
import { parseHeaderValue } from './content-type.ts';
import { type GenesysInfo, genesysInfo } from './genesys.ts';
import { type PlannedMedia, planMedia } from './media-plan.ts';
import type { RsMetadata } from './metadata.ts';
import { parseMetadata } from './metadata-read.ts';
import { type BodyPart, sniffBoundary, splitMultipart } from './multipart.ts';
import { otherParticipants, pairingOf, type RecordingPairing } from './other-clients.ts';
import { type PlacedParticipant, participantsByLabel } from './participants.ts';

export type InviteKind = 'siprec' | 'genesys-one-dialog' | 'genesys-two-dialogs' | 'mixed' | 'plain';

/** The parts of an INVITE that matter here. Header names are given in lower case. */
export interface InviteParts {
  /** Request-URI. */
  uri: string;
  headers: (name: string) => string | undefined;
  contactParams: ReadonlyMap<string, string | null>;
  contentType: string | undefined;
  body: Uint8Array;
  /** When given, every X-Genesys-* header is kept, not only the known ones. */
  headerNames?: Iterable<string>;
  /** All values of a header that may be repeated. Without it, only the first of each is seen. */
  headerValues?: (name: string) => string[];
  /** Which SRTP can be taken; left out: none. */
  crypto?: CryptoPolicy;
}

export interface InviteInterpretation {
  kind: InviteKind;
  /** Null without a refusal: the INVITE has no offer, the 200 must make one. */
  offer: Sdp | null;
  metadata: RsMetadata | null;
  genesys: GenesysInfo | null;
  /** For a recording whose two parties come in two dialogs: which belong together, and which side this one is. */
  pairing: RecordingPairing | null;
  /** Channel = position among the recorded m-lines of the offer; for one of two paired dialogs, its side. */
  participants: PlacedParticipant[];
  warnings: string[];
  refuse: Refusal | null;
}

/** Why an INVITE is refused; `warning` says it to people (RFC 3261 20.43). */
export interface Refusal {
  status: number;
  reason: string;
  warning?: string;
}

/** What the bodies of any request of a recording session hold. */
export interface RecordingBodies {
  offer: Sdp | null;
  metadata: RsMetadata | null;
  warnings: string[];
  refuse: Refusal | null;
}

const MAX_NESTING = 3;

/** Interprets an initial INVITE. Never throws. */
export function interpretInvite(r: InviteParts): InviteInterpretation {
  const bodies = readBodies(r.contentType, r.body);
  const { offer, metadata } = bodies;
  const warnings = [...bodies.warnings];
  let refuse = bodies.refuse;
  const policy = r.crypto ?? NO_CRYPTO;
  const crypto = (media: MediaDescription) => chooseCrypto(media, policy);
  const plan = offer === null ? [] : planMedia(offer, { supported: () => true, crypto });
  const recorded = plan.filter((m) => m.action === 'record');
  for (const media of recorded) warnings.push(...media.warnings);
  refuse ??= offer === null ? null : nothingToRecord(plan);
  const genesys = genesysInfo([r.uri, r.headers('to') ?? ''].map(bareUri), r.headers, r.headerNames);
  const siprec = isRecordingSession(r) || metadata !== null;
  const kind = kindOf(siprec, genesys, metadata, recorded.length);
  const placement = { participants: [] as PlacedParticipant[], warnings: [] as string[] };
  if (metadata !== null)
    Object.assign(
      placement,
      participantsByLabel(
        metadata,
        recorded.map((m) => m.label),
      ),
    );
  else if (siprec) placement.warnings.push('recording session without recording metadata');
  if (placement.participants.length === 0)
    placement.participants = otherParticipants(kind, genesys, allValues(r), recorded.length);
  return {
    kind,
    offer,
    metadata,
    genesys,
    pairing: pairingOf(kind, genesys, r.headers),
    participants: placement.participants,
    warnings: [...warnings, ...placement.warnings],
    refuse,
  };
}

/**
 * Finds the session description and the recording metadata in a body, by Content-Type and, where that is missing or damaged, by
 * look. Serves every request: INVITE, re-INVITE, UPDATE, BYE. Never throws.
 */
export function readBodies(contentType: string | undefined, body: Uint8Array): RecordingBodies {
  const out: RecordingBodies = { offer: null, metadata: null, warnings: [], refuse: null };
  if (isBlank(body)) return out;
  const type = parseHeaderValue(contentType ?? '').value;
  if (type.startsWith('multipart/') || (typeOf('', body) === 'multipart' && typeOf(type, body) !== 'sdp')) {
    takeParts(out, contentType ?? 'multipart/mixed', body, 0);
    return out;
  }
  const part = { headers: new Map(), contentType: type, disposition: '', content: body };
  if (!takePart(out, part)) out.refuse = { status: 415, reason: 'Unsupported Media Type' };
  return out;
}

function takeParts(out: RecordingBodies, contentType: string, body: Uint8Array, depth: number): void {
  const parts = splitMultipart(contentType, body);
  if (parts.length === 0) {
    // Called multipart, but it is one of the parts on its own.
    const part = { headers: new Map(), contentType: '', disposition: '', content: body };
    if (!takePart(out, part)) out.warnings.push('multipart body that cannot be split');
    return;
  }
  for (const part of parts) {
    if (part.contentType.startsWith('multipart/') && depth < MAX_NESTING) {
      takeParts(out, part.headers.get('content-type') ?? '', part.content, depth + 1);
    } else if (!takePart(out, part) && requiresHandling(part)) {
      // RFC 3261 8.2.3 would have 415, but a body that nobody here understands does not keep the media from being recorded.
      out.warnings.push(`body part ${part.contentType.slice(0, 64)} is required to be handled, and was not`);
    }
  }
}

/** RFC 3261 20.11; "required" only where it is said. */
function requiresHandling(part: BodyPart): boolean {
  const handling = parseHeaderValue(part.headers.get('content-disposition') ?? '').params.get('handling');
  return handling?.toLowerCase() === 'required';
}

/** Takes a part in. False when it is neither SDP nor recording metadata. */
function takePart(out: RecordingBodies, part: BodyPart): boolean {
  const type = typeOf(part.contentType, part.content);
  if (type === 'sdp') {
    if (out.offer !== null) out.warnings.push('more than one session description, the first is used');
    else takeSdp(out, part.content);
  } else if (type === 'metadata') {
    if (part.contentType !== '' && !isMetadataType(part.contentType))
      out.warnings.push(`recording metadata sent as "${part.contentType.slice(0, 64)}"`);
    const { metadata, warnings } = parseMetadata(part.content);
    out.warnings.push(...warnings);
    if (out.metadata === null) out.metadata = metadata;
    else out.warnings.push('more than one recording metadata document, the first is used');
  } else return isBlank(part.content);
  return true;
}

function takeSdp(out: RecordingBodies, content: Uint8Array): void {
  try {
    out.offer = parseSdp(content);
    out.warnings.push(...out.offer.warnings);
  } catch (error) {
    if (!(error instanceof SdpError)) throw error;
    out.refuse ??= { status: 488, reason: 'Not Acceptable Here' };
    out.warnings.push(`session description refused: ${error.message}`);
  }
}

function isMetadataType(contentType: string): boolean {
  return contentType === 'application/rs-metadata' || contentType === 'application/rs-metadata+xml';
}

/** What a body is: by its type when that is one of ours, else by its first characters. */
function typeOf(contentType: string, content: Uint8Array): 'sdp' | 'metadata' | 'multipart' | null {
  if (contentType === 'application/sdp') return 'sdp';
  if (isMetadataType(contentType)) return 'metadata';
  const head = Buffer.from(content.buffer, content.byteOffset, Math.min(content.byteLength, 4_096));
  const start = head.toString('latin1').trimStart();
  if (start.startsWith('v=0')) return 'sdp';
  if (start.startsWith('--') && contentType === '' && sniffBoundary(content) !== null) return 'multipart';
  if (!start.startsWith('<')) return null;
  const named = start.includes(':ns:recording') || start.includes(':ns:siprec') || start.includes('<recording');
  return named && !start.includes('requestsnapshot') ? 'metadata' : null;
}

function isBlank(body: Uint8Array): boolean {
  return body.every((byte) => byte === 32 || byte === 9 || byte === 10 || byte === 13);
}

/**
 * RFC 7866 6.1.1: `+sip.src` in Contact and `siprec` required. Some clients leave one out, write `;src`, or put it inside the
 * URI; any of them is enough.
 */
function isRecordingSession(r: InviteParts): boolean {
  if (r.contactParams.has('+sip.src') || r.contactParams.has('src')) return true;
  if (`${r.headers('contact') ?? ''};`.toLowerCase().includes(';+sip.src')) return true;
  const tags = (r.headers('require') ?? '').toLowerCase().split(',');
  return tags.some((tag) => tag.trim() === 'siprec');
}

function kindOf(
  siprec: boolean,
  genesys: GenesysInfo | null,
  metadata: RsMetadata | null,
  recorded: number,
): InviteKind {
  if (!siprec && genesys !== null) {
    return recorded >= 2 || genesys.otherDn !== null ? 'genesys-one-dialog' : 'genesys-two-dialogs';
  }
  if (!siprec) return 'plain';
  if (recorded !== 1) return 'siprec';
  // One stream: of one party when the metadata says that just one sends it, else of all.
  if (metadata === null) return 'siprec';
  const senders = new Set(metadata.participantStreams.filter((a) => a.send.length > 0).map((a) => a.participantId));
  const mixed = metadata.streams.some((s) => s.mode?.toLowerCase() === 'mixed');
  return senders.size === 1 && !mixed ? 'siprec' : 'mixed';
}

function nothingToRecord(plan: readonly PlannedMedia[]): Refusal | null {
  // Streams offered with port 0 may be added later; that is a recording session without media for now.
  if (plan.some((m) => m.action === 'record' || m.reason === 'offered with port 0')) return null;
  const why = plan.find((m) => m.isSecurityFault)?.reason ?? plan.find((m) => m.reason)?.reason;
  return { status: 488, reason: 'Not Acceptable Here', warning: why ?? 'the offer has no audio to record' };
}

/** A header's values in one text: repeated headers mean the same as a list with commas (RFC 3261 7.3.1). */
function allValues(r: InviteParts): (name: string) => string | undefined {
  const { headerValues } = r;
  if (headerValues === undefined) return r.headers;
  return (name) => {
    const values = headerValues(name);
    return values.length === 0 ? undefined : values.slice(0, 16).join(',');
  };
}

/** The URI inside a name-addr. */
function bareUri(text: string): string {
  const open = text.indexOf('<');
  const close = text.indexOf('>', open + 1);
  return open >= 0 && close > open ? text.slice(open + 1, close) : text.trim();
}
