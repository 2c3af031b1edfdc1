/**
 * From an INVITE to a conversation: the called party is found, what it says on the way reaches the caller (RFC 3261 16.7, RFC 3960), forwarding
 * is followed, and both are connected, or the caller is told why not.
 */
import type { Sdp } from '../../sdp/index.ts';
import {
  type IncomingInvite,
  parseSipUri,
  type SipEndpoint,
  SipFailure,
  type SipResponse,
  unescapeUri,
} from '../../sip/index.ts';
import { NotAcceptable } from '../media-server/leg-media.ts';
import { type Conversation, refusalOf } from './conversation.ts';
import { type Answered, Dialling, sdpOf, type Target } from './dialling.ts';
import { Leg, type PartyIdentity, sdpBody } from './leg.ts';
import { AnchoredPath } from './media-path.ts';

/** Whom to ring. */
export interface Plan {
  party: PartyIdentity;
  targets: Target[];
  /** Of the To header: a SIP URI. */
  to: string;
  /** Who is called instead; null: nobody. */
  onBusy: string | null;
  onNoAnswer: string | null;
}

export interface CallSetupOptions {
  endpoint: Pick<SipEndpoint, 'invite'>;
  conversation: Conversation;
  invite: IncomingInvite;
  caller: Leg;
  /** From header of the INVITE to the called party. */
  from: string;
  maxForwards: number;
  /** Null: it leads nowhere. */
  planFor(number: string): Plan | null;
  setTimer(inMs: number, run: () => void): () => void;
}

const MOST_FORWARDS = 5;
const BUSY = new Set([486, 600]);
const NO_ANSWER = new Set([408, 480]);
/** That reach the other side as they came. */
const PASSED_ON = new Set(['subject', 'user-to-user', 'diversion', 'history-info', 'alert-info', 'priority']);
const MOST_PASSED_ON = 32;
const MOST_VALUE_CHARACTERS = 2_048;

export class CallSetup {
  readonly #options: CallSetupOptions;
  readonly #early = new Map<Leg, { text: string; sdp: Promise<Sdp> }>();
  #dialling: Dialling | null = null;
  #isCancelled = false;
  #offer: Sdp | null = null;
  #wantsSecure: boolean | null = null;

  constructor(options: CallSetupOptions) {
    this.#options = options;
    this.#isCancelled = options.invite.answered;
    options.invite.onCancel = () => {
      this.#isCancelled = true;
      this.#dialling?.cancel();
    };
  }

  /** @returns the leg of the called party; null: there is no conversation, and the caller knows why. */
  async run(plan: Plan): Promise<Leg | null> {
    const { invite } = this.#options;
    let answered: Answered | null = null;
    try {
      if (this.#isCancelled) throw new SipFailure(487, 'Request Terminated');
      this.#offer = sdpOf(invite.request);
      answered = await this.#find(plan);
      return await this.#connect(answered);
    } catch (error) {
      answered?.session.bye();
      this.#options.conversation.end(this.#isCancelled ? 'abandoned' : (error as Error).message);
      if (!invite.answered) invite.reject(answerOf(error));
      return null;
    }
  }

  async #find(first: Plan): Promise<Answered> {
    let plan: Plan | null = first;
    let last = new SipFailure(480, 'there is nobody to call');
    for (let forwards = 0; plan !== null && forwards <= MOST_FORWARDS; forwards++) {
      try {
        return await this.#dialEitherWay(plan);
      } catch (error) {
        if (!(error instanceof SipFailure) || this.#isCancelled) throw error;
        last = error;
        const number = forwardedTo(plan, error);
        plan = number === null ? null : this.#options.planFor(number);
      }
    }
    throw last;
  }

  /** A phone that takes SRTP only, or none, refuses the other (RFC 3264 6, 488): where either is allowed it is asked again. */
  async #dialEitherWay(plan: Plan): Promise<Answered> {
    const { conversation, caller } = this.#options;
    try {
      this.#wantsSecure = null;
      return await this.#dial(plan);
    } catch (error) {
      const isRefused = error instanceof SipFailure && (error.status === 488 || error.status === 606);
      const isChoice = conversation.path instanceof AnchoredPath && plan.party.srtp === 'allowed';
      if (!isRefused || !isChoice || this.#isCancelled) throw error;
      this.#wantsSecure = !(caller.anchored?.media.isSecure ?? false);
      return await this.#dial(plan);
    }
  }

  async #dial(plan: Plan): Promise<Answered> {
    const { endpoint, invite, from, maxForwards, setTimer, conversation } = this.#options;
    const ringing = new Leg(plan.party);
    conversation.legs.splice(0, 2, this.#options.caller, ringing);
    conversation.tell('dialing', this.#options.caller);
    conversation.tell('ringing', ringing);
    this.#dialling = new Dialling({
      ...{ endpoint, targets: plan.targets, setTimer },
      leg: () => this.#legFor(plan),
      invite: { from, maxForwards, to: plan.to, headers: passedOn(invite) },
      onProgress: (leg, response) => void this.#tellProgress(leg, response),
    });
    return await this.#dialling.answered;
  }

