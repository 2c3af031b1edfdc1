// One outgoing RTP stream: what is sent when, what is held back, and the sender reports in between (RFC 3550 6.4.1).
//
// The packets come from a script: either a library of encoded audio on a fixed ptime, or the packets of a capture at the
// times they had there. The sender applies the impairment and keeps the ledger.

import { DELAY, DUPLICATE, type Impairment, WITHHOLD } from './impairment.ts';
import { SentLedger, type SentPackets } from './ledger.ts';
import type { LegSocket } from './leg-socket.ts';
import type { PacedSender } from './pacer.ts';
import { buildSenderReport } from './rtcp.ts';
import type { SrtpLeg } from './srtp-outlet.ts';

/** The packets of a stream, in the order and at the times in which they would be sent without impairment. */
export interface PacketScript {
  /** How many packets there are. */
  readonly count: number;
  readonly ssrc: number;
  readonly clockRate: number;
  /** When packet `index` is due, milliseconds after the start of the stream. */
  offsetMs(index: number): number;
  extSeq(index: number): number;
  /** RTP time of the packet, not reduced to 32 bits. */
  timestamp(index: number): number;
  /** The packet ready to send; valid until the next call. `marker` asks for the marker bit of a new talkspurt. */
  packet(index: number, marker: boolean): Uint8Array;
  /** The packet is not sent because the stream is held: later ones move up, so that no sequence number is missing. */
  skip(index: number): void;
  /** Numbers that several packets have: copies that the capture has. */
  readonly repeated?: ReadonlySet<number>;
  /** The network still uses the packet given last: the script must not write to that buffer again. */
  retire(index: number): void;
}

export interface SenderOptions {
  script: PacketScript;
  socket: LegSocket;
  /** Null: packets leave in the clear. */
  srtp: SrtpLeg | null;
  impairment: Impairment;
  /** Start of the schedule, on the clock of performance.now(). */
  startMs: number;
  cname: string;
}

/** RFC 3550 6.2: the minimum interval of a session with two parties is five seconds. */
const REPORT_INTERVAL_MS = 5000;
/** The first report comes early, so that short calls can be aligned by it, too. */
const FIRST_REPORT_MS = 500;

export class RtpSender implements PacedSender {
  dueMs: number;
  /** Resolves when the last packet has left or `stop` was called. */
  readonly finished: Promise<void>;
  private resolveFinished: () => void = () => {};
  private readonly script: PacketScript;
  private readonly socket: LegSocket;
  private readonly srtp: SrtpLeg | null;
  private readonly impairment: Impairment;
  private readonly startMs: number;
  private readonly cname: string;
  private readonly ledger = new SentLedger();
  private index = 0;
  private delayedIndex = -1;
  private delayedFate = 0;
  private talkspurt = true;
  private held = false;
  private reportDueMs: number;
  private octets = 0;
  private transmissions = 0;
  private lastTimestamp = 0;
  private lastDueMs = 0;
  private done = false;

  constructor(options: SenderOptions) {
    this.script = options.script;
    this.socket = options.socket;
    this.srtp = options.srtp;
    this.srtp?.expectAgain(options.script.repeated ?? new Set());
    if (this.srtp) this.srtp.onLeft = (extSeq) => this.ledger.add(extSeq);
    this.impairment = options.impairment;
    this.startMs = options.startMs;
    this.cname = options.cname;
    this.dueMs = options.startMs + options.script.offsetMs(0);
    this.reportDueMs = options.startMs + FIRST_REPORT_MS;
    this.finished = new Promise((resolve) => {
      this.resolveFinished = resolve;
    });
  }

  get ssrc(): number {
    return this.script.ssrc;
  }

  packets(): SentPackets {
    return this.ledger.packets();
  }

  /** Stops or lets go on (a recorder's `inactive`); while held, time passes and no sequence number is used up. */
  hold(on: boolean): void {
    this.held = on;
  }

  fire(nowMs: number): boolean {
    if (this.done) return false;
    const index = this.index++;
    const last = this.index >= this.script.count;
    this.offer(index, last);
    if (nowMs >= this.reportDueMs && this.transmissions > 0) this.report(nowMs);
    if (last) this.end(nowMs);
    else this.dueMs = this.startMs + this.script.offsetMs(this.index);
    return !last;
  }

  /** Ends the stream now: what was delayed leaves, then RTCP BYE. */
  stop(): void {
    if (!this.done) this.end(performance.now());
  }

  private offer(index: number, last: boolean): void {
    const fate = this.impairment.next(index === 0, last);
    if (this.held) {
      this.releaseDelayed();
      this.script.skip(index);
      this.talkspurt = true;
      return;
    }
    if ((fate & WITHHOLD) !== 0) return;
    if ((fate & DELAY) !== 0 && this.delayedIndex < 0 && !this.talkspurt) {
      this.delayedIndex = index;
      this.delayedFate = fate;
      return;
    }
    this.transmit(index, fate);
    this.releaseDelayed();
  }

  private releaseDelayed(): void {
    if (this.delayedIndex < 0) return;
    const index = this.delayedIndex;
    this.delayedIndex = -1;
    this.transmit(index, this.delayedFate);
  }

  private transmit(index: number, fate: number): void {
    const { script, ledger } = this;
    const packet = script.packet(index, this.talkspurt);
    this.talkspurt = false;
    const extSeq = script.extSeq(index);
    const copies = (fate & DUPLICATE) !== 0 ? 2 : 1;
    this.transmissions += copies;
    this.octets += copies * (packet.length - 12);
    if (this.srtp) this.srtp.send(packet, extSeq, copies);
    else {
      for (let n = 0; n < copies; n++) {
        if (!this.socket.send(packet)) script.retire(index);
        ledger.add(extSeq);
      }
    }
    this.lastTimestamp = script.timestamp(index);
    this.lastDueMs = this.startMs + script.offsetMs(index);
  }

  private report(nowMs: number): void {
    while (this.reportDueMs <= nowMs) this.reportDueMs += REPORT_INTERVAL_MS;
    this.sendRtcp(this.senderReport(nowMs, false));
  }

  private sendRtcp(packet: Uint8Array): void {
    if (this.srtp) this.srtp.sendRtcp(packet);
    else this.socket.sendRtcp(packet);
  }

  // The report's RTP time belongs to the schedule, not to the moment at which a late packet left.
  private senderReport(nowMs: number, bye: boolean): Uint8Array {
    const sinceLastMs = nowMs - this.lastDueMs;
    return buildSenderReport(
      {
        ssrc: this.script.ssrc,
        wallMs: performance.timeOrigin + nowMs,
        rtpTimestamp: Math.round(this.lastTimestamp + (sinceLastMs * this.script.clockRate) / 1000),
        packetCount: this.transmissions,
        octetCount: this.octets,
        cname: this.cname,
      },
      bye,
    );
  }

  private end(nowMs: number): void {
    this.done = true;
    this.releaseDelayed();
    if (this.transmissions > 0) this.sendRtcp(this.senderReport(nowMs, true));
    this.resolveFinished();
  }
}
