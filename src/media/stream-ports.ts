/**
 * Which ports a stream is received at: a pair of its own, or one that it shares with streams of other sources (see
 * assembly/rtp/demultiplex.ts), which costs less per packet and per call.
 */
import { randomInt, randomUUID } from 'node:crypto';
import { addressBytes } from './address.ts';
import type { Lane } from './lane.ts';
import { LaneError } from './lane-life.ts';
import type { StreamSetup } from './lane-protocol.ts';
import { NoPortLeft, PortLeases } from './ports.ts';
import { uuidBytes } from './uuid.ts';

export interface StreamPortsOptions {
  address: string;
  ports: { lo: number; hi: number };
  streamsPerPort: number;
}

/** What a stream needs; the ports are chosen here. */
export type PortlessSetup = Omit<StreamSetup, 'address' | 'rtpPort' | 'rtcpPort' | 'host'>;

export interface BoundStream {
  slot: number;
  setup: StreamSetup;
}

interface SharedPort {
  lane: Lane;
  /** The stream that the sockets are of. */
  opened: Promise<BoundStream>;
  /** Its slot, when it is open. */
  host: number | null;
  streams: number;
  /** What it tells its streams apart by. */
  sources: string[];
}

const PORT_TRIES = 64;
const NO_DESCRIPTOR = new Set(['EMFILE', 'ENFILE']);
/** Of a stream that receives nothing itself. */
const NOBODY = { address: addressBytes('0.0.0.0'), rtpPort: 0, rtcpPort: 0 };
const NO_STREAM = { index: 0, clockRate: 8000, rtcpMux: false, remote: NOBODY, reportTo: null, srtp: null };

export class StreamPorts {
  readonly #options: StreamPortsOptions;
  readonly #leases: PortLeases;
  readonly #shared: SharedPort[] = [];
  readonly #senders = new Map<Lane, Promise<BoundStream>>();
  /** What streams belong to that nothing is recorded of. */
  readonly #nothing = new Map<Lane, Promise<number>>();

  /** @throws RangeError when the range has no pair of ports. */
  constructor(options: StreamPortsOptions) {
    this.#options = options;
    this.#leases = new PortLeases(options.ports.lo, options.ports.hi);
  }

  /** Pairs of ports that are free. */
  get available(): number {
    return this.#leases.available;
  }

