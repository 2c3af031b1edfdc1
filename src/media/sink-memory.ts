/** Sinks as they lie in lane memory, and the outgoing packets that the core makes for them (see assembly/replicate/). */
import * as layout from '../../assembly/layout.ts';

export { MAX_SENDS, MAX_SINKS } from '../../assembly/layout.ts';

/** A stream that is sent to somebody as another stream. */
export interface SinkState {
  /** Slots of the stream that is replicated (null: none is, it is of the lane's own), and of the one whose sockets it leaves from. */
  stream: number | null;
  via: number;
  ssrc: number;
  /** Of its first packet, random (RFC 3550 section 5.1). */
  firstSeq: number;
  firstTimestamp: number;
  /** Hz. */
  clockRate: number;
  /** Payload types that have another number at the sink. */
  payloadTypes: { from: number; to: number }[];
  paused: boolean;
  isSrtp: boolean;
  /** There are keys for what its receiver reports. */
  hasReportKeys?: boolean;
}

/** What the receiver of a sink has reported of it (RFC 3550 section 6.4.1). */
export interface SinkReport {
  /** Since the report before, 0 to 1. */
  fractionLost: number;
  /** Negative when there were more copies than losses. */
  cumulativeLost: number;
  /** Cycles of 2^16 in the upper 16 bits, highest sequence number in the lower. */
  highestSeq: number;
  jitterMs: number;
  /** Null when the receiver does not name one of the last two sender reports. */
  roundTripMs: number | null;
  /** When it came, monotonic (`process.hrtime`). */
  atMs: number;
}

/** What a sink has sent. */
export interface SinkCounts {
  packets: number;
  /** Of payload. */
  octets: number;
  /** Packets that came too late to have a number: from before a pause, or a change of the source. */
  late: number;
  /** Packets that could not be protected, for the key is exhausted. */
  unprotected: number;
  /** Packets that the network did not take. */
  sendErrors: number;
  /** Packets that had nowhere to go, while it was not known where the party it follows sends from. */
  undirected: number;
  /** The receiver's newest report; null: none has come. */
  receiverReport: SinkReport | null;
  /** The receiver has said BYE, and has reported nothing since. It is sent to all the same. */
  bye: boolean;
  /** RTCP of the receiver that is malformed, or not under the keys that it should be under; with the newest of several sinks to one port. */
  invalidReports: number;
  unauthenticatedReports: number;
  /** Of the packets: those that it got from the look-back ring of its stream. */
  lookBackPackets: number;
  /** It has not got all of the past yet. */
  isLookingBack: boolean;
  /** Packets that the ring had forgotten before the sink got them, for there was no room. */
  skipped: number;
}

export class SinkMemory {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(memory: WebAssembly.Memory) {
    this.#bytes = new Uint8Array(memory.buffer);
    this.#view = new DataView(memory.buffer);
  }

  /** The core is to be told of it then. */
  write(sink: number, state: SinkState): void {
    const at = sinkAt(sink);
    this.#bytes.fill(0, at, at + layout.SINK_BYTES);
    for (let type = 0; type < 128; type++) this.#bytes[at + layout.SINK_PAYLOAD_TYPES_AT + type] = type;
    for (const { from, to } of state.payloadTypes) this.#bytes[at + layout.SINK_PAYLOAD_TYPES_AT + from] = to;
    let flags = layout.SINK_OPEN | layout.SINK_ANCHORING;
    if (state.isSrtp) flags |= layout.SINK_SRTP;
    if (state.hasReportKeys) flags |= layout.SINK_SRTP_REPORTS;
    if (state.paused) flags |= layout.SINK_PAUSED;
    if (state.stream === null) flags |= layout.SINK_OWN;
    this.#set(at + layout.SINK_FLAGS_AT, flags);
    this.#set(at + layout.SINK_STREAM_AT, state.stream ?? 0);
    this.#set(at + layout.SINK_VIA_AT, state.via);
    this.#set(at + layout.SINK_SSRC_AT, state.ssrc);
    this.#set(at + layout.SINK_NEXT_SEQ_AT, state.firstSeq);
    this.#set(at + layout.SINK_TIMESTAMP_AT, state.firstTimestamp);
    this.#set(at + layout.SINK_CLOCK_RATE_AT, state.clockRate);
  }

  setPaused(sink: number, paused: boolean): void {
    this.#hold(sink, layout.SINK_PAUSED, paused);
  }

