/**
 * One recording of a conversation by one recorder, as the recording client runs it: the SIP dialog of RFC 7866, or one or two of Genesys'
 * Media Stream Replication, the metadata that goes with it, and the sinks that send the parties' streams. Whatever a recorder does, the
 * conversation is not touched.
 */
import type { MediaSession, PayloadType } from '../../media/index.ts';
import type { InviteOptions, OutgoingInvite } from '../../sip/index.ts';
import type { RsMetadata } from '../../siprec/index.ts';
import type { RecorderConfig } from '../config/types.ts';
import type { ConversationView } from '../conversation.ts';
import type { RecordingSessionView } from '../switch/call-control.ts';
import { ConversationMetadata } from './conversation-metadata.ts';
import { ReceiverWatch } from './receiver-watch.ts';
import { addTotals, type LineTotals } from './recorded-line.ts';
import { RecordedMedia } from './recorded-media.ts';
import { RecorderRefused } from './recorder-refused.ts';
import { RecordingDialog } from './recording-dialog.ts';
import { replicationRequest } from './replication-request.ts';

export interface RecordingSessionOptions {
  endpoint: { invite(options: InviteOptions): OutgoingInvite };
  recorder: Pick<RecorderConfig, 'id' | 'uri' | 'form' | 'srtp' | 'location'>;
  /** What it is recorded for. */
  purpose: string;
  /** Globally unique: a UUID, or what CTI has given. */
  id: string;
  conversation: ConversationView;
  /** Has the streams of the parties. */
  media: MediaSession;
  /** Seconds of the past to begin with, as far as the streams have kept them; 0: none. */
  lookBackSec: number;
  setUpTimeoutMs: number;
  /** More that the recorder is told. */
  params: Record<string, string>;
  isPaused?: boolean;
  log: RecordingLog;
}

export interface RecordingLog {
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
}

export interface RecordingEnd {
  by: 'local' | 'recorder' | 'failure';
  reason: string;
}

const LOOK_MS = 1_000;

/** A dialog, and the streams that are sent to where it says. */
interface Leg {
  media: RecordedMedia;
  /** Null: it is being set up. */
  dialog: RecordingDialog | null;
  abandoned: AbortController;
}

export class RecordingSession {
  /** It has ended, for whatever reason. Called once. */
  onEnded: (end: RecordingEnd) => void = () => {};
  readonly #options: RecordingSessionOptions;
  readonly #ports: { address: string; rtpPort: number; rtcpPort: number };
  readonly #sinceMs = Date.now();
  readonly #log: RecordingLog;
  /** One; with two dialogs, one for each stream, by its index. */
  readonly #legs = new Map<number, Leg>();
  readonly #watches = new WeakMap<object, ReceiverWatch>();
  #metadata: ConversationMetadata | null = null;
  #view: ConversationView;
  #state: 'recording' | 'paused' | 'ended';
  #timer: NodeJS.Timeout | null = null;
  /** Of legs that have ended. */
  #gone: LineTotals = { packets: 0, lost: null };
  #ending: Promise<void> | null = null;

