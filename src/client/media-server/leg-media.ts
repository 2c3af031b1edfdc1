/**
 * What one dialog with a party has agreed on while its media flows through here: offers and answers of ours (RFC 3264), with ports and keys
 * (RFC 4568) of ours. One audio stream; other m-lines are rejected.
 */

import { isDecodable } from '../../media/codecs.ts';
import type { PayloadType } from '../../media/index.ts';
import { awaitingCrypto, offeredLines, type StreamCrypto, streamCrypto } from '../../sdes/stream-crypto.ts';
import {
  acceptCrypto,
  answerOffer,
  answerProblem,
  buildOffer,
  CRYPTO_SUITES,
  type CryptoLine,
  type CryptoPolicy,
  chooseCrypto,
  type Direction,
  formatCrypto,
  isAuxiliary,
  type MediaDescription,
  type Sdp,
} from '../../sdp/index.ts';
import { type PlannedMedia, planMedia } from '../../siprec/index.ts';

/** What the o= line of our descriptions in one dialog has (RFC 3264 section 8: the same id, a version that rises by one). */
export interface Origin {
  readonly sessionId: string;
  nextVersion(): number;
}

/** SRTP with one party: `over TLS or not` is the caller's look-out. */
export type LegSrtp = 'off' | 'allowed' | 'required';

export interface NegotiatedMedia {
  payloadTypes: PayloadType[];
  remote: { address: string; rtpPort: number; rtcpPort: number } | null;
  /** Null: in the clear. */
  crypto: StreamCrypto | null;
  /** The party's direction, as it says itself. */
  direction: Direction;
  /** It takes what it is sent. */
  hears: boolean;
}

/** RFC 3261 21.4.26. */
export class NotAcceptable extends Error {
  override readonly name = 'NotAcceptable';
}

export class LegMedia {
  /** What the party is told of its being recorded (RFC 7866 6.1.2); null: it does not understand that, or need not know. */
  record: 'on' | 'off' | 'paused' | null = null;
  readonly #end: { rtpPort: number; rtcpPort: number };
  readonly #address: string;
  readonly #origin: Origin;
  #offer: Sdp | null = null;
  #offeredCrypto: CryptoLine[] = [];
  /** An offer of the party that has no answer yet. */
  #taken: { sdp: Sdp; line: PlannedMedia } | null = null;
  #agreed: NegotiatedMedia | null = null;

  constructor(end: { rtpPort: number; rtcpPort: number }, address: string, origin: Origin) {
    this.#end = end;
    this.#address = address;
    this.#origin = origin;
  }

  get agreed(): NegotiatedMedia | null {
    return this.#agreed;
  }

