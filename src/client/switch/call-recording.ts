/**
 * What is recorded of the switch's calls: decided when they are set up, begun when they are answered, asked for while they run or, of what the
 * look-back has kept, when they are over.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingInvite, SipAnswer, SipEndpoint } from '../../sip/index.ts';
import type { ClientConfig, RecordingPolicyConfig, RecordSide } from '../config/types.ts';
import {
  type RecorderChoice,
  type RecordingLog,
  Recordings,
  type WantedRecording,
} from '../media-server/recordings.ts';
import type { CallFacts, Decision } from '../policy/index.ts';
import type { Recorder } from '../resource-manager/index.ts';
import {
  type ControlRequest,
  NoRecorder,
  type RecordingSessionView,
  type StartRequest,
  WrongState,
} from './call-control.ts';
import { type Conversation, numberOf, type Place, type Preference } from './conversation.ts';
import type { PartyIdentity } from './leg.ts';

export interface CallRecordingOptions {
  endpoint: Pick<SipEndpoint, 'invite'>;
  recorders: RecorderChoice & { recorder(id: string): Recorder | null };
  decisions: (config: ClientConfig) => { decide(facts: CallFacts): Promise<Decision> };
  config: ClientConfig;
  policy(): RecordingPolicyConfig;
  onChange(
    conversation: Conversation,
    recording: { id: string; state: 'on' | 'paused' | 'off'; recorder: string },
  ): void;
  /** Nobody records a call that must be recorded. */
  onMandatory(conversation: Conversation): void;
  log: RecordingLog;
}

/** A call that is over, and whose past is kept for somebody who may want it. */
interface Kept {
  conversation: Conversation;
  /** Of `performance.now`. */
  sinceMs: number;
  forget: () => void;
}

export class CallRecording {
  readonly #options: CallRecordingOptions;
  readonly #decided = new Map<Conversation, Decision>();
  readonly #kept = new Map<Conversation, Kept>();
  /** Those that are recorded, or were. */
  readonly #recorded = new Set<Conversation>();
  readonly #closing = new Set<Promise<void>>();
  #decisions: ReturnType<CallRecordingOptions['decisions']>;

  constructor(options: CallRecordingOptions) {
    this.#options = options;
    this.#decisions = options.decisions(options.config);
  }

  reload(config: ClientConfig): void {
    this.#decisions = this.#options.decisions(config);
  }

  *kept(): IterableIterator<Conversation> {
    yield* this.#kept.keys();
  }

