/**
 * The media of a conversation while it flows through here: each end sends to ports of ours and hears the others from there (symmetric RTP,
 * RFC 4961). What an end sends is a stream of a media session, where recorders find it; a party that takes the place of another one takes over
 * its end, so that whoever gets that stream goes on getting it.
 */
import type { MediaEngine, MediaSession, MixSink, PayloadType, Sink } from '../../media/index.ts';
import type { StreamCrypto } from '../../sdes/stream-crypto.ts';
import { LegMedia, type NegotiatedMedia, NotAcceptable, type Origin } from './leg-media.ts';

export interface AnchorOptions {
  engine: MediaEngine;
  /** That descriptions of ours name. */
  address: string;
  /** What an end's stream keeps for recorders that are yet to come. */
  lookBackSeconds: number;
}

/** A callee may speak as soon as it has answered: so much of it waits in the look-back until the caller can hear it. */
const FIRST_WORDS_SEC = 0.5;
/** 47 CFR 64.501: 1,400 Hz for a fifth of a second, every 12 to 15 seconds. */
const RECORDING_TONE = { frequencyHz: 1_400, onMs: 200, everyMs: 15_000, levelDbm0: -18 };
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
  /** Whom it hears: one as they come, several mixed. */
  hears: AnchorEnd[] = [];
  /** It has been sent something before. */
  hasHeard = false;
  /** It hears now and then that it is recorded. */
  hasTone = false;
  /** What it is sent. */
  outlet: Sink | MixSink | null = null;

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
      const [one, other] = [await anchor.addEnd(), await anchor.addEnd()];
      one.hears = [other];
      other.hears = [one];
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

  /** The party has been offered SRTP: what comes before its keys are known waits for them. */
  awaitKeys(end: AnchorEnd, crypto: StreamCrypto): Promise<void> {
    return this.#inOrder(async () => {
      if (end.media !== null) return;
      await this.session.updateStream(end.stream, {
        ...{ label: String(end.stream + 1), payloadTypes: UNKNOWN, remote: null, rtcpMux: false, srtp: crypto.srtp },
      });
    });
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
      if (before === null || !isSameSound(before, media)) await this.#connectAround(end);
      await this.#hold(end);
    });
  }

  /** Whom an end hears from now on. Rejects with NotAcceptable when what it speaks cannot be mixed; it hears as before then. */
  hear(end: AnchorEnd, from: AnchorEnd[]): Promise<void> {
    return this.#inOrder(async () => {
      const before = end.hears;
      end.hears = from;
      try {
        await this.#connect(end);
      } catch (error) {
        end.hears = before;
        await this.#connect(end);
        throw error;
      }
    });
  }

  /** Whether the party hears the tone that says that it is recorded. */
  tell(end: AnchorEnd, hasTone: boolean): Promise<void> {
    return this.#inOrder(async () => {
      if (end.hasTone === hasTone || !this.#ends.includes(end)) return;
      end.hasTone = hasTone;
      await this.#connect(end);
    });
  }

  /** The party there has gone. */
  removeEnd(end: AnchorEnd): Promise<void> {
    return this.#inOrder(async () => {
      this.#ends.splice(this.#ends.indexOf(end), 1);
      end.media = null;
      await end.outlet?.remove();
      end.outlet = null;
      await this.session.removeStream(end.stream);
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

  /** The end, and those that hear it. */
  async #connectAround(end: AnchorEnd): Promise<void> {
    for (const one of this.#ends) if (one === end || one.hears.includes(end)) await this.#connect(one);
  }

  async #connect(to: AnchorEnd): Promise<void> {
    const { media } = to;
    const isFirst = to.outlet === null && !to.hasHeard;
    const heard = to.hears.filter((one) => one.media !== null);
    await to.outlet?.remove();
    to.outlet = null;
    const [first] = heard;
    if (!media || !first) return;
    to.hasHeard = true;
    const way = { remote: 'learned' as const, via: to.stream, srtp: media.crypto?.srtp.send ?? null };
    if (to.hears.length === 1 && !to.hasTone) {
      const payloadTypes = renumbered(first.media!.payloadTypes, media.payloadTypes);
      const lookBack =
        isFirst && media.hears && this.#options.lookBackSeconds >= FIRST_WORDS_SEC ? FIRST_WORDS_SEC : false;
      to.outlet = await this.session.addSink(first.stream, { ...way, payloadTypes, lookBack, paused: !media.hears });
      return;
    }
    const { payloadType, encoding } = mixable(media.payloadTypes);
    to.outlet = await this.session.addMix({
      ...{ ...way, streams: heard.map(({ stream }) => stream), payloadType, encoding },
      ...(to.hasTone ? { tone: RECORDING_TONE } : {}),
    });
    await this.#hold(to);
  }

  async #hold({ outlet, media }: AnchorEnd): Promise<void> {
    if (media?.hears) await outlet?.resume();
    else await outlet?.pause();
  }
}

/** The first that a mixture can be sent as. @throws NotAcceptable */
function mixable(payloadTypes: PayloadType[]): { payloadType: number; encoding: 'PCMU' | 'PCMA' | 'G722' } {
  for (const { payloadType, encoding } of payloadTypes) {
    if (encoding === 'PCMU' || encoding === 'PCMA' || encoding === 'G722') return { payloadType, encoding };
  }
  throw new NotAcceptable('the party speaks nothing that a mixture can be sent as (PCMU, PCMA, G722)');
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
