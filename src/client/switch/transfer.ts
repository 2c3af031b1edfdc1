/**
 * Transfers (RFC 3515, RFC 5589): a party that refers the other one to somebody is replaced by them. A number is called; a dialog that Replaces
 * (RFC 3891) names is one of ours, whose other party takes the place.
 */
import type { Sdp } from '../../sdp/index.ts';
import {
  parseNameAddr,
  parseSipUri,
  type SipAnswer,
  type SipRequest,
  type SipResponse,
  type SipSession,
  unescapeUri,
} from '../../sip/index.ts';
import type { Conversation, Place } from './conversation.ts';
import { type Dialling, sdpOf } from './dialling.ts';
import { type Leg, sdpBody } from './leg.ts';
import type { AnchoredPath } from './media-path.ts';

export interface ReferTarget {
  number: string;
  /** The dialog that is to be replaced; null: the number is called. */
  replaces: { callId: string; toTag: string; fromTag: string } | null;
}

export interface TransferOptions {
  /** The leg that has a dialog of ours with this id, as its own party sees it. */
  legOf(replaces: NonNullable<ReferTarget['replaces']>): { conversation: Conversation; leg: Leg } | null;
  /** Rings whoever the number leads to on behalf of the party that stays; the leg is the caller's to prepare. Null: it leads nowhere. */
  dial(number: string, stays: Leg, prepare: (leg: Leg) => Promise<Sdp>): Dialling | null;
  setTimer(inMs: number, run: () => void): () => void;
  onDone(conversation: Conversation, place: Place, from: Conversation | null): void;
  log: { warn(facts: object, message: string): void };
}

/** What has referred may say goodbye itself; after so long it is told to. */
const LEAVE_MS = 4_000;

/** What a REFER asks for; null: it cannot be read (RFC 3515 2.4.1). */
export function referTarget(request: SipRequest): ReferTarget | null {
  if (request.count('refer-to') !== 1) return null;
  const uri = parseNameAddr(request.header('refer-to') ?? '')?.uri;
  if (!uri) return null;
  const { scheme, user, headers } = parseSipUri(uri);
  if ((scheme !== 'sip' && scheme !== 'sips') || user === '') return null;
  const value = [...headers].find(([name]) => name.toLowerCase() === 'replaces')?.[1];
  const number = unescapeUri(user);
  if (value === undefined) return { number, replaces: null };
  const [callId = '', ...parameters] = unescapeUri(value).split(';');
  const tag = (name: string) =>
    parameters
      .find((one) => one.trim().toLowerCase().startsWith(`${name}=`))
      ?.trim()
      .slice(name.length + 1);
  const [toTag, fromTag] = [tag('to-tag'), tag('from-tag')];
  return callId === '' || !toTag || !fromTag ? null : { number, replaces: { callId, toTag, fromTag } };
}

export class Transfer {
  readonly #options: TransferOptions;
  readonly #conversation: Conversation;
  readonly #referrer: Leg;

  constructor(options: TransferOptions, conversation: Conversation, referrer: Leg) {
    this.#options = options;
    this.#conversation = conversation;
    this.#referrer = referrer;
  }

  /** Answers the REFER; what comes of it is notified (RFC 3515 2.4.4). */
  begin(request: SipRequest): SipAnswer {
    const target = referTarget(request);
    if (!target) return { status: 400, reason: 'Bad Refer-To' };
    const stays = this.#conversation.other(this.#referrer);
    if (!stays?.session) return { status: 481 };
    setImmediate(() => void this.#run(target, stays));
    return { status: 202, reason: 'Accepted' };
  }

  async #run({ number, replaces }: ReferTarget, stays: Leg): Promise<void> {
    const session = this.#referrer.session!;
    const place = this.#conversation.legs[0] === this.#referrer ? 0 : 1;
    notify(session, 'SIP/2.0 100 Trying', 'active;expires=60');
    try {
      await this.#conversation.bringHere();
      const path = this.#conversation.path as AnchoredPath;
      const { leg, from } = replaces ? await this.#takeOver(replaces, stays, path) : await this.#call(number, stays, path);
      this.#conversation.replace(place, leg, from);
      notify(session, 'SIP/2.0 200 OK', 'terminated;reason=noresource');
      this.#leave(session);
      this.#options.onDone(this.#conversation, place, from);
      await this.#agree(stays, leg);
    } catch (error) {
      const status = (error as { status?: number }).status ?? 503;
      this.#options.log.warn({ conversation: this.#conversation.id, reason: String(error) }, 'a transfer failed');
      notify(session, `SIP/2.0 ${status} Transfer failed`, 'terminated;reason=noresource');
    }
  }

