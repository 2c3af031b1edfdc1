/** What the receivers of a lane's sinks are told by RTCP while a sink is there, and when it goes. */
import type { MediaCore } from './core.ts';
import type { SinkSetup } from './lane-protocol.ts';
import { CHANNEL_RTCP, CHANNEL_RTP } from './memory.ts';
import type { LaneSockets } from './sockets.ts';

export class SinkReports {
  readonly #core: MediaCore;
  readonly #sockets: Pick<LaneSockets, 'sendFrom'>;
  readonly #cname: Uint8Array;

  constructor(core: MediaCore, sockets: Pick<LaneSockets, 'sendFrom'>, cname: Uint8Array) {
    this.#core = core;
    this.#sockets = sockets;
    this.#cname = cname;
  }

  /** The report that is due. */
  send(slot: number, setup: SinkSetup, nowUs: bigint): void {
    if (setup.remote.rtcpPort !== undefined) this.#report(slot, setup, nowUs, false);
  }

  /** The sink is about to be closed (RFC 3550 section 6.6): the last that is sent of its SSRC. */
  sayBye(slot: number, setup: SinkSetup, nowUs: bigint): void {
    if (setup.remote.rtcpPort !== undefined) this.#report(slot, setup, nowUs, true);
  }

  #report(slot: number, { via, remote }: SinkSetup, nowUs: bigint, isLast: boolean): void {
    const report = this.#core.sinkReport(slot, nowUs, Date.now(), this.#cname, isLast);
    // With rtcp-mux it leaves from the port that media leaves from, as it goes to the one that media goes to (RFC 5761).
    const channel = remote.rtcpPort === remote.rtpPort ? CHANNEL_RTP : CHANNEL_RTCP;
    if (report) this.#sockets.sendFrom(via, channel, report, remote.address, remote.rtcpPort!);
  }
}
