/**
 * The m-lines of one dialog with a recorder (RFC 7866 section 7.1): one for each party's stream, sendonly, labelled, in our offers and in
 * our answers to its own. An m-line keeps its place while the dialog lasts (RFC 3264 section 8); that of a stream that has gone has port 0
 * until another stream takes it, under a label of its own.
 */
import { randomInt } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { MediaSession, PayloadType, SrtpSuite } from '../../media/index.ts';
import { CryptoFault } from '../../sdes/leg-crypto.ts';
import {
  type AcceptedMedia,
  type AgreedCrypto,
  answerOffer,
  answerProblem,
  buildOffer,
  type MediaDescription,
  type OfferedMedia,
  type Sdp,
  securityOf,
} from '../../sdp/index.ts';
import { addTotals, type LineTotals, RecordedLine } from './recorded-line.ts';
import { commonPayloadTypes, MediaFault, type StreamTarget, streamTarget } from './stream-target.ts';

/** Streams of one conversation that are recorded at a time. */
export const MAX_LINES = 16;
/** Of an m-line that is no more: whatever was there before. */
const NO_PAYLOAD_TYPE = { payloadType: 0, encoding: 'PCMU', clockRate: 8000, channels: 1, fmtp: null };

export interface RecordedMediaOptions {
  media: MediaSession;
  /** Where sinks leave from. */
  ports: { address: string; rtpPort: number; rtcpPort: number };
  srtp: SrtpSuite | null;
  isPaused: boolean;
  /** Of the first m-line; others count on. */
  firstLabel: number;
  /** Of a stream that is recorded from now on; seconds. */
  lookBack: () => number;
  /** A stream is not recorded, for this reason. */
  onFault: (stream: number, cause: string) => void;
}

/** What was offered, and for which lines. */
export interface Offered {
  sdp: Sdp;
  lines: (RecordedLine | null)[];
}

export class RecordedMedia {
  readonly #options: RecordedMediaOptions;
  readonly #slots: { label: string; line: RecordedLine | null }[] = [];
  readonly #sessionId = String(randomInt(1, 2 ** 47));
  #version = 0;
  #lastText = '';
  #nextLabel: number;
  #isPaused: boolean;
  /** Of lines that are no more. */
  #gone: LineTotals = { packets: 0, lost: null };

  constructor(options: RecordedMediaOptions) {
    this.#options = options;
    this.#isPaused = options.isPaused;
    this.#nextLabel = options.firstLabel;
  }

  get lines(): RecordedLine[] {
    return this.#slots.flatMap(({ line }) => line ?? []);
  }

  /** Null: the stream has no m-line. */
  labelOf(stream: number): string | null {
    return this.lines.find((one) => one.stream === stream)?.label ?? null;
  }

  /** Of all lines that there have been. */
  totals(): LineTotals {
    return this.lines.reduce((sum, line) => addTotals(sum, line.totals()), this.#gone);
  }

  /** The streams to be recorded, with what they carry. @returns whether that is something else than before. */
  set(streams: ReadonlyMap<number, PayloadType[]>): boolean {
    let isChanged = false;
    for (const slot of this.#slots) {
      const carried = slot.line && streams.get(slot.line.stream);
      if (slot.line === null || (carried && isDeepStrictEqual(carried, slot.line.payloadTypes))) continue;
      isChanged = true;
      if (carried) slot.line.payloadTypes = carried;
      else {
        void this.#drop(slot.line);
        slot.line = null;
      }
    }
    const known = new Set(this.lines.map(({ stream }) => stream));
    for (const [stream, payloadTypes] of streams) {
      if (known.has(stream)) continue;
      if (this.lines.length >= MAX_LINES) this.#options.onFault(stream, `more than ${MAX_LINES} streams`);
      else {
        isChanged = true;
        this.#add(stream, payloadTypes);
      }
    }
    return isChanged;
  }

  async #drop(line: RecordedLine): Promise<void> {
    await line.end();
    this.#gone = addTotals(this.#gone, line.totals());
  }

