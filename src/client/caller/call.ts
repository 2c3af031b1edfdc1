// One call of the caller as a recording client (RFC 7866 section 6 and 7.1): offer with two labelled streams and metadata,
// the two RTP streams for as long as the call lasts, and what the recorder wants in between.

import { randomUUID } from 'node:crypto';
import type { SrtpSuite } from '../../media/srtp-suites.ts';
import { CryptoFault, LegCrypto } from '../../sdes/leg-crypto.ts';
import { buildOffer, type MediaDescription, parseSdp, remoteOf, type Sdp } from '../../sdp/index.ts';
import {
  type OutgoingInvite,
  type SipAnswer,
  SipFailure,
  type SipRequest,
  type SipSession,
  type TransportName,
} from '../../sip/index.ts';
import {
  buildMetadata,
  buildSiprecBody,
  METADATA_CONTENT_TYPE,
  METADATA_DISPOSITION,
  parseSnapshotRequest,
  readBodies,
} from '../../siprec/index.ts';
import { Impairment, type ImpairmentRates } from './impairment.ts';
import type { SentPackets } from './ledger.ts';
import type { LegPorts, LegSocket } from './leg-socket.ts';
import type { MediaSource } from './media-source.ts';
import { callMetadata, LABELS, metadataIds, type Party, stopMetadata } from './metadata.ts';
import type { Pacer } from './pacer.ts';
import { derivedSeed } from './random.ts';
import { RtpSender } from './sender.ts';
import type { SrtpLeg, SrtpOutlet } from './srtp-outlet.ts';

/** What one stream of a call has sent. */
export interface StreamReport {
  label: string;
  ssrc: number;
  packets: SentPackets;
}

/** How one call went. */
export interface CallReport {
  callId: string;
  /** SIP status of the INVITE; 0 when there was no answer to have one. */
  status: number;
  streams: StreamReport[];
  /** INVITE to 200, milliseconds; null for a call that was not set up. */
  setupMs: number | null;
  /** Who ended a call that was set up. */
  endedBy: 'local' | 'remote' | null;
  /** What was not as it should be, for a person. */
  error: string | null;
}

/** What all calls of a run share. */
export interface CallContext {
  endpoint: { invite(o: InviteOptions): OutgoingInvite };
  to: string;
  /** Null where the URI decides. */
  transport: TransportName | null;
  /** Address of this side's media. */
  address: string;
  ports: LegPorts;
  pacer: Pacer;
  media: MediaSource;
  /** Null: media is sent in the clear. */
  srtp: { suite: SrtpSuite; outlet: SrtpOutlet } | null;
  impairment: ImpairmentRates;
  seed: number;
  parties(call: number): readonly [Party, Party];
  /** Wait between the last packet and BYE. */
  hangupDelayMs: number;
}

interface InviteOptions {
  to: string;
  transport?: TransportName;
  from: string;
  body: { contentType: string; content: Uint8Array };
  headers?: [string, string][];
  require: string[];
}

interface Leg {
  label: string;
  socket: LegSocket;
  /** What was offered; null: plain RTP. */
  crypto: LegCrypto | null;
  srtp: SrtpLeg | null;
  sender: RtpSender | null;
  rejected: boolean;
}

export class RecordedCall {
  private readonly context: CallContext;
  private readonly number: number;
  private readonly ids = metadataIds(randomUUID);
  private readonly sessionUuid = randomUUID().replaceAll('-', '');
  private readonly sdpSessionId: string;
  private readonly startTime = new Date().toISOString();
  private sdpVersion = 1;
  private legs: Leg[] = [];
  private session: SipSession | null = null;
  private ended: (by: 'local' | 'remote') => void = () => {};
  private readonly over: Promise<'local' | 'remote'>;
  private invite: OutgoingInvite | null = null;
  private readonly report: CallReport = {
    callId: '',
    status: 0,
    streams: [],
    setupMs: null,
    endedBy: null,
    error: null,
  };

  /** @param number of the call within its run, from 0; voices and impairment follow from it and the seed */
  constructor(context: CallContext, number: number) {
    this.context = context;
    this.number = number;
    this.sdpSessionId = String(Date.now() * 1000 + (number % 1000));
    this.over = new Promise((resolve) => {
      this.ended = resolve;
    });
  }

