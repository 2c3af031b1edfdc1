/**
 * The notes of a journal: everything about a recording that is not a packet. Written by this server, so their shape is
 * known; read with care all the same, for a file may be older or damaged.
 */

import type { RecordingCti, RecordingParticipant } from '../store/recording.ts';

/** RTP payload type as negotiated (RFC 3551, RFC 8866). */
export interface NotedPayloadType {
  payloadType: number;
  encoding: string;
  clockRate: number;
  channels: number;
}

export interface NotedStream {
  index: number;
  label: string;
  channel: number;
  /** Newest last; an earlier meaning of a number stays valid until a later one replaces it. */
  payloadTypes: Map<number, NotedPayloadType>;
  /** What was to come first of all, as last negotiated; null if nothing says it. */
  preferredEncoding: string | null;
  remote: { address: string; rtpPort: number } | null;
  /** The suite that all of it came under, as last negotiated; null when some of it may have come in the clear. */
  srtp: string | null;
  /** It has been signalled as plain RTP, now or before. */
  wasPlain: boolean;
  unauthenticated: number;
}

/** Hold or pause as it happened. */
export interface NotedPause {
  type: 'pause' | 'resume';
  scope: string;
  stream: number | null;
  actor: string | null;
  reason: string | null;
  atMs: number | null;
}

export interface RecordingNotes {
  recording: Record<string, unknown> | null;
  streams: Map<number, NotedStream>;
  metadata: unknown;
  participants: RecordingParticipant[];
  /** As last noted. */
  cti: RecordingCti | null;
  pauses: NotedPause[];
  warnings: string[];
  events: Array<Record<string, unknown>>;
  end: { by: string | null; reason: string | null; atMs: number | null } | null;
  recoveredAtMs: number | null;
}

/** More of one kind are a fault of the writer; they are counted, not kept. */
const MAX_KEPT = 10_000;

/** Static payload types (RFC 3551 table 4) for streams without a description. */
const STATIC: NotedPayloadType[] = [
  { payloadType: 0, encoding: 'PCMU', clockRate: 8000, channels: 1 },
  { payloadType: 3, encoding: 'GSM', clockRate: 8000, channels: 1 },
  { payloadType: 4, encoding: 'G723', clockRate: 8000, channels: 1 },
  { payloadType: 8, encoding: 'PCMA', clockRate: 8000, channels: 1 },
  { payloadType: 9, encoding: 'G722', clockRate: 8000, channels: 1 },
  { payloadType: 10, encoding: 'L16', clockRate: 44100, channels: 2 },
  { payloadType: 11, encoding: 'L16', clockRate: 44100, channels: 1 },
  { payloadType: 13, encoding: 'CN', clockRate: 8000, channels: 1 },
  { payloadType: 15, encoding: 'G728', clockRate: 8000, channels: 1 },
  { payloadType: 18, encoding: 'G729', clockRate: 8000, channels: 1 },
];

/** Encodings that accompany the one that a stream is known by. */
const AUXILIARY = new Set(['CN', 'TELEPHONE-EVENT', 'RED']);

export function emptyNotes(): RecordingNotes {
  return {
    recording: null,
    streams: new Map(),
    metadata: null,
    participants: [],
    cti: null,
    pauses: [],
    warnings: [],
    events: [],
    end: null,
    recoveredAtMs: null,
  };
}

/** A stream of which only packets are known. */
export function undescribedStream(index: number): NotedStream {
  return {
    index,
    label: String(index + 1),
    channel: index % 2,
    payloadTypes: new Map(STATIC.map((type) => [type.payloadType, type])),
    preferredEncoding: null,
    remote: null,
    srtp: null,
    wasPlain: false,
    unauthenticated: 0,
  };
}

