/**
 * The sockets of a lane: one for RTP and one for RTCP per stream. A driver fills the lane's batch of datagrams and says when
 * it is to be processed; it takes what is there and never waits for a batch to fill.
 *
 * The driver here is node:dgram, which runs everywhere. A driver that receives batches straight into lane memory fits behind
 * the same interface.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { addressBytes } from './address.ts';
import { BATCH_PACKETS, CHANNEL_RTCP, CHANNEL_RTP, type LaneMemory } from './memory.ts';

export interface LaneSockets {
  /** Binds both ports of a stream. Rejects with EADDRINUSE when one of them is taken; nothing is left bound then. */
  open(stream: number, address: string, rtpPort: number, rtcpPort: number | null): Promise<void>;
  /** Resolves when what had reached the stream's sockets before the call has been processed. */
  drain(stream: number): Promise<void>;
  close(stream: number): void;
  /** Sends from the stream's RTCP socket (its RTP socket when it has none). Errors are the network's and are not reported. */
  sendRtcp(stream: number, packet: Uint8Array, address: string, port: number): void;
  closeAll(): void;
}

export interface Batch {
  memory: LaneMemory;
  nowUs: () => bigint;
  /** Process the first `packets` slots. */
  process: (packets: number) => void;
}

/** 256 packets of the system's default are 5 s of one stream; a stall of the process must not cost packets. */
const RECEIVE_BUFFER_BYTES = 1 << 20;

/** The loop reads up to 32 datagrams per socket and turn; a flood must not keep a stream open. */
const MAX_DRAIN_TURNS = 1_000;

interface StreamSockets {
  rtp: Socket;
  rtcp: Socket | null;
}

/** The last source of a socket in binary: sources rarely change, so the text is not read again for every packet. */
interface KnownSource {
  text: string;
  bytes: Uint8Array;
}

export class DgramSockets implements LaneSockets {
  readonly #batch: Batch;
  readonly #streams = new Map<number, StreamSockets>();
  /** Datagrams so far, of the streams that are being drained. */
  readonly #drained = new Map<number, number>();
  #filled = 0;
  #scheduled = false;

  constructor(batch: Batch) {
    this.#batch = batch;
  }

  async open(stream: number, address: string, rtpPort: number, rtcpPort: number | null): Promise<void> {
    const rtp = await this.#bind(stream, CHANNEL_RTP, address, rtpPort);
    try {
      const rtcp = rtcpPort === null ? null : await this.#bind(stream, CHANNEL_RTCP, address, rtcpPort);
      this.#streams.set(stream, { rtp, rtcp });
    } catch (error) {
      rtp.close();
      throw error;
    }
  }

  async drain(stream: number): Promise<void> {
    if (!this.#streams.has(stream)) return;
    this.#drained.set(stream, 0);
    // The first turn may be the rest of one that has read its sockets already: only a second quiet one counts.
    for (let turns = 0, quiet = 0; quiet < 2 && turns < MAX_DRAIN_TURNS; turns++) {
      const before = this.#drained.get(stream);
      await nextTurn();
      quiet = this.#drained.get(stream) === before ? quiet + 1 : 0;
    }
    this.#drained.delete(stream);
    this.#process();
  }

  close(stream: number): void {
    const sockets = this.#streams.get(stream);
    if (!sockets) return;
    this.#streams.delete(stream);
    this.#process(); // what has been received belongs to this stream still
    sockets.rtp.close();
    sockets.rtcp?.close();
  }

  sendRtcp(stream: number, packet: Uint8Array, address: string, port: number): void {
    const sockets = this.#streams.get(stream);
    // A copy: lane memory is written again before the packet leaves.
    (sockets?.rtcp ?? sockets?.rtp)?.send(Buffer.from(packet), port, address, () => {});
  }

  closeAll(): void {
    for (const stream of [...this.#streams.keys()]) this.close(stream);
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
    if (source.text !== from.address) {
      source.text = from.address;
      source.bytes = addressBytes(from.address);
    }
    const { memory, nowUs } = this.#batch;
    memory.describe(this.#filled++, stream, channel, packet, source.bytes, from.port, nowUs());
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
