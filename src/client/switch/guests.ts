/**
 * Others in calls of two: a third party hears both and is heard by both (a conference). Who supervises listens in, and leaves no trace with the
 * parties; coaches, and is heard by the one that is supervised; or barges in, and is a third party then.
 */
import type { Sdp } from '../../sdp/index.ts';
import type { AnchorEnd } from '../media-server/anchor.ts';
import { type CallControl, WrongState } from './call-control.ts';
import type { Conversation } from './conversation.ts';
import { type Dialling, sdpOf } from './dialling.ts';
import type { Leg } from './leg.ts';
import type { AnchoredPath } from './media-path.ts';

type Supervise = Parameters<CallControl['supervise']>[0];

export interface GuestsOptions {
  /** The call that a DN has, answered. */
  callOf(dn: string): Conversation | null;
  maySupervise(supervisorDn: string, targetDn: string): boolean;
  /** Rings whoever a number leads to; null: it leads nowhere. */
  dial(number: string, prepare: (leg: Leg) => Promise<Sdp>): Dialling | null;
  log: { info(facts: object, message: string): void };
}

/** Whom of the parties the guest is heard by. */
interface Guest {
  leg: Leg;
  end: AnchorEnd;
  heardBy: AnchorEnd[];
  isParty: boolean;
}

export class Guests {
  readonly #options: GuestsOptions;

  constructor(options: GuestsOptions) {
    this.#options = options;
  }

  /** Rings the supervisor. Resolves to the id of the leg when the phone is answered. Rejects with WrongState. */
  async supervise({ supervisorDn, targetDn, mode }: Supervise): Promise<string> {
    if (!this.#options.maySupervise(supervisorDn, targetDn)) {
      throw new WrongState(`${supervisorDn} may not supervise ${targetDn}: extensions[].supervises says who may`);
    }
    const conversation = this.#options.callOf(targetDn);
    const target = conversation?.legs.find(({ party }) => party.dn === targetDn);
    if (!conversation || !target) throw new WrongState(`${targetDn} has no call that is answered`);
    const heardBy = (ends: readonly AnchorEnd[]) =>
      mode === 'listen' ? [] : mode === 'coach' ? [target.anchored!.end] : ends.slice(0, 2);
    return await this.#take(conversation, supervisorDn, heardBy, mode === 'barge');
  }

  /** Calls a third party. Resolves to the id of its leg when it has answered. Rejects with WrongState. */
  async invite(conversation: Conversation, number: string): Promise<string> {
    if (conversation.guests.length > 0) throw new WrongState('the call has a third party already');
    return await this.#take(conversation, number, (ends) => ends.slice(0, 2), true);
  }

  async #take(
    conversation: Conversation,
    number: string,
    heardBy: (ends: readonly AnchorEnd[]) => AnchorEnd[],
    isParty: boolean,
  ): Promise<string> {
    const path = await this.#bringHere(conversation);
    const end = await path.anchor.addEnd();
    try {
      const leg = await this.#ring(number, path, end, heardBy(path.anchor.ends).length > 0);
      await this.#connect(conversation, path, { leg, end, heardBy: heardBy(path.anchor.ends), isParty });
      return leg.id;
    } catch (error) {
      await path.anchor.removeEnd(end).catch(() => {});
      throw error instanceof WrongState
        ? error
        : new WrongState(`${number} cannot be connected: ${(error as Error).message}`);
    }
  }

  async #bringHere(conversation: Conversation): Promise<AnchoredPath> {
    if (conversation.state === 'ringing' || conversation.isOver)
      throw new WrongState('the call is not answered, or over');
    try {
      await conversation.bringHere();
    } catch (error) {
      throw new WrongState(`the media of the call cannot be brought here: ${(error as Error).message}`);
    }
    return conversation.path as AnchoredPath;
  }

  async #ring(number: string, path: AnchoredPath, end: AnchorEnd, isHeard: boolean): Promise<Leg> {
    const dialling = this.#options.dial(number, (leg) => {
      path.join(leg, end);
      return path.offerTo(leg, path.ownPayloadTypes, isHeard ? 'sendrecv' : 'sendonly', null);
    });
    if (!dialling) throw new WrongState(`${number} leads to nobody who can be rung`);
    const { leg, session, response } = await dialling.answered;
    const answer = sdpOf(response);
    if (answer === null) {
      void session.bye();
      throw new WrongState(`${number} answered without a session description`);
    }
    await path.settle(leg, answer);
    return leg;
  }

  async #connect(conversation: Conversation, { anchor }: AnchoredPath, guest: Guest): Promise<void> {
    const { leg, end, heardBy, isParty } = guest;
    const session = leg.session!;
    if (conversation.isOver || session.over) {
      void session.bye();
      throw new WrongState('the call is over');
    }
    session.onEnded = () => {
      this.#leave(conversation, guest).catch((error: unknown) => {
        this.#options.log.info(
          { conversation: conversation.id, reason: String(error) },
          'a guest left as the call ended',
        );
      });
    };
    conversation.attendants.add(leg);
    await anchor.hear(end, anchor.ends.slice(0, 2));
    for (const one of heardBy) await anchor.hear(one, [...one.hears, end]);
    this.#options.log.info({ conversation: conversation.id, guest: leg.party.dn, isParty }, 'a guest has come');
    if (!isParty) return;
    leg.joinedAtMs = Date.now();
    conversation.guests.push(leg);
    this.#tell('party-added', conversation, leg);
  }

  async #leave(conversation: Conversation, { leg, end, isParty }: Guest): Promise<void> {
    conversation.attendants.delete(leg);
    const { anchor } = conversation;
    if (conversation.isOver || !anchor) return;
    for (const one of anchor.ends) {
      if (one.hears.includes(end))
        await anchor.hear(
          one,
          one.hears.filter((heard) => heard !== end),
        );
    }
    if (isParty) {
      conversation.guests.splice(conversation.guests.indexOf(leg), 1);
      this.#tell('party-deleted', conversation, leg);
    }
    await anchor.removeEnd(end);
  }

  #tell(type: 'party-added' | 'party-deleted', conversation: Conversation, { party }: Leg): void {
    for (const one of conversation.legs) conversation.tell(type, one, { thirdDn: party.dn ?? party.aor });
    conversation.recordings?.update();
  }
}