  /** Places the call and sees it through. Never rejects: what goes wrong stands in the report. */
  async run(): Promise<CallReport> {
    try {
      for (const label of LABELS) {
        const { ports, address, srtp } = this.context;
        const socket = await ports.open(address);
        const crypto = srtp && new LegCrypto(srtp.suite);
        this.legs.push({ label, socket, crypto, srtp: null, sender: null, rejected: false });
      }
      await this.setUp();
      if (this.session !== null) await this.talk(this.session);
    } catch (error) {
      this.fail(error);
    } finally {
      for (const leg of this.legs) {
        leg.sender?.stop();
        if (leg.sender !== null) this.context.pacer.remove(leg.sender);
        if (leg.srtp !== null) this.endSrtp(leg.srtp);
      }
      this.report.streams = this.legs.map((leg) => streamReport(leg));
      for (const leg of this.legs) leg.socket.close();
    }
    return this.report;
  }

  /** Ends the call early. */
  hangUp(): void {
    if (this.session === null) this.invite?.cancel();
    this.ended('local');
  }

  private async setUp(): Promise<void> {
    const { context } = this;
    const parties = context.parties(this.number);
    const offer = this.offer();
    const body = buildSiprecBody(offer, this.metadata());
    const before = performance.now();
    this.invite = context.endpoint.invite({
      to: context.to,
      ...(context.transport === null ? {} : { transport: context.transport }),
      from: `"${parties[0].name}" <${parties[0].aor}>`,
      body,
      require: ['siprec'],
    });
    const { response, session } = await this.invite.answered;
    this.report.setupMs = performance.now() - before;
    this.report.status = response.status;
    this.report.callId = session.callId;
    this.session = session;
    session.onEnded = (event) => this.ended(event.by === 'local' ? 'local' : 'remote');
    session.onReInvite = (request) => this.onOffer(request);
    const answer = readBodies(response.contentType, response.body).offer;
    if (answer === null) throw new Error('the 200 has no SDP answer');
    this.start(answer, offer);
  }

  // One schedule for the call: both legs start together, apart by half a packet, so that they don't leave in step.
  private start(answer: Sdp, offer: Sdp): void {
    const { context, number } = this;
    const startMs = performance.now() + 1 + ((derivedSeed(context.seed, number, 9) >>> 0) % 20);
    if (answer.media.length !== this.legs.length) {
      this.report.error = `the answer has ${answer.media.length} m-lines instead of ${this.legs.length}`;
    }
    this.legs.forEach((leg, i) => {
      const media = answer.media[i];
      const target = media === undefined ? null : remoteOf(media);
      if (media === undefined || target === null || !this.secure(leg, media, offer.media[i]!)) {
        leg.rejected = true;
        return;
      }
      leg.socket.aim(target);
      leg.sender = new RtpSender({
        script: context.media.script(number, i),
        socket: leg.socket,
        srtp: leg.srtp,
        impairment: new Impairment(context.impairment, derivedSeed(context.seed, number, i)),
        startMs: startMs + i * 10,
        cname: `${this.sessionUuid.slice(0, 16)}-${leg.label}`,
      });
      leg.sender.hold(takesNothing(media));
      context.pacer.add(leg.sender);
    });
  }

  /** False: the answer is not for what was offered, so nothing is sent. */
  private secure(leg: Leg, media: MediaDescription, ours: MediaDescription): boolean {
    const { srtp } = this.context;
    if (leg.crypto === null || srtp === null) return true;
    try {
      const keys = { send: leg.crypto.sendKeys, receive: leg.crypto.accept(media, ours) };
      leg.srtp = srtp.outlet.open(leg.socket, keys);
      return true;
    } catch (error) {
      if (!(error instanceof CryptoFault)) throw error;
      this.report.error ??= `stream ${leg.label}: ${error.message}`;
      return false;
    }
  }

  private endSrtp(srtp: SrtpLeg): void {
    srtp.close();
    const { refused, unauthenticated } = srtp;
    if (refused > 0)
      this.report.error ??= `${refused} packets could not be sent as SRTP: their numbers go too far back`;
    if (unauthenticated > 0) this.report.error ??= `${unauthenticated} reports of the recorder do not verify`;
  }

  private async talk(session: SipSession): Promise<void> {
    const senders = this.legs.flatMap((leg) => (leg.sender === null ? [] : [leg.sender.finished]));
    if (senders.length === 0) this.report.error ??= 'the recorder rejected all streams';
    const by = await Promise.race([this.over, Promise.all(senders).then(() => 'finished' as const)]);
    if (by === 'remote') {
      this.report.endedBy = 'remote';
      this.report.error ??= 'the recorder ended the call';
      return;
    }
    for (const leg of this.legs) leg.sender?.stop();
    if (this.context.hangupDelayMs > 0) await wait(this.context.hangupDelayMs);
    this.report.endedBy = 'local';
    const content = new TextEncoder().encode(buildMetadata(stopMetadata(this.ids, new Date().toISOString())));
    await session.bye({
      body: { contentType: METADATA_CONTENT_TYPE, content },
      headers: [['Content-Disposition', METADATA_DISPOSITION]],
    });
  }

