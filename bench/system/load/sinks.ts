/** What forwarded packets arrive at: each sink counts, checks that every packet is whole and in its order, and takes the time it needed. */
import { Srtp, type SrtpBatch, type SrtpContext } from '../../../src/media/srtp.ts';
import { PACKET_BYTES, readPacket, srtpKeys, ssrcOf } from './packets.ts';
import { BatchReceiver, type OnPacket } from './udp.ts';

const RECEIVE_BUFFER_BYTES = 1 << 26;
const MAX_LATENCY_US = 100_000;
const RTCP_TYPES = { lo: 200, hi: 207 };

/** Which SSRC of a sink carries which stream, and the key it is protected with. */
export interface Route {
  sink: number;
  stream: number;
  /** Null: the sender's own, passed on. */
  ssrc: number | null;
  keyAndSalt: Uint8Array | null;
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
  readonly #sources: Map<number, Source>[];
  #batch: SrtpBatch | null = null;
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
    this.#sources = ports.map(() => new Map());
    this.counts = { received: ports.map(() => 0), faulty: 0, packetBytes: 0 };
  }

  expect(routes: Route[]): void {
    const secure = routes.filter(({ keyAndSalt }) => keyAndSalt !== null);
    const srtp = secure.length > 0 ? new Srtp({ contexts: secure.length }) : null;
    this.#batch = srtp?.createBatch('unprotect') ?? null;
    for (const { sink, stream, ssrc, keyAndSalt } of routes) {
      const context = keyAndSalt && srtp ? srtp.openReceiver(srtpKeys(keyAndSalt)) : null;
      this.#sources[sink]!.set(ssrc ?? ssrcOf(stream), { context, stream, next: -1 });
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
    const ssrc = ((packet[8]! << 24) | (packet[9]! << 16) | (packet[10]! << 8) | packet[11]!) >>> 0;
    const source = this.#sources[sink]!.get(ssrc);
    this.counts.packetBytes = bytes;
    if (!source) this.counts.faulty++;
    else if (!source.context) this.#check(sink, source, packet, bytes, arrivedUs);
    else {
      this.#batch!.add(source.context, 'rtp', packet.subarray(0, bytes));
      this.#waiting.push({ sink, source, arrivedUs });
      if (this.#waiting.length === 256) this.#finish();
    }
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

  #check(sink: number, source: Source, packet: Uint8Array, bytes: number, arrivedUs: number): void {
    const told = readPacket(Buffer.from(packet.buffer, packet.byteOffset, bytes), 0, bytes);
    const isInOrder = told?.stream === source.stream && (source.next < 0 || told.n === source.next);
    if (!told) {
      this.counts.faulty++;
      return;
    }
    if (!isInOrder) this.counts.faulty++;
    source.next = told.n + 1;
    this.counts.received[sink]!++;
    if (told.sentUs >= this.timedFromUs && arrivedUs > 0) this.#time(arrivedUs - told.sentUs);
  }

  #time(us: number): void {
    this.#latencies[Math.min(Math.max(Math.round(us), 0), MAX_LATENCY_US)]!++;
    this.#maxLatencyUs = Math.max(this.#maxLatencyUs, us);
  }
}
