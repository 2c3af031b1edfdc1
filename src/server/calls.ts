/**
 * The calls that run, from the INVITE to the end of the recording that they feed: what an INVITE is, which recording it
 * belongs to, and that everything taken for it is given back, however it ends.
 */
import type { Logger } from 'pino';
import type { Metrics, SessionControl } from '../http/index.ts';
import type { MediaEngine } from '../media/index.ts';
import type { CryptoPolicy } from '../sdp/index.ts';
import type { IncomingInvite, SessionEnd, SipBody, SipSession } from '../sip/index.ts';
import { type InviteInterpretation, interpretInvite } from '../siprec/index.ts';
import type { Catalogue } from '../store/catalogue.ts';
import type { Admission } from './admission.ts';
import { settlesWithin } from './bounded-wait.ts';
import type { Finaliser } from './finaliser.ts';
import { LiveRecording, type SessionFacts } from './live-recording.ts';
import { LiveRecordings } from './live-recordings.ts';
import type { RecordingFollower } from './recording-follower.ts';
import { RecordingSession, refusal, refusalAnswer, sdpBody } from './recording-session.ts';
import { cryptoPolicy, insecureRefusal, keysInClearWarning, type SecurityOptions } from './secure-policy.ts';

export interface CallsOptions {
  /** Goes into the answers. */
  mediaAddress: string;
  /** 0 = never. */
  mediaTimeoutSec: number;
  security: SecurityOptions;
  engine: MediaEngine;
  catalogue: Catalogue;
  finaliser: Pick<Finaliser, 'ended'>;
  admission: Pick<Admission, 'enter' | 'leave' | 'retryAfterSec'>;
  /** Told of every recording; null: there is no CTI link. */
  cti: RecordingFollower | null;
  metrics: Metrics;
  log: Logger;
}

/** How long a call that is ended here may take to say so. */
const BYE_WAIT_MS = 2000;
const END_WAIT_MS = 15_000;

class Cancelled extends Error {}

export class Calls {
  readonly #options: CallsOptions;
  readonly #live = new LiveRecordings();
  readonly #dialogs = new Map<SipSession, RecordingSession>();
  /** INVITEs that are being answered, and ends that are being worked off. */
  readonly #work = new Set<Promise<unknown>>();

  constructor(options: CallsOptions) {
    this.#options = options;
  }

  /** Recordings that run. */
  get recordings(): number {
    return this.#live.size;
  }

  /** True when no call runs, comes or ends. */
  get idle(): boolean {
    return this.#dialogs.size === 0 && this.#work.size === 0;
  }

  onInvite(invite: IncomingInvite): void {
    const { security } = this.#options;
    const insecure = insecureRefusal(security.secure, invite.source);
    if (insecure) return this.#refuse(invite, insecure);
    const reading = readInvite(invite, cryptoPolicy(security, invite.source));
    if (reading.refuse) return this.#refuse(invite, refusalAnswer(reading.refuse));
    this.#options.admission.enter();
    this.#track(this.#take(invite, reading));
  }

  /** A recording client that vanished sends neither media nor BYE: its ports and memory must come back. */
  onSilent(recordingId: string, forMs: number): void {
    const { mediaTimeoutSec } = this.#options;
    if (mediaTimeoutSec === 0 || forMs < mediaTimeoutSec * 1000) return;
    for (const [session, dialog] of this.#dialogs) {
      const { recording } = dialog;
      if (recording.id !== recordingId || recording.missingMediaMs(forMs, Date.now()) < mediaTimeoutSec * 1000)
        continue;
      recording.warn(`ended after ${mediaTimeoutSec} s without media`);
      this.#hangUp(session, 'media timeout');
    }
  }

