/**
 * A conversation (communication session) between two parties, from its answer on: holds and other changes of its media go from one to the other
 * (RFC 3261 14, as a back-to-back user agent), its media may be brought here while it runs, a party may be replaced, and it ends when one goes.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { type Sdp, SdpError } from '../../sdp/index.ts';
import {
  type IncomingInvite,
  type SipAnswer,
  type SipBody,
  SipFailure,
  type SipRequest,
  type SipSession,
} from '../../sip/index.ts';
import type { ConversationView, PartyView } from '../conversation.ts';
import type { Anchor, AnchorEnd } from '../media-server/anchor.ts';
import { NotAcceptable } from '../media-server/leg-media.ts';
import type { Recordings } from '../media-server/recordings.ts';
import type { CallState, CallView, SwitchEvent } from './call-control.ts';
import { sdpOf } from './dialling.ts';
import { isHold, type Leg, sdpBody } from './leg.ts';
import { AnchoredPath, DirectPath, type MediaPath } from './media-path.ts';

export interface ConversationOptions {
  ani: string;
  dnis: string;
  now(): number;
  openAnchor(): Promise<Anchor>;
  /** An INFO, REFER or whatever else of a party that is not for its media. */
  onRequest(conversation: Conversation, leg: Leg, request: SipRequest): SipAnswer | Promise<SipAnswer>;
  /** What the parties want of recording (RFC 7866 section 6.2) is another thing than it was. */
  onPreference(conversation: Conversation, before: Preference): void;
  onEnded(conversation: Conversation, cause: string): void;
  emit(event: Omit<SwitchEvent, 'call' | 'atMs'>, conversation: Conversation): void;
  log: {
    info(facts: object, message: string): void;
    warn(facts: object, message: string): void;
    error(facts: object, message: string): void;
  };
}

export type Place = 0 | 1;

/** RFC 7866 section 6.2; null: nothing is said. */
export type Preference = 'on' | 'off' | 'pause' | null;

export class Conversation {
  readonly id = randomUUID();
  readonly connId = randomBytes(8).toString('hex');
  readonly startedAtMs: number;
  readonly userData = new Map<string, string>();
  /** The calling side first. */
  readonly legs: Leg[] = [];
  /** All who are in it beside the two: guests, and those who listen. */
  readonly attendants = new Set<Leg>();
  /** Third parties: both hear them, and are heard by them. */
  readonly guests: Leg[] = [];
  path: MediaPath = new DirectPath();
  recordings: Recordings | null = null;
  /** Of which side what is said is recorded, through transfers of the other. */
  recorded: Place | null = null;
  readonly #options: ConversationOptions;
  #state: CallState = 'ringing';
  /** Media is being brought here. */
  #anchoring: Promise<Anchor> | null = null;

  constructor(options: ConversationOptions) {
    this.#options = options;
    this.startedAtMs = options.now();
  }