  private constructor(options: RecordingSessionOptions, ports: { address: string; rtpPort: number; rtcpPort: number }) {
    this.#options = options;
    this.#ports = ports;
    this.#view = options.conversation;
    this.#state = options.isPaused ? 'paused' : 'recording';
    const facts = { recording: options.id, recorder: options.recorder.id, callUuid: options.conversation.id };
    this.#log = {
      info: (more, message) => options.log.info({ ...facts, ...more }, message),
      warn: (more, message) => options.log.warn({ ...facts, ...more }, message),
    };
  }

  /** Rejects with RecorderRefused or SipFailure when the recorder does not record, or with what media lacks; nothing is left open then. */
  static async start(options: RecordingSessionOptions): Promise<RecordingSession> {
    const session = new RecordingSession(options, await options.media.sendingPorts());
    try {
      await session.#open();
    } catch (error) {
      session.#state = 'ended';
      await session.#closeLegs(null);
      throw error;
    }
    if (session.#ending) {
      await session.#ending;
      throw new RecorderRefused(480, 'it has ended the recording at once');
    }
    session.#timer = setInterval(() => session.#look(), LOOK_MS);
    session.#timer.unref();
    return session;
  }

  get id(): string {
    return this.#options.id;
  }

  get recorder(): RecordingSessionOptions['recorder'] {
    return this.#options.recorder;
  }

  get state(): 'recording' | 'paused' | 'ended' {
    return this.#state;
  }

  /** The conversation is so now. Never throws, never waits. */
  update(conversation: ConversationView): void {
    if (this.#state === 'ended') return;
    this.#view = conversation;
    try {
      if (this.#options.recorder.form === 'two-dialogs') this.#followStreams();
      else this.#followConversation();
    } catch (error) {
      this.#log.warn({ err: error }, 'the recorder cannot be told of a change');
    }
  }

  /** Nothing is sent from the moment on that this resolves, or earlier, whatever the recorder answers. */
  async pause(): Promise<void> {
    await this.#pause(true);
  }

  async resume(): Promise<void> {
    await this.#pause(false);
  }

  /**
   * Ends the recording, and with it what the metadata calls the session, unless the conversation goes on. Resolves when the recorder has
   * answered, or does not; never rejects.
   */
  async stop(reason: string, { conversationGoesOn = false }: { conversationGoesOn?: boolean } = {}): Promise<void> {
    const metadata = this.#metadata?.stop(reason, !conversationGoesOn, Date.now()) ?? null;
    await this.#end({ by: 'local', reason }, metadata);
  }

  view(): RecordingSessionView {
    const legs = [...this.#legs.values()];
    const { packets, lost } = legs.reduce((sum, { media }) => addTotals(sum, media.totals()), this.#gone);
    return {
      id: this.id,
      recorder: this.recorder.id,
      purpose: this.#options.purpose,
      state: this.#state,
      sinceMs: this.#sinceMs,
      packetsSent: packets,
      packetsLost: lost,
    };
  }

  /** The recorder has not got all of the past yet. */
  get isCatchingUp(): boolean {
    const lines = [...this.#legs.values()].flatMap(({ media }) => media.lines);
    return lines.some((line) => line.stats()?.isLookingBack);
  }

  // Set-up

  async #open(): Promise<void> {
    const { recorder } = this.#options;
    if (recorder.form === 'two-dialogs') {
      const opened = [...streamsOf(this.#view).keys()].map((stream) => this.#openStream(stream));
      try {
        await Promise.all(opened);
      } catch (error) {
        for (const leg of this.#legs.values()) leg.abandoned.abort();
        await Promise.allSettled(opened);
        throw error;
      }
      return;
    }
    const leg = this.#newLeg(0, streamsOf(this.#view));
    if (recorder.form === 'siprec') this.#startMetadata(leg.media);
    await this.#openDialog(leg, this.#requestOf(null));
    // What has changed meanwhile.
    this.#followConversation();
  }

  async #openStream(stream: number): Promise<void> {
    const carried = streamsOf(this.#view).get(stream);
    if (carried) await this.#openDialog(this.#newLeg(stream, new Map([[stream, carried]])), this.#requestOf(stream));
  }

  #newLeg(key: number, streams: ReadonlyMap<number, PayloadType[]>): Leg {
    const { media, recorder, lookBackSec } = this.#options;
    const addedMs = performance.now();
    // The past that is wanted, and what goes by while the recorder is asked.
    const lookBack = () => (lookBackSec === 0 ? 0 : this.#lookBackFrom(addedMs));
    const lines = new RecordedMedia({
      ...{ media, ports: this.#ports, srtp: recorder.srtp, isPaused: this.#state === 'paused', lookBack },
      firstLabel: key + 1,
      onFault: (stream, cause) => this.#log.warn({ stream, cause }, 'a stream is not recorded'),
    });
    lines.set(streams);
    const leg = { media: lines, dialog: null, abandoned: new AbortController() };
    this.#legs.set(key, leg);
    return leg;
  }

  #lookBackFrom(addedMs: number): number {
    return this.#options.lookBackSec + (performance.now() - addedMs) / 1000;
  }

  #startMetadata(media: RecordedMedia): void {
    const { id: recordingId, purpose, params, lookBackSec } = this.#options;
    const fromMs = this.#sinceMs - lookBackSec * 1000;
    const facts = { recordingId, purpose, params: new Map(Object.entries(params)), fromMs };
    this.#metadata = new ConversationMetadata(facts, this.#view, (one) => media.labelOf(one), this.#sinceMs);
  }

  async #openDialog(leg: Leg, request: { uri: string; headers: [string, string][] }): Promise<void> {
    const { endpoint, setUpTimeoutMs } = this.#options;
    const metadata = this.#metadata;
    const { state } = this;
    leg.dialog = await RecordingDialog.open(
      {
        ...{ endpoint, ...request, media: leg.media, setUpTimeoutMs },
        metadata: metadata && (() => metadata.complete()),
        warn: (facts, message) => this.#log.warn(facts, message),
      },
      leg.abandoned.signal,
    );
    leg.dialog.onEnded = (end) => void this.#end(end, null);
    await leg.media.settled();
    if (!leg.media.lines.some((line) => line.target !== null)) throw new Error('no stream can be sent to the recorder');
    if (this.#state !== state) void leg.dialog.tell(null, true);
  }

  /** @param stream with a dialog of its own; null: one for all. */
  #requestOf(stream: number | null): { uri: string; headers: [string, string][] } {
    const { recorder, id: recordingId, params } = this.#options;
    const { parties } = this.#view;
    const party = stream === null ? parties[0] : parties.find((one) => one.stream === stream);
    if (recorder.form === 'siprec' || party === undefined) return { uri: recorder.uri, headers: [] };
    const facts = { recorderUri: recorder.uri, recordingId, location: recorder.location, params };
    return replicationRequest(facts, this.#view, party, stream === null ? (parties[1] ?? null) : null);
  }

  // Changes

  #followConversation(): void {
    const leg = this.#legs.get(0);
    if (!leg?.dialog) return;
    const linesChanged = leg.media.set(streamsOf(this.#view));
    const partial = this.#metadata?.update(this.#view, (one) => leg.media.labelOf(one), Date.now()) ?? null;
    if (linesChanged || partial !== null) void leg.dialog.tell(partial, linesChanged);
  }

  /** One dialog for each stream: those that are gone end, new ones begin. */
  #followStreams(): void {
    const streams = streamsOf(this.#view);
    for (const [stream, leg] of this.#legs) {
      const carried = streams.get(stream);
      if (carried === undefined) void this.#closeLeg(stream, null);
      else if (leg.media.set(new Map([[stream, carried]]))) void leg.dialog?.tell(null, true);
    }
    for (const stream of streams.keys()) if (!this.#legs.has(stream)) void this.#addStream(stream);
  }

  async #addStream(stream: number): Promise<void> {
    try {
      await this.#openStream(stream);
    } catch (error) {
      await this.#closeLeg(stream, null);
      if (this.#state !== 'ended') this.#log.warn({ stream, err: error }, 'a stream is not recorded');
    }
  }

  async #pause(on: boolean): Promise<void> {
    if (this.#state === 'ended' || (this.#state === 'paused') === on) return;
    this.#state = on ? 'paused' : 'recording';
    const legs = [...this.#legs.values()];
    const done = Promise.all(legs.map(({ media }) => media.pause(on)));
    // Nothing is sent any more before the recorder hears that nothing will be; what is sent again is not kept from it until it has answered.
    if (on) await done;
    const told = legs.map(({ dialog }) => dialog?.tell(null, true));
    await done;
    await Promise.all(told);
  }

  // The end

  #look(): void {
    const nowMs = Number(process.hrtime.bigint() / 1_000_000n);
    for (const line of [...this.#legs.values()].flatMap(({ media }) => media.lines)) {
      const stats = line.stats();
      if (stats === null) continue;
      const watch = this.#watches.get(line) ?? new ReceiverWatch();
      this.#watches.set(line, watch);
      const fault = watch.look(stats, nowMs);
      if (fault !== null) return void this.#end({ by: 'failure', reason: fault }, null);
    }
  }

  #end(end: RecordingEnd, metadata: RsMetadata | null): Promise<void> {
    this.#ending ??= this.#close(end, metadata);
    return this.#ending;
  }

  async #close(end: RecordingEnd, metadata: RsMetadata | null): Promise<void> {
    this.#state = 'ended';
    if (this.#timer) clearInterval(this.#timer);
    this.#log.info({ by: end.by, reason: end.reason }, 'a recording session has ended');
    const closed = this.#closeLegs(metadata);
    try {
      this.onEnded(end);
    } catch (error) {
      this.#log.warn({ err: error }, 'what follows the end of a recording session has failed');
    }
    await closed;
  }

  async #closeLegs(metadata: RsMetadata | null): Promise<void> {
    const legs = [...this.#legs.keys()];
    await Promise.all(legs.map((key) => this.#closeLeg(key, metadata)));
  }

  /** The last packet leaves before the BYE. */
  async #closeLeg(key: number, metadata: RsMetadata | null): Promise<void> {
    const leg = this.#legs.get(key);
    if (!leg) return;
    leg.abandoned.abort();
    await leg.media.end();
    if (this.#legs.get(key) === leg) this.#legs.delete(key);
    this.#gone = addTotals(this.#gone, leg.media.totals());
    await leg.dialog?.end(metadata);
  }
}

/** In the order of the parties, with what they carry. */
function streamsOf({ parties }: ConversationView): Map<number, PayloadType[]> {
  return new Map(parties.map(({ stream, payloadTypes }) => [stream, payloadTypes]));
}