  #add(stream: number, payloadTypes: PayloadType[]): void {
    const { media, srtp, lookBack, onFault } = this.#options;
    const label = String(this.#nextLabel++);
    const line = new RecordedLine({
      ...{ media, stream, label, payloadTypes, srtp, lookBack, isPaused: this.#isPaused },
      onFailed: (failed, cause) => onFault(failed.stream, cause),
    });
    const free = this.#slots.find((slot) => slot.line === null);
    if (free) Object.assign(free, { label, line });
    else this.#slots.push({ label, line });
  }

  /** Resolves when no packet leaves any more, or packets leave again where the recorder takes them. */
  async pause(on: boolean): Promise<void> {
    this.#isPaused = on;
    await Promise.all(this.lines.map((line) => line.pause(on)));
  }

  /** Resolves when the sinks are what was agreed on. */
  async settled(): Promise<void> {
    await Promise.all(this.lines.map((line) => line.settled()));
  }

  async end(): Promise<void> {
    await Promise.all(this.lines.map((line) => line.end()));
  }

  offer(): Offered {
    const { address } = this.#options.ports;
    const media = this.#slots.map(({ line, label }) => this.#offered(line, label));
    const sdp = this.#versioned((version) => buildOffer({ address, sessionId: this.#sessionId, version, media }));
    return { sdp, lines: this.#slots.map(({ line }) => line) };
  }

  #offered(line: RecordedLine | null, label: string): OfferedMedia {
    const { srtp, ports } = this.#options;
    const protocol = srtp === null ? 'RTP/AVP' : 'RTP/SAVP';
    if (line === null) return { port: 0, label, protocol, direction: 'inactive', payloadTypes: [NO_PAYLOAD_TYPE] };
    const { payloadTypes, crypto } = line;
    return {
      ...{ port: ports.rtpPort, rtcpPort: ports.rtcpPort, label, protocol, payloadTypes },
      direction: this.#isPaused ? 'inactive' : 'sendonly',
      attributes: crypto === null ? [] : [crypto.attribute],
    };
  }

  /** RFC 3264 section 8: the version rises by one with each change. */
  #versioned(build: (version: number) => Sdp): Sdp {
    const bare = (sdp: Sdp) => sdp.lines.map(({ type, raw }) => (type === 'o' ? '' : raw)).join('\n');
    const same = build(this.#version);
    if (bare(same) === this.#lastText) return same;
    this.#version += 1;
    this.#lastText = bare(same);
    return build(this.#version);
  }

  /**
   * Takes the answer to an offer. A stream that it does not take, or not so that it can be sent, is told by `onFault`.
   * @throws MediaFault when it is none of the offer's, or takes no stream at all; nothing is sent then.
   */
  take(answer: Sdp, { sdp, lines }: Offered): void {
    const problem = answerProblem(sdp, answer);
    const targets = lines.map((line, i) => {
      if (line === null || this.#slots[i]?.line !== line) return null;
      return { line, ...this.#targetOrFault(line, answer.media[i], sdp.media[i]!) };
    });
    const offered = targets.filter((one) => one !== null);
    const [first] = offered;
    if (problem !== null || (first && !offered.some(({ target }) => target !== null))) {
      for (const { line } of offered) line.aim(null);
      throw new MediaFault(problem ?? `it takes none of the streams: ${first!.fault}`);
    }
    for (const { line, target, fault } of offered) {
      line.aim(target);
      if (fault !== null) this.#options.onFault(line.stream, fault);
    }
  }

  #targetOrFault(
    line: RecordedLine,
    theirs: MediaDescription | undefined,
    ours: MediaDescription,
  ): { target: StreamTarget | null; fault: string | null } {
    try {
      if (theirs === undefined) throw new MediaFault('no m-line for it');
      if (theirs.port === 0) throw new MediaFault('refused with port 0');
      if (securityOf(theirs) !== securityOf(ours)) {
        throw new MediaFault(`${theirs.protocol} answers an offer of ${ours.protocol}`);
      }
      const keys = line.crypto?.accept(theirs, ours) ?? null;
      const target = streamTarget(theirs, line.payloadTypes, this.#options.ports.address, keys);
      // Nothing else can answer what we have offered as inactive: what the recorder wants is as it was.
      const takes = ours.direction === 'inactive' ? (line.target?.takes ?? true) : target.takes;
      return { target: { ...target, takes: takes && target.remote !== null }, fault: null };
    } catch (error) {
      if (error instanceof MediaFault || error instanceof CryptoFault) return { target: null, fault: error.message };
      throw error;
    }
  }

  /**
   * Answers an offer of the recorder, which adds nothing (RFC 7866 section 7.2): whether it takes streams now, and where.
   * @throws MediaFault when it cannot be followed; nothing has changed then.
   */
  answer(offer: Sdp): Sdp {
    if (offer.media.length < this.#slots.length) {
      throw new MediaFault(`${offer.media.length} m-lines where there are ${this.#slots.length}`);
    }
    const chosen = offer.media.map((theirs, i) => this.#choose(theirs, this.#slots[i]?.line ?? null));
    const media = chosen.map((choice, i) => {
      const line = this.#slots[i]?.line ?? null;
      if (choice === null || line === null) {
        line?.aim(null);
        return { accept: false as const };
      }
      return this.#accept(line, choice, offer.media[i]!);
    });
    const { address } = this.#options.ports;
    return this.#versioned((version) => answerOffer(offer, { address, sessionId: this.#sessionId, version, media }));
  }

  #choose(theirs: MediaDescription, line: RecordedLine | null): { agreed: AgreedCrypto | null } | null {
    if (line === null || theirs.port === 0 || theirs.kind !== 'audio') return null;
    const { address } = this.#options.ports;
    try {
      if (line.crypto === null && securityOf(theirs) !== 'plain') throw new MediaFault('SRTP was not agreed on');
      const agreed = line.crypto?.choose(theirs) ?? null;
      streamTarget(theirs, line.payloadTypes, address, null);
      return { agreed };
    } catch (error) {
      if (error instanceof CryptoFault) throw new MediaFault(error.message);
      throw error;
    }
  }

  #accept(line: RecordedLine, { agreed }: { agreed: AgreedCrypto | null }, theirs: MediaDescription): AcceptedMedia {
    const { address, rtpPort, rtcpPort } = this.#options.ports;
    const keys = agreed && (line.crypto?.follow(agreed) ?? null);
    const target = streamTarget(theirs, line.payloadTypes, address, keys);
    line.aim(target);
    const attributes = line.crypto === null ? [] : [line.crypto.attribute];
    if (theirs.label === null) attributes.push(`label:${line.label}`);
    return {
      ...{ accept: true, port: rtpPort, rtcpPort, attributes },
      direction: this.#isPaused || !target.takes ? 'inactive' : 'sendonly',
      payloadTypes: commonPayloadTypes(line.payloadTypes, theirs.rtpmaps),
    };
  }
}
