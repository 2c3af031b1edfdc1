/**
 * The timeline of a recording: where each run of each stream begins, in microseconds from the first sample of the file.
 *
 * A run is anchored by the arrival of its first packet. Where sources on both channels have sent RTCP sender reports,
 * the legs are aligned by those instead (RFC 3550 section 6.4.1), for arrival includes what each leg's network took.
 */

import { mixingRatio } from '../media/render.ts';
import type { Scan, ScannedStream } from './scan.ts';
import type { Run, Source } from './source.ts';

/** Sender reports that move a leg by more than this come from clocks that were never set to the same time. */
const MAX_ALIGNMENT_US = 2_000_000;
/** A run that begins this near to the end of the one before continues it without a seam. */
const SEAM_US = 60_000;
/** Rate of a file without sound. */
const SILENT_RATE_HZ = 8000;
/** Rates that the mixer can bring together. */
const MIN_RATE_HZ = 8000;
const MAX_RATE_HZ = 96_000;

export interface PlacedRun {
  stream: ScannedStream;
  source: Source;
  run: Run;
  /** Time of the run's origin timestamp. */
  originUs: number;
  /** The same in samples of the run's sound. */
  originSample: number;
  alignedBy: 'arrival' | 'sender-report';
}

export interface Timeline {
  /** Sampling rate of the file. */
  rateHz: number;
  frames: number;
  runs: Map<Run, PlacedRun>;
  warnings: string[];
  /** Time of arrival of what stands at the file's start, on the lane's clock. */
  startUs: number;
}

function isMixable(run: Run): boolean {
  const { audible, soundRateHz } = run;
  return audible && Number.isInteger(soundRateHz) && soundRateHz >= MIN_RATE_HZ && soundRateHz <= MAX_RATE_HZ;
}

/** Place of an RTP time of a run in samples of its sound, from the start of the file on. */
export function sampleAt({ run, originSample }: PlacedRun, ts: number): number {
  return originSample + ((ts - run.originTs) * run.soundRateHz) / run.rateHz;
}

/** Places every audible run. */
export function layOut(scanned: Scan): Timeline {
  const warnings: string[] = [];
  const audible = collectRuns(scanned);
  const rateHz = audible.reduce((most, p) => Math.max(most, p.run.soundRateHz), 0) || SILENT_RATE_HZ;
  const placed = audible.filter((p) => mixingRatio(p.run.soundRateHz, rateHz) !== null);
  anchor(placed, warnings);
  const startUs = placed.reduce((least, p) => Math.min(least, atUs(p, p.run.minTs)), Infinity);
  let frames = 0;
  for (const p of placed) {
    p.originUs -= startUs;
    p.originSample = Math.round((p.originUs * p.run.soundRateHz) / 1e6);
    frames = Math.max(frames, Math.ceil((sampleAt(p, p.run.endTs) * rateHz) / p.run.soundRateHz));
  }
  const runs = new Map(placed.map((p) => [p.run, p]));
  return { rateHz, frames, runs, warnings, startUs: placed.length > 0 ? startUs : scanned.report.firstUs };
}

function collectRuns(scanned: Scan): PlacedRun[] {
  const placed: PlacedRun[] = [];
  for (const stream of scanned.streams) {
    for (const source of stream.sources.values()) {
      for (const run of source.runs) {
        if (!isMixable(run)) continue;
        const originUs = run.firstArrivalUs;
        placed.push({ stream, source, run, originUs, originSample: 0, alignedBy: 'arrival' });
      }
    }
  }
  return placed.sort((a, b) => a.run.firstArrivalUs - b.run.firstArrivalUs);
}

function atUs(p: PlacedRun, ts: number): number {
  return p.originUs + ((ts - p.run.originTs) * 1e6) / p.run.rateHz;
}

function senderClockUs(run: Run): number | null {
  const report = run.senderReport;
  return report && report.ntpUs - ((report.ts - run.originTs) * 1e6) / run.rateHz;
}

/** Fixes each run's origin on the lane's clock. */
function anchor(placed: PlacedRun[], warnings: string[]): void {
  const reported = placed.filter((p) => p.run.senderReport !== null);
  const channels = new Set(reported.map((p) => p.stream.noted.channel));
  const reference = channels.size > 1 ? (reported[0] as PlacedRun) : null;
  const offsetUs = reference ? reference.run.firstArrivalUs - (senderClockUs(reference.run) as number) : 0;
  const before = new Map<ScannedStream, PlacedRun>();
  for (const p of placed) {
    const previous = before.get(p.stream);
    const clockUs = senderClockUs(p.run);
    if (previous) p.originUs += previous.originUs - previous.run.firstArrivalUs;
    if (reference && clockUs !== null) {
      const moveUs = clockUs + offsetUs - p.run.firstArrivalUs;
      if (Math.abs(moveUs) <= MAX_ALIGNMENT_US) {
        p.originUs = clockUs + offsetUs;
        p.alignedBy = 'sender-report';
      } else {
        const by = Math.round(moveUs / 1000);
        warnings.push(`stream ${p.stream.noted.label}: sender reports are ${by} ms off, aligned by arrival`);
      }
    }
    if (previous && p.alignedBy === 'arrival') joinSeam(previous, p);
    before.set(p.stream, p);
  }
}

/** Jitter at a change of source or a jump of RTP time must not become a click or an overlap. */
function joinSeam(previous: PlacedRun, p: PlacedRun): void {
  const endUs = atUs(previous, previous.run.endTs);
  const gapUs = atUs(p, p.run.minTs) - endUs;
  if (Math.abs(gapUs) <= SEAM_US) p.originUs -= gapUs;
}

/** Sampling rates of a stream's audible runs that have no place on the timeline. */
export function unplacedRuns(stream: ScannedStream, timeline: Timeline): number[] {
  const rates = new Set<number>();
  for (const source of stream.sources.values()) {
    for (const run of source.runs) if (run.audible && !timeline.runs.has(run)) rates.add(run.soundRateHz);
  }
  return [...rates];
}
