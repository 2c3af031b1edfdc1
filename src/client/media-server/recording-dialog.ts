/**
 * One SIP dialog with a recorder (RFC 7866 sections 6.1 and 8): the INVITE with everything that is known, changes of it in the order in
 * which they happened, and what the recorder asks for by itself. The stack sends one INVITE or UPDATE at a time and sees to collisions.
 */
import type { Sdp } from '../../sdp/index.ts';
import {
  type AnsweredInvite,
  type InviteOptions,
  type OutgoingInvite,
  type SessionEnd,
  type SipAnswer,
  type SipBody,
  SipFailure,
  type SipRequest,
  type SipResponse,
  type SipSession,
} from '../../sip/index.ts';
import {
  buildMetadata,
  buildSiprecBody,
  METADATA_CONTENT_TYPE,
  METADATA_DISPOSITION,
  parseSnapshotRequest,
  type RsMetadata,
  readBodies,
} from '../../siprec/index.ts';
import type { Offered, RecordedMedia } from './recorded-media.ts';
import { RecorderRefused } from './recorder-refused.ts';
import { MediaFault } from './stream-target.ts';

export interface RecordingDialogOptions {
  endpoint: { invite(options: InviteOptions): OutgoingInvite };
  /** Of the recorder; with what is recorded, where it is asked so. */
  uri: string;
  headers: [string, string][];
  media: RecordedMedia;
  /** Everything that is known; null: the recorder takes no metadata. */
  metadata: (() => RsMetadata) | null;
  setUpTimeoutMs: number;
  /** Something went wrong that costs no more than what it was about. */
  warn: (facts: object, message: string) => void;
}

/** How often a recorder may have a snapshot: one that asks without end gets no more. */
const SNAPSHOT_EVERY_MS = 100;
/** How long after an update that the recorder has refused it is told everything, and how often. */
const TELL_AGAIN_MS = 5_000;
const MAX_TELL_AGAIN = 3;
const CONTACT_PARAMS = ['+sip.src'];

export class RecordingDialog {
  /** It is over, and not by `end`. Called at most once. */
  onEnded: (end: { by: 'recorder' | 'failure'; reason: string }) => void = () => {};
  readonly #options: RecordingDialogOptions;
  readonly #session: SipSession;
  #takesUpdate: boolean;
  /** What goes next has to say everything, for what went before has not arrived. */
  #mustTellAll = false;
  #tellAgainLeft = MAX_TELL_AGAIN;
  #snapshotTimer: NodeJS.Timeout | null = null;
  #snapshotDueMs = 0;
  #lastSnapshotMs = -Infinity;
  #offeredInAnswer: Offered | null = null;
  #isOver = false;

  private constructor(options: RecordingDialogOptions, { session, response }: AnsweredInvite) {
    this.#options = options;
    this.#session = session;
    this.#takesUpdate = response.header('allow') === undefined || response.lists('allow', 'UPDATE');
    session.onReInvite = (request) => this.#onRequest(request);
    session.onAck = (body) => this.#onAck(body);
    session.onEnded = (end) => this.#onSessionEnded(end);
  }

  /** Rejects with RecorderRefused or SipFailure when the recorder does not take the recording; nothing is left open then. */
  static async open(options: RecordingDialogOptions, abandoned?: AbortSignal): Promise<RecordingDialog> {
    const { endpoint, uri, headers, media, metadata, setUpTimeoutMs } = options;
    const offered = media.offer();
    const invite = endpoint.invite({
      to: uri,
      headers,
      body: bodyOf(offered.sdp, metadata?.() ?? null),
      ...(metadata === null ? {} : { require: ['siprec'], contactParams: CONTACT_PARAMS }),
    });
    const answered = await answerOf(invite, setUpTimeoutMs, abandoned);
    const dialog = new RecordingDialog(options, answered);
    try {
      dialog.#take(answered.response, offered);
    } catch (error) {
      void dialog.end(null);
      throw new RecorderRefused(488, messageOf(error));
    }
    return dialog;
  }

  get callId(): string {
    return this.#session.callId;
  }

