/**
 * The manifest: what was recorded, the completeness certificate, and the digests of the files. A function of the
 * journal alone, so that making it again gives the same bytes.
 */

import { createHash } from 'node:crypto';
import type { Recording, RecordingStream } from '../store/recording.ts';
import { certifyStream, roundMs, type SourceCertificate } from './certificate.ts';
import type { NotedPause } from './notes.ts';
import type { FileDigest } from './output-file.ts';
import type { Scan, ScannedStream } from './scan.ts';
import { unwrap } from './source.ts';
import { type PlacedRun, sampleAt, type Timeline, unplacedRuns } from './timeline.ts';

export const MANIFEST_VERSION = 1;

export interface ManifestStream {
  index: number;
  label: string;
  channel: number;
  /** What each source's packets came to. */
  sources: SourceCertificate[];
}

export interface Manifest {
  format: 'doubletrack-recording';
  version: typeof MANIFEST_VERSION;
  recording: Recording;
  /** How the recording came about: the journal's note, as it was written. */
  origin: Record<string, unknown> | null;
  end: { by: string | null; reason: string | null; atMs: number | null } | null;
  audio: { rateHz: number; channels: 2; frames: number; durationMs: number };
  streams: ManifestStream[];
  /** Where each continuous part of a stream lies in the audio. */
  placements: Array<{ stream: number; epoch: number; fromMs: number; toMs: number; alignedBy: string }>;
  /** Nothing is known of what was said there. */
  gaps: Array<{ reason: 'recovered'; fromMs: number; toMs: null }>;
  /** Packets were lost in this machine: in the kernel, in a full ring, for a disk that was too slow. */
  degraded: Array<{ fromMs: number; toMs: number; packets: number }>;
  pauses: NotedPause[];
  telephoneEvents: Array<{ stream: number; atMs: number | null; event: string; durationMs: number; volume: number }>;
  events: Array<Record<string, unknown>>;
  metadata: unknown;
  journal: { damagedBytes: number; repeatedBlocks: number; droppedUnattributed: number };
  files: Record<string, FileDigest>;
}

/** Everything but the files. */
export function buildManifest(scan: Scan, timeline: Timeline): Manifest {
  const { notes } = scan;
  const certified = scan.streams.map((stream) => ({ stream, certificate: certifyStream(stream) }));
  const durationMs = roundMs((timeline.frames * 1000) / timeline.rateHz);
  const streams = certified.map(({ stream, certificate }) => recordingStream(stream, certificate));
  return {
    format: 'doubletrack-recording',
    version: MANIFEST_VERSION,
    recording: describe(scan, timeline, streams, durationMs),
    origin: notes.recording,
    end: notes.end,
    audio: { rateHz: timeline.rateHz, channels: 2, frames: timeline.frames, durationMs },
    streams: certified.map(({ stream, certificate }) => ({
      ...{ index: stream.noted.index, label: stream.noted.label, channel: stream.noted.channel },
      sources: certificate.sources,
    })),
    placements: placements(timeline),
    gaps: isRecovered(scan) ? [{ reason: 'recovered', fromMs: lastKnownMs(scan, timeline), toMs: null }] : [],
    degraded: degraded(scan, timeline),
    pauses: notes.pauses,
    telephoneEvents: telephoneEvents(scan, timeline),
    events: notes.events,
    metadata: notes.metadata,
    journal: {
      damagedBytes: scan.report.damagedBytes,
      repeatedBlocks: scan.report.repeatedBlocks,
      droppedUnattributed: scan.droppedUnattributed,
    },
    files: {},
  };
}

function isRecovered(scan: Scan): boolean {
  return scan.notes.recoveredAtMs !== null;
}

/** How far into the audio the journal reaches. */
function lastKnownMs(scan: Scan, timeline: Timeline): number {
  const us = scan.report.lastUs - timeline.startUs;
  return Number.isFinite(us) ? roundMs(Math.max(0, us) / 1000) : 0;
}

function degraded(scan: Scan, timeline: Timeline): Manifest['degraded'] {
  const ms = (us: number) => roundMs(Math.max(0, us - timeline.startUs) / 1000);
  return scan.degraded.map(({ fromUs, toUs, packets }) => ({ fromMs: ms(fromUs), toMs: ms(toUs), packets }));
}

function describe(scan: Scan, timeline: Timeline, streams: RecordingStream[], durationMs: number): Recording {
  const { notes, report } = scan;
  const origin = notes.recording;
  const startedAtMs = typeof origin?.startedAtMs === 'number' ? origin.startedAtMs : 0;
  const lastWallMs = Number.isFinite(report.lastWallUs) ? Math.floor(report.lastWallUs / 1000) : startedAtMs;
  // The recovery's own block says when it was found, not when it ended.
  const endedAtMs = notes.end?.atMs ?? lastWallMs;
  return {
    id: scan.recordingId,
    state: 'complete',
    startedAt: isoTime(startedAtMs),
    endedAt: isoTime(endedAtMs),
    durationMs: durationMs > 0 ? Math.round(durationMs) : Math.max(0, endedAtMs - startedAtMs),
    sipCallId: typeof origin?.sipCallId === 'string' ? origin.sipCallId : '',
    communicationSessionId: typeof origin?.communicationSessionId === 'string' ? origin.communicationSessionId : null,
    participants: notes.participants,
    ...(notes.cti ? { cti: notes.cti } : {}),
    streams,
    recovered: isRecovered(scan),
    warnings: [...notes.warnings, ...ownWarnings(scan, timeline)],
  };
}

