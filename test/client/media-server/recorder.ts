/** A recorder that answers as a test wants: a SIP endpoint, and a pair of sockets for each m-line. */
import type { TestContext } from 'node:test';
import { type MediaDescription, parseSdp, type Sdp } from '../../../src/sdp/index.ts';
import {
  type IncomingInvite,
  SipEndpoint,
  type SipEndpointOptions,
  type SipRequest,
  type SipResponse,
  type SipSession,
} from '../../../src/sip/index.ts';
import { readBodies } from '../../../src/siprec/index.ts';
import { LOOPBACK, until } from '../../media/loopback.ts';
import { Receiver } from '../../media/receiver.ts';

export interface AnsweredLine {
  port: number;
  direction: string;
  payloadTypes: string[];
  attributes: string[];
  protocol: string;
  address: string;
}

export class TestRecorder {
  readonly endpoint: SipEndpoint;
  /** Of each m-line, in the order in which they came. */
  readonly receivers: Receiver[] = [];
  readonly requests: SipRequest[] = [];
  /** What becomes of the line of an answer. */
  line: (line: AnsweredLine, index: number, offered: MediaDescription) => Partial<AnsweredLine> = () => ({});
  /** What becomes of an answer before it goes. */
  mend: (answer: string) => string = (answer) => answer;
  /** Instead of an answer. */
  take: ((invite: IncomingInvite) => void) | null = null;
  session: SipSession | null = null;
  #version = 1;

  private constructor(options: Partial<SipEndpointOptions>) {
    this.endpoint = new SipEndpoint({
      listen: [
        { transport: 'udp', host: LOOPBACK, port: 0 },
        { transport: 'tcp', host: LOOPBACK, port: 0 },
      ],
      userAgent: 'recorder',
      contactParams: ['+sip.srs'],
      supported: ['siprec'],
      accept: ['application/sdp', 'multipart/mixed', 'application/rs-metadata+xml'],
      ...options,
    });
    this.endpoint.onInvite = (invite) => void this.#onInvite(invite);
  }

  static async start(t: TestContext, options: Partial<SipEndpointOptions> = {}): Promise<TestRecorder> {
    const recorder = new TestRecorder(options);
    await recorder.endpoint.start();
    for (let i = 0; i < 4; i++) recorder.receivers.push(await Receiver.open());
    t.after(async () => {
      for (const receiver of recorder.receivers) receiver.close();
      await recorder.endpoint.close();
    });
    return recorder;
  }

  get uri(): string {
    return `sip:rec@${LOOPBACK}:${this.endpoint.addresses[0]!.port}`;
  }

  async #onInvite(invite: IncomingInvite): Promise<void> {
    this.requests.push(invite.request);
    if (this.take) return this.take(invite);
    this.accept(invite);
  }

  accept(invite: IncomingInvite): void {
    const answer = this.answer(offerOf(invite.request)!);
    this.session = invite.accept({ body: sdpBody(answer) });
    this.session.onReInvite = (request) => {
      this.requests.push(request);
      const offer = offerOf(request);
      return offer ? { status: 200, body: sdpBody(this.answer(offer)) } : { status: 200 };
    };
    this.session.onEnded = ({ request }) => {
      if (request) this.requests.push(request);
    };
  }

  answer(offer: Sdp): string {
    const lines = offer.media.map((media, i) => {
      const payloadTypes = media.rtpmaps.map((one) => `${one.payloadType} ${one.encoding}/${one.clockRate}`);
      const direction = media.direction === 'sendonly' ? 'recvonly' : 'inactive';
      const port = media.port === 0 ? 0 : this.receivers[i]!.port;
      const usual = { port, direction, payloadTypes, attributes: [], protocol: media.protocol, address: LOOPBACK };
      return { ...usual, ...this.line(usual, i, media) };
    });
    return this.mend(description(lines, this.#version++));
  }

  /** An offer of the recorder, and what it was answered. */
  async offer(
    method: 'INVITE' | 'UPDATE',
    lines: Partial<AnsweredLine>[],
  ): Promise<{ response: SipResponse; sdp: Sdp | null }> {
    const full = lines.map((line, i) => ({
      ...{ port: this.receivers[i]!.port, direction: 'recvonly', payloadTypes: ['8 PCMA/8000'], attributes: [] },
      ...{ protocol: 'RTP/AVP', address: LOOPBACK },
      ...line,
    }));
    const response = await this.session!.request(method, { body: sdpBody(description(full, this.#version++)) });
    return { response, sdp: response.body.length > 0 ? offerOf(response) : null };
  }

  /** The n-th request of this method, 0 the first. */
  async request(method: string, n = 0): Promise<SipRequest> {
    await until(() => this.requests.filter((one) => one.method === method).length > n, `${method} ${n}`);
    return this.requests.filter((one) => one.method === method)[n]!;
  }
}

export function offerOf(message: SipRequest | SipResponse): Sdp | null {
  return readBodies(message.contentType, message.body).offer;
}

export const sdpBody = (text: string) => ({ contentType: 'application/sdp', content: Buffer.from(text) });

function description(lines: AnsweredLine[], version: number): string {
  const out = ['v=0', `o=rec 7 ${version} IN IP4 ${LOOPBACK}`, 's=-', `c=IN IP4 ${LOOPBACK}`, 't=0 0'];
  for (const { port, direction, payloadTypes, attributes, protocol, address } of lines) {
    out.push(`m=audio ${port} ${protocol} ${payloadTypes.map((one) => one.split(' ')[0]).join(' ')}`);
    if (address !== LOOPBACK) out.push(`c=IN IP4 ${address}`);
    for (const one of payloadTypes) out.push(`a=rtpmap:${one}`);
    for (const one of attributes) out.push(`a=${one}`);
    out.push(`a=${direction}`);
  }
  return parseSdp(`${out.join('\r\n')}\r\n`).toString();
}
