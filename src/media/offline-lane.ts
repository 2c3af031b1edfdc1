/** A lane without sockets, journal files or a worker: the same core over packets that are handed in, for captures and tests. */
import { addressBytes } from './address.ts';
import { MediaCore } from './core.ts';
import { CHANNEL_RTCP, CHANNEL_RTP, MAX_RECORDINGS, MAX_STREAMS } from './memory.ts';
import type { PayloadType } from './session.ts';
import type { SrtpKeys } from './srtp-suites.ts';
import { uuidBytes } from './uuid.ts';

export interface OfflineStreamOptions {
  label: string;
  channel: number;
  payloadTypes: PayloadType[];
  /** What its packets are protected with; null or left out: nothing. */
  srtp?: SrtpKeys | null;
}

const NOBODY = addressBytes('0.0.0.0');
/** A flush is made before the staging region can be full. */
const FLUSH_EVERY_PACKETS = 2_048;

export class OfflineLane {
  readonly #core = new MediaCore();
  readonly #blocks: Buffer[] = [];
  #streams = 0;
  #recordings = 0;
  #packets = 0;
  #nowUs = 0n;

  static async create(): Promise<OfflineLane> {
    const lane = new OfflineLane();
    lane.#core.memory.setLane(0, 1n);
    return lane;
  }

  openRecording(id: string): OfflineRecording {
    if (this.#recordings === MAX_RECORDINGS) throw new RangeError(`an offline lane takes ${MAX_RECORDINGS} recordings`);
    const slot = this.#recordings++;
    this.#core.memory.openRecording(slot, uuidBytes(id));
    return new OfflineRecording(this, slot);
  }

  /** Used by {@link OfflineRecording.addStream}. @throws RangeError */
  openStream(recording: number, index: number, options: OfflineStreamOptions): number {
    if (this.#streams === MAX_STREAMS) throw new RangeError(`an offline lane has room for ${MAX_STREAMS} streams`);
    const slot = this.#streams;
    const { srtp = null } = options;
    if (srtp) this.#core.srtp.receiveOnly(slot, srtp);
    this.#streams += 1;
    const clockRate = options.payloadTypes[0]?.clockRate ?? 8000;
    const remote = { address: NOBODY, rtpPort: 0, rtcpPort: 0 };
    this.#core.memory.openStream(slot, {
      recording,
      index,
      clockRate,
      ownSsrc: 0,
      rtcpMux: false,
      firstEpoch: 0,
      remote,
      isSrtp: srtp !== null,
    });
    return slot;
  }

  /** Other keys for an SRTP stream, as a new source of it may have them. @throws RangeError */
  rekey(stream: number, keys: SrtpKeys): void {
    this.#core.srtp.receiveOnly(stream, keys);
  }

  /** Packets of an SRTP stream whose tag does not verify, and replays. */
  unauthenticatedPackets(stream: number): number {
    return this.#core.memory.streamCounters(stream).unauthenticated;
  }

  note(recording: number, json: object, nowUs = this.#nowUs): void {
    const note = Buffer.from(JSON.stringify(json));
    if (this.#core.note(recording, note, nowUs)) return;
    this.#flushCore();
    this.#core.note(recording, note, nowUs);
  }

  /** @param arrivalUs monotonic microseconds, at least those of the packet before. @returns the core's status. */
  push(stream: number, kind: 'rtp' | 'rtcp', packet: Uint8Array, arrivalUs: number): number {
    const { memory, wasm } = this.#core;
    this.#nowUs = BigInt(Math.round(arrivalUs));
    memory.describe(0, stream, kind === 'rtp' ? CHANNEL_RTP : CHANNEL_RTCP, packet, NOBODY, 0, this.#nowUs);
    wasm.process(1);
    if (++this.#packets % FLUSH_EVERY_PACKETS === 0) this.#flushCore();
    return memory.status(0);
  }

  /** All journal blocks since the last call. */
  flush(): Buffer {
    this.#flushCore();
    return Buffer.concat(this.#blocks.splice(0));
  }

  #flushCore(): void {
    this.#blocks.push(Buffer.from(this.#core.flush(this.#nowUs, this.#nowUs)));
  }
}

export class OfflineRecording {
  readonly #lane: OfflineLane;
  readonly #slot: number;
  #streams = 0;

  constructor(lane: OfflineLane, slot: number) {
    this.#lane = lane;
    this.#slot = slot;
  }

  /** @returns the handle for {@link OfflineLane.push}; the stream's number within the recording counts from 0. */
  addStream(options: OfflineStreamOptions): number {
    const index = this.#streams++;
    const srtp = options.srtp?.suite ?? null;
    this.#lane.note(this.#slot, { type: 'stream', index, remote: null, rtcpMux: false, ...options, srtp });
    return this.#lane.openStream(this.#slot, index, options);
  }

  note(json: object): void {
    this.#lane.note(this.#slot, json);
  }
}
