/**
 * Finding the called party: targets in turn, each of one or several phones that ring at the same time (RFC 3261 16.7: the first 2xx wins, of
 * refusals the best is told).
 */
import { parseSdp, type Sdp, SdpError } from '../../sdp/index.ts';
import {
  type InviteOptions,
  type OutgoingInvite,
  type SipEndpoint,
  SipFailure,
  type SipResponse,
  type SipSession,
} from '../../sip/index.ts';
import type { Leg } from './leg.ts';
import { sdpBody } from './leg.ts';

/** One place to ring. */
export interface Contact {
  /** URI to call, and where to send that if it is elsewhere. */
  uri: string;
  nextHop?: string;
  credentials?: { username: string; password: string };
}

/** Places that ring at the same time, and for how long. */
export interface Target {
  contacts: Contact[];
  /** For an answer. */
  withinMs: number;
  /** For a sign of life; the next target is tried without one. */
  aliveWithinMs: number;
}

export interface DiallingOptions {
  endpoint: Pick<SipEndpoint, 'invite'>;
  targets: Target[];
  /** A leg for a place, with the offer that it gets: null lets it make one. */
  leg(contact: Contact): Promise<{ leg: Leg; offer: Sdp }>;
  /** The INVITE but for where it goes and its body. */
  invite: Pick<InviteOptions, 'from' | 'headers' | 'maxForwards'> & { to: string };
  onProgress(leg: Leg, response: SipResponse): void;
  setTimer(atMs: number, run: () => void): () => void;
}

export interface Answered {
  leg: Leg;
  session: SipSession;
  response: SipResponse;
}

/** What a target that can be passed over says: it is not there, or cannot now. Other refusals are those of the callee. */
const MAY_TRY_NEXT = (status: number): boolean => status === 408 || status === 430 || (status >= 500 && status < 600);

export class Dialling {
  /** Rejects with a SipFailure: 487 when it was given up, 408 when nobody answered in time. */
  readonly answered: Promise<Answered>;
  readonly #options: DiallingOptions;
  readonly #ringing = new Set<OutgoingInvite>();
  #isCancelled = false;

  constructor(options: DiallingOptions) {
    this.#options = options;
    this.answered = this.#run();
    this.answered.catch(() => {}); // who gives up need not look
  }

  cancel(): void {
    this.#isCancelled = true;
    for (const invite of this.#ringing) invite.cancel();
  }

  async #run(): Promise<Answered> {
    let last = new SipFailure(480, 'there is nobody to call');
    for (const target of this.#options.targets) {
      if (this.#isCancelled) throw new SipFailure(487, 'Request Terminated');
      try {
        return await this.#ring(target);
      } catch (error) {
        if (!(error instanceof SipFailure) || this.#isCancelled || !MAY_TRY_NEXT(error.status)) throw error;
        last = error;
      }
    }
    throw last;
  }

  async #ring({ contacts, withinMs, aliveWithinMs }: Target): Promise<Answered> {
    const refusals: SipFailure[] = [];
    const invites: OutgoingInvite[] = [];
    let isAlive = false;
    let isLate = false;
    const giveUp = (): void => {
      isLate = true;
      for (const invite of invites) invite.cancel();
    };
    const stops = [
      this.#options.setTimer(withinMs, giveUp),
      this.#options.setTimer(aliveWithinMs, () => isAlive || giveUp()),
    ];
    const attempts = contacts.map(async (contact): Promise<Answered> => {
      const { leg, offer } = await this.#options.leg(contact);
      if (isLate || this.#isCancelled) throw new SipFailure(487, 'Request Terminated');
      const { to, ...rest } = this.#options.invite;
      const invite = this.#options.endpoint.invite({ ...rest, ...contact, to, body: sdpBody(offer) });
      invites.push(invite);
      this.#ringing.add(invite);
      invite.onProgress = (response) => {
        isAlive = true;
        if (!isLate && !this.#isCancelled) this.#options.onProgress(leg, response);
      };
      try {
        const { session, response } = await invite.answered;
        leg.session = session;
        return { leg, session, response };
      } catch (error) {
        const failure = error instanceof SipFailure ? error : new SipFailure(500, String(error));
        refusals.push(failure);
        // RFC 3261 16.7, step 5: who refuses for everybody ends it.
        if (failure.status >= 600) for (const other of invites) other.cancel();
        throw failure;
      } finally {
        this.#ringing.delete(invite);
      }
    });
    try {
      const answered = await Promise.any(attempts);
      this.#endOthers(invites, attempts, answered);
      return answered;
    } catch {
      throw this.#isCancelled ? new SipFailure(487, 'Request Terminated') : best(refusals, isLate);
    } finally {
      for (const stop of stops) stop();
    }
  }

  /** Two that answer at the same time: one of them is told that it was too late. */
  #endOthers(invites: OutgoingInvite[], attempts: Promise<Answered>[], winner: Answered): void {
    for (const invite of invites) invite.cancel();
    for (const attempt of attempts) {
      attempt.then(
        ({ session }) => session !== winner.session && void session.bye(),
        () => {},
      );
    }
  }
}

/** RFC 3261 16.7, step 6: 6xx before all, then the lowest class; among 4xx what the caller can do something about. */
function best(refusals: readonly SipFailure[], isLate: boolean): SipFailure {
  const others = refusals.filter(({ status }) => status !== 487);
  if (others.length === 0)
    return isLate
      ? new SipFailure(408, 'nobody has answered in time')
      : (refusals[0] ?? new SipFailure(480, 'nobody to call'));
  const rank = ({ status }: SipFailure): number => (status >= 600 ? 0 : status === 486 ? 401 : status);
  return others.reduce((a, b) => (rank(b) < rank(a) ? b : a));
}

/** @throws SdpError */
export function sdpOf(message: { contentType: string | null | undefined; body: Uint8Array }): Sdp | null {
  if (message.body.length === 0) return null;
  const type = (message.contentType ?? '').split(';', 1)[0]!.trim().toLowerCase();
  if (type !== 'application/sdp') throw new SdpError('not-sdp', `a body of ${type || 'no type'} where SDP is due`);
  return parseSdp(message.body);
}
