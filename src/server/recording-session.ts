/**
 * One recording session: the SIP dialog through which a recording client offers streams and metadata (RFC 7866).
 * Answers offers, keeps the recording's streams in step with the m-lines, and applies metadata in order.
 */
import type { Sdp } from '../sdp/index.ts';
import { answerOffer, buildOffer, type PayloadType, staticPayloadType } from '../sdp/index.ts';
import type { SipAnswer, SipBody, SipRequest, SipSession } from '../sip/index.ts';
import type { InviteInterpretation, PlannedMedia, RsMetadata } from '../siprec/index.ts';
import {
  METADATA_DISPOSITION,
  planMedia,
  readBodies,
  requestSnapshot,
  snapshotRequestContentType,
} from '../siprec/index.ts';
import type { LiveRecording, StreamOffer } from './live-recording.ts';

export interface RecordingSessionOptions {
  recording: LiveRecording;
  /** Address that goes into the answers. */
  mediaAddress: string;
  now: () => number;
  /** The Accept header of the INVITE. */
  accept: string | undefined;
  /** Channel of this dialog's first stream where two dialogs make one recording; null: as they come. */
  channel: number | null;
}

/** An m-line that is being recorded, by its position in the SDP, which never changes (RFC 3264 section 8). */
interface RecordedLine {
  streamIndex: number;
  rtpPort: number;
  rtcpPort: number;
}

const DECODABLE = new Set(['PCMU', 'PCMA', 'L16']);
/** PCMU and PCMA (RFC 3551 table 4). */
const OFFERED_PAYLOAD_TYPES = [0, 8];

const isDecodable = (type: PayloadType): boolean => DECODABLE.has(type.encoding);

export class NothingToRecord extends Error {
  override readonly name = 'NothingToRecord';
}

export class RecordingSession {
  readonly recording: LiveRecording;
  readonly #options: RecordingSessionOptions;
  readonly #lines = new Map<number, RecordedLine>();
  readonly #sdpSessionId: string;
  #version = 0;
  #lastAnswer: Sdp | null = null;

  constructor(options: RecordingSessionOptions) {
    this.recording = options.recording;
    this.#options = options;
    this.#sdpSessionId = String(options.now());
  }

