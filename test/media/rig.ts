/** A media core with one recording and one stream, packets to give it, and what its journal says afterwards. */
import { readFileSync } from 'node:fs';
import { type JournalRecord, records } from '../../src/journal/format.ts';
import { blocks } from '../../src/journal/reader.ts';
import { addressBytes } from '../../src/media/address.ts';
import { MediaCore } from '../../src/media/core.ts';
import { CHANNEL_RTCP, CHANNEL_RTP, createLaneMemory, type StreamState } from '../../src/media/memory.ts';
import { uuidBytes } from '../../src/media/uuid.ts';

export const RECORDING = '0b9d2a54-3c1e-4f6a-8d27-5e9f10a4c3b1';
export const SOURCE = { address: '192.0.2.7', rtpPort: 40_000, rtcpPort: 40_001 };
export const SSRC = 0xcafe_babe;

/** Numbers of the statuses as the core gives them. */
export const STATUS = {
  received: 0,
  rtcp: 1,
  duplicate: 2,
  paused: 3,
  invalid: 4,
  unauthorised: 5,
  dropped: 6,
  closed: 7,
  keepAlive: 13,
} as const;

export interface RtpFields {
  seq?: number;
  timestamp?: number;
  ssrc?: number;
  payloadType?: number;
  payload?: Uint8Array;
  first?: number;
}

/** An RTP packet (RFC 3550 section 5.1), 20 ms of PCMU unless told otherwise. */
export function rtp({ seq = 1, timestamp = 160, ssrc = SSRC, payloadType = 0, payload, first = 0x80 }: RtpFields = {}) {
  const packet = Buffer.alloc(12 + (payload?.length ?? 160), 0xd5);
  packet[0] = first;
  packet[1] = payloadType;
  packet.writeUInt16BE(seq & 0xffff, 2);
  packet.writeUInt32BE(timestamp >>> 0, 4);
  packet.writeUInt32BE(ssrc >>> 0, 8);
  if (payload) packet.set(payload, 12);
  return packet;
}

/** A sender report without report blocks (RFC 3550 section 6.4.1). */
export function senderReport(ssrc = SSRC, ntp = 0xdead_beef_1234_5678n): Buffer {
  const packet = Buffer.alloc(28);
  packet.writeUInt32BE(0x80c8_0006, 0);
  packet.writeUInt32BE(ssrc, 4);
  packet.writeBigUInt64BE(ntp, 8);
  packet.writeUInt32BE(160, 16);
  packet.writeUInt32BE(1, 20);
  packet.writeUInt32BE(160, 24);
  return packet;
}

/** All records of a run of blocks, in order. */
export function allRecords(bytes: Uint8Array): JournalRecord[] {
  const report = { validBytes: 0, damagedBytes: 0 };
  const found = [...blocks(bytes, report)].flatMap((block) => [...records(block.bytes)]);
  if (report.damagedBytes > 0) throw new Error(`${report.damagedBytes} bytes of the journal are damaged`);
  return found;
}

export interface Sender {
  address: string;
  port: number;
}

export class Rig {
  readonly core: MediaCore;
  readonly #addresses = new Map<string, Uint8Array>();

  constructor(stream: Partial<StreamState> = {}, memory = createLaneMemory()) {
    this.core = new MediaCore(memory);
    this.core.memory.setLane(3, 1000n);
    this.core.memory.openRecording(0, uuidBytes(RECORDING));
    this.open(0, stream);
  }

  open(slot: number, stream: Partial<StreamState> = {}): void {
    this.core.memory.openStream(slot, {
      ...{
        recording: 0,
        index: slot,
        clockRate: 8000,
        ownSsrc: 0x1234_5678,
        rtcpMux: false,
        firstEpoch: 0,
        isSrtp: false,
      },
      remote: { ...SOURCE, address: addressBytes(SOURCE.address) },
      ...stream,
    });
  }

  /** @returns the status. */
  rtp(packet: Uint8Array, arrivalUs = 0, from: Sender = { ...SOURCE, port: SOURCE.rtpPort }, stream = 0): number {
    return this.#push(stream, CHANNEL_RTP, packet, arrivalUs, from);
  }

  rtcp(packet: Uint8Array, arrivalUs = 0, from: Sender = { ...SOURCE, port: SOURCE.rtcpPort }, stream = 0): number {
    return this.#push(stream, CHANNEL_RTCP, packet, arrivalUs, from);
  }

  #push(stream: number, channel: number, packet: Uint8Array, arrivalUs: number, from: Sender): number {
    let source = this.#addresses.get(from.address);
    if (!source) {
      source = addressBytes(from.address);
      this.#addresses.set(from.address, source);
    }
    this.core.memory.describe(0, stream, channel, packet, source, from.port, BigInt(arrivalUs));
    this.core.wasm.process(1);
    return this.core.memory.status(0);
  }

  /** Flushes and reads the journal. */
  records(): JournalRecord[] {
    return allRecords(Buffer.from(this.core.flush(0n, 0n)));
  }

  get counters() {
    return this.core.memory.streamCounters(0);
  }

  /** A receiver report block as RFC 3550 section 6.4.2 lays it out, or null without one. */
  report(nowUs: number): ReportBlock | null {
    return decodeReport(Buffer.from(this.core.receiverReport(0, BigInt(nowUs), Buffer.from('test'))!));
  }
}

export interface ReportBlock {
  ssrc: number;
  fractionLost: number;
  cumulativeLost: number;
  extHighestSeq: number;
  jitter: number;
  lastSr: number;
  delaySinceLastSr: number;
}

export function decodeReport(packet: Buffer): ReportBlock | null {
  if (packet[1] !== 201) throw new Error('not a receiver report');
  if ((packet[0]! & 31) === 0) return null;
  return {
    ssrc: packet.readUInt32BE(8),
    fractionLost: packet.readUInt8(12),
    cumulativeLost: packet.readIntBE(13, 3),
    extHighestSeq: packet.readUInt32BE(16),
    jitter: packet.readUInt32BE(20),
    lastSr: packet.readUInt32BE(24),
    delaySinceLastSr: packet.readUInt32BE(28),
  };
}

/** Seeded random numbers in [0, 1): the same on every machine (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Bytes of all journal segments of a folder, in the order of their names. */
export function readAll(paths: string[]): Buffer {
  return Buffer.concat(paths.map((path) => readFileSync(path)));
}
