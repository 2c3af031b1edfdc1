/**
 * What the receivers of a lane's sinks are told while a sink is there, and when it goes: reports, BYE, and that there is a way still.
 *
 * Keep-alives (RFC 6263) are for bindings of NATs that would forget a silent flow. RTCP has its reports; with rtcp-mux they keep the one flow
 * there is, as section 5 recommends. The RTP flow of others gets an empty datagram (4.1) while the sink has nothing to send: a packet of an
 * unknown payload type (4.6) would take a sequence number, and a recorder would count as media what is none, and as lost what is lost of it.
 */
import type { MediaCore } from './core.ts';
import type { Destination, SinkSetup } from './lane-protocol.ts';
import { CHANNEL_RTCP, CHANNEL_RTP } from './memory.ts';
import { MAX_SINKS } from './sink-memory.ts';
import type { LaneSockets } from './sockets.ts';

/** Each sink has its turn as often as this. */
export const REPORT_MS = 5_000;
const NOTHING = new Uint8Array(0);

export class SinkReports {
  readonly #core: MediaCore;
  readonly #sockets: Pick<LaneSockets, 'sendFrom'>;
  readonly #destinationOf: (slot: number) => Destination | null;
  readonly #cname: Uint8Array;
  /** By sink: when it was opened, or when its last keep-alive left. */
  readonly #keptUs = new Float64Array(MAX_SINKS);

  constructor(
    core: MediaCore,
    sockets: Pick<LaneSockets, 'sendFrom'>,
    destinationOf: (slot: number) => Destination | null,
    cname: Uint8Array,
  ) {
    this.#core = core;
    this.#sockets = sockets;
    this.#destinationOf = destinationOf;
    this.#cname = cname;
  }

  open(slot: number, nowUs: bigint): void {
    this.#keptUs[slot] = Number(nowUs);
  }

  /** Its turn: the report that is due, and what keeps its way open if it is to be silent for too long by its next turn. */
  send(slot: number, { via, keepAliveMs }: SinkSetup, nowUs: bigint): void {
    const to = this.#destinationOf(slot);
    if (!to) return;
    this.#report(slot, via, to, nowUs, false);
    if (to.rtcpPort === to.rtpPort) return;
    const silentUs = Number(nowUs) - Math.max(this.#keptUs[slot]!, this.#core.sinks.lastSentUs(slot));
    if (silentUs <= (keepAliveMs - REPORT_MS) * 1000) return;
    this.#keptUs[slot] = Number(nowUs);
    this.#sockets.sendFrom(via, CHANNEL_RTP, NOTHING, to.address, to.rtpPort);
  }

  /** The sink is about to be closed (RFC 3550 section 6.6): the last that is sent of its SSRC. */
  sayBye(slot: number, { via }: SinkSetup, nowUs: bigint): void {
    const to = this.#destinationOf(slot);
    if (to) this.#report(slot, via, to, nowUs, true);
  }

  #report(slot: number, via: number, to: Destination, nowUs: bigint, isLast: boolean): void {
    if (to.rtcpPort === undefined) return;
    const report = this.#core.sinkReport(slot, nowUs, Date.now(), this.#cname, isLast);
    // With rtcp-mux it leaves from the port that media leaves from, as it goes to the one that media goes to (RFC 5761).
    const channel = to.rtcpPort === to.rtpPort ? CHANNEL_RTP : CHANNEL_RTCP;
    if (report) this.#sockets.sendFrom(via, channel, report, to.address, to.rtcpPort);
  }
}
