/**
 * An INVITE of ours (RFC 3261 13.2): provisional responses and their PRACK (RFC 3262 4), the first 2xx, which makes the session,
 * further 2xx of forks, which are acknowledged and ended (13.2.2.4), and CANCEL with its races (9.1).
 */
import { Dialog } from '../dialog/index.ts';
import type { DigestClient } from '../digest/index.ts';
import { parseDigits, type RequestDraft, type SipBody, type SipResponse, uriScheme } from '../message/index.ts';
import { Alarm, type ClientUser, T1_64 } from '../transaction/index.ts';
import { FAILURE_REASONS, type Flow, type SendFailure } from '../transport/flow.ts';
import type { NextHop } from '../transport/next-hop.ts';
import type { SessionHost } from './host.ts';
import type { SentRequest } from './sent-request.ts';
import { SipSession } from './session.ts';
import { acceptedInterval, timerHeaders, wantedMinSe } from './session-timer.ts';
import { type ContactIdentity, SipFailure } from './types.ts';

/** A callee that rings longer than this is cancelled. */
const LONGEST_RINGING_MS = 180_000;
const MAX_FORKS = 16;

/** What an INVITE is made of. */
export interface InviteParts {
  uri: string;
  from: string;
  localTag: string;
  to: string;
  callId: string;
  headers: [string, string][];
  body: SipBody | null;
  /** Answers the offer of a 2xx or reliable provisional response when the INVITE had none (delayed offer). */
  answer: ((response: SipResponse) => SipBody | null) | null;
  maxForwards: number | undefined;
  /** Answers challenges; null leaves a 401 or 407 to the application. */
  digest: DigestClient | null;
  identity: ContactIdentity;
}

export interface AnsweredInvite {
  response: SipResponse;
  session: SipSession;
}

export class OutgoingInvite implements ClientUser {
  /** The first 2xx and its session. Rejects with a SipFailure: the refusal, 408, 487 when cancelled, or 503. */
  readonly answered: Promise<AnsweredInvite>;
  /** Called for each provisional response above 100. */
  onProgress: (response: SipResponse) => void = () => {};
  readonly #host: SessionHost;
  readonly #parts: InviteParts;
  readonly #hop: NextHop;
  readonly #dialogs = new Map<string, { dialog: Dialog; session: SipSession; rseq: number }>();
  readonly #ringing: Alarm;
  #resolve!: (answered: AnsweredInvite) => void;
  #reject!: (failure: SipFailure) => void;
  #sent: SentRequest | null = null;
  #draft: RequestDraft | null = null;
  #cseq = 1;
  #minSeSec: number;
  #session: SipSession | null = null;
  #cancelled = false;
  #cancelSent = false;
  #settled = false;

  constructor(host: SessionHost, parts: InviteParts, hop: NextHop) {
    this.#host = host;
    this.#parts = parts;
    this.#hop = hop;
    this.#minSeSec = host.options.minSeSec;
    this.#ringing = new Alarm(() => (this.#settled ? this.#endForks() : this.cancel()));
    this.answered = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Who only cares for `cancel` need not handle the rejection.
    this.answered.catch(() => {});
    this.#send();
  }

  get callId(): string {
    return this.#parts.callId;
  }

