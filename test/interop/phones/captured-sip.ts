/** SIP over UDP in a capture: as far as a test wants to know what was said. */
import { SRTP_SUITES, type SrtpKeys, type SrtpSuite } from '../../../src/media/srtp.ts';
import { parseCrypto } from '../../../src/sdp/index.ts';

export interface CapturedSip {
  /** Microseconds since 1970. */
  atUs: number;
  fromPort: number;
  toPort: number;
  /** Of the request, or of the request that is answered. */
  method: string;
  /** Null: a request. */
  status: number | null;
  callId: string;
  fromTag: string | null;
  toTag: string | null;
  head: string;
  body: string;
}

export function sipOf(datagram: { atUs: number; fromPort: number; toPort: number; bytes: Buffer }): CapturedSip[] {
  const text = datagram.bytes.toString('latin1');
  const status = /^SIP\/2\.0 (\d{3}) /.exec(text);
  if (status === null && !/^[A-Z]+ sips?:\S+ SIP\/2\.0\r\n/.test(text)) return [];
  const [head, ...body] = text.split('\r\n\r\n') as [string, ...string[]];
  const { atUs, fromPort, toPort } = datagram;
  return [
    {
      ...{ atUs, fromPort, toPort, head },
      method: /\bCSeq: *\d+ +([A-Z]+)/i.exec(head)?.[1] ?? '',
      status: status === null ? null : Number(status[1]),
      callId: header(head, 'Call-ID') ?? '',
      fromTag: /;tag=([^;\s]+)/.exec(header(head, 'From') ?? '')?.[1] ?? null,
      toTag: /;tag=([^;\s]+)/.exec(header(head, 'To') ?? '')?.[1] ?? null,
      body: body.join('\r\n\r\n'),
    },
  ];
}

export function header(head: string, name: string): string | null {
  const line = head.split('\r\n').find((one) => one.toLowerCase().startsWith(`${name.toLowerCase()}:`));
  return line === undefined ? null : line.slice(name.length + 1).trim();
}

/** Keys of media, by the port that it leaves, as SDP from a SIP port has them: of several lines the one that was answered. */
export function keysSentFrom(messages: readonly CapturedSip[], sipPort: number): Map<number, SrtpKeys> {
  const keysOf = new Map<number, SrtpKeys>();
  for (const { body, callId, fromPort } of messages) {
    if (fromPort !== sipPort) continue;
    const port = Number(/^m=audio (\d+)/m.exec(body)?.[1] ?? 0);
    const lines = cryptoLines(body);
    if (port === 0 || lines.length === 0) continue;
    const others = messages.filter((other) => other.callId === callId && other.toPort === sipPort);
    const tags = new Set(others.flatMap((other) => cryptoLines(other.body)).map(({ tag }) => tag));
    const line = lines.find(({ tag }) => tags.has(tag)) ?? lines[0]!;
    const suite = line.suite as SrtpSuite;
    if (SRTP_SUITES[suite] === undefined) throw new Error(`${suite} is no SRTP suite`);
    keysOf.set(port, { suite, keys: [{ keyAndSalt: line.keys[0]!.keyAndSalt, mki: null }] });
  }
  return keysOf;
}

function cryptoLines(body: string): ReturnType<typeof parseCrypto>[] {
  return [...body.matchAll(/^a=crypto:(.*?)\r?$/gm)].map(([, line]) => parseCrypto(line!));
}