function isoTime(ms: number): string {
  const time = new Date(ms);
  return Number.isNaN(time.getTime()) ? new Date(0).toISOString() : time.toISOString();
}

function recordingStream(stream: ScannedStream, certificate: ReturnType<typeof certifyStream>): RecordingStream {
  const [codec] = [...stream.encodings].sort((a, b) => b[1] - a[1])[0] ?? [null];
  return {
    label: stream.noted.label,
    channel: stream.noted.channel,
    codec: codec ?? stream.noted.preferredEncoding ?? 'UNKNOWN',
    srtp: stream.noted.srtp,
    ssrcs: [...new Set(certificate.sources.filter((s) => s.firstSeq !== null).map((s) => s.ssrc))],
    jitterMs: certificate.sources.filter((s) => s.received > 0).at(-1)?.jitterMs ?? 0,
    packets: certificate.packets,
  };
}

function ownWarnings(scan: Scan, timeline: Timeline): string[] {
  const warnings = [...timeline.warnings];
  if (scan.notes.recording === null) warnings.push('the journal does not say how this recording began');
  if (isRecovered(scan)) {
    warnings.push(`the recording was cut off: nothing is known after ${lastKnownMs(scan, timeline)} ms`);
  } else if (scan.notes.end === null) warnings.push('the journal does not say how this recording ended');
  if (timeline.frames === 0) warnings.push('no decodable media');
  for (const stream of scan.streams) warnings.push(...streamWarnings(stream, timeline));
  if (scan.report.damagedBytes > 0) warnings.push(`${scan.report.damagedBytes} bytes of the journal are damaged`);
  for (const { fromMs, toMs, packets } of degraded(scan, timeline)) {
    warnings.push(`degraded: ${packets} packets lost in this machine, told between ${fromMs} and ${toMs} ms`);
  }
  if (scan.droppedUnattributed > 0) warnings.push(`${scan.droppedUnattributed} packets of unknown streams dropped`);
  if (scan.events.omitted > 0) warnings.push(`${scan.events.omitted} telephone events not listed`);
  return warnings;
}

function* streamWarnings(stream: ScannedStream, timeline: Timeline): Generator<string> {
  const name = `stream ${stream.noted.label}`;
  if (stream.sources.size === 0) yield `${name}: no packets`;
  if (stream.undecodablePackets > 0) {
    const encodings = [...stream.encodings.keys()].join(', ');
    yield `${name}: ${stream.undecodablePackets} packets cannot be decoded (${encodings}), kept as packets`;
  }
  if (stream.invalidPackets > 0) yield `${name}: ${stream.invalidPackets} packets without a valid RTP header`;
  let jumps = 0;
  let misfits = 0;
  for (const source of stream.sources.values()) {
    jumps += source.jumps;
    misfits += source.misfits.size;
  }
  if (jumps > 0) yield `${name}: RTP time jumped ${jumps} times and was taken up again by arrival`;
  if (misfits > 0) yield `${name}: ${misfits} packets have timestamps that fit nothing, placed by number`;
  const unplaced = unplacedRuns(stream, timeline);
  if (unplaced.length > 0)
    yield `${name}: sampling rates ${unplaced.join(', ')} Hz cannot be mixed, left out of the audio`;
}

function placements(timeline: Timeline): Manifest['placements'] {
  const atMs = (p: PlacedRun, ts: number) => roundMs((sampleAt(p, ts) * 1000) / p.run.soundRateHz);
  return [...timeline.runs.values()].map((p) => ({
    stream: p.stream.noted.index,
    epoch: p.source.epoch,
    fromMs: atMs(p, p.run.minTs),
    toMs: atMs(p, p.run.endTs),
    alignedBy: p.alignedBy,
  }));
}

function telephoneEvents(scan: Scan, timeline: Timeline): Manifest['telephoneEvents'] {
  return scan.events.events.map((event) => {
    const source = scan.streams.find((s) => s.noted.index === event.stream)?.sources.get(event.epoch);
    const run = source?.runOf(event.extSeq) ?? null;
    const placed = run && timeline.runs.get(run);
    const rateHz = run?.rateHz ?? 8000;
    return {
      stream: event.stream,
      atMs: placed ? eventAtMs(placed, event.timestamp) : null,
      event: event.event,
      durationMs: roundMs((event.durationRtpUnits * 1000) / rateHz),
      volume: event.volume,
    };
  });
}

function eventAtMs(placed: PlacedRun, timestamp: number): number {
  const sample = sampleAt(placed, unwrap(placed.run.originTs, timestamp));
  return roundMs((sample * 1000) / placed.run.soundRateHz);
}

/** The manifest as it stands in the file: its last member is the digest of all before it. */
export function manifestText(manifest: Manifest): string {
  const body = JSON.stringify(manifest, null, 2);
  const sha256 = createHash('sha256').update(body).digest('hex');
  return `${JSON.stringify({ ...manifest, manifestSha256: sha256 }, null, 2)}\n`;
}

/** Reads a manifest's text. Throws an Error that says what is wrong with it. */
export function parseManifest(text: string): Manifest {
  let parsed: Manifest & { manifestSha256?: string };
  try {
    parsed = JSON.parse(text);
  } catch {
    throw new Error('the manifest is not JSON');
  }
  if (parsed?.format !== 'doubletrack-recording') throw new Error('not a manifest of a recording');
  if (parsed.version !== MANIFEST_VERSION) throw new Error(`manifest version ${parsed.version} is not known`);
  const { manifestSha256: _, ...manifest } = parsed;
  if (manifestText(manifest) !== text) throw new Error('the manifest is not what its own digest says');
  return manifest;
}
