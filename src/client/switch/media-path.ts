/**
 * The way of a conversation's media, as its descriptions show it (RFC 3264): between the parties, who get each other's, or through here, where
 * each party has a description of ours.
 */

import type { Direction, PayloadType, Sdp } from '../../sdp/index.ts';
import type { Anchor, AnchorEnd } from '../media-server/anchor.ts';
import { type NegotiatedMedia, NotAcceptable } from '../media-server/leg-media.ts';
import { type Leg, underOrigin } from './leg.ts';

export interface MediaPath {
  /** What `to` is offered when `from` has offered this. Rejects with NotAcceptable. */
  offer(from: Leg, to: Leg, offer: Sdp): Promise<Sdp>;
  /** What `to`, which has made the offer, is answered when `from` has answered this. Rejects with NotAcceptable. */
  answer(from: Leg, to: Leg, answer: Sdp): Promise<Sdp>;
  /** An offer to `to` that stands for what is agreed already, or for what we can do. */
  offerAgain(from: Leg | null, to: Leg): Promise<Sdp>;
  /** The answer to such an offer. */
  settle(from: Leg, answer: Sdp): Promise<void>;
}

/** What is offered to a party when nobody has offered anything: RFC 3551, RFC 4733. */
const OWN_PAYLOAD_TYPES: PayloadType[] = [
  { payloadType: 0, encoding: 'PCMU', clockRate: 8000, channels: 1, fmtp: null },
  { payloadType: 8, encoding: 'PCMA', clockRate: 8000, channels: 1, fmtp: null },
  { payloadType: 9, encoding: 'G722', clockRate: 8000, channels: 1, fmtp: null },
  { payloadType: 101, encoding: 'TELEPHONE-EVENT', clockRate: 8000, channels: 1, fmtp: '0-16' },
];

export class DirectPath implements MediaPath {
  async offer(from: Leg, to: Leg, offer: Sdp): Promise<Sdp> {
    from.remote = offer;
    to.local = underOrigin(offer, to.origin);
    return to.local;
  }

  async answer(from: Leg, to: Leg, answer: Sdp): Promise<Sdp> {
    from.remote = answer;
    to.local = underOrigin(answer, to.origin);
    return to.local;
  }

  async offerAgain(from: Leg | null, to: Leg): Promise<Sdp> {
    const theirs = from?.remote ?? to.local;
    if (!theirs) throw new NotAcceptable('there is nothing to offer yet');
    to.local = underOrigin(theirs, to.origin);
    return to.local;
  }

  async settle(from: Leg, answer: Sdp): Promise<void> {
    from.remote = answer;
  }
}

export class AnchoredPath implements MediaPath {
  readonly anchor: Anchor;

  constructor(anchor: Anchor) {
    this.anchor = anchor;
  }

  /** What is offered to a party when nobody has offered anything. */
  get ownPayloadTypes(): PayloadType[] {
    return OWN_PAYLOAD_TYPES;
  }

  /** Takes what the leg has said of itself in another way of media, so that it is sent what the others say. @throws NotAcceptable */
  async learn(leg: Leg): Promise<void> {
    const { media, end } = leg.anchored!;
    if (!leg.remote) throw new NotAcceptable('the party has not said where it takes media');
    await this.anchor.apply(end, media.learn(leg.remote, leg.party.srtp));
  }

  /** The leg is at this end from now on. */
  join(leg: Leg, end: AnchorEnd): void {
    leg.anchored = { end, media: this.anchor.legMedia(end, leg.origin) };
  }

  async offer(from: Leg, to: Leg, offer: Sdp): Promise<Sdp> {
    const { payloadTypes, direction } = from.anchored!.media.takeOffer(offer, from.party.srtp);
    from.remote = offer;
    return await this.offerTo(to, payloadTypes, direction, from);
  }

  /** With SRTP if it must be, or the other party has it and this one may. */
  async offerTo(to: Leg, payloadTypes: PayloadType[], direction: Direction, from: Leg | null): Promise<Sdp> {
    const { end, media } = to.anchored!;
    const { srtp } = to.party;
    const isSecure = to.wantsSecure ?? from?.anchored?.media.isSecure ?? false;
    to.local = media.offer(payloadTypes, direction, srtp === 'required' || (srtp === 'allowed' && isSecure));
    if (media.awaiting) await this.anchor.awaitKeys(end, media.awaiting);
    return to.local;
  }

  async answer(from: Leg, to: Leg, answer: Sdp): Promise<Sdp> {
    const { payloadTypes, direction } = await this.#take(from, answer);
    const { sdp, media } = to.anchored!.media.answer(payloadTypes, direction);
    await this.anchor.apply(to.anchored!.end, media);
    to.local = sdp;
    return sdp;
  }

  /** What a party is answered that comes into a conversation in which these are spoken. Rejects with NotAcceptable. */
  async answerAlone(leg: Leg, offer: Sdp, spoken: PayloadType[]): Promise<Sdp> {
    const { end, media: description } = leg.anchored!;
    description.takeOffer(offer, leg.party.srtp);
    const { sdp, media } = description.answer(spoken, 'sendrecv');
    leg.remote = offer;
    leg.local = sdp;
    await this.anchor.apply(end, media);
    return sdp;
  }

  async offerAgain(from: Leg | null, to: Leg): Promise<Sdp> {
    const agreed = to.anchored!.media.agreed ?? from?.anchored?.media.agreed;
    return await this.offerTo(to, agreed?.payloadTypes ?? OWN_PAYLOAD_TYPES, 'sendrecv', from);
  }

  async settle(from: Leg, answer: Sdp): Promise<void> {
    await this.#take(from, answer);
  }

  async #take(from: Leg, answer: Sdp): Promise<NegotiatedMedia> {
    const media = from.anchored!.media.takeAnswer(answer);
    from.remote = answer;
    await this.anchor.apply(from.anchored!.end, media);
    return media;
  }
}
