/**
 * Both parties of calls through the client, and the recorder behind it, as far as signalling goes: real SIP, SRTP by SDES (RFC 4568). All parties
 * have one port for media and so has the recorder; what is agreed on tells the load where each stream goes, and the sinks what comes under which key.
 */
import {
  type AgreedCrypto,
  acceptCrypto,
  answeringLine,
  answerOffer,
  buildOffer,
  chooseCrypto,
  type Direction,
  formatCrypto,
  type MediaDescription,
  ownLine,
  parseSdp,
  type Sdp,
} from '../../src/sdp/index.ts';
import { Secret } from '../../src/secret.ts';
import { type IncomingInvite, parseSipUri, type SipBody, SipEndpoint } from '../../src/sip/index.ts';
import { interpretInvite } from '../../src/siprec/index.ts';
import { keyAndSalt, PCMU, SUITE } from '../system/load/packets.ts';
import type { Route } from '../system/load/sinks.ts';
import {
  ADDRESS,
  CALLED_PORT,
  CLIENT_PORT,
  PARTY_MEDIA_PORT,
  RECORDER_MEDIA_PORT,
  RECORDER_PORT,
  sipUri,
} from './places.ts';

export interface Connected {
  /** By stream: where it is to be sent. */
  ports: number[];
  routes: Route[];
}

/** Number of a party: that of its stream above this one. Streams 2n and 2n + 1 are of the call n. */
const FIRST_NUMBER = 100_000;
const [PARTIES, RECORDER] = [0, 1];
const POLICY = { suites: [SUITE], required: true, keysRefused: null };
const SESSION = { address: ADDRESS, sessionId: '1', version: 1 };
const ALL_RECORDED_WITHIN_MS = 10_000;
const SET_UP_AT_A_TIME = 20;

/** The key that a party sends with is known to who makes its load. */
function keyOf(stream: number): Secret {
  return new Secret(keyAndSalt(`stream ${stream}`));
}

function endpoint(port: number, siprec: string[]): SipEndpoint {
  const listen = (['udp', 'tcp'] as const).map((transport) => ({ transport, host: ADDRESS, port }));
  const contactParams = siprec.length > 0 ? ['+sip.srs'] : [];
  return new SipEndpoint({ listen, userAgent: 'bench', supported: siprec, contactParams });
}

function body(sdp: Sdp): SipBody {
  return { contentType: 'application/sdp', content: sdp.toBytes() };
}

function numberIn(uri: string): number {
  return Number(parseSipUri(uri).user) - FIRST_NUMBER;
}

/** What the other side sends with. */
function secretOf({ line }: AgreedCrypto): Uint8Array {
  return line.keys[0]!.keyAndSalt.reveal();
}

function agreedOf(decision: ReturnType<typeof chooseCrypto>): AgreedCrypto {
  if (!decision.agreed) throw new Error(decision.fault ?? 'the client offers no SRTP');
  return decision.agreed;
}

export class Parties {
  readonly #parties = endpoint(CALLED_PORT, []);
  readonly #recorder = endpoint(RECORDER_PORT, ['siprec']);
  readonly #ports: number[] = [];
  readonly #routes: Route[] = [];
  #recorded = 0;
  #onRecorded: () => void = () => {};
  #fault: Error | null = null;

  private constructor() {
    this.#parties.onInvite = (invite) => this.#guard(() => this.#accept(invite));
    this.#recorder.onInvite = (invite) => this.#guard(() => this.#record(invite));
  }

