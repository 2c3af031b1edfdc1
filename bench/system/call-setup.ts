/**
 * SIPREC call set-ups per second, INVITE to 200 and BYE to 200, over loopback UDP: our endpoint with SDP and metadata read and
 * answered, beside npm's `sip`, which reads the message and sends back a fixed answer. One process sends and answers.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { answerOffer, type PayloadType } from '../../src/sdp/index.ts';
import { SipEndpoint } from '../../src/sip/index.ts';
import { interpretInvite, planMedia } from '../../src/siprec/index.ts';
import type { BenchResult } from '../main.ts';
import { inviteText } from '../siprec-invite.ts';

const CALLS = 2_000;
const IN_FLIGHT = 20;
const ROUNDS = 5;

interface Answerer {
  name: string;
  port: number;
  close: () => Promise<void>;
}

async function ours(): Promise<Answerer> {
  const endpoint = new SipEndpoint({
    listen: [{ transport: 'udp', host: '127.0.0.1', port: 0 }],
    userAgent: 'bench',
    contactParams: ['+sip.srs'],
    supported: ['siprec', 'timer'],
  });
  endpoint.onInvite = (invite) => {
    const { request } = invite;
    const reading = interpretInvite({
      uri: String(request.uri),
      headers: (name) => request.header(name),
      contactParams: request.contact?.params ?? new Map(),
      contentType: request.contentType,
      body: request.body,
    });
    const offer = reading.offer!;
    const media = planMedia(offer, { supported: (type: PayloadType) => type.encoding === 'PCMU' }).map((line) => {
      return { accept: true as const, port: 20_000, direction: 'recvonly' as const, payloadTypes: line.payloadTypes };
    });
    const sdp = answerOffer(offer, { address: '127.0.0.1', sessionId: '1', version: 1, media });
    invite.accept({ body: { contentType: 'application/sdp', content: Buffer.from(sdp.toString()) } });
  };
  await endpoint.start();
  return { name: 'doubletrack', port: endpoint.addresses[0]!.port, close: () => endpoint.close() };
}

interface LegacyMessage {
  method?: string;
  headers: Record<string, unknown>;
}
interface LegacySip {
  start(options: object, onRequest: (request: LegacyMessage) => void): void;
  stop(): void;
  send(message: object): void;
  makeResponse(
    request: LegacyMessage,
    status: number,
    reason: string,
  ): { headers: Record<string, unknown>; content?: string };
}

async function legacy(): Promise<Answerer> {
  const module = (await import('sip' as string)) as { default: LegacySip };
  const sip = module.default;
  const port = 25_060;
  sip.start({ port, address: '127.0.0.1', tcp: false }, (request) => {
    if (request.method === 'ACK') return;
    const response = sip.makeResponse(request, 200, 'OK');
    if (request.method === 'INVITE') {
      (request.headers.to as { params: Record<string, string> }).params.tag = 'bench';
      response.headers.contact = [{ uri: `sip:127.0.0.1:${port}` }];
      response.headers['content-type'] = 'application/sdp';
      response.content =
        'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 20000 RTP/AVP 0\r\na=recvonly\r\n';
    }
    sip.send(response);
  });
  return { name: 'sip (npm), fixed answer', port, close: async () => sip.stop() };
}

/** Places calls one behind the other in each of IN_FLIGHT places. Resolves with calls per second; rejects when one fails. */
async function measure(port: number, round: number): Promise<number> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const local = socket.address().port;
  let started = 0;
  let done = 0;
  const begin = performance.now();
  const place = () => {
    if (started < CALLS) socket.send(inviteText(`bench-${round}-${started++}`, local, port), port, '127.0.0.1');
  };
  const finished = new Promise<void>((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`only ${done} of ${CALLS} calls were answered`)), 60_000);
    socket.on('message', (packet) => {
      const text = packet.toString('latin1');
      if (text.startsWith('SIP/2.0 1')) return;
      if (!text.startsWith('SIP/2.0 200')) return reject(new Error(text.slice(0, 200)));
      const value = (name: string) => new RegExp(`^${name}: *(.*)\r$`, 'im').exec(text)?.[1] ?? '';
      const callId = value('Call-ID');
      if (/ BYE/.test(value('CSeq'))) {
        done += 1;
        place();
        if (done === CALLS) {
          clearTimeout(late);
          resolve();
        }
        return;
      }
      const request = (method: string, cseq: number) =>
        `${method} sip:127.0.0.1:${port} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:${local};branch=z9hG4bK${callId}${method}\r\nFrom: <sip:src@127.0.0.1>;tag=${callId}\r\nTo: ${value('To')}\r\nCall-ID: ${callId}\r\nCSeq: ${cseq} ${method}\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n`;
      socket.send(request('ACK', 1), port, '127.0.0.1');
      socket.send(request('BYE', 2), port, '127.0.0.1');
    });
  });
  for (let i = 0; i < IN_FLIGHT; i++) place();
  try {
    await finished;
    return (CALLS * 1000) / (performance.now() - begin);
  } finally {
    socket.close();
  }
}

const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!;

export default async function run(): Promise<BenchResult> {
  const answerers = [await ours(), await legacy()];
  const rates: number[][] = answerers.map(() => []);
  try {
    for (let round = 0; round < ROUNDS; round++) {
      for (const [i, { port }] of answerers.entries()) rates[i]!.push(await measure(port, round));
    }
  } finally {
    for (const answerer of answerers) await answerer.close();
  }
  return {
    name: 'SIPREC INVITE to BYE, sender in the same process',
    unit: 'calls',
    contenders: answerers.map(({ name }, i) => ({ name, opsPerSec: median(rates[i]!) })),
  };
}