  /** Ends all calls, now; resolves when everything about them is in the journal, or the journal takes nothing more. */
  async endAll(reason: string): Promise<void> {
    while (!this.idle) {
      for (const session of [...this.#dialogs.keys()]) this.#hangUp(session, reason);
      // An INVITE among it may still become a call.
      if (!(await settlesWithin(END_WAIT_MS, Promise.allSettled(this.#work)))) {
        return this.#options.log.error('calls could not be ended: the next start takes up what is in the journal');
      }
    }
  }

  /** For the HTTP interface. */
  control(): SessionControl {
    return {
      list: () => [...this.#live].map((recording) => recording.sessionView()),
      control: async (id, action, by) => {
        const recording = this.#live.get(id);
        if (!recording) return 'not-found';
        if (action !== 'pause' && action !== 'resume') return 'conflict';
        if (recording.paused === (action === 'pause')) return 'conflict';
        await recording.pause(action === 'pause', by, Date.now());
        this.#options.cti?.controlled(recording, action, by);
        return 'ok';
      },
    };
  }

  async #take(invite: IncomingInvite, reading: InviteInterpretation): Promise<void> {
    const { metrics } = this.#options;
    const answered = metrics.callSetupSeconds.startTimer();
    let cancelled = false;
    invite.onCancel = () => {
      cancelled = true;
    };
    let dialog: RecordingSession | null = null;
    try {
      dialog = await this.#join(invite, reading);
      const sdp = reading.offer ? await dialog.answer(reading.offer) : await dialog.offer(reading);
      dialog.place(reading);
      if (cancelled) throw new Cancelled();
      // Before the answer goes out: media may follow it at once, and what it is must stand before it in the journal.
      dialog.recording.commit();
      const session = invite.accept({ body: sdpBody(sdp) });
      this.#run(dialog, session);
      answered();
      metrics.calls.inc({ outcome: 'recorded' });
    } catch (error) {
      if (dialog) await this.#leave(dialog, 'refused', String(error));
      this.#options.admission.leave();
      if (cancelled) metrics.calls.inc({ outcome: 'cancelled' });
      else this.#refuse(invite, refusal(error) ?? this.#unable(invite, error));
    }
  }

  #refuse(invite: IncomingInvite, answer: Parameters<IncomingInvite['reject']>[0]): void {
    this.#options.metrics.calls.inc({ outcome: answer.status === 503 ? 'failed' : 'refused' });
    invite.reject(answer);
  }

  /** No port, no room in a lane, a lane that is gone: another recorder may be able to, or this one later. */
  #unable(invite: IncomingInvite, error: unknown): { status: number; headers: [string, string][] } {
    this.#options.log.error({ err: error, callId: invite.request.callId }, 'the call cannot be recorded');
    return { status: 503, headers: [['Retry-After', String(this.#options.admission.retryAfterSec)]] };
  }

  async #join(invite: IncomingInvite, reading: InviteInterpretation): Promise<RecordingSession> {
    const facts = sessionFacts(invite, reading);
    const recording = await this.#live.join(reading.pairing?.key ?? null, () =>
      LiveRecording.open(this.#options.engine, facts, Date.now()),
    );
    if (recording.facts !== facts) recording.noteSession(facts, Date.now());
    for (const warning of reading.warnings) recording.warn(warning);
    return new RecordingSession({
      recording,
      mediaAddress: this.#options.mediaAddress,
      now: Date.now,
      channel: reading.pairing?.side ?? null,
      accept: invite.request.header('Accept'),
      crypto: cryptoPolicy(this.#options.security, invite.source),
      keysWarning: keysInClearWarning(invite.source),
    });
  }

  #run(dialog: RecordingSession, session: SipSession): void {
    const { recording } = dialog;
    const show = () => {
      this.#options.catalogue.put(recording.view('recording', null));
      this.#options.cti?.runs(recording);
    };
    this.#dialogs.set(session, dialog);
    session.onAck = (body) => {
      if (dialog.answerDue) this.#track(this.#onAck(session, dialog, body).then(show));
    };
    session.onReInvite = async (request) => {
      const answer = await dialog.onReInvite(request, session);
      if (this.#dialogs.has(session)) show();
      return answer;
    };
    session.onEnded = (end) => this.#onEnded(session, end);
    show();
    dialog.askForMissing(session);
  }

  async #onAck(session: SipSession, dialog: RecordingSession, body: SipBody | null): Promise<void> {
    if (await dialog.onAck(body)) return;
    this.#hangUp(session, 'the answer leaves nothing that can be recorded');
  }

  #onEnded(session: SipSession, { by, reason, request }: Pick<SessionEnd, 'by' | 'reason' | 'request'>): void {
    const dialog = this.#dialogs.get(session);
    if (!dialog) return;
    this.#dialogs.delete(session);
    dialog.onBye(request);
    this.#track(this.#leave(dialog, by, reason).finally(() => this.#options.admission.leave()));
  }

  #hangUp(session: SipSession, reason: string): void {
    // A 2xx without its ACK keeps the BYE back (RFC 3261 section 15): the recording does not wait for that.
    this.#onEnded(session, { by: 'local', reason });
    this.#track(settlesWithin(BYE_WAIT_MS, session.bye()));
  }

  /** The dialog feeds its recording no more, and the recording ends with its last dialog. */
  async #leave(dialog: RecordingSession, by: string, reason: string): Promise<void> {
    const { recording } = dialog;
    const isLast = this.#live.leave(recording);
    await dialog.end();
    if (!isLast) return await dialog.giveBack();
    if (!recording.committed) return await recording.abandon();
    const now = Date.now();
    this.#options.cti?.ended(recording);
    this.#options.catalogue.put(recording.view('finalising', now));
    await recording.close(by, reason, now);
    this.#options.finaliser.ended(recording.id, recording.lane);
  }

  #track(work: Promise<unknown>): void {
    const tracked: Promise<unknown> = work
      .catch((error: unknown) => this.#options.log.error({ err: error }, 'a call was not worked off cleanly'))
      .finally(() => this.#work.delete(tracked));
    this.#work.add(tracked);
  }
}

function readInvite({ request }: IncomingInvite, crypto: CryptoPolicy): InviteInterpretation {
  return interpretInvite({
    uri: request.uri,
    headers: (name) => request.header(name),
    headerNames: [...request.entries()].map(([name]) => name),
    headerValues: (name) => request.headers(name),
    contactParams: request.contact?.params ?? new Map(),
    contentType: request.contentType,
    body: request.body,
    crypto,
  });
}

function sessionFacts({ request, source }: IncomingInvite, reading: InviteInterpretation): SessionFacts {
  return {
    sipCallId: request.callId,
    communicationSessionId: reading.metadata?.sessions[0]?.id ?? reading.genesys?.callUuid ?? null,
    kind: reading.kind,
    source: `${source.transport}:${source.address}:${source.port}`,
    userAgent: request.header('User-Agent') ?? null,
    genesys: reading.genesys,
  };
}
