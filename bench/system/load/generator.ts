/** Sends the streams' packets when they are due, evenly spread over each 20 ms, protected on the way if the streams are SRTP. */
import { Srtp, type SrtpBatch, type SrtpContext } from '../../../src/media/srtp.ts';
import { PACKET_BYTES, PACKET_US, streamKeys, writePacket } from './packets.ts';
import { BatchSender, realTimeUs } from './udp.ts';

/** In one step, so that sinks are emptied between. */
const MAX_STEP_PACKETS = 1_024;
/** So many are stamped with one reading of the clock. */
const STAMPED_PACKETS = 64;

export class Generator {
  readonly #sender: BatchSender;
  readonly #ports: number[];
  readonly #contexts: SrtpContext[] = [];
  readonly #batch: SrtpBatch | null = null;
  readonly #packet = Buffer.alloc(PACKET_BYTES);
  readonly #view = new DataView(this.#packet.buffer, this.#packet.byteOffset);
  #startUs = 0;
  /** Packets of all streams so far. */
  sent = 0;
  /** How far behind its time the latest packet was. */
  maxLateUs = 0;

  /** @param ports where each stream is to be sent; one port may take several */
  constructor(address: string, sourcePort: number, ports: number[], isSrtp: boolean) {
    this.#sender = new BatchSender(address, sourcePort);
    this.#ports = ports;
    if (!isSrtp) return;
    const srtp = new Srtp({ contexts: ports.length });
    this.#contexts = ports.map((_, stream) => srtp.openSender(streamKeys(stream)));
    this.#batch = srtp.createBatch('protect');
  }

  get refused(): number {
    return this.#sender.refused;
  }

  /** Packets go on from where they stopped. */
  begin(nowUs: number): void {
    this.#startUs = nowUs - this.#dueUs(this.sent);
    this.maxLateUs = 0;
  }

  /** @returns when the next packet is due. */
  step(nowUs: number, lastPacket: number): number {
    const elapsedUs = nowUs - this.#startUs;
    const due = Math.min(Math.floor((elapsedUs * this.#ports.length) / PACKET_US) + 1, lastPacket);
    const until = Math.min(due, this.sent + MAX_STEP_PACKETS);
    if (until > this.sent) this.maxLateUs = Math.max(this.maxLateUs, elapsedUs - this.#dueUs(this.sent));
    while (this.sent < until) this.#send(Math.min(until - this.sent, STAMPED_PACKETS));
    return this.#startUs + this.#dueUs(this.sent);
  }

  close(): void {
    this.#sender.close();
  }

  #dueUs(packet: number): number {
    return (packet * PACKET_US) / this.#ports.length;
  }

  #send(packets: number): void {
    const sentUs = realTimeUs();
    const streams = this.#ports.length;
    const first = this.sent;
    this.#batch?.clear();
    for (let packet = first; packet < first + packets; packet++) {
      const stream = packet % streams;
      writePacket(this.#packet, this.#view, stream, (packet - stream) / streams, sentUs);
      if (this.#batch) this.#batch.add(this.#contexts[stream]!, 'rtp', this.#packet);
      else this.#put(this.#packet, stream);
    }
    this.#batch?.run();
    for (let n = 0; n < (this.#batch?.length ?? 0); n++) this.#put(this.#batch!.packet(n), (first + n) % streams);
    this.#sender.flush();
    this.sent += packets;
  }

  #put(packet: Uint8Array, stream: number): void {
    this.#sender.slot.set(packet);
    this.#sender.add(packet.length, this.#ports[stream]!);
  }
}
