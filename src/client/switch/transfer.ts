/**
 * Transfers (RFC 3515, RFC 5589): a party that refers the other one to somebody is replaced by them. A number is called; a dialog that Replaces
 * (RFC 3891) names is one of ours, whose other party takes the place.
 */
import {
  parseNameAddr,
  parseSipUri,
  type SipAnswer,
  type SipRequest,
  type SipSession,
  unescapeUri,
} from '../../sip/index.ts';
import type { Conversation, Place } from './conversation.ts';
import type { Answered, Dialling } from './dialling.ts';
import { sdpOf } from './dialling.ts';
import { Leg, sdpBody } from './leg.ts';
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
  dial(number: string, stays: Leg, prepare: (leg: Leg) => ReturnType<AnchoredPath['offerTo']>): Dialling | null;
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

  async #run(target: ReferTarget, stays: Leg): Promise<void> {
    const session = this.#referrer.session!;
    notify(session, 'SIP/2.0 100 Trying', 'active;expires=60');
    try {
      const from = target.replaces
        ? await this.#takeOver(target.replaces, stays)
        : await this.#call(target.number, stays);
      notify(session, 'SIP/2.0 200 OK', 'terminated;reason=noresource');
      this.#leave(session);
      this.#options.onDone(this.#conversation, this.#place(), from);
    } catch (error) {
      const status = (error as { status?: number }).status ?? 503;
      this.#options.log.warn({ conversation: this.#conversation.id, reason: String(error) }, 'a transfer failed');
      notify(session, `SIP/2.0 ${status} Transfer failed`, 'terminated;reason=noresource');
    }
  }

  #place(): Place {
    return this.#newPlace;
  }

  #newPlace: Place = 0;

  /** Blind: somebody is called for the party that stays. */
  async #call(number: string, stays: Leg): Promise<null> {
    const path = await this.#anchored();
    const place = this.#takePlace();
    const dialling = this.#options.dial(number, stays, (leg) => this.#prepare(path, place, leg, stays));
    if (!dialling) throw Object.assign(new Error(`${number} leads nowhere`), { status: 404 });
    const { leg, response, session }: Answered = await dialling.answered;
    if (this.#conversation.isOver) {
      void session.bye();
      throw Object.assign(new Error('the conversation is over'), { status: 487 });
    }
    await this.#settle(path, leg, sdpOf(response));
    this.#conversation.replace(place, leg);
    await this.#agree(stays, leg);
    return null;
  }

  /** Attended: the other party of the call that the referrer has beside this one. */
  async #takeOver(replaces: NonNullable<ReferTarget['replaces']>, stays: Leg): Promise<Conversation> {
    const found = this.#options.legOf(replaces);
    const theirs = found?.conversation.other(found.leg);
    if (!found || !theirs?.session || found.conversation === this.#conversation) {
      throw Object.assign(new Error('no such dialog to replace'), { status: 481 });
    }
    const path = await this.#anchored();
    const place = this.#takePlace();
    const before = theirs.anchored;
    const offer = this.#prepare(path, place, theirs, stays);
    const response = await theirs.session.request('INVITE', { body: sdpBody(offer) });
    if (response.status >= 300) {
      theirs.anchored = before;
      throw Object.assign(new Error('the new party did not follow'), { status: response.status });
    }
    await this.#settle(path, theirs, sdpOf(response));
    const { session } = found.leg;
    theirs.isLeaving = true;
    found.conversation.end('transferred');
    theirs.isLeaving = false;
    theirs.isHolding = false;
    this.#conversation.replace(place, theirs);
    if (session && !session.over) void session.bye();
    await this.#agree(stays, theirs);
    return found.conversation;
  }

  async #anchored(): Promise<AnchoredPath> {
    await this.#conversation.bringHere();
    return this.#conversation.path as AnchoredPath;
  }

  #takePlace(): Place {
    this.#newPlace = this.#conversation.legs[0] === this.#referrer ? 0 : 1;
    return this.#newPlace;
  }

  #prepare(path: AnchoredPath, _place: Place, leg: Leg, stays: Leg): ReturnType<AnchoredPath['offerTo']> {
    path.join(leg, this.#referrer.anchored!.end);
    return path.offerTo(leg, stays.anchored!.media.agreed!.payloadTypes, 'sendrecv');
  }

  async #settle(path: AnchoredPath, leg: Leg, answer: ReturnType<typeof sdpOf>): Promise<void> {
    if (answer === null) throw Object.assign(new Error('no answer to our offer'), { status: 488 });
    await path.settle(leg, answer);
  }

  /** The one that stays may be on hold, or speak what the newcomer does not. */
  async #agree(stays: Leg, newcomer: Leg): Promise<void> {
    const [one, other] = [stays.anchored?.media.agreed, newcomer.anchored?.media.agreed];
    const isHeard = one?.hears && one.direction === 'sendrecv';
    if (isHeard && one.payloadTypes.length === other?.payloadTypes.length) return;
    await this.#conversation.agreeAgain(stays).catch((error: unknown) => {
      this.#options.log.warn(
        { conversation: this.#conversation.id, reason: String(error) },
        'the party that stays did not follow',
      );
    });
  }

  #leave(session: SipSession): void {
    this.#options.setTimer(LEAVE_MS, () => {
      if (!session.over) void session.bye();
    });
  }
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

export { Leg };
