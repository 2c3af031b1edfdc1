/**
 * The two client transaction machines (RFC 3261 17.1; Accepted state of RFC 6026 7.2).
 *
 *   INVITE      Calling -> Proceeding -> Completed -> Terminated
 *                      \-----------\--> Accepted --^
 *   non-INVITE  Trying -> Proceeding -> Completed -> Terminated
 */
import {
  ACK,
  DELIVER,
  DELIVER_ACK,
  DELIVER_ACK_END,
  DELIVER_END,
  NOTHING,
  type Output,
  SEND,
  TERMINATED,
  TIMED_OUT,
} from './machine.ts';
import { T1, T1_64, T2, T4, TIMER_D } from './timers.ts';

type InviteState = 'calling' | 'proceeding' | 'completed' | 'accepted' | 'terminated';

export class InviteClientMachine {
  state: InviteState = 'calling';
  deadline: number;
  readonly #reliable: boolean;
  #interval = T1;
  #giveUpAt: number;

  /** The request has just been sent. */
  constructor(now: number, reliable: boolean) {
    this.#reliable = reliable;
    this.#giveUpAt = now + T1_64; // Timer B
    this.deadline = reliable ? this.#giveUpAt : now + T1; // Timer A
  }

  onResponse(status: number, now: number): readonly Output[] {
    if (this.state === 'completed') return status >= 300 ? ACK : NOTHING;
    if (this.state === 'accepted') return status >= 200 && status < 300 ? DELIVER : NOTHING;
    if (this.state === 'terminated') return NOTHING;
    if (status < 200) {
      if (this.state === 'calling') this.deadline = this.#giveUpAt = Infinity;
      this.state = 'proceeding';
      return DELIVER;
    }
    if (status < 300) {
      this.state = 'accepted';
      this.deadline = now + T1_64; // Timer M
      return DELIVER;
    }
    if (this.#reliable) return this.#terminate(DELIVER_ACK_END); // Timer D is zero
    this.state = 'completed';
    this.deadline = now + TIMER_D;
    return DELIVER_ACK;
  }

  /** CANCEL was sent: a final response that never comes ends the transaction after 64*T1 (RFC 3261 9.1). */
  onCancelled(now: number): void {
    if (this.state === 'proceeding') this.deadline = this.#giveUpAt = now + T1_64;
  }

  onDeadline(now: number): readonly Output[] {
    switch (this.state) {
      case 'calling':
        if (now >= this.#giveUpAt) return this.#terminate(TIMED_OUT);
        this.#interval *= 2;
        this.deadline = Math.min(now + this.#interval, this.#giveUpAt);
        return SEND;
      case 'proceeding':
        return now >= this.#giveUpAt ? this.#terminate(TIMED_OUT) : NOTHING;
      case 'completed':
      case 'accepted':
        return this.#terminate(TERMINATED);
      default:
        return NOTHING;
    }
  }

  #terminate(outputs: readonly Output[]): readonly Output[] {
    this.state = 'terminated';
    this.deadline = Infinity;
    return outputs;
  }
}

type NonInviteState = 'trying' | 'proceeding' | 'completed' | 'terminated';

export class NonInviteClientMachine {
  state: NonInviteState = 'trying';
  deadline: number;
  readonly #reliable: boolean;
  readonly #giveUpAt: number;
  #interval = T1;

  /** The request has just been sent. */
  constructor(now: number, reliable: boolean) {
    this.#reliable = reliable;
    this.#giveUpAt = now + T1_64; // Timer F
    this.deadline = reliable ? this.#giveUpAt : now + T1; // Timer E
  }

  onResponse(status: number, now: number): readonly Output[] {
    if (this.state !== 'trying' && this.state !== 'proceeding') return NOTHING;
    if (status < 200) {
      this.state = 'proceeding';
      return DELIVER;
    }
    if (this.#reliable) return this.#terminate(DELIVER_END); // Timer K is zero
    this.state = 'completed';
    this.deadline = now + T4; // Timer K
    return DELIVER;
  }

  onDeadline(now: number): readonly Output[] {
    if (this.state === 'completed') return this.#terminate(TERMINATED);
    if (this.state === 'terminated') return NOTHING;
    if (now >= this.#giveUpAt) return this.#terminate(TIMED_OUT);
    this.#interval = this.state === 'proceeding' ? T2 : Math.min(this.#interval * 2, T2);
    this.deadline = Math.min(now + this.#interval, this.#giveUpAt);
    return SEND;
  }

  #terminate(outputs: readonly Output[]): readonly Output[] {
    this.state = 'terminated';
    this.deadline = Infinity;
    return outputs;
  }
}
