/**
 * Supervisors in calls of others: who listens in hears both parties and leaves no trace with them; who coaches is heard by the one that is
 * supervised; who barges in is heard by both, and a party of the call then.
 */
import type { AnchorEnd } from '../media-server/anchor.ts';
import { WrongState } from './call-control.ts';
import type { Conversation } from './conversation.ts';
import { type Dialling, sdpOf } from './dialling.ts';
import type { Leg } from './leg.ts';
import type { AnchoredPath } from './media-path.ts';

export type SupervisionMode = 'listen' | 'coach' | 'barge';

export interface SupervisionOptions {
  /** The call that a DN has, answered. */
  callOf(dn: string): Conversation | null;
  maySupervise(supervisorDn: string, targetDn: string): boolean;
  /** Rings the phones of a DN; null: it has none. */
  dial(dn: string, prepare: (leg: Leg) => ReturnType<AnchoredPath['offerTo']>): Dialling | null;
  log: { info(facts: object, message: string): void };
}

export class Supervision {
  readonly #options: SupervisionOptions;

  constructor(options: SupervisionOptions) {
    this.#options = options;
  }

  /** Rings the supervisor. Resolves to the id of the leg when the phone is answered. Rejects with WrongState. */
  async begin({
    supervisorDn,
    targetDn,
    mode,
  }: {
    supervisorDn: string;
    targetDn: string;
    mode: SupervisionMode;
  }): Promise<string> {
    if (!this.#options.maySupervise(supervisorDn, targetDn)) {
      throw new WrongState(`${supervisorDn} may not supervise ${targetDn}: extensions[].supervises says who may`);
    }
    const conversation = this.#options.callOf(targetDn);
    const target = conversation?.legs.find(({ party }) => party.dn === targetDn);
    if (!conversation || !target) throw new WrongState(`${targetDn} has no call that is answered`);
    const path = await this.#bringHere(conversation);
    const end = await path.anchor.addEnd();
    try {
      const leg = await this.#ring(supervisorDn, path, end, mode);
      await this.#connect(conversation, { leg, end, target, mode });
      return leg.id;
    } catch (error) {
      await path.anchor.removeEnd(end).catch(() => {});
      throw error instanceof WrongState
        ? error
        : new WrongState(`the supervisor cannot be connected: ${(error as Error).message}`);
    }
  }

  async #bringHere(conversation: Conversation): Promise<AnchoredPath> {
    try {
      await conversation.bringHere();
    } catch (error) {
      throw new WrongState(`the media of the call cannot be brought here: ${(error as Error).message}`);
    }
    return conversation.path as AnchoredPath;
  }

  async #ring(dn: string, path: AnchoredPath, end: AnchorEnd, mode: SupervisionMode): Promise<Leg> {
    const dialling = this.#options.dial(dn, (leg) => {
      path.join(leg, end);
      return path.offerTo(leg, path.ownPayloadTypes, mode === 'listen' ? 'sendonly' : 'sendrecv');
    });
    if (!dialling) throw new WrongState(`${dn} is not registered: no phone of it can be rung`);
    const { leg, session, response } = await dialling.answered;
    const answer = sdpOf(response);
    if (answer === null) {
      void session.bye();
      throw new WrongState('the phone of the supervisor answered without a session description');
    }
    await path.settle(leg, answer);
    return leg;
  }

  async #connect(
    conversation: Conversation,
    { leg, end, target, mode }: { leg: Leg; end: AnchorEnd; target: Leg; mode: SupervisionMode },
  ): Promise<void> {
    const { path } = conversation;
    const { anchor } = path as AnchoredPath;
    const session = leg.session!;
    if (conversation.isOver) {
      void session.bye();
      throw new WrongState('the call is over');
    }
    session.onEnded = () => void this.#leave(conversation, leg, end);
    conversation.supervisors.add(leg);
    const [one, other] = anchor.ends as [AnchorEnd, AnchorEnd];
    await anchor.hear(end, [one, other]);
    if (mode !== 'listen') await anchor.hear(target.anchored!.end, this.#withGuest(target.anchored!.end, end));
    if (mode === 'barge') {
      const third = target.anchored!.end === one ? other : one;
      await anchor.hear(third, this.#withGuest(third, end));
      conversation.guests.push(leg);
      for (const party of conversation.legs) conversation.tell('party-added', party, { thirdDn: leg.party.dn });
      conversation.recordings?.update();
    }
    this.#options.log.info({ conversation: conversation.id, supervisor: leg.party.dn, mode }, 'supervised');
  }

  #withGuest(end: AnchorEnd, guest: AnchorEnd): AnchorEnd[] {
    return [...end.hears.filter((one) => one !== guest), guest];
  }

  async #leave(conversation: Conversation, leg: Leg, end: AnchorEnd): Promise<void> {
    conversation.supervisors.delete(leg);
    const guest = conversation.guests.indexOf(leg);
    if (guest >= 0) conversation.guests.splice(guest, 1);
    const { anchor } = conversation;
    if (conversation.isOver || !anchor) return;
    for (const one of anchor.ends) {
      if (one.hears.includes(end))
        await anchor.hear(
          one,
          one.hears.filter((heard) => heard !== end),
        );
    }
    if (guest >= 0) {
      for (const party of conversation.legs) conversation.tell('party-deleted', party, { thirdDn: leg.party.dn });
      conversation.recordings?.update();
    }
    await anchor.removeEnd(end);
  }
}
