// The RTP and RTCP sockets of one leg: a pair of neighbouring ports (RFC 3550 section 11), as a real recording client has
// them, so that a recorder which binds a stream to its signalled source is exercised.
//
// The sockets are not connected: a connected one reports the peer's closed port on the next packet and drops it, which
// would make the counts depend on the peer. Packets go to the kernel at once, so a buffer may be used again after `send`.

import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';

/** Where a leg's packets go. */
export interface MediaTarget {
  address: string;
  rtpPort: number;
  rtcpPort: number;
}

/** Ports to try for legs, `lo` and `hi` included. */
export interface PortRange {
  lo: number;
  hi: number;
}

/** Addresses are numbers always: skipping the resolver saves a closure and a turn of the event loop per packet. */
function numericLookup(host: string, options: unknown, callback?: unknown): void {
  const done = (typeof options === 'function' ? options : callback) as (
    e: null,
    address: string,
    family: number,
  ) => void;
  done(null, host, isIPv6(host) ? 6 : 4);
}

/** Gives out port pairs of a range, one after another; pairs in use elsewhere are left out. */
export class LegPorts {
  private next: number;
  private readonly lo: number;
  private readonly hi: number;

  constructor(range: PortRange) {
    this.lo = range.lo + (range.lo & 1);
    this.hi = range.hi;
    if (this.hi < this.lo + 1) throw new RangeError(`no pair of ports in ${range.lo}-${range.hi}`);
    this.next = this.lo;
  }

  /**
   * Opens the sockets of a leg.
   * @throws Error when no pair of the range is free, or the address is not one of this machine
   */
  async open(address: string): Promise<LegSocket> {
    const pairs = Math.floor((this.hi - this.lo + 1) / 2);
    for (let tried = 0; tried < pairs; tried++) {
      const port = this.next;
      this.next = port + 2 + 1 > this.hi ? this.lo : port + 2;
      const rtp = await bind(address, port);
      if (rtp === null) continue;
      const rtcp = await bind(address, port + 1);
      if (rtcp !== null) return new LegSocket(address, port, rtp, rtcp);
      rtp.close();
    }
    throw new Error(`no free pair of ports in ${this.lo}-${this.hi}`);
  }
}

function bind(address: string, port: number): Promise<Socket | null> {
  return new Promise((resolve, reject) => {
    const socket = createSocket({ type: isIPv6(address) ? 'udp6' : 'udp4', lookup: numericLookup });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      socket.close();
      if (error.code === 'EADDRINUSE') resolve(null);
      else reject(new Error(`can't bind ${address}:${port}: ${error.message}`, { cause: error }));
    });
    socket.bind({ address, port, exclusive: true }, () => {
      socket.removeAllListeners('error');
      socket.unref();
      resolve(socket);
    });
  });
}

export class LegSocket {
  readonly address: string;
  readonly rtpPort: number;
  /** Packets that the kernel refused; the ledger counts them as sent, so a report with any is not exact. */
  refusedPackets = 0;
  /** Receiver reports and other RTCP that came back. */
  rtcpReceived = 0;
  /** Whether a packet at the RTCP port is one. */
  onRtcp: (packet: Uint8Array) => boolean = () => true;
  private target: MediaTarget | null = null;
  private closed = false;
  private readonly rtp: Socket;
  private readonly rtcp: Socket;

  constructor(address: string, port: number, rtp: Socket, rtcp: Socket) {
    this.address = address;
    this.rtpPort = port;
    this.rtp = rtp;
    this.rtcp = rtcp;
    const ignore = () => {};
    rtp.on('error', ignore);
    rtcp.on('error', ignore);
    rtcp.on('message', (packet) => {
      if (this.onRtcp(packet)) this.rtcpReceived++;
    });
  }

  aim(target: MediaTarget): void {
    this.target = target;
  }

  /** Sends an RTP packet to the target. False when the kernel did not take it at once: then it still uses the buffer. */
  send(packet: Uint8Array): boolean {
    const target = this.target;
    if (target === null || this.closed) return true;
    this.rtp.send(packet, target.rtpPort, target.address, this.onSent);
    return this.rtp.getSendQueueCount() === 0;
  }

  sendRtcp(packet: Uint8Array): void {
    const target = this.target;
    if (target !== null && !this.closed) this.rtcp.send(packet, target.rtcpPort, target.address, this.onSent);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.rtp.close();
    this.rtcp.close();
  }

  private readonly onSent = (error: Error | null): void => {
    if (error !== null) this.refusedPackets++;
  };
}
