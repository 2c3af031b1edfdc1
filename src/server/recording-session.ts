/**
 * One recording session: the SIP dialog through which a recording client offers streams and metadata (RFC 7866).
 * Answers offers, keeps the recording's streams in step with the m-lines, and applies metadata in order.
 */
import { isDecodable } from '../media/codecs.ts';
import { LaneFull, NoPortLeft } from '../media/index.ts';
import { awaitingCrypto, offeredLines, type StreamCrypto, streamCrypto } from '../sdes/stream-crypto.ts';
import {
  acceptCrypto,
  answerOffer,
  buildOffer,
  type CryptoLine,
  type CryptoPolicy,
  chooseCrypto,
  formatCrypto,
  type MediaDescription,
  parseSdp,
  type Sdp,
  staticPayloadType,
} from '../sdp/index.ts';
import type { SipAnswer, SipBody, SipRequest, SipSession } from '../sip/index.ts';
import type { InviteInterpretation, PlannedMedia, Refusal, RsMetadata } from '../siprec/index.ts';
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
  /** Which SRTP is taken. */
  crypto: CryptoPolicy;
  /** What the recording is warned of when it gets keys. */
  keysWarning: string | null;
}

/** An m-line that is being recorded, by its position in the SDP, which never changes (RFC 3264 section 8). */
interface RecordedLine {
  streamIndex: number;
  rtpPort: number;
  rtcpPort: number;
  channel: number;
  /** Null: plain RTP. */
  crypto: StreamCrypto | null;
  /** False while an offer of ours waits for the answer. */
  isAgreed: boolean;
}

/** PCMU and PCMA (RFC 3551 table 4). */
const OFFERED_PAYLOAD_TYPES = [0, 8];
const MAX_OFFERED_STREAMS = 4;
/** Of a Warning header. */
const MAX_WARNING_CHARACTERS = 300;

export class NothingToRecord extends Error {
  override readonly name = 'NothingToRecord';
}

/** The session ended while a change of it was waiting. */
export class SessionOver extends Error {
  override readonly name = 'SessionOver';
}

export class RecordingSession {
  readonly recording: LiveRecording;
  readonly #options: RecordingSessionOptions;
  readonly #lines = new Map<number, RecordedLine>();
  readonly #sdpSessionId: string;
  #version = 0;
  /** Our side of what is agreed, as last sent. */
  #lastSent: Sdp | null = null;
  /** An offer of ours went out in a 2xx; the ACK brings the answer. */
  #answerDue = false;
  #snapshotDue = false;
  #over = false;
  /** Offers and answers are taken one after another: each changes the m-lines that the next one finds. */
  #changes: Promise<unknown> = Promise.resolve();

  constructor(options: RecordingSessionOptions) {
    this.recording = options.recording;
    this.#options = options;
    this.#sdpSessionId = String(options.now());
  }

  /**
   * Takes an offer and answers it: same m-lines, same order.
   * @throws NothingToRecord (488) when no m-line of it can be recorded, or one that is being recorded has no SRTP any more that can
   * be used; nothing has changed then.
   */
  answer(offer: Sdp): Promise<Sdp> {
    return this.#inOrder(async () => {
      const crypto = (media: MediaDescription) => chooseCrypto(media, this.#options.crypto);
      const plan = planMedia(offer, { supported: isDecodable, crypto });
      const broken = plan.find((line) => line.isSecurityFault && this.#lines.has(line.index));
      if (broken) throw new NothingToRecord(`m-line ${broken.index + 1}: ${broken.reason}`);
      // A stream offered with port 0 is switched off, maybe for now: a wish to be followed, not one that can't be.
      const isSensible = (line: PlannedMedia) => line.action === 'record' || offer.media[line.index]?.port === 0;
      if (!plan.some(isSensible)) {
        const why = plan.find((line) => line.isSecurityFault) ?? plan.find((line) => line.reason);
        throw new NothingToRecord(why?.reason ?? 'the offer has no audio to record');
      }
      const media = await this.#takeLines(plan);
      this.#version += 1;
      const { mediaAddress: address } = this.#options;
      this.#lastSent = answerOffer(offer, { address, sessionId: this.#sdpSessionId, version: this.#version, media });
      return this.#lastSent;
    });
  }