  /** The other party's offer was SRTP. */
  get isSecure(): boolean {
    return (this.#agreed?.crypto ?? this.#taken?.line.crypto ?? null) !== null;
  }

  /** With what it is received until the answer brings the party's keys (RFC 4568 section 7.1.2); null: an offer in the clear. */
  get awaiting(): StreamCrypto | null {
    const [first] = this.#offeredCrypto;
    return first && !this.#agreed ? awaitingCrypto(first) : null;
  }

  /** An offer of ours; what is agreed decides on SRTP before `isSecure` does. */
  offer(payloadTypes: PayloadType[], direction: Direction, wantsSecure: boolean): Sdp {
    const isSecure = this.#agreed ? this.#agreed.crypto !== null : wantsSecure;
    if (isSecure && this.#offeredCrypto.length === 0) {
      const own = this.#agreed?.crypto?.own;
      this.#offeredCrypto = own ? [own] : offeredLines(policyOf('required'));
    }
    this.#offer = buildOffer({
      ...this.#head(),
      media: [
        {
          ...{ port: this.#end.rtpPort, rtcpPort: this.#end.rtcpPort, payloadTypes, direction },
          protocol: isSecure ? 'RTP/SAVP' : 'RTP/AVP',
          attributes: [...(isSecure ? this.#offeredCrypto.map(cryptoAttribute) : []), ...this.#recordAttribute()],
        },
      ],
    });
    return this.#offer;
  }

  /** The party's answer to it. @throws NotAcceptable */
  takeAnswer(answer: Sdp): NegotiatedMedia {
    const offer = this.#offer;
    if (!offer) throw new NotAcceptable('an answer to nothing');
    const problem = answerProblem(offer, answer);
    if (problem !== null) throw new NotAcceptable(problem);
    const crypto = (media: MediaDescription) => acceptCrypto(media, offer.media[0]!);
    return this.#settle(audioLine(planMedia(answer, { supported: isDecodable, crypto })), answer);
  }

  /** A description of the party from before its media came here, for want of an offer or answer of it to us. @throws NotAcceptable */
  learn(description: Sdp, srtp: LegSrtp): NegotiatedMedia {
    const crypto = (media: MediaDescription) => chooseCrypto(media, policyOf(srtp));
    return this.#settle(audioLine(planMedia(description, { supported: isDecodable, crypto })), description);
  }

  /** An offer of the party. Nothing has changed yet. @throws NotAcceptable */
  takeOffer(offer: Sdp, srtp: LegSrtp): { payloadTypes: PayloadType[]; direction: Direction } {
    const crypto = (media: MediaDescription) => chooseCrypto(media, policyOf(srtp));
    const line = audioLine(planMedia(offer, { supported: isDecodable, crypto }));
    this.#taken = { sdp: offer, line };
    const { direction } = offer.media[line.index]!;
    return {
      payloadTypes: line.payloadTypes.filter(({ encoding }) => encoding !== 'UNKNOWN'),
      direction: heldDirection(line, direction),
    };
  }

  /** Our answer to it, with those of its payload types that `chosen` has too. @throws NotAcceptable when there are none. */
  answer(chosen: PayloadType[], direction: Direction): { sdp: Sdp; media: NegotiatedMedia } {
    const taken = this.#taken;
    if (!taken) throw new NotAcceptable('an answer without an offer');
    const payloadTypes = taken.line.payloadTypes.filter((one) => chosen.some((other) => isSameCodec(one, other)));
    if (payloadTypes.every(isAuxiliary)) throw new NotAcceptable('no codec that both parties have');
    const media = this.#settle({ ...taken.line, payloadTypes }, taken.sdp);
    const { rtpPort: port, rtcpPort } = this.#end;
    const sdp = answerOffer(taken.sdp, {
      ...this.#head(),
      media: taken.sdp.media.map((_, index) =>
        index === taken.line.index
          ? {
              ...{ accept: true as const, port, rtcpPort, direction, payloadTypes },
              attributes: [...(media.crypto ? [cryptoAttribute(media.crypto.own)] : []), ...this.#recordAttribute()],
            }
          : { accept: false as const },
      ),
    });
    return { sdp, media };
  }

  #recordAttribute(): string[] {
    return this.record === null ? [] : [`record:${this.record}`];
  }

  #head(): { address: string; sessionId: string; version: number } {
    return { address: this.#address, sessionId: this.#origin.sessionId, version: this.#origin.nextVersion() };
  }

  #settle(line: PlannedMedia, description: Sdp): NegotiatedMedia {
    const { payloadTypes } = line;
    const media = description.media[line.index]!;
    // rtcp-mux is not taken: reports have a port of their own.
    const remote = line.remote && { ...line.remote, rtcpPort: media.rtcpPort ?? line.remote.rtpPort + 1 };
    const crypto = line.crypto && streamCrypto(line.crypto, this.#agreed?.crypto ?? null);
    const direction = heldDirection(line, media.direction);
    const hears = direction === 'sendrecv' || direction === 'recvonly';
    this.#agreed = { payloadTypes, remote, crypto, direction, hears };
    return this.#agreed;
  }
}

/** The zero address of RFC 2543 is a hold as well. */
function heldDirection({ remote }: PlannedMedia, direction: Direction): Direction {
  if (remote !== null) return direction;
  return direction === 'sendrecv' || direction === 'sendonly' ? 'sendonly' : 'inactive';
}

function audioLine(plan: readonly PlannedMedia[]): PlannedMedia {
  const line = plan.find(({ action }) => action === 'record');
  if (line) return line;
  throw new NotAcceptable(plan.find(({ reason }) => reason)?.reason ?? 'no audio');
}

function policyOf(srtp: LegSrtp): CryptoPolicy {
  if (srtp === 'off') return { suites: [], required: false, keysRefused: 'SRTP is switched off' };
  return { suites: CRYPTO_SUITES, required: srtp === 'required', keysRefused: null };
}

function cryptoAttribute(line: CryptoLine): string {
  return `crypto:${formatCrypto(line)}`;
}

export function isSameCodec(one: PayloadType, other: PayloadType): boolean {
  return one.encoding === other.encoding && one.clockRate === other.clockRate && one.channels === other.channels;
}