  #send(): void {
    const cseq = this.#cseq;
    this.#sent = this.#host.send(this.#hop, (to) => this.#compose(cseq, to), this);
  }

  #compose(cseq: number, target: Flow): RequestDraft {
    const { options } = this.#host;
    const { uri, from, localTag, to, callId, body, identity, digest, maxForwards } = this.#parts;
    const timer = options.sessionExpiresSec > 0 ? timerHeaders(options.sessionExpiresSec, this.#minSeSec, null) : [];
    const headers: [string, string][] = [
      ['Contact', this.#host.contact(target, uriScheme(uri) === 'sips', identity)],
      ...this.#host.capabilities(target),
      ...timer,
      ...this.#parts.headers,
      ...(digest?.headers('INVITE', uri) ?? []),
    ];
    this.#draft = {
      method: 'INVITE',
      uri,
      routes: [],
      from: `${from};tag=${localTag}`,
      to,
      callId,
      cseq,
      headers,
      body,
      maxForwards,
    };
    return this.#draft;
  }

  /**
   * Gives up the call: CANCEL once a provisional response has come (9.1), ACK and BYE when a 2xx wins the race.
   * `answered` then rejects with status 487. Ignored after the answer.
   */
  cancel(): void {
    if (this.#cancelled || this.#settled) return;
    this.#cancelled = true;
    this.#host.deadlines.clear(this.#ringing);
    if (this.#sent?.proceeding) this.#sendCancel();
    else this.#sent?.giveUp();
  }

  #sendCancel(): void {
    if (this.#cancelSent) return;
    this.#cancelSent = true;
    this.#sent?.cancel([['User-Agent', this.#host.options.userAgent]]);
  }

  onResponse(response: SipResponse): void {
    if (response.status < 200) this.#onProvisional(response);
    else if (response.status < 300) this.#on2xx(response);
    else if (!this.#cancelled && this.#shouldRepeat(response)) {
      this.#cseq++;
      this.#send();
    } else this.#fail(new SipFailure(this.#cancelled ? 487 : response.status, response.reason, response));
  }

  onFailure(cause: 'timeout' | SendFailure, detail: string = FAILURE_REASONS[cause]): void {
    const status = this.#cancelled ? 487 : cause === 'timeout' ? 408 : 503;
    this.#fail(new SipFailure(status, `INVITE: ${detail}`));
  }

  #shouldRepeat(response: SipResponse): boolean {
    return this.#parts.digest?.take(response) || (response.status === 422 && this.#raiseMinSe(response));
  }

  /** RFC 4028 7.3: try again with the interval that the peer wants at least; never smaller than before, so it ends. */
  #raiseMinSe(response: SipResponse): boolean {
    const wanted = wantedMinSe(response);
    if (wanted <= this.#minSeSec) return false;
    this.#minSeSec = wanted;
    return true;
  }

  #onProvisional(response: SipResponse): void {
    if (this.#cancelled) {
      // The CANCEL had to wait for this (9.1).
      if (!this.#settled) this.#sendCancel();
      return;
    }
    if (this.#ringing.heapIndex < 0) {
      this.#host.deadlines.set(this.#ringing, this.#host.layer.wire.now() + LONGEST_RINGING_MS);
    }
    if (response.status === 100) return;
    if (response.toTag !== '' && response.lists('require', '100rel')) this.#acknowledgeProvisional(response);
    this.#guard(() => this.onProgress(response));
  }

  /** RFC 3262 4: PRACK the next one in order; a repeated or skipped one is left alone. */
  #acknowledgeProvisional(response: SipResponse): void {
    const rseq = parseDigits(response.header('rseq') ?? '', 10);
    const fork = this.#fork(response);
    if (rseq < 1 || !fork || (fork.rseq > 0 && rseq !== fork.rseq + 1)) return;
    fork.rseq = rseq;
    const body = this.#parts.body === null && response.body.length > 0 ? this.#answerOffer(response) : null;
    const headers: [string, string][] = [['RAck', `${rseq} ${response.cseq.number} INVITE`]];
    fork.session.request('PRACK', { headers, body: body ?? undefined }).catch(() => {});
  }

  #answerOffer(response: SipResponse): SipBody | null {
    const { answer } = this.#parts;
    const body = answer ? this.#guard(() => answer(response)) : null;
    return body ?? null;
  }

  #fork(response: SipResponse): { dialog: Dialog; session: SipSession; rseq: number } | null {
    const known = this.#dialogs.get(response.toTag);
    const to = this.#sent?.to;
    if (known || this.#dialogs.size >= MAX_FORKS || !to || !this.#draft) return known ?? null;
    const dialog = Dialog.ofClient(this.#draft, this.#parts.localTag, response);
    const { digest, identity } = this.#parts;
    const setting = { digest, identity, staysOnFlow: this.#hop.isFlow === true };
    const fork = { dialog, session: new SipSession(this.#host, dialog, to, true, setting), rseq: 0 };
    this.#dialogs.set(response.toTag, fork);
    this.#host.remember(fork.session);
    return fork;
  }

  #on2xx(response: SipResponse): void {
    const fork = this.#fork(response);
    if (!fork) return;
    const { session, dialog } = fork;
    if (session.state !== 'early') {
      session.acknowledgeAgain(response);
      return;
    }
    this.#parts.digest?.take(response);
    dialog.confirmRoutes(response);
    session.notePeer(response);
    session.noteBody(this.#parts.body);
    session.confirm();
    const wanted = this.#session === null && !this.#cancelled;
    const body = wanted && this.#parts.body === null ? this.#answerOffer(response) : null;
    session.acknowledge(response.cseq.number, body);
    if (!wanted) {
      // A CANCEL that lost its race, or another fork of a call that is answered already.
      session.bye();
      this.#fail(new SipFailure(487, 'Request Terminated', response));
      return;
    }
    this.#session = session;
    session.armTimer(acceptedInterval(response));
    this.#settle();
    // Early dialogs of other forks may still become 2xx, which this transaction would hear for 64*T1.
    if (this.#dialogs.size > 1) this.#host.deadlines.set(this.#ringing, this.#host.layer.wire.now() + T1_64);
    this.#resolve({ response, session });
  }

  #fail(failure: SipFailure): void {
    this.#settle();
    this.#endForks();
    this.#reject(failure);
  }

  #endForks(): void {
    for (const { session } of this.#dialogs.values()) {
      if (session.state === 'early') session.end({ by: 'error', reason: 'the INVITE was not answered' });
    }
  }

  #settle(): void {
    this.#settled = true;
    this.#host.deadlines.clear(this.#ringing);
  }

  #guard<T>(call: () => T): T | undefined {
    try {
      return call();
    } catch (error) {
      this.#host.options.log.error({ err: error, callId: this.callId }, 'application handler failed');
      return undefined;
    }
  }
}
