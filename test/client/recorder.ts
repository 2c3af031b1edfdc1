// A recorder's side for the caller's tests: UDP sinks that count by sequence number, and an endpoint that answers at once.

import { createSocket, type Socket } from 'node:dgram';
import type { SrtpKeys, SrtpSuite } from '../../src/media/srtp.ts';
import { SRTP_SUITES } from '../../src/media/srtp.ts';
import {
  answeringLine,
  answerOffer,
  CRYPTO_SUITES,
  chooseCrypto,
  formatCrypto,
  type MediaDescription,
} from '../../src/sdp/index.ts';
import { Secret } from '../../src/secret.ts';
import { readBodies } from '../../src/siprec/index.ts';

/** What arrived at one port. */
export class Sink {
  readonly packets: Uint8Array[] = [];
  readonly socket: Socket;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('message', (message) => this.packets.push(new Uint8Array(message)));
  }

  get port(): number {
    return this.socket.address().port;
  }

  static open(): Promise<Sink> {
    return new Promise((resolve) => {
      const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });
      socket.bind(0, '127.0.0.1', () => resolve(new Sink(socket)));
    });
  }

  /** Counted from what arrived alone, in the caller's terms. */
  counts(): { sent: number; withheld: number; duplicated: number; reordered: number } {
    const seen = new Set<number>();
    let highest = -1;
    let duplicated = 0;
    let reordered = 0;
    let reference = -1;
    for (const packet of this.packets) {
      const seq = (packet[2]! << 8) | packet[3]!;
      if (reference < 0) reference = 0x100000 + seq;
      const extSeq = reference + (((seq - reference) << 16) >> 16);
      reference = extSeq;
      if (seen.has(extSeq)) duplicated++;
      else if (extSeq < highest) reordered++;
      seen.add(extSeq);
      highest = Math.max(highest, extSeq);
    }
    const span = seen.size === 0 ? 0 : highest - Math.min(...seen) + 1;
    return { sent: seen.size, withheld: span - seen.size, duplicated, reordered };
  }
}

export interface RecorderLeg {
  rtp: Sink;
  rtcp: Sink;
  /** What came in the offer, and what was answered; null: plain RTP. */
  srtp: { receive: SrtpKeys; send: SrtpKeys; answer: string } | null;
}

/** SRTP as the offer asks for it (RFC 4568), with a key of its own: the same octet throughout. */
function agree(media: MediaDescription, octet: number): RecorderLeg['srtp'] {
  const { agreed } = chooseCrypto(media, { suites: CRYPTO_SUITES, required: false, keysRefused: null });
  if (agreed === null) return null;
  const suite = agreed.suite as SrtpSuite;
  const { masterKeyBytes, masterSaltBytes } = SRTP_SUITES[suite];
  const keyAndSalt = new Secret(new Uint8Array(masterKeyBytes + masterSaltBytes).fill(octet));
  const keys = (secret: Secret): SrtpKeys => ({ suite, keys: [{ keyAndSalt: secret, mki: null }] });
  return {
    receive: keys(agreed.line.keys[0]!.keyAndSalt),
    send: keys(keyAndSalt),
    answer: formatCrypto(answeringLine(agreed, keyAndSalt)),
  };
}

export type LegAnswer = 'recvonly' | 'inactive' | 'reject';

/** Takes invitations with sinks of its own for each stream; `answers` says what each m-line gets. */
export class FakeRecorder {
  readonly calls: RecorderLeg[][] = [];
  readonly offers: string[] = [];
  readonly byes: unknown[] = [];
  readonly answers: LegAnswer[];
  /** What becomes of a line of its answers, for answers that are wrong. */
  mend: (line: string) => string = (line) => line;
  /** Of the newest call, for what the recorder does by itself. */
  // biome-ignore lint/suspicious/noExplicitAny: stands in for the session of the SIP stack
  session: any = null;

  constructor(answers: LegAnswer[] = ['recvonly', 'recvonly']) {
    this.answers = answers;
  }

  // biome-ignore lint/suspicious/noExplicitAny: stands in for the invitation of the SIP stack
  invite(o: { body: { contentType: string; content: Uint8Array } }): any {
    return { answered: this.answer(o.body), cancel() {} };
  }

  close(): void {
    for (const leg of this.calls.flat()) {
      leg.rtp.socket.close();
      leg.rtcp.socket.close();
    }
  }

  private async answer(body: { contentType: string; content: Uint8Array }): Promise<unknown> {
    const offer = readBodies(body.contentType, body.content).offer!;
    this.offers.push(offer.toString());
    const legs = await Promise.all(
      offer.media.map(async (media, i) => ({
        rtp: await Sink.open(),
        rtcp: await Sink.open(),
        srtp: agree(media, i + 1),
      })),
    );
    this.calls.push(legs);
    const answer = answerOffer(offer, {
      address: '127.0.0.1',
      sessionId: '1',
      version: 1,
      media: legs.map((leg, i) => {
        const wanted = this.answers[i] ?? 'recvonly';
        if (wanted === 'reject') return { accept: false };
        const attributes = leg.srtp ? [`crypto:${leg.srtp.answer}`] : [];
        const ports = { port: leg.rtp.port, rtcpPort: leg.rtcp.port };
        return { accept: true, ...ports, direction: wanted, payloadTypes: [], attributes };
      }),
    });
    this.session = {
      callId: `call-${this.calls.length}`,
      onEnded: () => {},
      onReInvite: () => ({ status: 500 }),
      request: async () => ({ status: 200 }),
      bye: async (bye: unknown) => {
        this.byes.push(bye);
      },
    };
    const text = answer.toString().split('\r\n').map(this.mend).join('\r\n');
    const response = { status: 200, contentType: 'application/sdp', body: new TextEncoder().encode(text) };
    return { response, session: this.session };
  }
}