  /**
   * Tells the recorder of a change: by UPDATE, or by re-INVITE where m-lines change. What refers to labels goes with the description that
   * has them. Resolves when it was answered; never rejects.
   */
  async tell(metadata: RsMetadata | null, linesChanged: boolean): Promise<void> {
    if (this.#isOver) return;
    const { metadata: everything } = this.#options;
    if (everything === null && !linesChanged) return;
    const all = this.#mustTellAll ? everything : null;
    this.#mustTellAll = false;
    const needsOffer = linesChanged || all !== null || (metadata?.streams.length ?? 0) > 0;
    const method = linesChanged ? 'INVITE' : 'UPDATE';
    const isTold = await this.#exchange(method, all ?? (metadata && (() => metadata)), needsOffer);
    if (isTold) this.#tellAgainLeft = MAX_TELL_AGAIN;
    else this.#tellAllAgain();
  }

  /** Ends the dialog. Resolves when the BYE was answered, or nobody has answered it; never rejects. */
  async end(metadata: RsMetadata | null): Promise<void> {
    this.#close();
    await this.#session.bye(metadata === null ? {} : metadataContent(metadata));
  }

  #close(): void {
    this.#isOver = true;
    if (this.#snapshotTimer) clearTimeout(this.#snapshotTimer);
    this.#snapshotTimer = null;
  }

  #fail(reason: string): void {
    if (this.#isOver) return;
    void this.end(null);
    this.onEnded({ by: 'failure', reason });
  }

  #onSessionEnded({ by, reason }: SessionEnd): void {
    if (this.#isOver) return;
    this.#close();
    this.onEnded(by === 'remote' ? { by: 'recorder', reason } : { by: 'failure', reason });
  }

  // What we send

  /** @returns whether the recorder has taken it. */
  async #exchange(
    method: 'INVITE' | 'UPDATE',
    metadata: (() => RsMetadata) | null,
    needsOffer: boolean,
  ): Promise<boolean> {
    const isUpdate = method === 'UPDATE' && this.#takesUpdate;
    const withOffer = needsOffer || !isUpdate;
    let offered: Offered | null = null;
    const offer = () => {
      offered = this.#options.media.offer();
      return bodyOf(offered.sdp, metadata?.() ?? null);
    };
    // An offer is made when its turn has come: until then the recorder's may have changed what is agreed.
    const content = withOffer
      ? {
          get body() {
            return offer();
          },
        }
      : metadataContent(metadata!());
    try {
      const response = await this.#session.request(isUpdate ? 'UPDATE' : 'INVITE', content);
      if (response.status < 300) {
        if (offered !== null) this.#take(response, offered);
        return true;
      }
      if (isUpdate && (response.status === 405 || response.status === 501) && !this.#isOver) {
        this.#takesUpdate = false;
        return await this.#exchange('INVITE', metadata, true);
      }
      this.#warnOf(response);
    } catch (error) {
      if (error instanceof MediaFault) this.#fail(messageOf(error));
      else if (!this.#isOver) this.#options.warn({ cause: messageOf(error) }, 'the recorder was not told of a change');
    }
    return false;
  }

  #warnOf(response: SipResponse): void {
    if (this.#isOver) return;
    const { status, reason } = response;
    this.#options.warn({ status, reason, warning: response.header('warning') }, 'the recorder has refused a change');
  }

  /** @throws MediaFault */
  #take(response: SipResponse, offered: Offered): void {
    const { offer: answer, warnings } = readBodies(response.contentType, response.body);
    if (answer === null) throw new MediaFault(warnings[0] ?? 'its answer has no session description');
    this.#options.media.take(answer, offered);
  }