  async #legFor({ party }: Plan): Promise<{ leg: Leg; offer: Sdp }> {
    const { conversation, caller } = this.#options;
    const leg = new Leg(party);
    leg.wantsSecure = this.#wantsSecure;
    const { path } = conversation;
    if (path instanceof AnchoredPath) path.join(leg, path.anchor.ends[1]!);
    const offer = this.#offer ? await path.offer(caller, leg, this.#offer) : await path.offerAgain(null, leg);
    return { leg, offer };
  }

  async #tellProgress(leg: Leg, response: SipResponse): Promise<void> {
    const { invite } = this.#options;
    const { status, reason } = response;
    try {
      const early = this.#offer ? await this.#earlyAnswer(leg, response) : null;
      if (invite.answered) return;
      if (early) invite.ringing({ status, reason, body: sdpBody(early) });
      else invite.ringing({ status, reason });
    } catch {
      // What is wrong with it shows when it is the answer; until then the caller hears that it rings.
      if (!invite.answered) invite.ringing({ status: 180 });
    }
  }

  /** The first phone that speaks early is heard; the caller can listen to one only. */
  async #earlyAnswer(leg: Leg, response: SipResponse): Promise<Sdp | null> {
    if (response.body.length === 0 || (this.#early.size > 0 && !this.#early.has(leg))) return null;
    return await this.#answerFrom(leg, response);
  }

  /** What the caller is answered; the same again when the called party repeats itself (RFC 3261 13.2.1). */
  async #answerFrom(leg: Leg, response: SipResponse): Promise<Sdp> {
    const { conversation, caller } = this.#options;
    const known = this.#early.get(leg);
    const text = response.body.toString('latin1');
    if (known && (known.text === text || text === '')) return await known.sdp;
    const answer = sdpOf(response);
    if (answer === null) throw new NotAcceptable('the called party answered without a session description');
    const sdp = conversation.path.answer(leg, caller, answer);
    this.#early.set(leg, { text, sdp });
    return await sdp;
  }

  async #connect({ leg, response }: Answered): Promise<Leg> {
    const { conversation, caller, invite } = this.#options;
    if (this.#isCancelled) throw new SipFailure(487, 'Request Terminated');
    let body: Sdp;
    if (this.#offer) body = await this.#answerFrom(leg, response);
    else {
      const answer = sdpOf(response);
      if (answer === null) throw new NotAcceptable('the called party answered without a session description');
      await conversation.path.settle(leg, answer);
      body = await conversation.path.offerAgain(leg, caller);
    }
    if (this.#isCancelled) throw new SipFailure(487, 'Request Terminated');
    caller.isRecordAware = invite.request.lists('supported', 'record-aware');
    leg.isRecordAware = response.lists('supported', 'record-aware');
    caller.session = invite.accept({ body: sdpBody(body) });
    if (caller.party.dn !== null) caller.session.stayOnFlow(); // a phone is where it calls from, whatever its Contact says
    if (!this.#offer) {
      caller.session.onAck = (ack) => {
        conversation.takeAck(caller, ack).catch(() => conversation.end('the caller did not answer our offer'));
      };
    }
    conversation.establish(caller, leg);
    return leg;
  }
}

/** By the configuration; or by the phone itself (RFC 3261 21.3), to a number of ours: where its Contact is, the dial plan decides. */
function forwardedTo({ onBusy, onNoAnswer }: Plan, { status, response }: SipFailure): string | null {
  if (BUSY.has(status)) return onBusy;
  if (NO_ANSWER.has(status)) return onNoAnswer;
  const contact = status >= 300 && status < 400 ? response?.contact : undefined;
  return contact ? unescapeUri(parseSipUri(contact.uri).user) : null;
}

function answerOf(error: unknown): Parameters<IncomingInvite['reject']>[0] {
  if (error instanceof SipFailure && error.response) {
    const { status, reason } = error.response;
    // A challenge is for us, not for the caller.
    if (status === 401 || status === 407) return { status: 403, reason: 'Forbidden by the next server' };
    if (status < 400) return { status: 480 };
    return { status, reason };
  }
  return refusalOf(error);
}

/** RFC 3261 16.6 does not hold for a back-to-back user agent: what it does not know stays with it, but for what is meant for people. */
function passedOn({ request }: IncomingInvite): [string, string][] {
  const headers: [string, string][] = [];
  for (const [name, value] of request.entries()) {
    const lower = name.toLowerCase();
    const isPassed = PASSED_ON.has(lower) || (lower.startsWith('x-') && !lower.startsWith('x-doubletrack-'));
    if (isPassed && value.length <= MOST_VALUE_CHARACTERS && headers.length < MOST_PASSED_ON)
      headers.push([name, value]);
  }
  return headers;
}
