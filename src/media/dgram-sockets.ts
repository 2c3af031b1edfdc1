/**
 * Lane sockets of node:dgram, which run everywhere: datagrams are copied into the batch one by one, and what has come by the end of the
 * event loop's turn is one batch.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { type EventLoopUtilization, performance } from 'node:perf_hooks';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { addressBytes } from './address.ts';
import { kernelDropsByPort } from './kernel-drops.ts';
import { BATCH_PACKETS, CHANNEL_RTCP, CHANNEL_RTP, type Load } from './memory.ts';
import type { Batch, LaneSockets, StreamPlace } from './sockets.ts';

/** 256 packets of the system's default are 5 s of one stream; a stall of the process must not cost packets. */
const RECEIVE_BUFFER_BYTES = 1 << 20;

/** The loop reads up to 32 datagrams per socket and turn; a flood must not keep a stream open. */
const MAX_DRAIN_TURNS = 1_000;

/** Of a stream that is not to be read yet: half a minute. What is more is read. */
const MAX_UNREAD = 1_500;

const LOOK_AT_KERNEL_MS = 1_000;
/** A packet that comes in between does not ask what has become due by it. */
const MAX_WAIT_MS = 20;

interface StreamSockets {
  address: string;
  rtpPort: number;
  rtp: Socket;
  rtcp: Socket | null;
}

/** The last source of a socket in binary: sources rarely change, so the text is not read again for every packet. */
interface KnownSource {
  text: string;
  bytes: Uint8Array;
}

interface Datagram {
  channel: number;
  packet: Buffer;
  from: RemoteInfo;
  arrivalUs: bigint;
}

export class DgramSockets implements LaneSockets {
  readonly #batch: Batch;
  readonly #streams = new Map<number, StreamSockets>();
  readonly #sinks = new Map<number, { via: number; address: string; port: number }>();
  /** What has come to streams that are not to be read yet. */
  readonly #unread = new Map<number, Datagram[]>();
  /** Datagrams so far, of the streams that are being drained. */
  readonly #drained = new Map<number, number>();
  #filled = 0;
  #scheduled = false;
  #turn: (() => number) | null = null;
  #timer: NodeJS.Timeout | undefined;
  #lastLook: Promise<void> | null = null;
  #looked = performance.now();
  #utilization: EventLoopUtilization = performance.eventLoopUtilization();

  constructor(batch: Batch) {
    this.#batch = batch;
  }

  async open(stream: number, { address, rtpPort, rtcpPort }: StreamPlace): Promise<void> {
    const rtp = await this.#bind(stream, CHANNEL_RTP, address, rtpPort);
    try {
      const rtcp = rtcpPort === null ? null : await this.#bind(stream, CHANNEL_RTCP, address, rtcpPort);
      this.#streams.set(stream, { address, rtpPort, rtp, rtcp });
    } catch (error) {
      rtp.close();
      throw error;
    }
  }

  async drain(stream: number): Promise<void> {
    const host = this.#batch.memory.hostOf(stream);
    if (!this.#streams.has(host)) return;
    this.#drained.set(host, 0);
    // The first turn may be the rest of one that has read its sockets already: only a second quiet one counts.
    for (let turns = 0, quiet = 0; quiet < 2 && turns < MAX_DRAIN_TURNS; turns++) {
      const before = this.#drained.get(host);
      await nextTurn();
      quiet = this.#drained.get(host) === before ? quiet + 1 : 0;
    }
    this.#drained.delete(host);
    this.#readAside(host);
    this.#process();
    await this.#lookOnceMore();
  }

  close(stream: number): void {
    const sockets = this.#streams.get(stream);
    if (!sockets) return;
    this.#streams.delete(stream);
    this.#unread.delete(stream);
    this.#process(); // what has been received belongs to this stream still
    sockets.rtp.close();
    sockets.rtcp?.close();
    this.#batch.memory.forgetKernelDrops(stream);
  }

  /** They are read all the same, for a socket of Node cannot be left alone, and put aside. */
  leaveUnread(stream: number, isUnread: boolean): void {
    if (isUnread === this.#unread.has(stream)) return;
    if (isUnread) return void this.#unread.set(stream, []);
    this.#readAside(stream);
    this.#unread.delete(stream);
  }

  #readAside(stream: number): void {
    for (const { channel, packet, from, arrivalUs } of this.#unread.get(stream)?.splice(0) ?? [])
      this.#fill(stream, channel, packet, addressBytes(from.address), from.port, arrivalUs);
  }

  /** All come with the event loop. */
  awaitPackets(): void {}

  sendFrom(stream: number, channel: number, packet: Uint8Array, address: string, port: number): void {
    const sockets = this.#streams.get(this.#batch.memory.hostOf(stream));
    const socket = channel === CHANNEL_RTCP ? (sockets?.rtcp ?? sockets?.rtp) : sockets?.rtp;
    // A copy: lane memory is written again before the packet leaves.
    socket?.send(Buffer.from(packet), port, address, () => {});
  }

  openSink(sink: number, via: number, address: string, port: number): void {
    this.#sinks.set(sink, { via: this.#batch.memory.hostOf(via), address, port });
  }

  closeSink(sink: number): void {
    this.#sinks.delete(sink);
  }

  send(packets: number): void {
    const { sinks } = this.#batch;
    for (let n = 0; n < packets; n++) {
      const sink = sinks.sinkOf(n);
      const to = this.#sinks.get(sink);
      if (!to || sinks.lengthOf(n) === 0) continue;
      // A copy: lane memory is written again before the packet leaves.
      const packet = Buffer.from(sinks.packet(n));
      this.#streams.get(to.via)?.rtp.send(packet, to.port, to.address, (error) => {
        if (error) sinks.countSendError(sink);
      });
    }
  }

