// The two kinds of packet scripts: encoded audio in a loop, and the RTP of a capture.

import { type CapturedStream, flowKey, readCapture, rtpSeq, rtpSsrc, StreamDiscovery } from '../../capture/index.ts';
import type { PacketLibrary } from './codecs.ts';
import type { PacketScript } from './sender.ts';

/** Encoded audio from a library, on a fixed ptime. Sequence number and timestamp start anywhere (RFC 3550 5.1). */
export class AudioScript implements PacketScript {
  readonly count: number;
  readonly ssrc: number;
  readonly clockRate: number;
  private readonly library: PacketLibrary;
  private readonly firstPacket: number;
  private readonly firstSeq: number;
  private readonly firstTimestamp: number;
  private skipped = 0;

  /** @param at where in the library to begin, and the first sequence number and timestamp */
  constructor(
    library: PacketLibrary,
    count: number,
    at: { ssrc: number; packet: number; seq: number; timestamp: number },
  ) {
    this.library = library;
    this.count = count;
    this.ssrc = at.ssrc >>> 0;
    this.clockRate = library.payloadType.clockRate;
    this.firstPacket = at.packet;
    this.firstSeq = at.seq & 0xffff;
    this.firstTimestamp = at.timestamp >>> 0;
  }

  offsetMs(index: number): number {
    return index * this.library.ptimeMs;
  }

  extSeq(index: number): number {
    return 0x10000 + this.firstSeq + index - this.skipped;
  }

  timestamp(index: number): number {
    return this.firstTimestamp + index * this.library.stepRtpUnits;
  }

  // RFC 3550 5.1: V=2 P X CC | M PT | sequence number | timestamp | SSRC, written over the shared packet.
  packet(index: number, marker: boolean): Uint8Array {
    const packet = this.library.packets[this.slot(index)]!;
    const seq = this.firstSeq + index - this.skipped;
    const timestamp = this.timestamp(index) | 0;
    const ssrc = this.ssrc;
    packet[0] = 0x80;
    packet[1] = (marker ? 0x80 : 0) | this.library.payloadType.payloadType;
    packet[2] = seq >> 8;
    packet[3] = seq;
    packet[4] = timestamp >> 24;
    packet[5] = timestamp >> 16;
    packet[6] = timestamp >> 8;
    packet[7] = timestamp;
    packet[8] = ssrc >> 24;
    packet[9] = ssrc >> 16;
    packet[10] = ssrc >> 8;
    packet[11] = ssrc;
    return packet;
  }

  skip(): void {
    this.skipped++;
  }

  retire(index: number): void {
    const slot = this.slot(index);
    this.library.packets[slot] = this.library.packets[slot]!.slice();
  }

  private slot(index: number): number {
    return (this.firstPacket + index) % this.library.packets.length;
  }
}

/** RTP of one stream of a capture. */
export interface CapturedRtp {
  ssrc: number;
  /** The most frequent payload type. */
  payloadType: number;
  /** Milliseconds since 1970 of the first packet. */
  startMs: number;
  packets: Uint8Array[];
  offsetsMs: number[];
}

/** The packets of a capture with the times, sequence numbers and SSRC that they had. */
export class ReplayScript implements PacketScript {
  readonly count: number;
  readonly ssrc: number;
  readonly clockRate: number;
  private readonly captured: CapturedRtp;
  readonly repeated: ReadonlySet<number>;
  private readonly extSeqs: number[] = [];

  constructor(captured: CapturedRtp, clockRate: number) {
    this.captured = captured;
    this.count = captured.packets.length;
    this.ssrc = captured.ssrc;
    this.clockRate = clockRate;
    let highest = 0x10000 + rtpSeq(captured.packets[0]!);
    for (const packet of captured.packets) {
      // The nearest number to the highest one so far that ends in these 16 bits.
      const extSeq = highest + (((rtpSeq(packet) - highest) << 16) >> 16);
      this.extSeqs.push(extSeq);
      highest = Math.max(highest, extSeq);
    }
    const once = new Set<number>();
    this.repeated = new Set(this.extSeqs.filter((extSeq) => once.size === once.add(extSeq).size));
  }

  offsetMs(index: number): number {
    return this.captured.offsetsMs[index]!;
  }

  extSeq(index: number): number {
    return this.extSeqs[index]!;
  }

  timestamp(index: number): number {
    const packet = this.captured.packets[index]!;
    return ((packet[4]! << 24) | (packet[5]! << 16) | (packet[6]! << 8) | packet[7]!) >>> 0;
  }

  packet(index: number): Uint8Array {
    return this.captured.packets[index]!;
  }

  // A capture keeps its own numbers.
  skip(): void {}

  retire(): void {}
}

/** A capture that can't be replayed. */
export class ReplayError extends Error {
  override name = 'ReplayError';
}

/**
 * Loads the stream with the most packets of a capture, whole, into memory.
 * @throws ReplayError when the capture has no RTP; the file system's error when it can't be read
 */
export async function loadCapturedRtp(path: string): Promise<CapturedRtp> {
  const discovery = new StreamDiscovery();
  const summary = await readCapture(path, (datagram, timestampUs) => discovery.offer(datagram, timestampUs));
  const streams = discovery.streams();
  const size = (stream: CapturedStream) => Math.max(...stream.sources.map((source) => source.packets));
  const stream = streams.sort((a, b) => size(b) - size(a))[0];
  if (stream === undefined)
    throw new ReplayError(`${path}: no RTP found${summary.problem ? ` (${summary.problem})` : ''}`);
  const source = stream.sources.reduce((a, b) => (b.packets > a.packets ? b : a));
  const key = flowKey({ ...stream, payload: new Uint8Array(0), truncated: false });
  const captured: CapturedRtp = {
    ssrc: source.ssrc,
    payloadType: [...source.payloadTypes].reduce((a, b) => (b[1].packets > a[1].packets ? b : a))[0],
    startMs: source.firstUs / 1000,
    packets: [],
    offsetsMs: [],
  };
  await readCapture(path, (datagram, timestampUs) => {
    if (flowKey(datagram) !== key || datagram.payload.length < 12 || datagram.payload[0]! >> 6 !== 2) return;
    if (rtpSsrc(datagram.payload) !== source.ssrc) return;
    captured.packets.push(datagram.payload.slice());
    captured.offsetsMs.push(Math.max(0, timestampUs / 1000 - captured.startMs));
  });
  return captured;
}