/** Takes one note in. Returns it, or null if it cannot be read. */
export function readNote(notes: RecordingNotes, text: string): Record<string, unknown> | null {
  let note: Record<string, unknown>;
  try {
    note = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof note !== 'object' || note === null) return null;
  switch (note.type) {
    case 'recording':
      notes.recording ??= note;
      for (const warning of asArray(note.warnings)) keepWarning(notes, String(warning));
      break;
    case 'stream':
      readStream(notes, note);
      break;
    case 'metadata':
      notes.metadata = note.metadata ?? null;
      notes.participants = asArray(note.participants).map(readParticipant);
      break;
    case 'cti':
      notes.cti = readCti(note);
      break;
    case 'pause':
    case 'resume':
      if (notes.pauses.length < MAX_KEPT) notes.pauses.push(readPause(note, note.type));
      break;
    case 'warning':
      keepWarning(notes, String(note.text));
      break;
    case 'end':
      notes.end ??= { by: asText(note.by), reason: asText(note.reason), atMs: asNumber(note.atMs) };
      break;
    case 'recovered':
      notes.recoveredAtMs ??= asNumber(note.atMs) ?? 0;
      break;
    case 'event':
      readEvent(notes, note);
      break;
  }
  return note;
}

function readStream(notes: RecordingNotes, note: Record<string, unknown>): void {
  const index = asNumber(note.index);
  if (index === null || index < 0 || index >= MAX_KEPT) return;
  const stream = notes.streams.get(index) ?? undescribedStream(index);
  stream.label = asText(note.label) ?? stream.label;
  stream.channel = asNumber(note.channel) === 0 ? 0 : asNumber(note.channel) === null ? stream.channel : 1;
  if (note.srtp !== undefined) {
    stream.wasPlain ||= note.srtp === null;
    stream.srtp = stream.wasPlain ? null : asText(note.srtp);
  }
  let preferred: string | null = null;
  for (const type of asArray(note.payloadTypes) as Array<Record<string, unknown>>) {
    const payloadType = asNumber(type?.payloadType);
    const clockRate = asNumber(type?.clockRate);
    if (payloadType === null || clockRate === null || clockRate <= 0) continue;
    const encoding = (asText(type.encoding) ?? 'UNKNOWN').toUpperCase();
    const channels = Math.min(8, Math.max(1, asNumber(type.channels) ?? 1));
    stream.payloadTypes.set(payloadType, { payloadType, encoding, clockRate, channels });
    if (!AUXILIARY.has(encoding)) preferred ??= encoding;
  }
  stream.preferredEncoding = preferred ?? stream.preferredEncoding;
  const remote = note.remote as Record<string, unknown> | null | undefined;
  const address = asText(remote?.address);
  const rtpPort = asNumber(remote?.rtpPort);
  if (address !== null && rtpPort !== null) stream.remote = { address, rtpPort };
  notes.streams.set(index, stream);
}

function readEvent(notes: RecordingNotes, note: Record<string, unknown>): void {
  const stream = notes.streams.get(asNumber(note.stream) ?? -1);
  if (note.name === 'unauthenticated' && stream) stream.unauthenticated += asNumber(note.packets) ?? 0;
  else if (notes.events.length < MAX_KEPT) notes.events.push(note);
}

function readParticipant(value: unknown): RecordingParticipant {
  const participant = (value ?? {}) as Record<string, unknown>;
  return {
    id: asText(participant.id) ?? '',
    aor: asText(participant.aor),
    name: asText(participant.name),
    channel: asNumber(participant.channel),
  };
}

function readCti(note: Record<string, unknown>): RecordingCti {
  const agents = asArray(note.agents) as Array<Record<string, unknown> | null>;
  const userData = Object.entries(note.userData ?? {}).filter(([, value]) => typeof value === 'string');
  return {
    connId: asText(note.connId) ?? '',
    callUuid: asText(note.callUuid) ?? '',
    ani: asText(note.ani) ?? '',
    dnis: asText(note.dnis) ?? '',
    agents: agents.map((agent) => ({ agentId: asText(agent?.agentId) ?? '', dn: asText(agent?.dn) ?? '' })),
    userData: Object.fromEntries(userData) as Record<string, string>,
    updatedAt: asText(note.updatedAt) ?? new Date(0).toISOString(),
  };
}

function readPause(note: Record<string, unknown>, type: 'pause' | 'resume'): NotedPause {
  return {
    type,
    scope: asText(note.scope) ?? 'operator',
    stream: asNumber(note.stream),
    actor: asText(note.actor),
    reason: asText(note.reason),
    atMs: asNumber(note.atMs),
  };
}

/** Every warning once, in order. */
export function keepWarning(notes: RecordingNotes, text: string): void {
  if (notes.warnings.length < MAX_KEPT && !notes.warnings.includes(text)) notes.warnings.push(text);
}

function asArray(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function asText(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function asNumber(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}
