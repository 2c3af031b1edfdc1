/**
 * A caller that takes its times to the microsecond, where sipp takes them to the millisecond: INVITE, 180, 200, ACK, BYE, at an even rate, over
 * one UDP socket. Nothing is sent again: a datagram that is lost is a call that has failed.
 */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { serve } from '../system/remote.ts';
import { ADDRESS } from './places.ts';

export interface DialPlan {
  toPort: number;
  /** Calls in a second. */
  rate: number;
  calls: number;
  /** Calls before these, of which no times are taken. */
  warmUpCalls: number;
}

export interface Dialled {
  /** From the INVITE to the 180, one for each call, in ms. */
  ringingMs: number[];
  /** Calls that were not seen through to the 200 of their BYE. */
  failed: number;
}

const SDP = `v=0\r\no=- 1 1 IN IP4 ${ADDRESS}\r\ns=-\r\nc=IN IP4 ${ADDRESS}\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n`;
const SETTLE_MS = 500;

/** By Call-ID: when its INVITE was sent; and what has come of it. */
interface Call {
  sentMs: number;
  ringingMs: number | null;
  isDone: boolean;
}

class Dialler {
  readonly #socket: Socket;
  readonly #toPort: number;
  readonly calls = new Map<string, Call>();

  constructor(socket: Socket, toPort: number) {
    this.#socket = socket;
    this.#toPort = toPort;
    socket.on('message', (bytes) => this.#take(bytes.toString('latin1'), performance.now()));
  }

  invite(callId: string): void {
    this.calls.set(callId, { sentMs: performance.now(), ringingMs: null, isDone: false });
    const uri = `sip:200@${ADDRESS}:${this.#toPort}`;
    this.#send('INVITE', callId, { uri, to: `<${uri}>`, cseq: 1, body: SDP });
  }

  #take(text: string, nowMs: number): void {
    const value = (name: string): string => new RegExp(`^${name}: *(.*)\\r$`, 'im').exec(text)?.[1] ?? '';
    const callId = value('Call-ID');
    const call = this.calls.get(callId);
    if (!call) return;
    if (text.startsWith('SIP/2.0 180')) call.ringingMs ??= nowMs - call.sentMs;
    if (!text.startsWith('SIP/2.0 200')) return;
    if (value('CSeq').endsWith('BYE')) call.isDone = true;
    else {
      const answered = { uri: /<([^>]+)>/.exec(value('Contact'))?.[1] ?? '', to: value('To') };
      this.#send('ACK', callId, { ...answered, cseq: 1 });
      this.#send('BYE', callId, { ...answered, cseq: 2 });
    }
  }

  #send(
    method: string,
    callId: string,
    { uri, to, cseq, body = '' }: { uri: string; to: string; cseq: number; body?: string },
  ): void {
    const { port } = this.#socket.address();
    const lines = [
      ...[`${method} ${uri} SIP/2.0`, `Via: SIP/2.0/UDP ${ADDRESS}:${port};branch=z9hG4bK${callId}${method}`],
      ...[`From: <sip:100@${ADDRESS}:${port}>;tag=${callId}`, `To: ${to}`, `Call-ID: ${callId}`],
      ...[`CSeq: ${cseq} ${method}`, `Contact: <sip:100@${ADDRESS}:${port}>`, 'Max-Forwards: 70'],
      ...(body === '' ? [] : ['Content-Type: application/sdp']),
      ...[`Content-Length: ${body.length}`, '', body],
    ];
    this.#socket.send(lines.join('\r\n'), this.#toPort, ADDRESS);
  }
}

async function dial({ toPort, rate, calls, warmUpCalls }: DialPlan): Promise<Dialled> {
  const socket = createSocket('udp4');
  socket.bind(0, ADDRESS);
  await once(socket, 'listening');
  const dialler = new Dialler(socket, toPort);
  const beginMs = performance.now();
  for (let n = 0; n < warmUpCalls + calls; n++) {
    const restMs = beginMs + (n * 1_000) / rate - performance.now();
    if (restMs > 0) await delay(restMs);
    dialler.invite(`${process.pid}-${beginMs}-${n}`);
  }
  await delay(SETTLE_MS);
  socket.close();
  const measured = [...dialler.calls.values()].slice(warmUpCalls);
  return {
    ringingMs: measured.flatMap(({ ringingMs }) => ringingMs ?? []),
    failed: measured.filter(({ ringingMs, isDone }) => ringingMs === null || !isDone).length,
  };
}

serve({ dial });