  /** RFC 7866 section 8.1: a partial update is of no use to whom the one before is unknown. */
  #tellAllAgain(): void {
    if (this.#isOver) return;
    this.#mustTellAll = true;
    if (this.#tellAgainLeft === 0 || this.#snapshotTimer) return;
    this.#tellAgainLeft -= 1;
    this.#snapshotIn(TELL_AGAIN_MS);
  }

  /** Or before, when one is due by then: who asks again and again does not put it off. */
  #snapshotIn(delayMs: number): void {
    const dueMs = performance.now() + delayMs;
    if (this.#snapshotTimer && this.#snapshotDueMs <= dueMs) return;
    if (this.#snapshotTimer) clearTimeout(this.#snapshotTimer);
    this.#snapshotDueMs = dueMs;
    this.#snapshotTimer = setTimeout(() => {
      this.#snapshotTimer = null;
      this.#lastSnapshotMs = performance.now();
      this.#mustTellAll = true;
      void this.tell(null, this.#options.metadata === null);
    }, delayMs);
  }

  // What the recorder sends

  #onRequest(request: SipRequest): SipAnswer {
    const { metadata } = this.#options;
    if (request.body.length === 0) return request.method === 'INVITE' ? this.#offerInAnswer() : { status: 200 };
    if (parseSnapshotRequest(request.body) !== null) {
      if (metadata === null) return { status: 488 };
      // RFC 7866 section 8.2.2: in a request of its own.
      this.#snapshotIn(Math.max(0, this.#lastSnapshotMs + SNAPSHOT_EVERY_MS - performance.now()));
      return { status: 200 };
    }
    const { offer, refuse } = readBodies(request.contentType, request.body);
    if (offer === null) return refuse ?? { status: 488 };
    try {
      return { status: 200, body: bodyOf(this.#options.media.answer(offer), null) };
    } catch (error) {
      if (!(error instanceof MediaFault)) throw error;
      this.#options.warn({ cause: error.message }, "an offer of the recorder's cannot be followed");
      return { status: 488, headers: [['Warning', `399 doubletrack "${error.message.replaceAll('"', "'")}"`]] };
    }
  }

  #offerInAnswer(): SipAnswer {
    const { media, metadata } = this.#options;
    this.#offeredInAnswer = media.offer();
    return { status: 200, body: bodyOf(this.#offeredInAnswer.sdp, metadata?.() ?? null) };
  }

  #onAck(body: SipBody | null): void {
    const offered = this.#offeredInAnswer;
    this.#offeredInAnswer = null;
    if (offered === null) return;
    try {
      const answer = body && readBodies(body.contentType, body.content).offer;
      if (!answer) throw new MediaFault('its ACK has no answer');
      this.#options.media.take(answer, offered);
    } catch (error) {
      if (!(error instanceof MediaFault)) throw error;
      this.#fail(messageOf(error));
    }
  }
}

/** Rejects when the recorder refuses, takes too long, or nobody waits for it any more. */
async function answerOf(
  invite: OutgoingInvite,
  timeoutMs: number,
  abandoned: AbortSignal | undefined,
): Promise<AnsweredInvite> {
  const { promise: given, reject: giveUp } = Promise.withResolvers<never>();
  given.catch(() => {});
  const timer = setTimeout(() => giveUp(new SipFailure(408, `no answer within ${timeoutMs} ms`)), timeoutMs);
  const onAbandoned = () => giveUp(new SipFailure(487, 'the other dialog of the recording was not taken'));
  if (abandoned?.aborted) onAbandoned();
  abandoned?.addEventListener('abort', onAbandoned);
  try {
    return await Promise.race([invite.answered, given]);
  } catch (error) {
    // The stack sees the CANCEL through, and ends what was accepted all the same.
    invite.cancel();
    throw error instanceof SipFailure ? RecorderRefused.from(error) : error;
  } finally {
    clearTimeout(timer);
    abandoned?.removeEventListener('abort', onAbandoned);
  }
}

function bodyOf(sdp: Sdp, metadata: RsMetadata | null): SipBody {
  if (metadata === null) return { contentType: 'application/sdp', content: sdp.toBytes() };
  return buildSiprecBody(sdp, metadata);
}

function metadataContent(metadata: RsMetadata): { body: SipBody; headers: [string, string][] } {
  const content = Buffer.from(buildMetadata(metadata));
  return {
    body: { contentType: METADATA_CONTENT_TYPE, content },
    headers: [['Content-Disposition', METADATA_DISPOSITION]],
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
