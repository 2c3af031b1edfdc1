/**
 * Lane memory as TypeScript sees it: the only file of the media engine that reads the layout. Views are built once per memory.
 */
import * as layout from '../../assembly/layout.ts';
import { ADDRESS_BYTES, isPort, isUnspecified } from './address.ts';

const PAGE_BYTES = 65_536;
/** A note must pass through the scratch region, whose last eight bytes belong to the core. */
export const MAX_NOTE_BYTES = layout.SCRATCH_BYTES - 8;

export {
  BATCH_PACKETS,
  CHANNEL_RTCP,
  CHANNEL_RTP,
  MAX_DATAGRAM_BYTES,
  MAX_RECORDINGS,
  MAX_STREAMS,
} from '../../assembly/layout.ts';

/** Packet totals of a lane since it started; each packet is in one class. */
export interface PacketTotals {
  received: number;
  duplicate: number;
  paused: number;
  invalid: number;
  unauthorised: number;
  dropped: number;
  rtcp: number;
  /** SRTP whose tag does not verify, and replays. */
  unauthenticated: number;
}

/** What a stream has counted. */
export interface StreamCounts {
  received: number;
  invalid: number;
  unauthorised: number;
  duplicate: number;
  dropped: number;
  unauthenticated: number;
}

export interface StreamState {
  recording: number;
  /** Number of the stream within its recording. */
  index: number;
  clockRate: number;
  ownSsrc: number;
  rtcpMux: boolean;
  firstEpoch: number;
  remote: { address: Uint8Array; rtpPort: number; rtcpPort: number } | null;
  isSrtp: boolean;
  /** Its port is for streams that share it; left out: it is not. */
  isSharedPort?: boolean;
  /** Slot of the stream whose port it shares; null or left out: its port is its own. */
  host?: number | null;
  /** By which it is told from others of its source on that port; null or left out: there are none. */
  signalledSsrc?: number | null;
  /** How far back its packets are kept for sinks that are yet to come; not at all when left out. */
  lookBackSeconds?: number;
}

/** What the look-back rings of a lane hold. */
export interface LookBackState {
  usedBytes: number;
  maxBytes: number;
  /** Packets that were forgotten before their time, for there was no room. */
  shortPackets: number;
}

/** What the worker writes for others to read. */
export interface WorkerState {
  queuedBytes: number;
  writtenBytes: number;
  lagMs: number;
  /** Share of the time in which the lane was busy, over about five seconds. */
  loopLoad: number;
  /** How long 99 % of the lane's ticks were at most, of the last second; 0: not known. */
  tickP99Ms: number;
}

export type Load = Pick<WorkerState, 'loopLoad' | 'tickP99Ms'>;

/** For look-back rings, unless it is said otherwise: three hours of G.711. The system provides what was ever used. */
export const LOOK_BACK_BYTES = 128 * 1024 * 1024;
/** With what lies before it less than the 4 GiB that an address of 32 bits can name. */
export const MAX_LOOK_BACK_BYTES = 3 * 1024 * 1024 * 1024;

export function createLaneMemory(lookBackBytes = LOOK_BACK_BYTES): WebAssembly.Memory {
  const pages = Math.ceil((layout.LOOK_BACK_AT + lookBackBytes) / PAGE_BYTES);
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
}

export class LaneMemory {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #words: Uint32Array;

  constructor(memory: WebAssembly.Memory) {
    this.#bytes = new Uint8Array(memory.buffer);
    this.#words = new Uint32Array(memory.buffer);
    this.#view = new DataView(memory.buffer);
  }

  setLane(laneId: number, firstBlockSeq: bigint): void {
    this.#view.setUint32(layout.LANE_AT + layout.LANE_ID_AT, laneId, true);
    this.#view.setBigUint64(layout.LANE_AT + layout.LANE_BLOCK_SEQ_AT, firstBlockSeq, true);
  }

  get nextBlockSeq(): bigint {
    return this.#view.getBigUint64(layout.LANE_AT + layout.LANE_BLOCK_SEQ_AT, true);
  }

  /** Where records wait for the next flush, and where that puts blocks of them: in use from the start on. */
  get journalRegions(): { staging: Uint8Array; blocks: Uint8Array } {
    return {
      staging: this.#bytes.subarray(layout.STAGING_AT, layout.STAGING_AT + layout.STAGING_BYTES),
      blocks: this.#bytes.subarray(layout.BLOCKS_AT, layout.BLOCKS_AT + layout.BLOCKS_BYTES),
    };
  }