  /**
   * Takes an offer and answers it: same m-lines, same order.
   * @throws NothingToRecord (488) when no m-line of it can be recorded; nothing has changed then.
   */
  async answer(offer: Sdp): Promise<Sdp> {
    const plan = planMedia(offer, { supported: isDecodable });
    if (!plan.some((line) => line.action === 'record') && this.#lines.size === 0) {
      throw new NothingToRecord(plan.map((line) => line.reason).find(Boolean) ?? 'the offer has no audio to record');
    }
    const media = [];
    for (const line of plan) media.push(await this.#takeLine(line));
    this.#version += 1;
    const { mediaAddress: address } = this.#options;
    this.#lastAnswer = answerOffer(offer, { address, sessionId: this.#sdpSessionId, version: this.#version, media });
    return this.#lastAnswer;
  }

  /** What the INVITE says of the participants; after its m-lines have been taken. */
  place({ metadata, participants }: InviteInterpretation): void {
    if (metadata) this.recording.applyMetadata(metadata);
    else for (const participant of participants) this.recording.addParticipant(participant);
  }

  /** An offer of ours, for an INVITE that has none: one stream to receive, its source known with the answer in the ACK. */
  async offer(): Promise<Sdp> {
    const payloadTypes = OFFERED_PAYLOAD_TYPES.flatMap((number) => staticPayloadType(number) ?? []);
    const { channel, mediaAddress: address, now } = this.#options;
    const stream = { label: '1', channel, payloadTypes, remote: null, rtcpMux: false, held: false };
    const { rtpPort: port, rtcpPort } = await this.#record(0, stream, now());
    const media = [{ port, rtcpPort, label: '1', direction: 'recvonly' as const, payloadTypes }];
    this.#version += 1;
    this.#lastAnswer = buildOffer({ address, sessionId: this.#sdpSessionId, version: this.#version, media });
    return this.#lastAnswer;
  }

  /** The answer to {@link offer}. */
  async onAnswer(body: SipBody): Promise<void> {
    const { offer: answer, warnings } = readBodies(body.contentType, body.content);
    for (const warning of warnings) this.recording.warn(warning);
    if (!answer) return this.recording.warn('the ACK brought no answer: media is taken from whoever sends first');
    for (const line of planMedia(answer, { supported: isDecodable })) await this.#takeLine(line);
  }

  /** Re-INVITE and UPDATE: a new offer, metadata, both or neither (a session refresh). */
  async onReInvite(request: SipRequest, session: SipSession): Promise<SipAnswer> {
    const body = readBodies(request.contentType, request.body);
    for (const warning of body.warnings) this.recording.warn(warning);
    if (body.refuse) return body.refuse;
    try {
      const answer = body.offer ? await this.answer(body.offer) : null;
      if (body.metadata) this.#applyMetadata(body.metadata, session);
      else if (answer) this.recording.placeParticipants();
      const sdp = answer ?? (request.method === 'INVITE' ? this.#lastAnswer : null);
      return sdp ? { status: 200, body: sdpBody(sdp) } : { status: 200 };
    } catch (error) {
      return refusal(error);
    }
  }

  /** The last words of the recording client (RFC 8068: a BYE may carry metadata). */
  onBye(request: SipRequest | undefined): void {
    if (!request || request.body.length === 0) return;
    const body = readBodies(request.contentType, request.body);
    for (const warning of body.warnings) this.recording.warn(warning);
    if (body.metadata) this.recording.applyMetadata(body.metadata);
  }

  /** Gives the dialog's streams back while the recording goes on with another dialog. */
  async leave(): Promise<void> {
    for (const line of this.#lines.values()) await this.recording.removeStream(line.streamIndex);
    this.#lines.clear();
  }

  async #takeLine(line: PlannedMedia): Promise<AnsweredMedia> {
    const known = this.#lines.get(line.index);
    if (line.action === 'reject') {
      if (known) {
        this.#lines.delete(line.index);
        await this.recording.removeStream(known.streamIndex);
      } else if (line.reason) this.recording.warn(`m-line ${line.index + 1} is not recorded: ${line.reason}`);
      return { accept: false };
    }
    for (const warning of line.warnings) this.recording.warn(warning);
    const now = this.#options.now();
    const offer = this.#streamOffer(line);
    if (known) await this.recording.updateStream(known.streamIndex, offer, now);
    const recorded = known ?? (await this.#record(line.index, offer, now));
    const direction = line.held ? ('inactive' as const) : ('recvonly' as const);
    const { rtpPort: port, rtcpPort } = recorded;
    return { accept: true, port, rtcpPort, direction, payloadTypes: line.payloadTypes };
  }

  async #record(index: number, offer: StreamOffer, now: number): Promise<RecordedLine> {
    const media = await this.recording.addStream(offer, now);
    const recorded = { streamIndex: media.index, rtpPort: media.rtpPort, rtcpPort: media.rtcpPort };
    this.#lines.set(index, recorded);
    return recorded;
  }

  #streamOffer(line: PlannedMedia): StreamOffer {
    const { label, payloadTypes, remote, held, rtcpMux } = line;
    return { label, channel: this.#options.channel, payloadTypes, remote, rtcpMux, held };
  }

  #applyMetadata(update: RsMetadata, session: SipSession): void {
    if (update.dataMode === 'partial' && !this.recording.metadata) {
      // RFC 7866 section 8.2.2: without the whole picture a change cannot be understood, so ask for it.
      const content = Buffer.from(requestSnapshot('partial update without a full one before it'));
      const body = { contentType: snapshotRequestContentType(this.#options.accept), content };
      session.request('UPDATE', { body, headers: [['Content-Disposition', METADATA_DISPOSITION]] }).catch((error) => {
        this.recording.warn(`the recording client did not send its full metadata: ${String(error)}`);
      });
    }
    this.recording.applyMetadata(update);
  }
}

type AnsweredMedia = Parameters<typeof answerOffer>[1]['media'][number];

export function sdpBody(sdp: Sdp): SipBody {
  return { contentType: 'application/sdp', content: Buffer.from(sdp.toString()) };
}

/** What the recording client is told when its offer cannot be taken. */
export function refusal(error: unknown): SipAnswer {
  if (error instanceof NothingToRecord)
    return { status: 488, headers: [['Warning', `305 doubletrack "${error.message}"`]] };
  throw error;
}