  async decide(
    conversation: Conversation,
    { request }: IncomingInvite,
    caller: PartyIdentity,
    called: PartyIdentity,
    dialled: string,
  ): Promise<Decision> {
    const decision = await this.#decisions.decide({
      callUuid: conversation.id.replaceAll('-', ''),
      ...{ from: numberOf(caller), to: dialled, fromDn: caller.dn, toDn: called.dn },
      ...{ fromAgent: caller.agentId, toAgent: called.agentId, trunkIn: caller.trunk, trunkOut: called.trunk },
      header: (name) => request.header(name),
    });
    this.#decided.set(conversation, decision);
    return decision;
  }

  /** A call that must be recorded is not taken when nobody could do it. */
  refusalOf({ record, mandatory, group, dest }: Decision): SipAnswer | null {
    if (record === 'none' || !mandatory) return null;
    const from = dest ?? group;
    const isPossible =
      from !== null && (this.#recorderFor(from) !== null || this.#options.recorders.candidates(from).length > 0);
    if (isPossible) return null;
    const headers: [string, string][] = [
      ['Retry-After', '10'],
      ['Warning', '399 doubletrack "recording is mandatory, and no recorder is up"'],
    ];
    return { status: 503, reason: 'Recording Unavailable', headers };
  }

  needsMedia({ record, preRecord }: Decision): boolean {
    return record !== 'none' || preRecord;
  }

  /** The call is answered. */
  begin(conversation: Conversation, decision: Decision): void {
    const { lookBackSec, alsoGroups } = this.#options.policy();
    const preference = this.#honours(conversation) ? conversation.preference : null;
    if (decision.record === 'none') return this.onPreference(conversation, null);
    if (conversation.anchor === null) return this.#onNobody(conversation, 'its media could not be anchored');
    if (preference === 'off') return this.#onNobody(conversation, 'a party does not want it (a=recordpref:off)');
    const from = this.#from(decision.dest ?? decision.group);
    if (from === null) return this.#onNobody(conversation, 'no group of recorders is configured');
    conversation.recorded = placeOf(decision.record);
    const { id, params } = decision;
    const usual = { params, lookBackSec, isPaused: preference === 'pause' };
    const wanted: WantedRecording[] = [
      { from, purpose: 'main', id, ...usual },
      ...alsoGroups.map(({ group, purpose }) => ({ from: group, purpose, id: null, ...usual })),
    ];
    for (const one of wanted) {
      this.#recordings(conversation)
        .start(one)
        .catch((error: unknown) => this.#onNobody(conversation, String(error)));
    }
  }

  /** RFC 7866 section 6.2: what the parties say decides, where the policy honours it. */
  onPreference(conversation: Conversation, before: Preference): void {
    if (!this.#honours(conversation)) return;
    this.#follow(conversation, before).catch((error: unknown) => {
      const reason = error instanceof Error ? error.message : String(error);
      this.#options.log.warn({ conversation: conversation.id, reason }, 'what a party wants of recording is not done');
    });
  }

  #honours(conversation: Conversation): boolean {
    return this.#options.policy().honourPreference && this.#decided.get(conversation)?.mandatory !== true;
  }

  async #follow(conversation: Conversation, before: Preference): Promise<void> {
    const { preference, recordings } = conversation;
    const isRecorded = recordings !== null && !recordings.isEmpty;
    if (preference === 'off') await recordings?.stop('a party does not want it (a=recordpref:off)');
    else if (preference === 'pause') await recordings?.pause();
    else if (before === 'pause') await recordings?.resume();
    else if (preference === 'on' && !isRecorded) await this.start(conversation, { record: 'source', actor: 'a party' });
  }

  /** Somebody else is at this place now: the recording follows the side that was chosen. */
  moved(conversation: Conversation, place: Place, from: Conversation | null): void {
    if (from) this.#decided.delete(from);
    const decision = this.#decided.get(conversation);
    if (conversation.recorded !== place || decision?.reason !== 'full-time') return conversation.recordings?.update();
    this.#followDn(conversation).catch((error: unknown) => {
      this.#options.log.warn({ conversation: conversation.id, reason: String(error) }, 'the recording did not follow');
    });
  }

  /** Full-time recording is that of a DN: with it, it goes, unless the one that comes is recorded as well. */
  async #followDn(conversation: Conversation): Promise<void> {
    const [caller, called] = conversation.legs;
    if (!caller || !called) return;
    const [from, to] = [caller.party, called.party];
    const decision = await this.#decisions.decide({
      callUuid: conversation.id.replaceAll('-', ''),
      ...{ from: numberOf(from), to: numberOf(to), fromDn: from.dn, toDn: to.dn },
      ...{ fromAgent: from.agentId, toAgent: to.agentId, trunkIn: from.trunk, trunkOut: to.trunk },
      header: () => undefined,
    });
    this.#decided.set(conversation, decision);
    if (decision.record === 'none') {
      conversation.recorded = null;
      await conversation.recordings?.stop('the recorded party has left');
    } else conversation.recorded = placeOf(decision.record);
  }

  /** The conversation is over; what is kept of it is kept for those who may want it yet. */
  end(conversation: Conversation, cause: string): void {
    const preRecord = this.#decided.get(conversation)?.preRecord ? this.#options.policy().preRecord : null;
    const wasRecorded = conversation.recordings !== null && !conversation.recordings.isEmpty;
    this.#decided.delete(conversation);
    const isKept = preRecord !== null && preRecord.afterEndSec > 0 && conversation.anchor !== null && !wasRecorded;
    if (isKept) return this.#keep(conversation, preRecord.afterEndSec);
    void this.#close(conversation, cause);
  }

  async start(conversation: Conversation, request: StartRequest): Promise<RecordingSessionView[]> {
    const from = this.#from(request.dest ?? this.#options.policy().group);
    if (from === null) throw new NoRecorder('no recorder: name one in `dest`, or configure recording.group');
    const isOver = conversation.isOver;
    if (isOver && !this.#kept.has(conversation)) throw new WrongState('the call is over, and nothing of it is kept');
    if (!isOver) await this.#bringHere(conversation);
    conversation.recorded ??= placeOf(request.record);
    const recordings = this.#recordings(conversation);
    const { id = randomUUID(), params = {}, dest2 } = request;
    if (recordings.has(id)) throw new WrongState(`a recording ${id} runs already: choose another id`);
    const lookBackSec = this.#pastOf(conversation);
    const wanted: WantedRecording[] = [{ from, purpose: 'request', id, params, lookBackSec }];
    const second = dest2 === undefined ? null : this.#from(dest2);
    if (second !== null) wanted.push({ from: second, purpose: 'request-2', id: randomUUID(), params, lookBackSec });
    const views = await Promise.all(wanted.map((one) => this.#startOnce(recordings, one)));
    const started = views.flatMap((view) => (view instanceof Error ? [] : view));
    const failure = views.find((view) => view instanceof Error);
    if (started.length === 0)
      throw new NoRecorder(failure instanceof Error ? failure.message : 'no recorder has taken it');
    if (isOver) void this.#finishKept(conversation);
    return started;
  }

  /** Who asks is told at once what has come of it: it is not tried again behind their back. */
  async #startOnce(recordings: Recordings, wanted: WantedRecording): Promise<RecordingSessionView[] | Error> {
    try {
      return await recordings.start(wanted);
    } catch (error) {
      await recordings.stop('no recorder has taken it', wanted.id ?? undefined);
      return error as Error;
    }
  }

  async stop(conversation: Conversation, { recording, reason }: ControlRequest): Promise<void> {
    await this.#running(conversation, recording).stop(reason, recording);
  }

  async pause(conversation: Conversation, { recording }: ControlRequest): Promise<void> {
    await this.#running(conversation, recording).pause(recording);
  }

  async resume(conversation: Conversation, { recording }: ControlRequest): Promise<void> {
    await this.#running(conversation, recording).resume(recording);
  }

  /** A recorder is gone: who records there is to find another one at once, whatever the dialogs say. */
  onRecorderDown(id: string, cause: string): void {
    for (const conversation of this.#recorded) conversation.recordings?.lost(id, cause);
  }

  /** Calls that are over are forgotten. */
  async close(): Promise<void> {
    const kept = [...this.#kept.values()];
    for (const { forget } of kept) forget();
    for (const { conversation } of kept) void this.#close(conversation, 'shut down');
    await Promise.all(this.#closing);
  }

  /** Seconds, to begin with: what was said before somebody asked, and the silence since the call has ended. */
  #pastOf(conversation: Conversation): number {
    const kept = this.#kept.get(conversation);
    if (!kept && this.#decided.get(conversation)?.preRecord !== true) return 0;
    const overSec = kept ? (performance.now() - kept.sinceMs) / 1000 : 0;
    return (this.#options.policy().preRecord?.seconds ?? 0) + overSec;
  }

  #running(conversation: Conversation, id: string | undefined): Recordings {
    const { recordings } = conversation;
    if (!recordings || recordings.isEmpty) throw new WrongState('the call is not recorded');
    if (id !== undefined && !recordings.has(id)) throw new WrongState(`the call has no recording ${id}`);
    return recordings;
  }

  async #bringHere(conversation: Conversation): Promise<void> {
    if (conversation.state === 'ringing') throw new WrongState('the call is not answered yet');
    try {
      await conversation.bringHere();
    } catch (error) {
      throw new WrongState(`the media of the call cannot be brought here: ${(error as Error).message}`);
    }
  }

  #recordings(conversation: Conversation): Recordings {
    const { endpoint, recorders, policy, onChange, log } = this.#options;
    this.#recorded.add(conversation);
    conversation.recordings ??= new Recordings({
      ...{ endpoint, recorders, log },
      media: conversation.anchor!.session,
      conversation: () => conversation.view(),
      lookBackSec: policy().lookBackSec,
      onChange: (id, state, recorder) => {
        conversation.tellRecorded(policy().notify === 'tone');
        onChange(conversation, { id, state, recorder });
      },
      onLost: (cause) => this.#onNobody(conversation, cause),
    });
    return conversation.recordings;
  }

  #onNobody(conversation: Conversation, cause: string): void {
    if (conversation.isOver) return;
    this.#options.log.warn({ conversation: conversation.id, cause }, 'the call is not recorded');
    if (this.#decided.get(conversation)?.mandatory) this.#options.onMandatory(conversation);
  }

  /** A group, one recorder, or a SIP URI of one that is not configured. */
  #from(name: string | null): WantedRecording['from'] | null {
    if (name === null) return null;
    const recorder = this.#recorderFor(name);
    return recorder ? [recorder] : name;
  }

  #recorderFor(name: string): Recorder | null {
    const known = this.#options.recorders.recorder(name);
    if (known || !/^sips?:/i.test(name)) return known;
    const usual = { form: 'siprec' as const, srtp: null, weight: 1, location: null, maxSessions: null };
    return { ...usual, id: name, configured: name, uri: name };
  }

  #keep(conversation: Conversation, forSec: number): void {
    const timer = setTimeout(() => {
      this.#kept.delete(conversation);
      void this.#close(conversation, 'nobody wanted it');
    }, forSec * 1_000);
    timer.unref();
    this.#kept.set(conversation, { conversation, sinceMs: performance.now(), forget: () => clearTimeout(timer) });
  }

  /** All that was kept has been sent, then it ends. */
  async #finishKept(conversation: Conversation): Promise<void> {
    this.#kept.get(conversation)?.forget();
    await conversation.recordings?.untilSent();
    this.#kept.delete(conversation);
    await this.#close(conversation, 'the call is over');
  }

  /** Ends that are worked off. */
  #close(conversation: Conversation, cause: string): Promise<void> {
    this.#recorded.delete(conversation);
    const done: Promise<void> = this.#endMedia(conversation, cause)
      .catch((error: unknown) => {
        this.#options.log.warn({ conversation: conversation.id, reason: String(error) }, 'a call did not end cleanly');
      })
      .finally(() => this.#closing.delete(done));
    this.#closing.add(done);
    return done;
  }

  async #endMedia({ recordings, anchor }: Conversation, cause: string): Promise<void> {
    try {
      await recordings?.end(cause);
    } finally {
      await anchor?.close();
    }
  }
}

function placeOf(side: RecordSide): Place {
  return side === 'source' ? 0 : 1;
}