  /** Of the records that wait for the next flush. */
  get stagedBytes(): number {
    return this.#view.getUint32(layout.LANE_AT + layout.LANE_STAGED_BYTES_AT, true);
  }

  totals(): PacketTotals {
    const read = (at: number) => Number(this.#view.getBigUint64(layout.LANE_AT + at, true));
    return {
      received: read(layout.LANE_RECEIVED_AT),
      duplicate: read(layout.LANE_DUPLICATE_AT),
      paused: read(layout.LANE_PAUSED_AT),
      invalid: read(layout.LANE_INVALID_AT),
      unauthorised: read(layout.LANE_UNAUTHORISED_AT),
      dropped: read(layout.LANE_DROPPED_AT),
      rtcp: read(layout.LANE_RTCP_AT),
      unauthenticated: read(layout.LANE_UNAUTHENTICATED_AT),
    };
  }

  get workerState(): WorkerState {
    const read = (at: number) => this.#view.getFloat64(layout.LANE_AT + at, true);
    return {
      queuedBytes: read(layout.LANE_JOURNAL_QUEUED_BYTES_AT),
      writtenBytes: read(layout.LANE_JOURNAL_WRITTEN_BYTES_AT),
      lagMs: read(layout.LANE_JOURNAL_LAG_MS_AT),
      loopLoad: read(layout.LANE_LOOP_LOAD_AT),
      tickP99Ms: read(layout.LANE_TICK_P99_MS_AT),
    };
  }

  tellJournal({ queuedBytes, writtenBytes, lagMs }: Omit<WorkerState, keyof Load>): void {
    this.#tell(layout.LANE_JOURNAL_QUEUED_BYTES_AT, queuedBytes);
    this.#tell(layout.LANE_JOURNAL_WRITTEN_BYTES_AT, writtenBytes);
    this.#tell(layout.LANE_JOURNAL_LAG_MS_AT, lagMs);
  }

  tellLoad({ loopLoad, tickP99Ms }: Load): void {
    this.#tell(layout.LANE_LOOP_LOAD_AT, loopLoad);
    this.#tell(layout.LANE_TICK_P99_MS_AT, tickP99Ms);
  }

  get lookBack(): LookBackState {
    const read = (at: number) => this.#view.getUint32(layout.LANE_AT + at, true);
    return {
      usedBytes: read(layout.LANE_TAKEN_CHUNKS_AT) * layout.CHUNK_BYTES,
      maxBytes: Math.floor((this.#bytes.length - layout.LOOK_BACK_AT) / layout.CHUNK_BYTES) * layout.CHUNK_BYTES,
      shortPackets: read(layout.LANE_LOOK_BACK_SHORT_AT),
    };
  }

  /** The slot's chain of staged records is the core's: empty, or the recording's own if it is opened again. */
  openRecording(slot: number, id: Uint8Array, isRecorded = true): void {
    const at = layout.RECORDINGS_AT + slot * layout.RECORDING_BYTES;
    this.#view.setUint32(at + layout.RECORDING_UNRECORDED_AT, isRecorded ? 0 : 1, true);
    this.#bytes.set(id, layout.RECORDINGS_AT + slot * layout.RECORDING_BYTES + layout.RECORDING_ID_AT);
    this.setPaused(slot, false);
    this.setLookBackPaused(slot, false);
  }

  setPaused(slot: number, paused: boolean): void {
    const at = layout.RECORDINGS_AT + slot * layout.RECORDING_BYTES;
    this.#view.setUint32(at + layout.RECORDING_PAUSED_AT, paused ? 1 : 0, true);
  }

  setLookBackPaused(slot: number, paused: boolean): void {
    const at = layout.RECORDINGS_AT + slot * layout.RECORDING_BYTES;
    this.#view.setUint32(at + layout.RECORDING_LOOK_BACK_PAUSED_AT, paused ? 1 : 0, true);
  }

  openStream(slot: number, state: StreamState): void {
    const at = this.#stream(slot);
    this.#bytes.fill(0, at, at + layout.STREAM_BYTES);
    this.#view.setUint32(at + layout.STREAM_RECORDING_AT, state.recording, true);
    this.#view.setUint32(at + layout.STREAM_INDEX_AT, state.index, true);
    this.#view.setUint32(at + layout.STREAM_OWN_SSRC_AT, state.ownSsrc, true);
    this.#view.setUint32(at + layout.STREAM_EPOCH_AT, state.firstEpoch, true);
    this.#view.setUint32(at + layout.STREAM_NEXT_EPOCH_AT, state.firstEpoch, true);
    const lookBackUs = BigInt(Math.round((state.lookBackSeconds ?? 0) * 1e6));
    this.#view.setBigUint64(at + layout.STREAM_LOOK_BACK_US_AT, lookBackUs, true);
    this.updateStream(slot, state);
  }

  updateStream(slot: number, state: Omit<StreamState, 'firstEpoch'>): void {
    const at = this.#stream(slot);
    const { remote } = state;
    const kept =
      this.#view.getUint32(at + layout.STREAM_FLAGS_AT, true) & (layout.FLAG_STARTED | layout.FLAG_HAS_OTHER);
    if (this.#view.getUint32(at + layout.STREAM_CLOCK_RATE_AT, true) !== state.clockRate) {
      this.#view.setUint32(at + layout.STREAM_HAS_TRANSIT_AT, 0, true); // was measured by another clock
    }
    let flags = layout.FLAG_OPEN;
    if (!remote) flags |= layout.FLAG_LEARN;
    if (state.rtcpMux) flags |= layout.FLAG_RTCP_MUX;
    if (state.isSrtp) flags |= layout.FLAG_SRTP;
    if (state.isSharedPort) flags |= layout.FLAG_SHARED_PORT;
    const host = state.host === null || state.host === undefined ? 0 : state.host + 1;
    this.#view.setUint32(at + layout.STREAM_HOST_AT, host, true);
    this.#view.setUint32(at + layout.STREAM_SIGNALLED_SSRC_AT, state.signalledSsrc ?? 0, true);
    this.#view.setUint32(at + layout.STREAM_FLAGS_AT, kept | flags, true);
    this.#view.setUint32(at + layout.STREAM_CLOCK_RATE_AT, state.clockRate, true);
    if (!remote || !this.#isRemote(at, remote)) this.#view.setUint32(at + layout.STREAM_HEARD_PORT_AT, 0, true);
    if (remote) this.#bytes.set(remote.address, at + layout.STREAM_REMOTE_AT);
    this.#view.setUint32(at + layout.STREAM_REMOTE_RTP_PORT_AT, remote?.rtpPort ?? 0, true);
    this.#view.setUint32(at + layout.STREAM_REMOTE_RTCP_PORT_AT, remote?.rtcpPort ?? 0, true);
  }

  /** The stream whose sockets it has: its own, unless it shares a port. */
  hostOf(slot: number): number {
    const host = this.#view.getUint32(this.#stream(slot) + layout.STREAM_HOST_AT, true);
    return host === 0 ? slot : host - 1;
  }

  closeStream(slot: number): void {
    this.#view.setUint32(this.#stream(slot) + layout.STREAM_FLAGS_AT, 0, true);
  }

  /** Another number than before: some stream has learned where its packets come from, or hears another port. */
  get sourceChanges(): number {
    return this.#view.getUint32(layout.LANE_AT + layout.LANE_SOURCE_CHANGES_AT, true);
  }

  /** Where the packets of a stream come from, and its RTCP if there is a port for it (see `isFromSource` of the core); null: not known yet. */
  sourceOf(slot: number): { address: Uint8Array; rtpPort: number; rtcpPort?: number } | null {
    const at = this.#stream(slot);
    const read = (offset: number) => this.#view.getUint32(at + offset, true);
    const flags = read(layout.STREAM_FLAGS_AT);
    const signalled = read(layout.STREAM_REMOTE_RTP_PORT_AT);
    const rtpPort = read(layout.STREAM_HEARD_PORT_AT) || signalled;
    const address = this.#bytes.slice(at + layout.STREAM_REMOTE_AT, at + layout.STREAM_REMOTE_AT + ADDRESS_BYTES);
    if ((flags & layout.FLAG_OPEN) === 0 || (flags & layout.FLAG_LEARN) !== 0) return null;
    if (rtpPort === 0 || isUnspecified(address)) return null;
    if ((flags & layout.FLAG_RTCP_MUX) !== 0) return { address, rtpPort, rtcpPort: rtpPort };
    const rtcpPort = rtpPort === signalled ? read(layout.STREAM_REMOTE_RTCP_PORT_AT) : rtpPort + 1;
    return isPort(rtcpPort) ? { address, rtpPort, rtcpPort } : { address, rtpPort };
  }

  /** The socket whose drops were counted is closed: the next one of this stream begins at 0. */
  forgetKernelDrops(slot: number): void {
    this.#view.setUint32(layout.SOCKETS_AT + 2 * slot * layout.SOCKET_BYTES + layout.SOCKET_DROPS_AT, 0, true);
  }

  streamCounters(slot: number): StreamCounts {
    const at = this.#stream(slot);
    const read = (offset: number) => this.#view.getUint32(at + offset, true);
    const otherEpoch = layout.STREAM_OTHER_STATE_AT - layout.STREAM_EPOCH_STATE_AT;
    return {
      received:
        read(layout.STREAM_RECEIVED_AT) +
        read(otherEpoch + layout.STREAM_RECEIVED_AT) +
        read(layout.STREAM_RECEIVED_BEFORE_AT),
      invalid: read(layout.STREAM_INVALID_AT),
      unauthorised: read(layout.STREAM_UNAUTHORISED_AT),
      duplicate: read(layout.STREAM_DUPLICATE_AT),
      dropped: read(layout.STREAM_DROPPED_AT),
      unauthenticated: read(layout.STREAM_UNAUTHENTICATED_AT),
    };
  }

  /** When the last packet of a stream came, monotonic; 0: none has. It is asked of all of them each second, so it leaves no garbage. */
  lastPacketUs(slot: number): number {
    const word = (this.#stream(slot) + layout.STREAM_LAST_PACKET_US_AT) / 4;
    for (;;) {
      const high = Atomics.load(this.#words, word + 1);
      const low = Atomics.load(this.#words, word);
      // The lane may have written between the two.
      if (Atomics.load(this.#words, word + 1) === high) return high * 2 ** 32 + low;
    }
  }

  /** Copies a datagram into slot `n` of the batch and describes it; longer ones are cut and will be refused as invalid. */
  describe(
    n: number,
    stream: number,
    channel: number,
    packet: Uint8Array,
    source: Uint8Array,
    port: number,
    nowUs: bigint,
  ): void {
    const offset = layout.SLOTS_AT + n * layout.SLOT_BYTES + layout.SLOT_HEADROOM_BYTES;
    const isCut = packet.length > layout.MAX_DATAGRAM_BYTES;
    const length = isCut ? layout.CUT_BYTES : packet.length;
    if (!isCut) this.#bytes.set(packet, offset);
    const at = layout.DESCRIPTORS_AT + n * layout.DESCRIPTOR_BYTES;
    this.#view.setUint32(at + layout.DESCRIPTOR_STREAM_AT, stream, true);
    this.#view.setUint32(at + layout.DESCRIPTOR_OFFSET_AT, offset, true);
    this.#view.setUint32(at + layout.DESCRIPTOR_LENGTH_AT, length, true);
    this.#view.setUint32(at + layout.DESCRIPTOR_CHANNEL_AT, channel, true);
    this.#bytes.set(source, at + layout.DESCRIPTOR_SOURCE_AT);
    this.#view.setUint32(at + layout.DESCRIPTOR_SOURCE_PORT_AT, port, true);
    this.#view.setBigUint64(at + layout.DESCRIPTOR_ARRIVAL_US_AT, nowUs, true);
  }

  /** Status of the n-th packet of the batch that was processed last. */
  status(n: number): number {
    return this.#view.getUint32(
      layout.DESCRIPTORS_AT + n * layout.DESCRIPTOR_BYTES + layout.DESCRIPTOR_STATUS_AT,
      true,
    );
  }

  /** Puts notes, and what outgoing packets are made of, where the core can read them. @returns the address. */
  writeScratch(bytes: Uint8Array): number {
    this.#bytes.set(bytes, layout.SCRATCH_AT);
    return layout.SCRATCH_AT;
  }

  /** Where outgoing packets are built, behind `offset` bytes of input. */
  scratch(offset: number, bytes: number): Uint8Array {
    return this.#bytes.subarray(layout.SCRATCH_AT + offset, layout.SCRATCH_AT + offset + bytes);
  }

  /** The blocks of the last flush: valid until the next. */
  blocks(bytes: number): Uint8Array {
    return this.#bytes.subarray(layout.BLOCKS_AT, layout.BLOCKS_AT + bytes);
  }

  #tell(at: number, value: number): void {
    this.#view.setFloat64(layout.LANE_AT + at, value, true);
  }

  #isRemote(at: number, { address, rtpPort }: { address: Uint8Array; rtpPort: number }): boolean {
    const known = this.#bytes.subarray(at + layout.STREAM_REMOTE_AT, at + layout.STREAM_REMOTE_AT + address.length);
    return (
      this.#view.getUint32(at + layout.STREAM_REMOTE_RTP_PORT_AT, true) === rtpPort &&
      address.every((byte, i) => byte === known[i])
    );
  }

  #stream(slot: number): number {
    return layout.STREAMS_AT + slot * layout.STREAM_BYTES;
  }
}
