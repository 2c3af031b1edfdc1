/**
 * The two server transaction machines (RFC 3261 17.2; Accepted state of RFC 6026 7.1).
 *
 *   INVITE      Proceeding -> Completed -> Confirmed -> Terminated
 *                        \--> Accepted ----------------^
 *   non-INVITE  Trying -> Proceeding -> Completed -> Terminated
 */
import { NOTHING, type Output, SEND, TERMINATED, TIMED_OUT, TRYING } from './machine.ts';
import { T1, T1_64, T2, T4, TRYING_AFTER } from './timers.ts';

type InviteState = 'proceeding' | 'completed' | 'confirmed' | 'accepted' | 'terminated';

export class InviteServerMachine {
  state: InviteState = 'proceeding';
  deadline: number;
  readonly #reliable: boolean;
  /** Whether any response was sent, so that a retransmitted INVITE has something to be answered with. */
  #responded = false;
  #interval = T1;
  #endAt = Infinity;

  constructor(now: number, reliable: boolean) {
    this.#reliable = reliable;
    this.deadline = now + TRYING_AFTER;
  }

  /** The user sends a response of this status. */
  onRespond(status: number, now: number): readonly Output[] {
    if (this.state === 'accepted') return status >= 200 && status < 300 ? SEND : NOTHING;
    if (this.state !== 'proceeding') return NOTHING;
    this.#responded = true;
    if (status < 200) this.deadline = Infinity;
    else if (status < 300) {
      this.state = 'accepted';
      this.deadline = now + T1_64; // Timer L
    } else {
      this.state = 'completed';
      this.#endAt = now + T1_64; // Timer H
      this.deadline = this.#reliable ? this.#endAt : now + this.#interval; // Timer G
    }
    return SEND;
  }

  /** The INVITE came again. In Accepted the user's own 2xx retransmission answers it (RFC 6026 7.1). */
  onRetransmission(): readonly Output[] {
    if (this.state === 'proceeding') return this.#responded ? SEND : NOTHING;
    return this.state === 'completed' ? SEND : NOTHING;
  }

  /** ACK of a non-2xx response. */
  onAck(now: number): readonly Output[] {
    if (this.state !== 'completed') return NOTHING;
    this.state = 'confirmed';
    if (this.#reliable) return this.#terminate(TERMINATED);
    this.deadline = now + T4; // Timer I
    return NOTHING;
  }

  onDeadline(now: number): readonly Output[] {
    switch (this.state) {
      case 'proceeding':
        this.deadline = Infinity;
        this.#responded = true;
        return TRYING;
      case 'completed':
        if (now >= this.#endAt) return this.#terminate(TIMED_OUT);
        this.#interval = Math.min(this.#interval * 2, T2);
        this.deadline = Math.min(now + this.#interval, this.#endAt);
        return SEND;
      case 'confirmed':
      case 'accepted':
        return this.#terminate(TERMINATED);
      default:
        return NOTHING;
    }
  }

  onTransportError(): readonly Output[] {
    return this.state === 'terminated' ? NOTHING : this.#terminate(TERMINATED);
  }

  #terminate(outputs: readonly Output[]): readonly Output[] {
    this.state = 'terminated';
    this.deadline = Infinity;
    return outputs;
  }
}

type NonInviteState = 'trying' | 'proceeding' | 'completed' | 'terminated';

export class NonInviteServerMachine {
  state: NonInviteState = 'trying';
  deadline: number;
  readonly #reliable: boolean;

  /** RFC 4320 4.1: after 64*T1 the client has given up, and an answer is of no use to anyone. */
  constructor(now: number, reliable: boolean) {
    this.#reliable = reliable;
    this.deadline = now + T1_64;
  }

  onRespond(status: number, now: number): readonly Output[] {
    if (this.state !== 'trying' && this.state !== 'proceeding') return NOTHING;
    if (status < 200) {
      this.state = 'proceeding';
      return SEND;
    }
    this.state = 'completed';
    this.deadline = this.#reliable ? now : now + T1_64; // Timer J: zero over reliable transports
    return SEND;
  }

  onRetransmission(): readonly Output[] {
    return this.state === 'proceeding' || this.state === 'completed' ? SEND : NOTHING;
  }

  onDeadline(): readonly Output[] {
    return this.state === 'terminated' ? NOTHING : this.#terminate();
  }

  onTransportError(): readonly Output[] {
    return this.state === 'terminated' ? NOTHING : this.#terminate();
  }

  #terminate(): readonly Output[] {
    this.state = 'terminated';
    this.deadline = Infinity;
    return TERMINATED;
  }
}
