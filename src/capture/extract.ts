// Offline extraction: the streams of captures through the same WebAssembly core, journal format and finaliser as a live call.
//
//   captures --plan--> streams --merge by time--> OfflineLane --> packet file per pair --> finalise --> audio, counters

import { randomUUID } from 'node:crypto';
import { copyFile, type FileHandle, mkdir, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { blocks, KIND_RTP, records } from '../journal/index.ts';
import { OfflineLane, type OfflineRecording } from '../media/index.ts';
import type { SrtpKeys } from '../media/srtp-suites.ts';
import { finalise } from '../recording/finalise.ts';
import type { PacketCounts, Recording } from '../store/recording.ts';
import type { Datagram } from './datagram.ts';
import { mergeCaptures } from './merge.ts';
import { type ExtractionPlan, type PlannedStream, planExtraction } from './plan.ts';
import { classifyDatagram, rtcpSsrc, rtpSsrc } from './rtp-streams.ts';
import { type CaptureKey, CaptureKeys } from './srtp-keys.ts';
import { warnOfFailures, warnOfMissingKeys, warnOfUnusedKeys } from './srtp-warnings.ts';

/** One stream, as `doubletrack extract --json` reports it. */
export interface ExtractedStream {
  ssrcs: number[];
  label: string;
  codec: string;
  /** The suite that it was unprotected with. */
  srtp: string | null;
  /** Lowest sequence number of the first source (16 bits, as on the wire). */
  firstSeq: number;
  /** Highest sequence number of the last source. */
  lastSeq: number;
  jitterMs: number;
  /** First to last arrival. */
  durationMs: number;
  packets: PacketCounts;
}

export interface ExtractReport {
  streams: ExtractedStream[];
  /** Audio files written, one per pair of streams. */
  files: string[];
  warnings: string[];
}

export interface ExtractOptions {
  /** Captures, pcap or pcapng; together they are one recording. */
  captures: readonly string[];
  /** Keys of the streams that are SRTP. */
  srtp?: readonly CaptureKey[];
  /** Where the audio goes (WAV, channel 0 = first stream, 1 = second). Further pairs of streams get `-2`, `-3` … before the suffix. */
  out?: string;
}

const FLUSH_BYTES = 4 << 20;
/** More streams than a lane has room for are left out, with a warning. */
const MAX_STREAMS = 2048;

/** Two streams that are finalised together. */
interface Pair {
  id: string;
  streams: PlannedStream[];
  routes: Route[];
  recording: OfflineRecording;
  packetFile: string;
}

/** Where a datagram of certain sockets goes. */
interface Route {
  handle: number;
  ssrcs: Set<number>;
  /** What it is unprotected with now. */
  srtp: SrtpKeys | null;
}

interface SeqRange {
  firstEpoch: number;
  lastEpoch: number;
  lowest: number;
  highest: number;
}

/**
 * Extracts the streams of captures: counters always, audio when `out` is given.
 * @throws the file system's error when a capture can't be read or the audio can't be written; CaptureKeyError
 */
export async function extract(options: ExtractOptions): Promise<ExtractReport> {
  const keys = new CaptureKeys(options.srtp ?? []);
  const plan = await planExtraction(options.captures, keys);
  if (plan.streams.length > MAX_STREAMS) {
    plan.warnings.push(`${plan.streams.length} streams: the first ${MAX_STREAMS} are extracted`);
    plan.streams.length = MAX_STREAMS;
  }
  const directory = await mkdtemp(path.join(tmpdir(), 'doubletrack-extract-'));
  try {
    return await new Extraction(plan, keys, directory).run(options);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

class Extraction {
  private readonly plan: ExtractionPlan;
  private readonly keys: CaptureKeys;
  private readonly directory: string;
  private readonly pairs: Pair[] = [];
  /** Packet files by recording id. */
  private readonly files = new Map<string, FileHandle>();
  private readonly rtp = new Map<string, Route[]>();
  private readonly rtcp = new Map<string, Route[]>();
  private readonly ranges = new Map<string, SeqRange>();
  private readonly warnings: string[];
  private strays = 0;

  constructor(plan: ExtractionPlan, keys: CaptureKeys, directory: string) {
    this.plan = plan;
    this.keys = keys;
    this.directory = directory;
    this.warnings = plan.warnings;
  }

  async run(options: ExtractOptions): Promise<ExtractReport> {
    const lane = await OfflineLane.create();
    warnOfUnusedKeys(this.plan.streams, this.keys, this.warnings);
    warnOfMissingKeys(this.plan.streams, this.keys, this.warnings);
    try {
      for (let i = 0; i < this.plan.streams.length; i += 2) {
        this.pairs.push(await this.openPair(lane, this.plan.streams.slice(i, i + 2)));
      }
      await this.feed(lane, options.captures);
    } finally {
      for (const file of this.files.values()) await file.close();
    }
    if (this.strays > 0)
      this.warnings.push(`${this.strays} RTP packets of sources too short to be a stream were left out`);
    const report: ExtractReport = { streams: [], files: [], warnings: this.warnings };
    for (const [i, pair] of this.pairs.entries()) await this.finish(pair, i, options.out, report);
    return report;
  }

  private async openPair(lane: OfflineLane, streams: PlannedStream[]): Promise<Pair> {
    const id = randomUUID();
    const recording = lane.openRecording(id);
    const startedAtMs = Math.floor(Math.min(...streams.map((stream) => stream.sources[0]!.firstUs)) / 1000);
    const facts = { sipCallId: '', communicationSessionId: null, source: null, userAgent: null, warnings: [] };
    recording.note({ type: 'recording', id, startedAtMs, kind: 'capture', ...facts });
    const routes = streams.map((stream) => {
      const { label, channel, payloadTypes, sources } = stream;
      const srtp = sources.map(({ ssrc }) => this.keys.of(ssrc)).find((keys) => keys !== null) ?? null;
      const handle = recording.addStream({ label, channel, payloadTypes, srtp });
      return this.route(stream, { handle, ssrcs: new Set(sources.map(({ ssrc }) => ssrc)), srtp });
    });
    const packetFile = path.join(this.directory, `${id}.packets`);
    this.files.set(id, await open(packetFile, 'w'));
    return { id, streams, routes, recording, packetFile };
  }

  // RTCP comes between the same sockets (RFC 5761) or those one port up (RFC 3550 11).
  private route(stream: PlannedStream, route: Route): Route {
    const { source, sourcePort, destination, destinationPort } = stream;
    const add = (to: Map<string, Route[]>, up: number) => {
      const key = socketsKey(source, sourcePort + up, destination, destinationPort + up);
      to.set(key, [...(to.get(key) ?? []), route]);
    };
    add(this.rtp, 0);
    for (const up of [0, 1]) add(this.rtcp, up);
    return route;
  }

  private async feed(lane: OfflineLane, captures: readonly string[]): Promise<void> {
    let lastUs = 0;
    let pushedBytes = 0;
    const pending: Uint8Array[] = [];
    await mergeCaptures(
      captures,
      (datagram, timestampUs) => {
        const kind = classifyDatagram(datagram.payload);
        if (kind === 'other') return;
        const ssrc = kind === 'rtp' ? rtpSsrc(datagram.payload) : rtcpSsrc(datagram.payload);
        const route = this.find(datagram, kind, ssrc);
        if (route === undefined) return;
        this.useKeyOf(ssrc, route, lane);
        lastUs = Math.max(lastUs, timestampUs); // a capture may step back in time, the core's clock does not
        lane.push(route.handle, kind, datagram.payload, lastUs);
        pushedBytes += datagram.payload.length;
        if (pushedBytes < FLUSH_BYTES) return;
        pushedBytes = 0;
        pending.push(lane.flush());
      },
      () => this.store(pending),
    );
    for (const { recording, routes } of this.pairs) {
      for (const [stream, { handle }] of routes.entries()) {
        const packets = lane.unauthenticatedPackets(handle);
        if (packets > 0) recording.note({ type: 'event', name: 'unauthenticated', stream, packets });
      }
      const atMs = Math.floor(lastUs / 1000);
      recording.note({ type: 'end', by: 'capture', reason: 'end of the capture', atMs });
    }
    pending.push(lane.flush());
    await this.store(pending);
  }

  private find(datagram: Datagram, kind: 'rtp' | 'rtcp', ssrc: number): Route | undefined {
    const { source, sourcePort, destination, destinationPort } = datagram;
    const routes = this[kind].get(socketsKey(source, sourcePort, destination, destinationPort)) ?? [];
    const route = routes.find((candidate) => candidate.ssrcs.has(ssrc));
    if (kind === 'rtcp') return route ?? routes[0];
    if (route === undefined) this.strays++;
    return route;
  }

  /** A source that follows another one in its stream may have another key. */
  private useKeyOf(ssrc: number, route: Route, lane: OfflineLane): void {
    const keys = this.keys.of(ssrc);
    if (route.srtp === null || keys === null || keys === route.srtp) return;
    lane.rekey(route.handle, keys);
    route.srtp = keys;
  }

  private async store(pending: Uint8Array[]): Promise<void> {
    for (const bytes of pending.splice(0)) {
      for (const block of blocks(bytes)) {
        this.noteRanges(block.header.recordingId, block.bytes);
        await this.files.get(block.header.recordingId)?.write(block.bytes);
      }
    }
  }

  private noteRanges(id: string, block: Uint8Array): void {
    for (const { kind, stream, epoch, extSeq } of records(block)) {
      if (kind !== KIND_RTP) continue;
      const key = `${id} ${stream}`;
      const range = this.ranges.get(key);
      if (range === undefined) {
        this.ranges.set(key, { firstEpoch: epoch, lastEpoch: epoch, lowest: extSeq, highest: extSeq });
        continue;
      }
      if (epoch === range.firstEpoch) range.lowest = Math.min(range.lowest, extSeq);
      if (epoch === range.lastEpoch) range.highest = Math.max(range.highest, extSeq);
      else if (epoch > range.lastEpoch) Object.assign(range, { lastEpoch: epoch, highest: extSeq });
    }
  }

  private async finish(pair: Pair, index: number, out: string | undefined, report: ExtractReport): Promise<void> {
    const target = path.join(this.directory, pair.id);
    const recording = await finalise(pair.packetFile, target, { keepPackets: false });
    report.warnings.push(...recording.warnings);
    pair.streams.forEach((stream, i) => {
      const made = recording.streams[i];
      if (made !== undefined) report.streams.push(this.report(stream, made, this.ranges.get(`${pair.id} ${i}`)));
    });
    warnOfFailures(report.streams.slice(-pair.streams.length), report.warnings);
    if (out === undefined) return;
    const name = index === 0 ? out : numbered(out, index + 1);
    await mkdir(path.dirname(path.resolve(name)), { recursive: true });
    await copyFile(path.join(target, 'audio.wav'), name);
    report.files.push(name);
  }

  private report(
    stream: PlannedStream,
    made: Recording['streams'][number],
    range: SeqRange | undefined,
  ): ExtractedStream {
    const firstUs = Math.min(...stream.sources.map((source) => source.firstUs));
    const lastUs = Math.max(...stream.sources.map((source) => source.lastUs));
    const { label, codec, srtp, jitterMs, packets } = made;
    return {
      // Where nothing is genuine, those that were seen.
      ssrcs: made.ssrcs.length > 0 ? made.ssrcs : stream.sources.map(({ ssrc }) => ssrc),
      label,
      codec,
      srtp,
      firstSeq: (range?.lowest ?? 0) & 0xffff,
      lastSeq: (range?.highest ?? 0) & 0xffff,
      jitterMs,
      durationMs: Math.round((lastUs - firstUs) / 1000),
      packets,
    };
  }
}

function socketsKey(source: string, sourcePort: number, destination: string, destinationPort: number): string {
  return `${source} ${sourcePort} ${destination} ${destinationPort}`;
}

function numbered(file: string, number: number): string {
  const { dir, name, ext } = path.parse(file);
  return path.join(dir, `${name}-${number}${ext}`);
}
