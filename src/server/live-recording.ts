/**
 * One recording while it runs: its media in a lane, the recording sessions (SIP dialogs) that feed it, and what is
 * known about it. Whatever the finaliser needs is written into the journal as a note at the moment it becomes known.
 */
import { randomUUID } from 'node:crypto';
import type { SessionView } from '../http/index.ts';
import type {
  MediaEngine,
  MediaSession,
  PayloadType,
  StreamCounters,
  StreamMedia,
  StreamSrtp,
} from '../media/index.ts';
import type { RsMetadata } from '../siprec/index.ts';
import { applyMetadata, participantsByLabel } from '../siprec/index.ts';
import type { Recording, RecordingCti, RecordingParticipant } from '../store/recording.ts';

/** What an INVITE says of itself and of what is recorded. */
export interface SessionFacts {
  sipCallId: string;
  /** SIPREC session id, Genesys CallUUID, or null where the recording client names none. */
  communicationSessionId: string | null;
  kind: string;
  source: string;
  userAgent: string | null;
  genesys: object | null;
}

export interface StreamOffer {
  label: string;
  /** Null: the next free channel. */
  channel: number | null;
  payloadTypes: PayloadType[];
  remote: { address: string; rtpPort: number; rtcpPort: number } | null;
  rtcpMux: boolean;
  ssrc: number | null;
  held: boolean;
  /** Null: plain RTP. */
  srtp: StreamSrtp | null;
}

interface LiveStream extends StreamOffer {
  media: StreamMedia;
  channel: number;
  /** As last signalled; `label` is that of the recording. */
  offeredLabel: string;
}

const CHANNELS = 2;
const MAX_WARNING_CHARACTERS = 500;
/** Well below what one note of the journal can hold. */
const MAX_METADATA_NOTE_BYTES = 512 * 1024;
/** Of a metadata document that is longer than that. */
const MAX_KEPT_PARTICIPANTS = 16;

export class LiveRecording {
  readonly id: string;
  readonly facts: SessionFacts;
  readonly startedAtMs: number;
  readonly #media: MediaSession;
  readonly #streams = new Map<number, LiveStream>();
  /** Of every stream there has been: participants stay on their channel when their stream ends. */
  readonly #channelOfLabel = new Map<string, number>();
  readonly #warnings: string[] = [];
  #metadata: RsMetadata | null = null;
  #participants: RecordingParticipant[] = [];
  #cti: RecordingCti | null = null;
  #paused = false;
  /** Null once a call has been answered: until then nothing is kept of it. */
  #uncommitted: object[] | null = [];
  #mediaDueSinceMs: number;

  private constructor(id: string, facts: SessionFacts, media: MediaSession, startedAtMs: number) {
    this.id = id;
    this.facts = facts;
    this.startedAtMs = startedAtMs;
    this.#mediaDueSinceMs = startedAtMs;
    this.#media = media;
  }

  static async open(engine: MediaEngine, facts: SessionFacts, nowMs: number): Promise<LiveRecording> {
    const id = randomUUID();
    const recording = new LiveRecording(id, facts, await engine.openRecording(id), nowMs);
    recording.#note({ type: 'recording', id, startedAtMs: nowMs, ...facts });
    return recording;
  }

  get committed(): boolean {
    return this.#uncommitted === null;
  }

  /** A call has been answered: what was noted so far goes into the journal. Calls that came to nothing leave no trace. */
  commit(): void {
    const notes = this.#uncommitted ?? [];
    this.#uncommitted = null;
    for (const note of notes) this.#note(note);
  }

  get lane(): number {
    return this.#media.lane;
  }

  get paused(): boolean {
    return this.#paused;
  }

  get metadata(): RsMetadata | null {
    return this.#metadata;
  }

