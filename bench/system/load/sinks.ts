/** What forwarded packets arrive at: each sink counts, checks that every packet is whole and in its order, and takes the time it needed. */
import { Srtp, type SrtpBatch, type SrtpContext } from '../../../src/media/srtp.ts';
import { PACKET_BYTES, readPacket, srtpKeys } from './packets.ts';
import { BatchReceiver, type OnPacket } from './udp.ts';

const RECEIVE_BUFFER_BYTES = 1 << 26;
const BATCH_PACKETS = 256;
const MAX_LATENCY_US = 1_000_000;
const RTCP_TYPES = { lo: 200, hi: 207 };

/** A stream that a sink gets: in the clear it is known by what its packets say, under SRTP by its SSRC. */
export interface Route {
  sink: number;
  stream: number;
  /** Null: in the clear. Of an SSRC that nobody has told it is the first one whose packet verifies under the key. */
  srtp: { ssrc: number | null; keyAndSalt: Uint8Array } | null;
}

export interface SinkCounts {
  /** Whole packets of ours, by sink. */
  received: number[];
  /** Not whole, not of a known source, or not the one after the last. */
  faulty: number;
  /** Octets of UDP payload, the last packet's: shows whether it was protected. */
  packetBytes: number;
}

export interface Latency {
  packets: number;
  p50Us: number;
  p99Us: number;
  maxUs: number;
}

interface Source {
  context: SrtpContext | null;
  stream: number;
  next: number;
}

export class Sinks {
  readonly #receivers: BatchReceiver[];
  readonly #onPacket: OnPacket[];
  /** Of each sink: by stream, and by SSRC those that are SRTP. */
  readonly #byStream: Map<number, Source>[];
  readonly #bySsrc: Map<number, Source>[];
  /** Those whose SSRC is not known yet, in the order in which they are expected to begin. */
  readonly #unknown: Set<Source>[];
  #batch: SrtpBatch | null = null;
  /** For one packet. */
  #trial: SrtpBatch | null = null;
  /** Of the packets in the batch. */
  readonly #waiting: { sink: number; source: Source; arrivedUs: number }[] = [];
  readonly #latencies = new Uint32Array(MAX_LATENCY_US + 1);
  #maxLatencyUs = 0;
  /** Packets sent before are not timed. */
  timedFromUs = Number.POSITIVE_INFINITY;
  counts: SinkCounts;

  constructor(address: string, ports: number[], isTimed: boolean) {
    this.#receivers = ports.map((port) => new BatchReceiver(address, port, RECEIVE_BUFFER_BYTES, isTimed));
    this.#onPacket = ports.map((_, sink) => (packet, bytes, arrivedUs) => this.#take(sink, packet, bytes, arrivedUs));
    this.#byStream = ports.map(() => new Map());
    this.#bySsrc = ports.map(() => new Map());
    this.#unknown = ports.map(() => new Set());
    this.counts = { received: ports.map(() => 0), faulty: 0, packetBytes: 0 };
  }

  expect(routes: Route[]): void {
    const secure = routes.filter(({ srtp }) => srtp !== null);
    const library = secure.length > 0 ? new Srtp({ contexts: secure.length }) : null;
    this.#batch = library?.createBatch('unprotect') ?? null;
    this.#trial = library?.createBatch('unprotect') ?? null;
    for (const { sink, stream, srtp } of routes) {
      const context = srtp && library ? library.openReceiver(srtpKeys(srtp.keyAndSalt)) : null;
      const source: Source = { context, stream, next: -1 };
      if (srtp?.ssrc === null) this.#unknown[sink]!.add(source);
      else if (srtp) this.#bySsrc[sink]!.set(srtp.ssrc, source);
      else this.#byStream[sink]!.set(stream, source);
    }
  }

  drain(): void {
    for (let sink = 0; sink < this.#receivers.length; sink++) this.#receivers[sink]!.drain(this.#onPacket[sink]!);
    this.#finish();
  }

  latency(): Latency {
    const packets = this.#latencies.reduce((sum, count) => sum + count, 0);
    const quantile = (share: number): number => {
      let left = packets * share;
      const us = this.#latencies.findIndex((count) => {
        left -= count;
        return left <= 0;
      });
      return Math.max(us, 0);
    };
    return { packets, p50Us: quantile(0.5), p99Us: quantile(0.99), maxUs: Math.round(this.#maxLatencyUs) };
  }

  close(): void {
    for (const receiver of this.#receivers) receiver.close();
  }

  #take(sink: number, packet: Uint8Array, bytes: number, arrivedUs: number): void {
    if (packet[1]! >= RTCP_TYPES.lo && packet[1]! <= RTCP_TYPES.hi) return;
    this.counts.packetBytes = bytes;
    if (!this.#batch) {
      this.#check(sink, null, packet, bytes, arrivedUs);
      return;
    }
    const ssrc = ((packet[8]! << 24) | (packet[9]! << 16) | (packet[10]! << 8) | packet[11]!) >>> 0;
    const source = this.#bySsrc[sink]!.get(ssrc);
    if (!source?.context) {
      if (!this.#takeUnknown(sink, ssrc, packet.subarray(0, bytes), arrivedUs)) this.counts.faulty++;
      return;
    }
    this.#batch.add(source.context, 'rtp', packet.subarray(0, bytes));
    this.#waiting.push({ sink, source, arrivedUs });
    if (this.#waiting.length === BATCH_PACKETS) this.#finish();
  }

  /** @returns whether it is the first of a source that is expected. */
  #takeUnknown(sink: number, ssrc: number, packet: Uint8Array, arrivedUs: number): boolean {
    const trial = this.#trial!;
    for (const source of this.#unknown[sink]!) {
      trial.clear();
      trial.add(source.context!, 'rtp', packet);
      trial.run();
      if (trial.error(0)) continue;
      this.#unknown[sink]!.delete(source);
      this.#bySsrc[sink]!.set(ssrc, source);
      this.#check(sink, source, trial.packet(0), PACKET_BYTES, arrivedUs);
      return true;
    }
    return false;
  }

  #finish(): void {
    if (this.#waiting.length === 0) return;
    const batch = this.#batch!;
    batch.run();
    for (const [n, { sink, source, arrivedUs }] of this.#waiting.entries()) {
      if (batch.error(n)) this.counts.faulty++;
      else this.#check(sink, source, batch.packet(n), PACKET_BYTES, arrivedUs);
    }
    batch.clear();
    this.#waiting.length = 0;
  }

  /** @param expected null: the packet says which it is */
  #check(sink: number, expected: Source | null, packet: Uint8Array, bytes: number, arrivedUs: number): void {
    const told = readPacket(Buffer.from(packet.buffer, packet.byteOffset, bytes), 0, bytes);
    const source = told && (expected ?? this.#byStream[sink]!.get(told.stream));
    if (!told || !source) {
      this.counts.faulty++;
      return;
    }
    if (told.stream !== source.stream || (source.next >= 0 && told.n !== source.next)) this.counts.faulty++;
    source.next = told.n + 1;
    this.counts.received[sink]!++;
    if (told.sentUs >= this.timedFromUs && arrivedUs > 0) this.#time(arrivedUs - told.sentUs);
  }

  #time(us: number): void {
    this.#latencies[Math.min(Math.max(Math.round(us), 0), MAX_LATENCY_US)]!++;
    this.#maxLatencyUs = Math.max(this.#maxLatencyUs, us);
  }
}
