// Which streams an extraction has, which of them belong together, and what their payload types are taken for.

import { type PayloadType, staticPayloadType } from '../sdp/index.ts';
import { type CaptureSummary, readCapture } from './file.ts';
import { type CapturedSource, type CapturedStream, flowKey, StreamDiscovery } from './rtp-streams.ts';
import { SignalledMediaIndex } from './signalled-media.ts';
import { CaptureKeys } from './srtp-keys.ts';

/** A stream to extract. Two streams of one pair make the two channels of one recording. */
export interface PlannedStream extends CapturedStream {
  label: string;
  pair: number;
  channel: 0 | 1;
  payloadTypes: PayloadType[];
  /** Signalled as SRTP. */
  isSecure: boolean;
  /** Captures (by index) in which it was seen. */
  captures: number[];
}

export interface ExtractionPlan {
  streams: PlannedStream[];
  summaries: CaptureSummary[];
  warnings: string[];
}

interface Found extends CapturedStream {
  captures: number[];
}

/**
 * Reads the captures once and plans their extraction.
 *
 * The captures are one recording: streams come in the order of the captures, within a capture by time; two opposite
 * directions of the same sockets follow each other.
 * @throws the file system's error when a file can't be read
 */
export async function planExtraction(
  paths: readonly string[],
  keys: CaptureKeys = new CaptureKeys([]),
): Promise<ExtractionPlan> {
  const signalled = new SignalledMediaIndex();
  const summaries: CaptureSummary[] = [];
  const warnings: string[] = [];
  const found: Found[] = [];
  for (const [i, path] of paths.entries()) {
    const discovery = new StreamDiscovery((ssrc) => keys.tagBytesOf(ssrc));
    const summary = await readCapture(path, (datagram, timestampUs) => {
      signalled.offer(datagram);
      discovery.offer(datagram, timestampUs);
    });
    summaries.push(summary);
    warnings.push(...summaryWarnings(path, summary, discovery.ignored));
    for (const stream of discovery.streams()) mergeInto(found, { ...stream, captures: [i] });
  }
  const streams = inPairs(found).map((stream, i): PlannedStream => {
    const media = signalled.find(stream);
    return {
      ...stream,
      label: media?.label ?? String(i + 1),
      pair: i >> 1,
      channel: (i & 1) as 0 | 1,
      payloadTypes: payloadTypesOf(stream.sources, media?.payloadTypes ?? [], warnings),
      isSecure: media?.isSecure ?? false,
    };
  });
  const labels = new Set(streams.map((stream) => stream.label));
  if (labels.size < streams.length) {
    streams.forEach((stream, i) => {
      stream.label = String(i + 1);
    });
  }
  return { streams, summaries, warnings };
}

// A capture that was written to several files in turn: the same SSRC between the same sockets goes on.
function mergeInto(found: Found[], added: Found): void {
  const key = socketsKey(added);
  for (const stream of found) {
    const shared = stream.sources.some((source) => added.sources.some((other) => other.ssrc === source.ssrc));
    if (!shared || socketsKey(stream) !== key) continue;
    for (const source of added.sources) {
      const same = stream.sources.find((other) => other.ssrc === source.ssrc);
      if (same === undefined) stream.sources.push(source);
      else addSource(same, source);
    }
    stream.captures.push(...added.captures);
    return;
  }
  found.push(added);
}

function addSource(into: CapturedSource, from: CapturedSource): void {
  into.packets += from.packets;
  into.longPackets += from.longPackets;
  into.firstUs = Math.min(into.firstUs, from.firstUs);
  into.lastUs = Math.max(into.lastUs, from.lastUs);
  for (const [number, use] of from.payloadTypes) {
    const before = into.payloadTypes.get(number) ?? { packets: 0, eventPackets: 0 };
    into.payloadTypes.set(number, {
      packets: before.packets + use.packets,
      eventPackets: before.eventPackets + use.eventPackets,
    });
  }
}

function socketsKey(stream: CapturedStream): string {
  return flowKey({ ...stream, payload: new Uint8Array(0), truncated: false });
}

function inPairs(found: readonly Found[]): Found[] {
  const left = [...found];
  const ordered: Found[] = [];
  while (left.length > 0) {
    const stream = left.shift()!;
    ordered.push(stream);
    const opposite = left.findIndex(
      (other) =>
        other.source === stream.destination &&
        other.sourcePort === stream.destinationPort &&
        other.destination === stream.source &&
        other.destinationPort === stream.sourcePort,
    );
    if (opposite >= 0 && ordered.length % 2 === 1) ordered.push(...left.splice(opposite, 1));
  }
  return ordered;
}

// What signalling says; else RFC 3551; else, by look, telephone events; else unknown.
function payloadTypesOf(
  sources: readonly CapturedSource[],
  signalled: readonly PayloadType[],
  warnings: string[],
): PayloadType[] {
  const types = new Map(signalled.map((type) => [type.payloadType, type]));
  for (const source of sources) {
    for (const [number, use] of source.payloadTypes) {
      if (types.has(number)) continue;
      const events = number >= 96 && use.eventPackets === use.packets;
      const encoding = events ? 'TELEPHONE-EVENT' : 'UNKNOWN';
      const type = staticPayloadType(number) ?? {
        payloadType: number,
        encoding,
        clockRate: 8000,
        channels: 1,
        fmtp: null,
      };
      types.set(number, type);
      if (type.encoding === 'UNKNOWN')
        warnings.push(`payload type ${number} is dynamic and the captures don't say what it is`);
    }
  }
  return [...types.values()];
}

function summaryWarnings(path: string, summary: CaptureSummary, ignored: number): string[] {
  const { classes, problem, truncated, lostFragments } = summary;
  const warnings: string[] = [];
  if (problem !== null) warnings.push(`${path}: ${problem}`);
  if (truncated > 0) warnings.push(`${path}: ${truncated} datagrams were cut by the capture's snapshot length`);
  if (lostFragments > 0) warnings.push(`${path}: ${lostFragments} IP fragments of datagrams that are not whole`);
  if (classes.malformed > 0) warnings.push(`${path}: ${classes.malformed} malformed frames`);
  if (classes['unsupported-link'] > 0) {
    warnings.push(`${path}: ${classes['unsupported-link']} frames of a link type that is not supported`);
  }
  if (ignored > 0) warnings.push(`${path}: ${ignored} RTP-like datagrams beyond the limits were left out`);
  return warnings;
}