  /** Until it is known where it goes. */
  setWaiting(sink: number, isWaiting: boolean): void {
    this.#hold(sink, layout.SINK_WAITING, isWaiting);
  }

  /** What comes behind begins anew. */
  #hold(sink: number, flag: number, isHeld: boolean): void {
    const at = sinkAt(sink) + layout.SINK_FLAGS_AT;
    const flags = this.#view.getUint32(at, true) & ~flag;
    this.#set(at, flags | (isHeld ? flag | layout.SINK_ANCHORING : 0));
  }

  counts(sink: number): SinkCounts {
    const read = (at: number) => this.#view.getUint32(sinkAt(sink) + at, true);
    return {
      packets: read(layout.SINK_PACKETS_AT),
      octets: Number(this.#view.getBigUint64(sinkAt(sink) + layout.SINK_OCTETS_AT, true)),
      late: read(layout.SINK_LATE_AT),
      unprotected: read(layout.SINK_UNPROTECTED_AT),
      sendErrors: read(layout.SINK_SEND_ERRORS_AT),
      undirected: read(layout.SINK_UNDIRECTED_AT),
      receiverReport: this.#report(sinkAt(sink)),
      bye: read(layout.SINK_GONE_AT) !== 0,
      invalidReports: read(layout.SINK_INVALID_REPORTS_AT),
      unauthenticatedReports: read(layout.SINK_UNAUTHENTICATED_REPORTS_AT),
      lookBackPackets: read(layout.SINK_LOOK_BACK_PACKETS_AT),
      isLookingBack: read(layout.SINK_CURSOR_AT) !== 0,
      skipped: read(layout.SINK_SKIPPED_AT),
    };
  }

  #report(at: number): SinkReport | null {
    const atUs = Number(this.#view.getBigUint64(at + layout.SINK_REPORT_US_AT, true));
    if (atUs === 0) return null;
    const loss = this.#view.getInt32(at + layout.SINK_REPORT_LOSS_AT, true);
    const roundTrip = this.#view.getUint32(at + layout.SINK_ROUND_TRIP_AT, true);
    const jitter = this.#view.getUint32(at + layout.SINK_REPORT_JITTER_AT, true);
    return {
      fractionLost: (loss >>> 24) / 256,
      cumulativeLost: (loss << 8) >> 8,
      highestSeq: this.#view.getUint32(at + layout.SINK_REPORT_HIGHEST_SEQ_AT, true),
      jitterMs: (jitter * 1000) / this.#view.getUint32(at + layout.SINK_CLOCK_RATE_AT, true),
      roundTripMs: roundTrip === 0 ? null : (roundTrip - 1) / 1000,
      atMs: atUs / 1000,
    };
  }

  /** When the newest packet that it has sent had come, monotonic; 0: it has sent none. */
  lastSentUs(sink: number): number {
    return Number(this.#view.getBigUint64(sinkAt(sink) + layout.SINK_ARRIVAL_US_AT, true));
  }

  /** Whether one of them gets packets of a look-back ring still. */
  get areLookingBack(): boolean {
    return this.#view.getUint32(layout.LANE_AT + layout.LANE_REPLAY_SINKS_AT, true) > 0;
  }

  countSendError(sink: number): void {
    const at = sinkAt(sink) + layout.SINK_SEND_ERRORS_AT;
    this.#set(at, this.#view.getUint32(at, true) + 1);
  }

  /** Of the n-th outgoing packet. */
  sinkOf(n: number): number {
    return this.#view.getUint32(layout.SENDS_AT + n * layout.SEND_BYTES + layout.SEND_SINK_AT, true);
  }

  offsetOf(n: number): number {
    return this.#view.getUint32(layout.SENDS_AT + n * layout.SEND_BYTES + layout.SEND_OFFSET_AT, true);
  }

  /** 0: it must not be sent. */
  lengthOf(n: number): number {
    return this.#view.getUint32(layout.SENDS_AT + n * layout.SEND_BYTES + layout.SEND_LENGTH_AT, true);
  }

  /** The n-th outgoing packet: valid until the next are made. */
  packet(n: number): Uint8Array {
    return this.#bytes.subarray(this.offsetOf(n), this.offsetOf(n) + this.lengthOf(n));
  }

  #set(at: number, value: number): void {
    this.#view.setUint32(at, value >>> 0, true);
  }
}

function sinkAt(sink: number): number {
  return layout.SINKS_AT + sink * layout.SINK_BYTES;
}
