/** A party of a call in tests of the switch: a SIP endpoint of our own with one RTP port, which sends numbered packets and keeps what it hears. */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { sdpBody } from '../../../src/client/switch/leg.ts';
import { buildOffer, type Direction, type PayloadType, parseSdp, remoteOf, type Sdp } from '../../../src/sdp/index.ts';
import {
  type IncomingInvite,
  type SipAnswer,
  SipEndpoint,
  type SipRequest,
  type SipSession,
} from '../../../src/sip/index.ts';

export const LOOPBACK = '127.0.0.1';
const PCMU: PayloadType = { payloadType: 0, encoding: 'PCMU', clockRate: 8000, channels: 1, fmtp: null };
const PCMA: PayloadType = { payloadType: 8, encoding: 'PCMA', clockRate: 8000, channels: 1, fmtp: null };
const EVENT: PayloadType = {
  payloadType: 101,
  encoding: 'TELEPHONE-EVENT',
  clockRate: 8000,
  channels: 1,
  fmtp: '0-15',
};
export const CODECS = [PCMU, PCMA, EVENT];

export class Party {
  readonly endpoint: SipEndpoint;
  readonly socket: Socket;
  readonly heard: Buffer[] = [];
  readonly requests: SipRequest[] = [];
  session: SipSession | null = null;
  /** Where its packets go, as last described to it. */
  remote: { address: string; rtpPort: number } | null = null;
  lastOffer: Sdp | null = null;
  ended = false;
  /** What it says of recording from now on (RFC 7866 section 6.2). */
  wants: 'on' | 'off' | 'pause' | 'nopreference' | null = null;
  onInvite: (invite: IncomingInvite) => void = (invite) => this.accept(invite);
  readonly #ssrc = Math.floor(Math.random() * 0xffff_ffff);
  #seq = 0;
  #version = 0;

  private constructor(endpoint: SipEndpoint, socket: Socket) {
    this.endpoint = endpoint;
    this.socket = socket;
    endpoint.onInvite = (invite) => this.onInvite(invite);
    socket.on('message', (packet) => packet.length > 12 && packet[1]! < 192 && this.heard.push(packet));
  }

  static async open(user: string): Promise<Party> {
    const endpoint = new SipEndpoint({
      ...{ listen: [{ transport: 'udp', host: LOOPBACK, port: 0 }], userAgent: 'party', contactUser: user },
      allow: ['INVITE', 'ACK', 'CANCEL', 'BYE', 'OPTIONS', 'UPDATE', 'INFO', 'PRACK', 'REFER', 'NOTIFY'],
    });
    await endpoint.start();
    const socket = createSocket('udp4');
    socket.bind(0, LOOPBACK);
    await once(socket, 'listening');
    return new Party(endpoint, socket);
  }

  get port(): number {
    return this.endpoint.addresses[0]!.port;
  }

  get heardNumbers(): number[] {
    return this.heard.map((packet) => packet.readUInt16BE(12));
  }

  describe(direction: Direction = 'sendrecv', payloadTypes: readonly PayloadType[] = CODECS): Sdp {
    this.#version += 1;
    const port = this.socket.address().port;
    return buildOffer({
      ...{ address: LOOPBACK, sessionId: '1', version: this.#version },
      media: [{ port, direction, payloadTypes, attributes: this.wants === null ? [] : [`recordpref:${this.wants}`] }],
    });
  }

  async call(
    to: string,
    options: {
      direction?: Direction;
      from?: string;
      headers?: [string, string][];
      withoutOffer?: boolean;
      credentials?: { username: string; password: string };
    } = {},
  ): Promise<SipSession> {
    const { direction, from, headers, withoutOffer, credentials } = options;
    const invite = this.endpoint.invite({
      ...{ to, headers: headers ?? [] },
      ...(from ? { from } : {}),
      ...(credentials ? { credentials } : {}),
      ...(withoutOffer
        ? {
            answer: (response) => {
              this.#follow(parseSdp(response.body));
              return sdpBody(this.describe());
            },
          }
        : { body: sdpBody(this.describe(direction)) }),
    });
    const { session, response } = await invite.answered;
    if (!withoutOffer) this.#follow(parseSdp(response.body));
    this.#run(session);
    return session;
  }

  accept(invite: IncomingInvite): void {
    this.#follow(parseSdp(invite.request.body));
    const session = invite.accept({ body: sdpBody(this.#answer()) });
    this.#run(session);
  }

  /** Offers anew within its call. */
  async reinvite(direction: Direction): Promise<Sdp> {
    const response = await this.session!.request('INVITE', { body: sdpBody(this.describe(direction)) });
    if (response.status >= 300) throw new Error(`re-INVITE: ${response.status}`);
    const answer = parseSdp(response.body);
    this.#follow(answer);
    return answer;
  }

  /** A PCMU packet whose first two octets are its number. */
  send(number: number): void {
    const packet = Buffer.alloc(172, 0x55);
    packet[0] = 0x80;
    packet[1] = 0;
    packet.writeUInt16BE(this.#seq & 0xffff, 2);
    packet.writeUInt32BE((this.#seq * 160) >>> 0, 4);
    packet.writeUInt32BE(this.#ssrc, 8);
    packet.writeUInt16BE(number, 12);
    this.#seq += 1;
    this.socket.send(packet, this.remote!.rtpPort, this.remote!.address);
  }

  async close(): Promise<void> {
    await this.endpoint.close();
    this.socket.close();
  }

  #run(session: SipSession): void {
    this.session = session;
    this.ended = false;
    session.onEnded = () => {
      this.ended = true;
    };
    session.onReInvite = (request): SipAnswer => {
      this.requests.push(request);
      if (request.body.length === 0) return { status: 200 };
      this.#follow(parseSdp(request.body));
      return { status: 200, body: sdpBody(this.#answer()) };
    };
    session.onOther = (request) => {
      this.requests.push(request);
      return { status: 200 };
    };
  }

  #answer(): Sdp {
    const offered = this.lastOffer!.media[0]!;
    const mirrored = {
      sendrecv: 'sendrecv',
      sendonly: 'recvonly',
      recvonly: 'sendonly',
      inactive: 'inactive',
    } as const;
    const codecs = CODECS.filter(({ encoding }) => offered.rtpmaps.some((one) => one.encoding === encoding));
    return this.describe(mirrored[offered.direction], codecs);
  }

  #follow(sdp: Sdp): void {
    this.lastOffer = sdp;
    this.remote = remoteOf(sdp.media[0]!);
  }
}