  /** Blind: somebody is called for the party that stays. */
  async #call(number: string, stays: Leg, path: AnchoredPath): Promise<{ leg: Leg; from: null }> {
    const dialling = this.#options.dial(number, stays, (leg) => this.#prepare(path, leg, stays));
    if (!dialling) throw failure(404, `${number} leads nowhere`);
    const { leg, response, session } = await dialling.answered;
    if (this.#conversation.isOver) {
      void session.bye();
      throw failure(487, 'the conversation is over');
    }
    await settle(path, leg, response);
    return { leg, from: null };
  }

  /** Attended: the other party of the call that the referrer has beside this one. */
  async #takeOver(
    replaces: NonNullable<ReferTarget['replaces']>,
    stays: Leg,
    path: AnchoredPath,
  ): Promise<{ leg: Leg; from: Conversation }> {
    const found = this.#options.legOf(replaces);
    const leg = found?.conversation.other(found.leg);
    if (!found || !leg?.session || found.conversation === this.#conversation) {
      throw failure(481, 'there is no such dialog to replace');
    }
    const before = leg.anchored;
    const offer = await this.#prepare(path, leg, stays);
    const response = await leg.session.request('INVITE', { body: sdpBody(offer) });
    if (response.status >= 300) {
      leg.anchored = before;
      throw failure(response.status, 'the new party did not follow');
    }
    await settle(path, leg, response);
    found.conversation.giveAway(leg);
    leg.isHolding = false;
    return { leg, from: found.conversation };
  }

  /** The newcomer is offered what the one that stays speaks, at the end of the one that goes. */
  #prepare(path: AnchoredPath, leg: Leg, stays: Leg): Promise<Sdp> {
    path.join(leg, this.#referrer.anchored!.end);
    return path.offerTo(leg, stays.anchored!.media.agreed!.payloadTypes, 'sendrecv', stays);
  }

  /** The one that stays may be on hold, or speak what the newcomer does not. */
  async #agree(stays: Leg, newcomer: Leg): Promise<void> {
    const [one, other] = [stays.anchored?.media.agreed, newcomer.anchored?.media.agreed];
    if (one?.direction === 'sendrecv' && one.payloadTypes.length === other?.payloadTypes.length) return;
    await this.#conversation.agreeAgain(stays).catch((error: unknown) => {
      const facts = { conversation: this.#conversation.id, reason: String(error) };
      this.#options.log.warn(facts, 'the party that stays did not follow');
    });
  }

  #leave(session: SipSession): void {
    this.#options.setTimer(LEAVE_MS, () => {
      if (!session.over) void session.bye();
    });
  }
}

/** With the status that the referrer is told. */
function failure(status: number, message: string): Error & { status: number } {
  return Object.assign(new Error(message), { status });
}

async function settle(path: AnchoredPath, leg: Leg, response: SipResponse): Promise<void> {
  const answer = sdpOf(response);
  if (answer === null) throw failure(488, 'no answer to our offer');
  await path.settle(leg, answer);
}

/** RFC 3515 2.4.5: a piece of the response that the referred request got. */
function notify(session: SipSession, statusLine: string, state: string): void {
  if (session.over) return;
  const body = { contentType: 'message/sipfrag;version=2.0', content: Buffer.from(`${statusLine}\r\n`) };
  const headers: [string, string][] = [
    ['Event', 'refer'],
    ['Subscription-State', state],
  ];
  session.request('NOTIFY', { headers, body }).catch(() => {});
}