  run(turn: () => number): void {
    this.#turn = turn;
    this.#runTurn();
  }

  load(): Load {
    const before = this.#utilization;
    this.#utilization = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(this.#utilization, before);
    return { loopLoad: utilization, tickP99Ms: 0 };
  }

  /** The sockets belong to this thread: none can be kept. */
  end(): void {
    this.#turn = null;
    clearTimeout(this.#timer);
    for (const stream of [...this.#streams.keys()]) this.close(stream);
  }

  readonly #runTurn = () => {
    if (!this.#turn) return;
    const now = performance.now();
    if (now - this.#looked >= LOOK_AT_KERNEL_MS) this.#lookAtKernel();
    this.#timer = setTimeout(this.#runTurn, Math.min(this.#turn(), MAX_WAIT_MS));
  };

  /** The journal is told of what the kernel has dropped. */
  #lookAtKernel(): void {
    this.#looked = performance.now();
    const ports = new Map([...this.#streams].map(([stream, { rtpPort }]) => [rtpPort, stream]));
    const [first] = this.#streams.values();
    if (!first) return;
    for (const [port, drops] of kernelDropsByPort(first.address, ports)) {
      this.#batch.wasm.countKernelDrops(ports.get(port)! * 2 + CHANNEL_RTP, drops);
    }
  }

  /** Streams that close together share one look. */
  #lookOnceMore(): Promise<void> {
    this.#lastLook ??= nextTurn().then(() => {
      this.#lastLook = null;
      this.#lookAtKernel();
    });
    return this.#lastLook;
  }

  #bind(stream: number, channel: number, address: string, port: number): Promise<Socket> {
    const type = isIPv6(address) ? 'udp6' : 'udp4';
    const socket = createSocket({ type, recvBufferSize: RECEIVE_BUFFER_BYTES });
    const source: KnownSource = { text: '', bytes: new Uint8Array(0) };
    socket.on('message', (packet, from) => this.#receive(stream, channel, packet, from, source));
    return new Promise((resolve, reject) => {
      socket.once('error', (error) => {
        socket.close();
        reject(error);
      });
      socket.bind({ port, address, exclusive: true }, () => {
        socket.removeAllListeners('error');
        socket.on('error', () => {}); // ICMP errors to reports that we sent
        resolve(socket);
      });
    });
  }

  #receive(stream: number, channel: number, packet: Buffer, from: RemoteInfo, source: KnownSource): void {
    const drained = this.#drained.get(stream);
    if (drained !== undefined) this.#drained.set(stream, drained + 1);
    const arrivalUs = this.#batch.nowUs();
    const aside = this.#unread.get(stream);
    if (aside && aside.length < MAX_UNREAD) {
      aside.push({ channel, packet, from, arrivalUs });
      return;
    }
    if (source.text !== from.address) {
      source.text = from.address;
      source.bytes = addressBytes(from.address);
    }
    this.#fill(stream, channel, packet, source.bytes, from.port, arrivalUs);
  }

  #fill(stream: number, channel: number, packet: Buffer, source: Uint8Array, port: number, arrivalUs: bigint): void {
    this.#batch.memory.describe(this.#filled++, stream, channel, packet, source, port, arrivalUs);
    if (this.#filled === BATCH_PACKETS) this.#process();
    else if (!this.#scheduled) {
      this.#scheduled = true;
      setImmediate(this.#processScheduled);
    }
  }

  readonly #processScheduled = () => {
    this.#scheduled = false;
    this.#process();
  };

  #process(): void {
    if (this.#filled === 0) return;
    const packets = this.#filled;
    this.#filled = 0;
    this.#batch.process(packets);
  }
}