  /** What the INVITE says of the participants; after its m-lines have been taken. */
  place({ metadata, participants, kind, offer }: InviteInterpretation): void {
    if (metadata) return this.#applyMetadata(metadata);
    const channels = [...this.#lines.values()].map((line) => line.channel);
    // One of two dialogs that does not say which side it is: the voice is on the channel that was free. Without an offer
    // to read from, parties are on the streams that were offered to them, in order.
    const isFree = kind === 'genesys-two-dialogs' && this.#options.channel === null;
    const isOurs = offer === null && channels.length > 1;
    for (const [i, participant] of participants.entries()) {
      const channel = isFree ? channels[0] : isOurs ? channels[i] : participant.channel;
      this.recording.addParticipant({ ...participant, channel: channel ?? participant.channel });
    }
  }

  /** An offer of ours, for an INVITE that has none: streams to receive, their sources known with the answer in the ACK. */
  offer({ kind, metadata }: InviteInterpretation): Promise<Sdp> {
    const known = metadata?.streams.flatMap(({ label }) => label ?? []).slice(0, MAX_OFFERED_STREAMS) ?? [];
    const labels = known.length > 0 ? known : kind === 'genesys-one-dialog' ? ['1', '2'] : ['1'];
    return this.#inOrder(async () => {
      const payloadTypes = OFFERED_PAYLOAD_TYPES.flatMap((number) => staticPayloadType(number) ?? []);
      const { channel, mediaAddress: address, now } = this.#options;
      const media = [];
      for (const [index, label] of labels.entries()) {
        const { lines, crypto, protocol } = this.#offeredCrypto();
        const srtp = crypto?.srtp ?? null;
        const stream = { label, channel, payloadTypes, remote: null, rtcpMux: false, ssrc: null, held: false, srtp };
        const { rtpPort: port, rtcpPort } = await this.#record(index, stream, crypto, now());
        const attributes = lines.map((line) => `crypto:${formatCrypto(line)}`);
        media.push({ port, rtcpPort, label, protocol, direction: 'recvonly' as const, payloadTypes, attributes });
      }
      this.#version += 1;
      this.#answerDue = true;
      this.#lastSent = buildOffer({ address, sessionId: this.#sdpSessionId, version: this.#version, media });
      return this.#lastSent;
    });
  }

  /** SRTP is offered where nothing else is taken: a client that does not know it would have to refuse. */
  #offeredCrypto(): { lines: CryptoLine[]; crypto: StreamCrypto | null; protocol: string } {
    const { crypto: policy } = this.#options;
    const lines = policy.required ? offeredLines(policy) : [];
    const [first] = lines;
    if (first === undefined) return { lines, crypto: null, protocol: 'RTP/AVP' };
    return { lines, crypto: awaitingCrypto(first), protocol: 'RTP/SAVP' };
  }

  /** An offer of ours went out, and the ACK will carry its answer. */
  get answerDue(): boolean {
    return this.#answerDue;
  }

  /**
   * The ACK of a 2xx of ours; it carries the answer when the 2xx carried our offer.
   * @returns false when what was offered has come to nothing.
   */
  async onAck(body: SipBody | null): Promise<boolean> {
    if (!this.#answerDue) return true;
    this.#answerDue = false;
    const { offer: answer, metadata, warnings } = readBodies(body?.contentType, body?.content ?? new Uint8Array());
    for (const warning of warnings) this.recording.warn(warning);
    if (!answer) return this.#onNoAnswer();
    const ours = this.#lastSent?.media ?? [];
    const { required } = this.#options.crypto;
    const crypto = (media: MediaDescription) => acceptCrypto(media, ours[media.index] ?? media, required);
    const plan = planMedia(answer, { supported: isDecodable, crypto });
    try {
      await this.#inOrder(() => this.#takeLines(plan));
    } catch (error) {
      if (!(error instanceof SessionOver)) throw error;
    }
    if (metadata) this.recording.applyMetadata(metadata);
    else this.recording.placeParticipants();
    return this.#lines.size > 0 || !plan.some((line) => line.isSecurityFault);
  }

  #onNoAnswer(): boolean {
    const needsKeys = [...this.#lines.values()].some((line) => line.crypto !== null && !line.isAgreed);
    if (needsKeys) this.recording.warn('the ACK brought no answer, and so no SRTP keys');
    else this.recording.warn('the ACK brought no answer: media is taken from whoever sends first');
    return !needsKeys;
  }

  /** Re-INVITE and UPDATE: a new offer, metadata, both or neither (a session refresh). */
  async onReInvite(request: SipRequest, session: SipSession): Promise<SipAnswer> {
    const body = readBodies(request.contentType, request.body);
    for (const warning of body.warnings) this.recording.warn(warning);
    if (body.refuse) return refusalAnswer(body.refuse);
    try {
      const answer = body.offer ? await this.answer(body.offer) : null;
      if (body.metadata) this.#applyMetadata(body.metadata);
      else if (answer) this.recording.placeParticipants();
      this.askForMissing(session);
      const sdp = answer ?? (request.method === 'INVITE' ? this.#offerAgain() : null);
      return sdp ? { status: 200, body: sdpBody(sdp) } : { status: 200 };
    } catch (error) {
      const answer = refusal(error);
      if (answer) return answer;
      throw error;
    }
  }

  /** The last words of the recording client (RFC 8068: a BYE may carry metadata). */
  onBye(request: SipRequest | undefined): void {
    if (!request || request.body.length === 0) return;
    const body = readBodies(request.contentType, request.body);
    for (const warning of body.warnings) this.recording.warn(warning);
    if (body.metadata) this.recording.applyMetadata(body.metadata);
  }

  /** No further change is taken; resolves when the one under way is done. */
  async end(): Promise<void> {
    this.#over = true;
    await this.#changes;
  }

  /** Gives the dialog's streams back while the recording goes on with another dialog. */
  async giveBack(): Promise<void> {
    for (const line of this.#lines.values()) await this.recording.removeStream(line.streamIndex);
    this.#lines.clear();
  }

  /**
   * A complete snapshot of the metadata, when a partial update came without one before it (RFC 7866 section 8.2.2): a change
   * of something unknown says little. Sent when the dialog allows it.
   */
  askForMissing(session: SipSession): void {
    if (!this.#snapshotDue) return;
    this.#snapshotDue = false;
    const content = Buffer.from(requestSnapshot('partial update without a full one before it'));
    const body = { contentType: snapshotRequestContentType(this.#options.accept), content };
    const told = session.request('UPDATE', { body, headers: [['Content-Disposition', METADATA_DISPOSITION]] });
    told.then(
      ({ status }) => {
        if (status >= 300) this.recording.warn(`the recording client refused to send its full metadata: ${status}`);
      },
      (error: unknown) => this.recording.warn(`the recording client did not send its full metadata: ${String(error)}`),
    );
  }

  #inOrder<T>(change: () => Promise<T>): Promise<T> {
    const done = this.#changes.then(() => {
      if (this.#over) throw new SessionOver('the recording session has ended');
      return change();
    });
    this.#changes = done.catch(() => {});
    return done;
  }

  async #takeLines(plan: readonly PlannedMedia[]): Promise<AnsweredMedia[]> {
    const media = [];
    for (const line of plan) media.push(await this.#takeLine(line));
    for (const index of [...this.#lines.keys()].filter((one) => one >= plan.length)) {
      this.recording.warn(`m-line ${index + 1} is no longer offered, which RFC 3264 forbids: taken as removed`);
      await this.#dropLine(index);
    }
    return media;
  }

  async #takeLine(line: PlannedMedia): Promise<AnsweredMedia> {
    const known = this.#lines.get(line.index);
    if (line.action === 'reject') {
      await this.#rejectLine(line, known);
      return { accept: false };
    }
    for (const warning of line.warnings) this.recording.warn(warning);
    const now = this.#options.now();
    const crypto = line.crypto && streamCrypto(line.crypto, known?.crypto ?? null);
    this.#warnOfKeys(line, crypto, known);
    const offer = this.#streamOffer(line, crypto);
    if (known) {
      await this.recording.updateStream(known.streamIndex, offer, now);
      known.crypto = crypto;
    }
    const recorded = known ?? (await this.#recordIfRoom(line.index, offer, crypto, now));
    if (!recorded) return { accept: false };
    recorded.isAgreed = true;
    const direction = line.held ? ('inactive' as const) : ('recvonly' as const);
    const { rtpPort: port, rtcpPort } = recorded;
    const attributes = crypto === null ? [] : [`crypto:${formatCrypto(crypto.own)}`];
    return { accept: true, port, rtcpPort, direction, payloadTypes: line.payloadTypes, attributes };
  }

  async #rejectLine({ index, reason, isSecurityFault }: PlannedMedia, known: RecordedLine | undefined): Promise<void> {
    // What was agreed goes on when a change of it has come to nothing.
    if (known && isSecurityFault && known.isAgreed) {
      return this.recording.warn(`m-line ${index + 1} is recorded as before: ${reason}`);
    }
    if (reason && (!known || isSecurityFault)) this.recording.warn(`m-line ${index + 1} is not recorded: ${reason}`);
    if (known) await this.#dropLine(index);
  }

  #warnOfKeys({ index }: PlannedMedia, crypto: StreamCrypto | null, known: RecordedLine | undefined): void {
    if (crypto !== null && this.#options.keysWarning) this.recording.warn(this.#options.keysWarning);
    if (!known || (known.crypto === null) === (crypto === null)) return;
    const change =
      crypto === null ? 'SRTP until now, in the clear from now on' : 'in the clear until now, SRTP from now on';
    this.recording.warn(`m-line ${index + 1}: ${change}`);
  }

  async #dropLine(index: number): Promise<void> {
    const { streamIndex } = this.#lines.get(index)!;
    this.#lines.delete(index);
    await this.recording.removeStream(streamIndex);
  }

  /** A call that runs is not given up for the one stream more that there is no room for; a new one may go elsewhere. */
  async #recordIfRoom(
    index: number,
    offer: StreamOffer,
    crypto: StreamCrypto | null,
    now: number,
  ): Promise<RecordedLine | null> {
    try {
      return await this.#record(index, offer, crypto, now);
    } catch (error) {
      const isFull = error instanceof NoPortLeft || error instanceof LaneFull;
      if (!isFull || this.#lastSent === null) throw error;
      this.recording.warn(`m-line ${index + 1} is not recorded: ${error.message}`);
      return null;
    }
  }

  async #record(index: number, offer: StreamOffer, crypto: StreamCrypto | null, now: number): Promise<RecordedLine> {
    const media = await this.recording.addStream(offer, now);
    const { index: streamIndex, rtpPort, rtcpPort, channel } = media;
    const recorded = { streamIndex, rtpPort, rtcpPort, channel, crypto, isAgreed: false };
    this.#lines.set(index, recorded);
    return recorded;
  }

  /** Our offer to a re-INVITE without one (RFC 3261 section 14.2): what is agreed, with nothing on hold. */
  #offerAgain(): Sdp | null {
    if (this.#lastSent === null) return null;
    this.#version += 1;
    this.#answerDue = true;
    const lines = this.#lastSent.toString().split('\r\n');
    const again = lines.map((line) => {
      if (line.startsWith('o=')) return line.replace(/^(o=\S+ \S+) \d+/, `$1 ${this.#version}`);
      return line === 'a=inactive' ? 'a=recvonly' : line;
    });
    this.#lastSent = parseSdp(again.join('\r\n'));
    return this.#lastSent;
  }

  #streamOffer(line: PlannedMedia, crypto: StreamCrypto | null): StreamOffer {
    const { label, payloadTypes, remote, held, rtcpMux, ssrc } = line;
    const srtp = crypto?.srtp ?? null;
    return { label, channel: this.#options.channel, payloadTypes, remote, rtcpMux, ssrc, held, srtp };
  }

  #applyMetadata(update: RsMetadata): void {
    if (update.dataMode === 'partial' && !this.recording.metadata) this.#snapshotDue = true;
    this.recording.applyMetadata(update);
  }
}

type AnsweredMedia = Parameters<typeof answerOffer>[1]['media'][number];

export function sdpBody(sdp: Sdp): SipBody {
  return { contentType: 'application/sdp', content: Buffer.from(sdp.toString()) };
}

/** What the recording client is told when its offer cannot be taken; null when that is not for a reason of its own. */
export function refusal(error: unknown): SipAnswer | null {
  if (error instanceof SessionOver) return { status: 481 };
  if (!(error instanceof NothingToRecord)) return null;
  return refusalAnswer({ status: 488, reason: 'Not Acceptable Here', warning: error.message });
}

/** RFC 3261 20.43: 305 is "incompatible media format". */
export function refusalAnswer({ status, reason, warning }: Refusal): SipAnswer {
  if (warning === undefined) return { status, reason };
  const text = warning.replace(/[^\w .,:;=()/+-]/g, '').slice(0, MAX_WARNING_CHARACTERS);
  return { status, reason, headers: [['Warning', `305 doubletrack "${text}"`]] };
}
