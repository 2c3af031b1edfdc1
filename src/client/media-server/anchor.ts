/**
 * The media of a conversation while it flows through here: each end sends to ports of ours and hears the others from there (symmetric RTP,
 * RFC 4961). What an end sends is a stream of a media session, where recorders find it; a party that takes the place of another one takes over
 * its end, so that whoever gets that stream goes on getting it.
 */
import type { MediaEngine, MediaSession, PayloadType, Sink } from '../../media/index.ts';
import { LegMedia, type NegotiatedMedia, type Origin } from './leg-media.ts';

export interface AnchorOptions {
  engine: MediaEngine;
  /** That descriptions of ours name. */
  address: string;
  /** What an end's stream keeps for recorders that are yet to come. */
  lookBackSeconds: number;
}

/** Until an end says what it sends. */
const UNKNOWN: PayloadType[] = [{ payloadType: 0, encoding: 'PCMU', clockRate: 8000, channels: 1, fmtp: null }];

/** Where one party is connected. */
export class AnchorEnd {
  /** Of the stream that it sends. */
  readonly stream: number;
  readonly rtpPort: number;
  readonly rtcpPort: number;
  /** Null: nothing is agreed yet. */
  media: NegotiatedMedia | null = null;
  /** What it hears. */
  sink: Sink | null = null;

  constructor({ stream, rtpPort, rtcpPort }: { stream: number; rtpPort: number; rtcpPort: number }) {
    this.stream = stream;
    this.rtpPort = rtpPort;
    this.rtcpPort = rtcpPort;
  }
}

export class Anchor {
  readonly session: MediaSession;
  readonly #options: AnchorOptions;
  readonly #ends: AnchorEnd[] = [];
  /** Changes of streams and sinks come one after another. */
  #changes: Promise<unknown> = Promise.resolve();

  private constructor(session: MediaSession, options: AnchorOptions) {
    this.session = session;
    this.#options = options;
  }

  /** Rejects with NoPortLeft or LaneFull; nothing is open then. */
  static async open(options: AnchorOptions): Promise<Anchor> {
    const anchor = new Anchor(await options.engine.openSession(), options);
    try {
      await anchor.addEnd();
      await anchor.addEnd();
      return anchor;
    } catch (error) {
      await anchor.close();
      throw error;
    }
  }

  get ends(): readonly AnchorEnd[] {
    return this.#ends;
  }

  async addEnd(): Promise<AnchorEnd> {
    const { lookBackSeconds } = this.#options;
    const channel = this.#ends.length;
    const { index, rtpPort, rtcpPort } = await this.session.addStream({
      ...{ label: String(channel + 1), channel, payloadTypes: UNKNOWN, remote: null, rtcpMux: false, lookBackSeconds },
    });
    const end = new AnchorEnd({ stream: index, rtpPort, rtcpPort });
    this.#ends.push(end);
    return end;
  }

  /** The description of an end towards one party: a new one for each dialog. */
  legMedia(end: AnchorEnd, origin: Origin): LegMedia {
    return new LegMedia(end, this.#options.address, origin);
  }

  /** An offer and its answer have come to this: the end sends, and hears, so from now on. */
  apply(end: AnchorEnd, media: NegotiatedMedia): Promise<void> {
    return this.#inOrder(async () => {
      const { remote, payloadTypes, crypto } = media;
      const before = end.media;
      end.media = media;
      await this.session.updateStream(end.stream, {
        ...{ label: String(end.stream + 1), payloadTypes, remote, rtcpMux: false, srtp: crypto?.srtp ?? null },
      });
      if (before === null || !isSameSound(before, media)) await this.#connectAll();
      await this.#hold(end);
    });
  }

  close(): Promise<void> {
    return this.#inOrder(() => this.session.close());
  }

  #inOrder<T>(change: () => Promise<T>): Promise<T> {
    const done = this.#changes.then(change);
    this.#changes = done.catch(() => {});
    return done;
  }

  /** The first two hear each other. */
  async #connectAll(): Promise<void> {
    const [one, other] = this.#ends;
    if (!one?.media || !other?.media) return;
    await this.#connect(one, other);
    await this.#connect(other, one);
  }

  async #connect(from: AnchorEnd, to: AnchorEnd): Promise<void> {
    const [spoken, heard] = [from.media!, to.media!];
    await to.sink?.remove();
    to.sink = await this.session.addSink(from.stream, {
      ...{ remote: 'learned', via: to.stream, srtp: heard.crypto?.srtp.send ?? null },
      payloadTypes: renumbered(spoken.payloadTypes, heard.payloadTypes),
      paused: !heard.hears,
    });
  }

  async #hold({ sink, media }: AnchorEnd): Promise<void> {
    if (media?.hears) await sink?.resume();
    else await sink?.pause();
  }
}

/** Nothing that a sink was opened with is another now: keys, or numbers of payload types. */
function isSameSound(before: NegotiatedMedia, now: NegotiatedMedia): boolean {
  const isSame = (a: PayloadType, b: PayloadType | undefined) =>
    a.payloadType === b?.payloadType && a.encoding === b.encoding && a.clockRate === b.clockRate;
  return (
    before.crypto?.own === now.crypto?.own &&
    before.payloadTypes.length === now.payloadTypes.length &&
    before.payloadTypes.every((type, i) => isSame(type, now.payloadTypes[i]))
  );
}

function renumbered(spoken: PayloadType[], heard: PayloadType[]): { from: number; to: number }[] {
  return spoken.flatMap(({ payloadType: from, encoding, clockRate, channels }) => {
    const same = heard.find(
      (one) => one.encoding === encoding && one.clockRate === clockRate && one.channels === channels,
    );
    return same && same.payloadType !== from ? [{ from, to: same.payloadType }] : [];
  });
}