  get state(): CallState {
    if (this.#state === 'established' && this.legs.some(({ isHolding }) => isHolding)) return 'held';
    return this.#state;
  }

  get isOver(): boolean {
    return this.#state === 'ended';
  }

  get anchor(): Anchor | null {
    return this.path instanceof AnchoredPath ? this.path.anchor : null;
  }

  view(): ConversationView {
    const { ani, dnis } = this.#options;
    const recorded = this.recorded === null ? null : (this.legs[this.recorded]?.party.dn ?? null);
    return {
      ...{ id: this.id, connId: this.connId, startedAtMs: this.startedAtMs, ani, dnis, recordedDn: recorded },
      sipCallIds: [...this.legs, ...this.guests].flatMap(({ callId }) => callId ?? []),
      parties: [...this.legs, ...this.guests].map(partyView),
      userData: Object.fromEntries(this.userData),
    };
  }

  callView(): CallView {
    return { ...this.view(), state: this.state, recordings: this.recordings?.views() ?? [] };
  }

  other(leg: Leg): Leg | null {
    return this.legs.find((one) => one !== leg) ?? null;
  }

  /** Its media flows through here from the start. Rejects with NoPortLeft or LaneFull. */
  async anchorFirst(): Promise<AnchoredPath> {
    const path = new AnchoredPath(await this.#options.openAnchor());
    this.path = path;
    return path;
  }

  /** Both legs have dialogs that are confirmed. */
  establish(caller: Leg, called: Leg): void {
    this.legs.splice(0, 2, caller, called);
    this.#state = 'established';
    for (const leg of this.legs) this.#run(leg);
    for (const leg of this.legs) this.tell('established', leg);
  }

  /** What happened to the party of a leg. */
  tell(type: SwitchEvent['type'], leg: Leg, more: Partial<SwitchEvent> = {}): void {
    const { dn } = leg.party;
    if (dn === null) return;
    const other = this.other(leg)?.party;
    const event = {
      type,
      dn,
      otherDn: other ? numberOf(other) : null,
      thirdDn: null,
      previousConnId: null,
      cause: null,
    };
    this.#options.emit({ ...event, ...more }, this);
  }

  /** Media flows through here when this resolves. Rejects with WrongState's cause when a party does not follow. */
  async bringHere(): Promise<Anchor> {
    if (this.path instanceof AnchoredPath) return this.path.anchor;
    this.#anchoring ??= this.#bringHere().finally(() => (this.#anchoring = null));
    return await this.#anchoring;
  }

  async #bringHere(): Promise<Anchor> {
    const direct = this.path;
    const path = new AnchoredPath(await this.#options.openAnchor());
    try {
      for (const [n, leg] of this.legs.entries()) path.join(leg, path.anchor.ends[n]!);
      // What each says of itself is how the other is reached until it knows better.
      for (const leg of this.legs) await path.learn(leg);
      for (const leg of this.legs) await this.#reoffer(leg, await path.offerAgain(this.other(leg), leg), path);
      this.path = path;
      return path.anchor;
    } catch (error) {
      for (const leg of this.legs) leg.anchored = null;
      await path.anchor.close();
      for (const leg of this.legs) {
        const offer = await direct.offerAgain(this.other(leg), leg);
        await this.#reoffer(leg, offer, direct).catch(() => {});
      }
      throw error;
    }
  }

  /** An INVITE of somebody who takes the place of a leg (RFC 3891): its media is agreed on, and it is accepted. */
  async takeIn(invite: IncomingInvite, newcomer: Leg, gone: Leg): Promise<SipSession> {
    await this.bringHere();
    const path = this.path as AnchoredPath;
    const offer = sdpOf(invite.request);
    if (offer === null || !gone.anchored) throw new NotAcceptable('an INVITE with Replaces needs an offer');
    gone.isLeaving = true;
    path.join(newcomer, gone.anchored.end);
    const sdp = await path.answerAlone(newcomer, offer, this.other(gone)?.anchored?.media.agreed?.payloadTypes ?? []);
    return invite.accept({ body: sdpBody(sdp) });
  }

  /** Somebody else at the place of a leg, maybe out of another call of theirs. The newcomer's media is agreed on already. */
  replace(place: Place, newcomer: Leg, from: Conversation | null): void {
    const gone = this.legs[place]!;
    const stays = this.other(gone);
    gone.isLeaving = true;
    this.tell('released', gone, { cause: 'transferred' });
    this.legs[place] = newcomer;
    this.#run(newcomer);
    const thirdDn = numberOf(gone.party);
    if (stays) this.tell('party-changed', stays, { thirdDn });
    if (from) this.tell('party-changed', newcomer, { thirdDn, previousConnId: from.connId });
    else this.tell('established', newcomer, { thirdDn });
    this.recordings?.update();
  }

  /** A party goes on in another call: this one ends without it. */
  giveAway(leg: Leg): void {
    this.legs.splice(this.legs.indexOf(leg), 1);
    this.end('transferred');
  }

  /** A party hears nothing of codecs that the other does not have: it is asked to use those that both have. */
  async agreeAgain(leg: Leg): Promise<void> {
    const other = this.other(leg);
    if (!(this.path instanceof AnchoredPath) || !other?.anchored?.media.agreed) return;
    const offer = await this.path.offerTo(leg, other.anchored.media.agreed.payloadTypes, 'sendrecv', other);
    await this.#reoffer(leg, offer, this.path);
    this.recordings?.update();
  }

  /** What the parties say of being recorded: the strictest of it. */
  get preference(): Preference {
    const said = this.legs.map(({ remote }) =>
      remote?.media.find(({ kind }) => kind === 'audio')?.attribute('recordpref'),
    );
    return (['off', 'pause', 'on'] as const).find((one) => said.includes(one)) ?? null;
  }

  /** Recording begins, is paused or ends: who understands it is told so (RFC 7866 6.1.2), others hear a tone if that is wanted. */
  tellRecorded(byTone: boolean): void {
    const { anchor } = this;
    const state = this.recordings?.state ?? 'off';
    if (!anchor || this.isOver) return;
    for (const leg of this.legs) {
      const { anchored, isRecordAware } = leg;
      if (!anchored) continue;
      if (isRecordAware && anchored.media.record !== state) {
        anchored.media.record = state;
        this.agreeAgain(leg).catch((error: unknown) =>
          this.#warn(error, 'a party could not be told that it is recorded'),
        );
      } else if (!isRecordAware && byTone) {
        anchor.tell(anchored.end, state === 'on').catch((error: unknown) => this.#warn(error, 'no tone for a party'));
      }
    }
  }

  #warn(error: unknown, message: string): void {
    this.#options.log.warn({ conversation: this.id, reason: String(error) }, message);
  }

  /** Ends it: both parties are told. */
  end(cause: string): void {
    if (this.#state === 'ended') return;
    const isAbandoned = this.#state === 'ringing' && cause === 'abandoned';
    this.#state = 'ended';
    for (const leg of this.legs) {
      this.tell(isAbandoned ? 'abandoned' : 'released', leg, { cause });
      if (!leg.isLeaving && leg.session && !leg.session.over) void leg.session.bye();
    }
    for (const { session } of this.attendants) if (session && !session.over) void session.bye();
    this.#options.onEnded(this, cause);
  }

  #run(leg: Leg): void {
    const { session } = leg;
    if (!session) throw new Error('a leg without a dialog');
    if (leg.joinedAtMs === 0) leg.joinedAtMs = this.#options.now();
    session.onReInvite = (request) => this.#onReInvite(leg, request);
    session.onOther = (request) => this.#options.onRequest(this, leg, request);
    session.onInfo = (request) => this.#relayInfo(leg, request);
    session.onEnded = ({ reason }) => this.#onLegEnded(leg, reason);
    if (session.over) this.#onLegEnded(leg, 'it has ended meanwhile');
  }

  #onLegEnded(leg: Leg, reason: string): void {
    if (leg.isLeaving || !this.legs.includes(leg)) return;
    leg.isLeaving = true;
    this.end(reason);
  }

  async #onReInvite(leg: Leg, request: SipRequest): Promise<SipAnswer> {
    let offer: Sdp | null;
    try {
      offer = sdpOf(request);
    } catch (error) {
      if (error instanceof SdpError) return { status: 488, reason: 'Not Acceptable Here' };
      throw error;
    }
    if (offer === null) return request.method === 'INVITE' ? this.#offerTo(leg) : { status: 200 };
    await this.#anchoring?.catch(() => {});
    const other = this.other(leg);
    if (!other?.session) return { status: 480 };
    const { preference } = this;
    try {
      const relayed = await this.path.offer(leg, other, offer);
      const response = await other.session.request('INVITE', { body: sdpBody(relayed) });
      if (response.status >= 300) return { status: response.status, reason: response.reason };
      const answer = sdpOf(response);
      if (answer === null) return { status: 488 };
      const sdp = await this.path.answer(other, leg, answer);
      this.#onDescribed(leg, offer, preference);
      return { status: 200, body: sdpBody(sdp) };
    } catch (error) {
      return refusalOf(error);
    }
  }