  static async open(): Promise<Parties> {
    const parties = new Parties();
    await Promise.all([parties.#parties.start(), parties.#recorder.start()]);
    return parties;
  }

  /** So many calls through the client. Resolves when all are answered and recorded. */
  async connect(calls: number): Promise<Connected> {
    const { promise: recorded, resolve, reject } = Promise.withResolvers<void>();
    this.#onRecorded = () => (this.#recorded === 2 * calls ? resolve() : this.#fault && reject(this.#fault));
    let next = 0;
    const callOn = async (): Promise<void> => {
      while (next < calls && !this.#fault) await this.#call(2 * next++);
    };
    await Promise.all(Array.from({ length: SET_UP_AT_A_TIME }, callOn));
    this.#onRecorded();
    const late = setTimeout(
      () => reject(new Error(`${this.#recorded} of ${2 * calls} streams have come to the recorder`)),
      ALL_RECORDED_WITHIN_MS,
    );
    await recorded.finally(() => clearTimeout(late));
    return { ports: this.#ports, routes: this.#routes.toSorted((a, b) => a.stream - b.stream) };
  }

  #guard(take: () => void): void {
    try {
      take();
    } catch (error) {
      this.#fault ??= error as Error;
      this.#onRecorded();
    }
  }

  async #call(stream: number): Promise<void> {
    const offer = buildOffer({ ...SESSION, media: [this.#line(stream, 'sendrecv')] });
    const { answered } = this.#parties.invite({
      to: sipUri(FIRST_NUMBER + stream + 1, CLIENT_PORT),
      from: `<${sipUri(FIRST_NUMBER + stream, CALLED_PORT)}>`,
      body: body(offer),
    });
    const media = parseSdp((await answered).response.body).media[0]!;
    this.#connected(stream, media, agreedOf(acceptCrypto(media, offer.media[0]!)));
  }

  #line(stream: number, direction: Direction) {
    const port = PARTY_MEDIA_PORT;
    const crypto = `crypto:${formatCrypto(ownLine(1, SUITE, keyOf(stream)))}`;
    return { port, rtcpPort: port, payloadTypes: PCMU, protocol: 'RTP/SAVP', direction, attributes: [crypto] };
  }

  #accept(invite: IncomingInvite): void {
    const stream = numberIn(invite.request.uri);
    const offer = parseSdp(invite.request.body);
    const media = offer.media[0]!;
    const agreed = agreedOf(chooseCrypto(media, POLICY));
    const answer = this.#answer(offer, 'sendrecv', PARTY_MEDIA_PORT, [[agreed, keyOf(stream)]]);
    invite.ringing();
    invite.accept({ body: body(answer) });
    this.#connected(stream, media, agreed);
  }

  #answer(offer: Sdp, direction: Direction, port: number, keys: [AgreedCrypto, Secret][]): Sdp {
    const media = keys.map(([agreed, key]) => ({
      ...{ accept: true as const, port, rtcpPort: port, direction, payloadTypes: PCMU },
      attributes: [`crypto:${formatCrypto(answeringLine(agreed, key))}`],
    }));
    return answerOffer(offer, { ...SESSION, media });
  }

  /** A party sends its stream there, and hears the other one under the client's key for it. */
  #connected(stream: number, { port }: MediaDescription, agreed: AgreedCrypto): void {
    this.#ports[stream] = port;
    this.#expect(PARTIES, stream ^ 1, agreed);
  }

  #expect(sink: number, stream: number, agreed: AgreedCrypto): void {
    this.#routes.push({ sink, stream, srtp: { ssrc: null, keyAndSalt: secretOf(agreed) } });
  }

  /** Whose stream an m-line brings stands in the metadata (RFC 7865). */
  #record(invite: IncomingInvite): void {
    const { request } = invite;
    const { offer, participants, refuse } = interpretInvite({
      ...{ uri: String(request.uri), headers: (name) => request.header(name), crypto: POLICY },
      ...{ contactParams: request.contact?.params ?? new Map(), contentType: request.contentType, body: request.body },
    });
    if (!offer || refuse) throw new Error(`the recorder cannot take what the client offers: ${refuse?.reason}`);
    const agreed = offer.media.map((media) => agreedOf(chooseCrypto(media, POLICY)));
    const keys = agreed.map((one, n): [AgreedCrypto, Secret] => [one, keyOf(-1 - n)]);
    const session = invite.accept({ body: body(this.#answer(offer, 'recvonly', RECORDER_MEDIA_PORT, keys)) });
    session.onReInvite = () => ({ status: 200 });
    for (const { aor, channel } of participants) {
      if (aor === null || channel === null) throw new Error('the metadata does not say who is heard where');
      this.#expect(RECORDER, numberIn(aor), agreed[channel]!);
      this.#recorded += 1;
    }
    this.#onRecorded();
  }
}
