/** Sends the streams' packets when they are due, evenly spread over each interval, protected on the way if the streams are SRTP. */
import { Srtp, type SrtpBatch, type SrtpContext } from '../../../src/media/srtp.ts';
import { PACKET_BYTES, streamKeys, writePacket } from './packets.ts';
import { BatchSender, realTimeUs } from './udp.ts';

export interface LoadSetup {
  address: string;
  sourcePort: number;
  isSrtp: boolean;
  /** Between two packets of a stream. */
  intervalUs: number;
  /** That will ever be added. */
  mostStreams: number;
}

/** In one step, so that sinks are emptied between. */
const MAX_STEP_PACKETS = 1_024;
/** So many are stamped with one reading of the clock. */
const STAMPED_PACKETS = 64;

export class Generator {
  readonly #setup: LoadSetup;
  readonly #sender: BatchSender;
  readonly #srtp: Srtp | null;
  readonly #batch: SrtpBatch | null;
  /** By stream: where it goes, what protects it, and its next packet's number. */
  readonly #ports: number[] = [];
  readonly #contexts: SrtpContext[] = [];
  readonly #numbers: number[] = [];
  readonly #packet = Buffer.alloc(PACKET_BYTES);
  readonly #view = new DataView(this.#packet.buffer, this.#packet.byteOffset);
  #startUs = 0;
  /** Since the begin. */
  #sentSince = 0;
  /** How far behind its time the latest packet was. */
  maxLateUs = 0;

  constructor(setup: LoadSetup) {
    this.#setup = setup;
    this.#sender = new BatchSender(setup.address, setup.sourcePort);
    this.#srtp = setup.isSrtp ? new Srtp({ contexts: setup.mostStreams }) : null;
    this.#batch = this.#srtp?.createBatch('protect') ?? null;
  }

  /** A stream to each port; one port may take several. */
  add(ports: number[]): void {
    for (const port of ports) {
      const stream = this.#ports.push(port) - 1;
      this.#numbers.push(0);
      if (this.#srtp) this.#contexts.push(this.#srtp.openSender(streamKeys(stream)));
    }
  }

  get refused(): number {
    return this.#sender.refused;
  }

  get sent(): number {
    return this.#sentSince;
  }

  /** The streams' packets that are due in a time. */
  packetsIn(ms: number): number {
    return Math.round((ms * 1000) / this.#setup.intervalUs) * this.#ports.length;
  }

  /** Every stream goes on with the packet behind its last. */
  begin(nowUs: number): void {
    this.#startUs = nowUs;
    this.#sentSince = 0;
    this.maxLateUs = 0;
  }

  /** @returns when the next packet is due. */
  step(nowUs: number, lastPacket: number): number {
    const elapsedUs = nowUs - this.#startUs;
    const due = Math.min(Math.floor(elapsedUs / this.#gapUs) + 1, lastPacket);
    const until = Math.min(due, this.#sentSince + MAX_STEP_PACKETS);
    if (until > this.#sentSince) this.maxLateUs = Math.max(this.maxLateUs, elapsedUs - this.#sentSince * this.#gapUs);
    while (this.#sentSince < until) this.#send(Math.min(until - this.#sentSince, STAMPED_PACKETS));
    return this.#startUs + this.#sentSince * this.#gapUs;
  }

  get #gapUs(): number {
    return this.#setup.intervalUs / this.#ports.length;
  }

  #send(packets: number): void {
    const sentUs = realTimeUs();
    const first = this.#sentSince;
    this.#batch?.clear();
    for (let n = 0; n < packets; n++) {
      const stream = (first + n) % this.#ports.length;
      writePacket(this.#packet, this.#view, stream, this.#numbers[stream]!++, sentUs);
      if (this.#batch) this.#batch.add(this.#contexts[stream]!, 'rtp', this.#packet);
      else this.#put(this.#packet, stream);
    }
    this.#batch?.run();
    for (let n = 0; n < (this.#batch?.length ?? 0); n++) {
      this.#put(this.#batch!.packet(n), (first + n) % this.#ports.length);
    }
    this.#sender.flush();
    this.#sentSince += packets;
  }

  #put(packet: Uint8Array, stream: number): void {
    this.#sender.slot.set(packet);
    this.#sender.add(packet.length, this.#ports[stream]!);
  }
}