  warn(warning: string): void {
    const text = warning.slice(0, MAX_WARNING_CHARACTERS);
    if (this.#warnings.includes(text)) return;
    this.#warnings.push(text);
    this.#note({ type: 'warning', text });
  }

  /** One more dialog feeds the recording, with parameters of its own. */
  noteSession(facts: SessionFacts, nowMs: number): void {
    this.#note({ type: 'event', name: 'session-joined', atMs: nowMs, ...facts });
  }

  async addStream(offer: StreamOffer, nowMs: number): Promise<StreamMedia & { channel: number }> {
    const channel = offer.channel ?? this.#freeChannel();
    const label = this.#freeLabel(offer.label);
    const { payloadTypes, remote, rtcpMux, ssrc, srtp } = offer;
    const media = await this.#media.addStream({ label, channel, payloadTypes, remote, rtcpMux, ssrc, srtp });
    this.#streams.set(media.index, { ...offer, label, channel, media, offeredLabel: offer.label });
    this.#channelOfLabel.set(label, channel);
    this.#mediaDueSinceMs = nowMs;
    this.#noteStream(media.index, { ...offer, label, channel });
    if (offer.held) this.#noteHeld(media.index, true, nowMs);
    return { ...media, channel };
  }

  async updateStream(index: number, offer: StreamOffer, nowMs: number): Promise<void> {
    const stream = this.#stream(index);
    const { payloadTypes, rtcpMux, ssrc, held, srtp } = offer;
    const { label, channel, held: wasHeld } = stream;
    // Held by c=0.0.0.0, it names no source: the one before stays, or anybody could become it.
    const remote = offer.remote ?? (held ? stream.remote : null);
    await this.#media.updateStream(index, { label, payloadTypes, remote, rtcpMux, ssrc, srtp });
    this.#relabel(stream, offer.label);
    Object.assign(stream, { payloadTypes, remote, rtcpMux, ssrc, held, srtp });
    this.#noteStream(index, { ...offer, label, channel, remote });
    if (held === wasHeld) return;
    if (!held) this.#mediaDueSinceMs = nowMs;
    this.#noteHeld(index, held, nowMs);
  }

  async removeStream(index: number): Promise<void> {
    const stream = this.#stream(index);
    this.#streams.delete(index);
    this.#note({ type: 'stream-removed', index });
    this.#account(stream, await this.#media.removeStream(index));
  }

  /**
   * Applies a metadata document (RFC 7865), complete or partial. Only after the m-lines of the same message: labels in one
   * refer to the other.
   */
  applyMetadata(update: RsMetadata): void {
    this.#metadata = applyMetadata(this.#metadata, update);
    this.placeParticipants();
  }

  /** Participants that the signalling names outside of any metadata document (Genesys request-URI parameters). */
  addParticipant(participant: RecordingParticipant): void {
    this.#participants = [...this.#participants.filter((known) => known.id !== participant.id), participant];
    this.#noteMetadata();
  }

  /** What the CTI link has told of the conversation until now. */
  setCti(cti: RecordingCti): void {
    this.#cti = cti;
    this.#note({ type: 'cti', ...cti });
  }

  async pause(on: boolean, by: { actor: string; reason: string }, nowMs: number): Promise<void> {
    await this.#media.pause(on);
    this.#paused = on;
    this.#note({ type: on ? 'pause' : 'resume', scope: 'operator', ...by, atMs: nowMs });
  }

  /**
   * How much of a silence counts: none while the recording client holds every stream, for silence is what it announced,
   * and nothing from before it took one off hold.
   */
  missingMediaMs(silentForMs: number, nowMs: number): number {
    const held = [...this.#streams.values()].every((stream) => stream.held);
    return held ? 0 : Math.min(silentForMs, nowMs - this.#mediaDueSinceMs);
  }

  /** After it resolves, everything about the recording is in the journal. */
  async close(by: string, reason: string, nowMs: number): Promise<void> {
    this.#note({ type: 'end', by, reason, atMs: nowMs });
    const streams = [...this.#streams.values()];
    try {
      const counted = await Promise.all(streams.map(({ media }) => this.#media.removeStream(media.index)));
      for (const [i, counters] of counted.entries()) this.#account(streams[i]!, counters);
    } finally {
      await this.#media.close();
    }
  }

  /** Nothing came of it: gives the media back and leaves no trace. */
  async abandon(): Promise<void> {
    await this.#media.close();
  }

  view(state: Recording['state'], endedAtMs: number | null): Recording {
    return {
      id: this.id,
      state,
      startedAt: new Date(this.startedAtMs).toISOString(),
      endedAt: endedAtMs === null ? null : new Date(endedAtMs).toISOString(),
      durationMs: endedAtMs === null ? null : endedAtMs - this.startedAtMs,
      sipCallId: this.facts.sipCallId,
      communicationSessionId: this.facts.communicationSessionId,
      participants: this.#participants,
      ...(this.#cti ? { cti: this.#cti } : {}),
      streams: [],
      recovered: false,
      warnings: [...this.#warnings],
    };
  }

  sessionView(): SessionView {
    const { id, startedAt, sipCallId, communicationSessionId, participants, cti } = this.view('recording', null);
    const streams = [...this.#streams.values()].map(({ label, channel, held, media, srtp }) => {
      return { label, channel, held, srtp: srtp?.receive.suite ?? null, rtpPort: media.rtpPort };
    });
    return {
      ...{ id, startedAt, sipCallId, communicationSessionId, paused: this.#paused, participants },
      ...(cti ? { cti } : {}),
      streams,
    };
  }

  #stream(index: number): LiveStream {
    const stream = this.#streams.get(index);
    if (!stream) throw new Error(`recording ${this.id} has no stream ${index}`);
    return stream;
  }

  #freeChannel(): number {
    const used = new Set([...this.#streams.values()].map((stream) => stream.channel));
    for (let channel = 0; channel < CHANNELS; channel++) if (!used.has(channel)) return channel;
    this.warn(`more than ${CHANNELS} streams at once: the further ones are mixed into the last channel`);
    return CHANNELS - 1;
  }

  /** Labels are unique within a dialog only (RFC 4574); two dialogs of one recording may use the same. */
  #freeLabel(wanted: string): string {
    const used = new Set([...this.#streams.values()].map((stream) => stream.label));
    let label = wanted;
    for (let n = 2; used.has(label); n++) label = `${wanted}-${n}`;
    return label;
  }

  #noteHeld(index: number, held: boolean, atMs: number): void {
    this.#note({ type: held ? 'pause' : 'resume', scope: 'signalling', stream: index, atMs });
  }

  /** A label is valid in the message that it stands in (RFC 7866 section 7.1.1); the channel stays that of the m-line. */
  #relabel(stream: LiveStream, offeredLabel: string): void {
    if (offeredLabel === stream.offeredLabel) return;
    stream.offeredLabel = offeredLabel;
    this.#channelOfLabel.set(offeredLabel, stream.channel);
  }

  /** What the lane has refused of a stream, when no more of it can come. */
  #account({ media, label, remote }: LiveStream, { unauthorised, unauthenticated }: StreamCounters): void {
    if (unauthorised > 0) {
      const from = remote ? `the signalled ${remote.address}:${remote.rtpPort}` : 'the first source';
      this.warn(
        `stream ${label}: ${unauthorised} packets from another source than ${from} were not recorded; learnSource would take them`,
      );
    }
    if (unauthenticated === 0) return;
    this.#note({ type: 'event', name: 'unauthenticated', stream: media.index, packets: unauthenticated });
    this.warn(`stream ${label}: ${unauthenticated} packets failed SRTP authentication and were not recorded`);
  }

  /** The suite goes into the journal, keys never do. */
  #noteStream(index: number, { label, channel, payloadTypes, remote, rtcpMux, srtp }: StreamOffer): void {
    const suite = srtp?.receive.suite ?? null;
    this.#note({ type: 'stream', index, label, channel, payloadTypes, remote, rtcpMux, srtp: suite });
  }

  #note(note: object): void {
    if (this.#uncommitted) this.#uncommitted.push(note);
    else this.#media.note(note);
  }

  /** Who speaks on which channel, after streams or metadata have changed. */
  placeParticipants(): void {
    if (!this.#metadata) return;
    const found = participantsByLabel(this.#metadata, this.#channelOfLabel, this.#participants);
    this.#participants = found.participants;
    for (const warning of found.warnings) this.warn(warning);
    this.#noteMetadata();
  }

  #noteMetadata(): void {
    const note = { type: 'metadata', metadata: this.#metadata, participants: this.#participants };
    if (Buffer.byteLength(JSON.stringify(note)) <= MAX_METADATA_NOTE_BYTES) return this.#note(note);
    this.warn('the metadata document is too long to be kept');
    this.#note({ ...note, metadata: null, participants: note.participants.slice(0, MAX_KEPT_PARTICIPANTS) });
  }
}