  /** RFC 3261 14.2: a re-INVITE without an offer wants one; the answer comes with the ACK. */
  async #offerTo(leg: Leg): Promise<SipAnswer> {
    const offer = await this.path.offerAgain(this.other(leg), leg);
    leg.session!.onAck = (body) => {
      leg.session!.onAck = () => {};
      this.takeAck(leg, body).catch((error: unknown) =>
        this.#options.log.warn({ reason: String(error) }, 'no answer in an ACK'),
      );
    };
    return { status: 200, body: sdpBody(offer) };
  }

  /** The answer to an offer of ours that went out in a 2xx. */
  async takeAck(leg: Leg, body: SipBody | null): Promise<void> {
    const answer = sdpOf({ contentType: body?.contentType, body: body?.content ?? new Uint8Array() });
    if (answer === null) throw new NotAcceptable('the ACK brought no answer');
    const { preference } = this;
    await this.path.settle(leg, answer);
    const other = this.other(leg);
    if (this.path instanceof DirectPath && other?.session)
      await this.#reoffer(other, await this.path.offerAgain(leg, other), this.path);
    this.#onDescribed(leg, answer, preference);
  }

  async #reoffer(leg: Leg, offer: Sdp, path: MediaPath): Promise<void> {
    const response = await leg.session!.request('INVITE', { body: sdpBody(offer) });
    const answer = response.status < 300 ? sdpOf(response) : null;
    if (answer === null) throw new NotAcceptable(`the party answered ${response.status} to an offer of ours`);
    await path.settle(leg, answer);
  }

  /** What a new description of a party says beside its media: whether the other is on hold, and what is wanted of recording. */
  #onDescribed(leg: Leg, description: Sdp, before: Preference): void {
    const isHolding = isHold(description);
    if (leg.isHolding !== isHolding) {
      leg.isHolding = isHolding;
      this.tell(isHolding ? 'held' : 'retrieved', leg);
    }
    this.recordings?.update();
    if (this.preference !== before) this.#options.onPreference(this, before);
  }

  /** DTMF and the like (RFC 6086) are the other party's. */
  #relayInfo(leg: Leg, request: SipRequest): SipAnswer {
    const session = this.other(leg)?.session;
    if (!session || session.over) return { status: 200 };
    const contentType = request.contentType;
    const body =
      request.body.length > 0
        ? { contentType: contentType ?? 'application/octet-stream', content: request.body }
        : undefined;
    session.request('INFO', { body }).catch(() => {});
    return { status: 200 };
  }
}

function partyView(leg: Leg): PartyView {
  const { party, anchored, joinedAtMs, isHolding } = leg;
  return {
    ...{ id: leg.id, aor: party.aor, name: party.name, dn: party.dn, trunk: party.trunk, agentId: party.agentId },
    stream: anchored?.end.stream ?? -1,
    payloadTypes: anchored?.media.agreed?.payloadTypes ?? [],
    ...{ joinedAtMs, isHeld: isHolding },
  };
}

export function numberOf({ dn, aor }: { dn: string | null; aor: string }): string {
  return dn ?? aor.replace(/^sips?:/, '').replace(/@.*$/, '');
}

export function refusalOf(error: unknown): SipAnswer {
  if (error instanceof NotAcceptable || error instanceof SdpError) {
    return {
      status: 488,
      reason: 'Not Acceptable Here',
      headers: [['Warning', `304 doubletrack "${quotable(error.message)}"`]],
    };
  }
  if (error instanceof SipFailure) return { status: error.status === 408 ? 504 : error.status };
  throw error;
}

function quotable(text: string): string {
  return text.replace(/[^\w .,:;=()/+-]/g, '').slice(0, 200);
}

export type { AnchorEnd };