  private offer(): Sdp {
    return buildOffer({
      address: this.context.address,
      sessionId: this.sdpSessionId,
      version: this.sdpVersion++,
      media: this.legs.map((leg, i) => ({
        port: leg.rejected ? 0 : leg.socket.rtpPort,
        label: leg.label,
        payloadTypes: this.context.media.payloadTypes(i),
        ptime: 20,
        ...(leg.crypto === null ? {} : { protocol: 'RTP/SAVP', attributes: [leg.crypto.attribute] }),
      })),
    });
  }

  private metadata() {
    return callMetadata(
      this.ids,
      this.context.parties(this.number),
      this.startTime,
      `${this.sessionUuid};remote=${'0'.repeat(32)}`,
    );
  }

  // A re-INVITE or UPDATE of the recorder: an offer that stops or resumes streams (RFC 7866 7.2), a request for a metadata
  // snapshot (9.2), or just a session refresh.
  private onOffer(request: SipRequest): SipAnswer {
    if (request.body.length === 0) {
      if (request.method !== 'INVITE') return { status: 200 };
      const offer = buildSiprecBody(this.offer(), this.metadata());
      return { status: 200, body: offer };
    }
    if (parseSnapshotRequest(request.body) !== null) {
      queueMicrotask(() => void this.sendSnapshot());
      return { status: 200 };
    }
    const offered = readBodies(request.contentType, request.body).offer;
    if (offered === null || !this.followCrypto(offered)) return { status: 488 };
    this.follow(offered);
    const answer = this.offer().toString().split('\r\n');
    let mLine = -1;
    const lines = answer.map((line) => {
      if (line.startsWith('m=')) mLine++;
      const inactive =
        line === 'a=sendonly' && offered.media[mLine] !== undefined && takesNothing(offered.media[mLine]!);
      return inactive ? 'a=inactive' : line;
    });
    return { status: 200, body: { contentType: 'application/sdp', content: parseSdp(lines.join('\r\n')).toBytes() } };
  }

  /** False: a stream that is SRTP is offered otherwise. */
  private followCrypto(description: Sdp): boolean {
    try {
      const chosen = this.legs.flatMap(({ crypto, srtp }, i) => {
        const media = description.media[i];
        return crypto === null || media === undefined || media.port === 0
          ? []
          : [{ crypto, srtp, theirs: crypto.choose(media) }];
      });
      for (const { crypto, srtp, theirs } of chosen) {
        const keys = crypto.follow(theirs);
        srtp?.receiveWith(keys);
      }
      return true;
    } catch (error) {
      if (!(error instanceof CryptoFault)) throw error;
      return false;
    }
  }

  private follow(description: Sdp): void {
    this.legs.forEach((leg, i) => {
      const media = description.media[i];
      const target = media === undefined ? null : remoteOf(media);
      if (target !== null) leg.socket.aim(target);
      leg.sender?.hold(media === undefined || target === null || takesNothing(media));
    });
  }

  private async sendSnapshot(): Promise<void> {
    try {
      await this.session?.request('UPDATE', {
        body: { contentType: METADATA_CONTENT_TYPE, content: new TextEncoder().encode(buildMetadata(this.metadata())) },
        headers: [['Content-Disposition', METADATA_DISPOSITION]],
      });
    } catch (error) {
      this.report.error ??= `metadata snapshot: ${(error as Error).message}`;
    }
  }

  private fail(error: unknown): void {
    const failure = error as Error & { status?: number };
    if (this.session === null && typeof failure.status === 'number') this.report.status = failure.status;
    const warning = error instanceof SipFailure ? error.response?.header('Warning') : null;
    this.report.error ??= warning ? `${failure.message}: ${warning}` : failure.message;
  }
}

function takesNothing(media: MediaDescription): boolean {
  return media.direction === 'inactive' || media.direction === 'sendonly' || media.connectionAddress === '0.0.0.0';
}

function streamReport(leg: Leg): StreamReport {
  const none = { sent: 0, withheld: 0, duplicated: 0, reordered: 0 };
  return { label: leg.label, ssrc: leg.sender?.ssrc ?? 0, packets: leg.sender?.packets() ?? none };
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