  /** Opens a stream. One whose source is not known yet gets ports of its own. Rejects with NoPortLeft or LaneFull; nothing is open then. */
  async bind(lane: Lane, setup: PortlessSetup): Promise<BoundStream> {
    if (this.#options.streamsPerPort === 1 || !setup.remote) return await this.#bindOwn(lane, setup);
    const port = this.#join(lane, setup);
    try {
      const host = await port.opened;
      const { address, rtpPort, rtcpPort } = host.setup;
      const shared: StreamSetup = {
        ...setup,
        address,
        rtpPort,
        rtcpPort: setup.rtcpMux ? null : rtcpPort,
        host: host.slot,
      };
      return { slot: await lane.openStream(shared), setup: shared };
    } catch (error) {
      leave(port, setup);
      throw error;
    }
  }

  /** The stream has another source from now on. */
  moved(lane: Lane, before: StreamSetup, after: StreamSetup): void {
    const port = this.#portOf(lane, before);
    if (!port) return;
    leave(port, before);
    enter(port, after);
  }

  /** The stream is closed. */
  release(lane: Lane, setup: StreamSetup): void {
    const port = this.#portOf(lane, setup);
    if (port) leave(port, setup);
    else this.#leases.giveBack(setup.rtpPort, performance.now());
  }

  /** A pair of ports of a lane that sinks send from when they have none of their own: nothing is taken there. */
  senders(lane: Lane): Promise<BoundStream> {
    return ofLane(this.#senders, lane, () => this.#openHidden(lane, false));
  }

  #portOf(lane: Lane, { host }: StreamSetup): SharedPort | undefined {
    return host === null ? undefined : this.#shared.find((port) => port.lane === lane && port.host === host);
  }

  #join(lane: Lane, setup: PortlessSetup): SharedPort {
    const { streamsPerPort } = this.#options;
    const sources = sourcesOf(setup);
    let port = this.#shared.find(
      (one) =>
        one.lane === lane && one.streams < streamsPerPort && !sources.some((source) => one.sources.includes(source)),
    );
    port ??= this.#openShared(lane);
    enter(port, setup);
    return port;
  }

  #openShared(lane: Lane): SharedPort {
    const port: SharedPort = { lane, opened: this.#openHidden(lane, true), host: null, streams: 0, sources: [] };
    this.#shared.push(port);
    port.opened.then(
      ({ slot }) => {
        port.host = slot;
      },
      () => this.#shared.splice(this.#shared.indexOf(port), 1),
    );
    return port;
  }

  /** Sockets that are not those of one stream. */
  async #openHidden(lane: Lane, isSharedPort: boolean): Promise<BoundStream> {
    const recording = await ofLane(this.#nothing, lane, () => lane.openRecording(uuidBytes(randomUUID()), false));
    return await this.#bindOwn(lane, { ...NO_STREAM, recording, isSharedPort, ownSsrc: randomInt(1, 0xffff_ffff) });
  }

  async #bindOwn(lane: Lane, setup: PortlessSetup): Promise<BoundStream> {
    const { address } = this.#options;
    for (let tries = 0; tries < PORT_TRIES; tries++) {
      const rtpPort = this.#leases.lease(performance.now());
      const bound: StreamSetup = {
        ...{ ...setup, address, rtpPort, rtcpPort: setup.rtcpMux ? null : rtpPort + 1, host: null },
      };
      try {
        return { slot: await lane.openStream(bound), setup: bound };
      } catch (error) {
        this.#leases.giveBack(rtpPort, performance.now());
        if (!(error instanceof LaneError)) throw error;
        if (NO_DESCRIPTOR.has(error.code)) {
          throw new NoPortLeft('no file descriptor left for another media socket: raise the limit (ulimit -n)');
        }
        if (error.code !== 'EADDRINUSE') throw error;
      }
    }
    throw new NoPortLeft(
      `${PORT_TRIES} media ports in a row are in use by others: give the recorder a range of its own`,
    );
  }
}

/** What there is one of in a lane, opened when it is needed first; who needs it after that has failed tries again. */
function ofLane<T>(opened: Map<Lane, Promise<T>>, lane: Lane, open: () => Promise<T>): Promise<T> {
  const known = opened.get(lane);
  if (known) return known;
  const opening = open();
  opened.set(lane, opening);
  opening.catch(() => opened.delete(lane));
  return opening;
}

function enter(port: SharedPort, setup: PortlessSetup): void {
  port.streams += 1;
  port.sources.push(...sourcesOf(setup));
}

function leave(port: SharedPort, setup: PortlessSetup): void {
  port.streams -= 1;
  for (const source of sourcesOf(setup)) port.sources.splice(port.sources.indexOf(source), 1);
}

/**
 * One for RTP, and one for RTCP that comes from elsewhere. Streams of one session have ports of their own, for a port that stands twice in
 * one session description means a BUNDLE group (RFC 8843 section 7.1).
 */
function sourcesOf({ recording, remote, rtcpMux, signalledSsrc }: PortlessSetup): string[] {
  const session = `session ${recording}`;
  if (!remote) return [session];
  const address = Buffer.from(remote.address).toString('hex');
  const rtp = `rtp ${address} ${remote.rtpPort} ${signalledSsrc ?? 'any'}`;
  return rtcpMux ? [session, rtp] : [session, rtp, `rtcp ${address} ${remote.rtcpPort} ${signalledSsrc ?? 'any'}`];
}
