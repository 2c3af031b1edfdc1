/** Media Stream Replication: streams of a session, sent to others while they run (RFC 7866: to a recorder). */
import { randomInt } from 'node:crypto';
import { addressBytes, isPort } from './address.ts';
import type { Lane } from './lane.ts';
import type { Destination, SinkSetup } from './lane-protocol.ts';
import type { SinkCounts } from './sink-memory.ts';
import { REPORT_MS } from './sink-reports.ts';
import { checkSrtpKeys, type SrtpKeys } from './srtp-suites.ts';

/** Tr of RFC 6263 section 7. */
const KEEP_ALIVE_MS = 15_000;

export interface SinkOptions {
  /**
   * Where its packets and its reports go; no reports without `rtcpPort`, and rtcp-mux when both ports are one (RFC 5761). What the receiver reports is taken from there (symmetric
   * RTCP, RFC 4961): from `rtcpPort`, or the port behind the RTP port.
   *
   * `learned`: where the packets of the stream `via` come from, wherever that is by and by; nothing is sent while that is not known.
   */
  remote: Destination | 'learned';
  /** Keys of the sink's own, which no other stream may have; null or left out: it goes in the clear. */
  srtp?: SrtpKeys | null;
  /**
   * Keys that its receiver reports under. Without them the reports on a sink with keys are not authentic, and do not count. What the party of
   * `via` reports comes under the keys of its stream.
   */
  receiveSrtp?: SrtpKeys | null;
  /** Payload types that have another number there. */
  payloadTypes?: { from: number; to: number }[];
  /** Number of the stream of the session from whose ports it leaves (symmetric RTP, RFC 4961); the lane's sending ports when left out. */
  via?: number;
  /** Longest silence at its RTP port, which an empty datagram ends (RFC 6263 sections 4.1 and 7): 15,000, and not less than 5,000. */
  keepAliveMs?: number;
  /** Begins paused. */
  paused?: boolean;
  /**
   * Begins with the past of the stream, as far as it keeps it or for so many seconds at most: of a stream that has fallen silent they reach back
   * less far. Not for a sink that begins paused.
   */
  lookBack?: boolean | number;
}

export interface SinkStats extends SinkCounts {
  ssrc: number;
}

/** What a sink needs to know of the stream and of the way out. */
export interface SinkPlace {
  /** Null: none, what it sends is the lane's own. */
  stream: number | null;
  clockRate: number;
  /** How far back the stream's packets are kept. */
  lookBackSeconds: number;
  via: number;
  local: { address: string; rtpPort: number; rtcpPort: number };
}

/** One stream that is sent to somebody. */
export class Sink {
  /** Where its packets come from: what an offer names. */
  readonly local: SinkPlace['local'];
  /** Its place in the lane. */
  readonly slot: number;
  readonly #lane: Lane;
  readonly #onRemoved: (sink: Sink) => void;
  #removed: Promise<SinkStats> | null = null;

  private constructor(lane: Lane, slot: number, local: SinkPlace['local'], onRemoved: (sink: Sink) => void) {
    this.#lane = lane;
    this.slot = slot;
    this.local = local;
    this.#onRemoved = onRemoved;
  }

  /** @throws RangeError for keys or payload types that cannot be. Rejects with LaneFull. */
  static async open(
    lane: Lane,
    place: SinkPlace,
    options: SinkOptions,
    onRemoved: (sink: Sink) => void,
  ): Promise<Sink> {
    const slot = await lane.openSink(sinkSetup(place, options));
    return new Sink(lane, slot, localOf(place, options.remote), onRemoved);
  }

  /** Another one after the lane was started again. @throws RangeError when the sink was removed. */
  get ssrc(): number {
    if (this.#removed) throw new RangeError('the sink was removed');
    return this.#lane.sinkSetup(this.slot).ssrc;
  }

  /** No packet leaves from now on; what is left of a look-back is dropped. */
  async pause(): Promise<void> {
    if (!this.#removed) await this.#lane.pauseSink(this.slot, true);
  }

  /** Sequence numbers go on where they were, timestamps with the time that has gone by. */
  async resume(): Promise<void> {
    if (!this.#removed) await this.#lane.pauseSink(this.slot, false);
  }

  /** @throws RangeError when the sink was removed: `remove` has told the last ones. */
  stats(): SinkStats {
    return { ssrc: this.ssrc, ...this.#lane.sinkCounts(this.slot) };
  }

  /** Resolves to what it has sent to its end. */
  remove(): Promise<SinkStats> {
    this.#removed ??= this.#remove(this.ssrc);
    return this.#removed;
  }

  async #remove(ssrc: number): Promise<SinkStats> {
    const counts = await this.#lane.closeSink(this.slot);
    this.#onRemoved(this);
    return { ssrc, ...counts };
  }
}

/** With rtcp-mux reports leave from the port that media leaves from. */
function localOf({ local }: SinkPlace, remote: SinkOptions['remote']): SinkPlace['local'] {
  return remote !== 'learned' && remote.rtcpPort === remote.rtpPort ? { ...local, rtcpPort: local.rtpPort } : local;
}

function sinkSetup(place: SinkPlace, options: SinkOptions): SinkSetup {
  const { remote, srtp = null, receiveSrtp = null, payloadTypes = [], paused = false } = options;
  const { keepAliveMs = KEEP_ALIVE_MS } = options;
  if (!(keepAliveMs >= REPORT_MS)) throw new RangeError(`a keep-alive every ${keepAliveMs} ms: ${REPORT_MS} or more`);
  if (remote === 'learned') {
    if (options.via === undefined) throw new RangeError('learned from which stream? `via` is missing');
  } else {
    addressBytes(remote.address); // a wrong one is the caller's mistake: say so at once
    for (const port of [remote.rtpPort, remote.rtcpPort ?? remote.rtpPort]) {
      if (!isPort(port)) throw new RangeError(`port ${port}: 1 to 65535`);
    }
  }
  for (const keys of [srtp, receiveSrtp]) if (keys) checkSrtpKeys(keys);
  if (receiveSrtp && !srtp) throw new RangeError('keys to receive reports with, but none to send with');
  for (const type of payloadTypes.flatMap(({ from, to }) => [from, to])) {
    if (!Number.isInteger(type) || type < 0 || type > 127) throw new RangeError(`payload type ${type}: 0 to 127`);
  }
  const { stream, clockRate, via } = place;
  const lookBackSeconds = lookBackOf(place, options);
  return {
    stream,
    clockRate,
    via,
    remote,
    srtp,
    receiveSrtp,
    payloadTypes,
    paused,
    keepAliveMs,
    lookBackSeconds,
    ...randomStart(),
  };
}

function lookBackOf({ lookBackSeconds }: SinkPlace, { lookBack = false, paused = false }: SinkOptions): number {
  if (lookBack === false) return 0;
  const seconds = lookBack === true ? lookBackSeconds : lookBack;
  if (!(seconds > 0)) throw new RangeError(`a look-back of ${seconds} s`);
  if (lookBackSeconds === 0) throw new RangeError('a look-back, but the stream keeps nothing');
  if (paused) throw new RangeError('a sink that begins paused has no look-back');
  return seconds;
}

/** SSRC, sequence number and timestamp to begin with (RFC 3550 section 5.1). The first number is below 2^15, so that no receiver misses a wrap. */
export function randomStart(): Pick<SinkSetup, 'ssrc' | 'firstSeq' | 'firstTimestamp'> {
  return { ssrc: randomInt(1, 0xffff_ffff), firstSeq: randomInt(0, 0x8000), firstTimestamp: randomInt(0, 0xffff_ffff) };
}
