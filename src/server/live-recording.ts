/**
 * One recording while it runs: its media in a lane, the recording sessions (SIP dialogs) that feed it, and what is
 * known about it. Whatever the finaliser needs is written into the journal as a note at the moment it becomes known.
 */
import { randomUUID } from 'node:crypto';
import type { SessionView } from '../http/index.ts';
import type { MediaEngine, PayloadType, RecordingMedia, StreamMedia } from '../media/index.ts';
import type { RsMetadata } from '../siprec/index.ts';
import { applyMetadata, participantsByLabel } from '../siprec/index.ts';
import type { Recording, RecordingParticipant } from '../store/recording.ts';

export interface RecordingFacts {
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
  held: boolean;
}

interface LiveStream extends StreamOffer {
  media: StreamMedia;
  channel: number;
}

const CHANNELS = 2;

export class LiveRecording {
  readonly id: string;
  readonly facts: RecordingFacts;
  readonly startedAtMs: number;
  /** How many recording sessions feed it; it ends with the last one. */
  sessions = 0;
  readonly #media: RecordingMedia;
  readonly #streams = new Map<number, LiveStream>();
  /** Of every stream there has been: participants stay on their channel when their stream ends. */
  readonly #channelOfLabel = new Map<string, number>();
  readonly #warnings: string[] = [];
  #metadata: RsMetadata | null = null;
  #participants: RecordingParticipant[] = [];
  #paused = false;

  private constructor(id: string, facts: RecordingFacts, media: RecordingMedia, startedAtMs: number) {
    this.id = id;
    this.facts = facts;
    this.startedAtMs = startedAtMs;
    this.#media = media;
  }

  static async open(engine: MediaEngine, facts: RecordingFacts, nowMs: number): Promise<LiveRecording> {
    const id = randomUUID();
    const recording = new LiveRecording(id, facts, await engine.openRecording(id), nowMs);
    recording.#media.note({ type: 'recording', id, startedAtMs: nowMs, ...facts });
    return recording;
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

  warn(text: string): void {
    if (this.#warnings.includes(text)) return;
    this.#warnings.push(text);
    this.#media.note({ type: 'warning', text });
  }

  async addStream(offer: StreamOffer, nowMs: number): Promise<StreamMedia> {
    const channel = offer.channel ?? this.#freeChannel();
    const label = this.#freeLabel(offer.label);
    const { payloadTypes, remote, rtcpMux } = offer;
    const media = await this.#media.addStream({ label, channel, payloadTypes, remote, rtcpMux });
    this.#streams.set(media.index, { ...offer, label, channel, media });
    this.#channelOfLabel.set(label, channel);
    this.#media.note({ type: 'stream', index: media.index, label, channel, payloadTypes, remote, rtcpMux });
    if (offer.held) this.#noteHeld(media.index, true, nowMs);
    return media;
  }

  async updateStream(index: number, offer: StreamOffer, nowMs: number): Promise<void> {
    const stream = this.#stream(index);
    const { payloadTypes, remote, rtcpMux, held } = offer;
    const { label, channel, held: wasHeld } = stream;
    await this.#media.updateStream(index, { label, payloadTypes, remote, rtcpMux });
    Object.assign(stream, { payloadTypes, remote, rtcpMux, held });
    this.#media.note({ type: 'stream', index, label, channel, payloadTypes, remote, rtcpMux });
    if (held !== wasHeld) this.#noteHeld(index, held, nowMs);
  }

  async removeStream(index: number): Promise<void> {
    this.#stream(index);
    this.#streams.delete(index);
    this.#media.note({ type: 'stream-removed', index });
    await this.#media.removeStream(index);
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

  async pause(on: boolean, by: { actor: string; reason: string }, nowMs: number): Promise<void> {
    await this.#media.pause(on);
    this.#paused = on;
    this.#media.note({ type: on ? 'pause' : 'resume', scope: 'operator', ...by, atMs: nowMs });
  }

  /** Every stream is held by the recording client: silence is what is expected. */
  get held(): boolean {
    return [...this.#streams.values()].every((stream) => stream.held);
  }

  /** After it resolves, everything about the recording is in the journal. */
  async close(by: string, reason: string, nowMs: number): Promise<void> {
    this.#media.note({ type: 'end', by, reason, atMs: nowMs });
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
      streams: [],
      recovered: false,
      warnings: [...this.#warnings],
    };
  }

  sessionView(): SessionView {
    const { id, startedAt, sipCallId, communicationSessionId, participants } = this.view('recording', null);
    const streams = [...this.#streams.values()].map(({ label, channel, held, media }) => {
      return { label, channel, held, rtpPort: media.rtpPort };
    });
    return { id, startedAt, sipCallId, communicationSessionId, paused: this.#paused, participants, streams };
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
    this.#media.note({ type: held ? 'pause' : 'resume', scope: 'signalling', stream: index, atMs });
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
    this.#media.note({ type: 'metadata', metadata: this.#metadata, participants: this.#participants });
  }
}
