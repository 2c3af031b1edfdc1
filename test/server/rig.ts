/** A recording server in this process, and a recording client that calls it over real sockets. */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import pino from 'pino';
import { callMetadata, type MetadataIds, metadataIds } from '../../src/client/caller/metadata.ts';
import type { Manifest } from '../../src/recording/manifest.ts';
import { parseSdp, type Sdp } from '../../src/sdp/index.ts';
import { loadServerConfig } from '../../src/server/config.ts';
import { RecordingServer } from '../../src/server/recording-server.ts';
import { SipEndpoint, SipFailure, type SipRequest, type SipResponse, type SipSession } from '../../src/sip/index.ts';
import {
  buildMultipart,
  METADATA_CONTENT_TYPE,
  METADATA_DISPOSITION,
  type RsMetadata,
} from '../../src/siprec/index.ts';
import type { Recording } from '../../src/store/recording.ts';

const WAIT_MS = 15_000;

/** Polls until `look` gives something else than null, undefined or false. */
export async function until<T>(what: string, look: () => T | Promise<T>, waitMs = WAIT_MS): Promise<NonNullable<T>> {
  for (const end = performance.now() + waitMs; performance.now() < end; await delay(10)) {
    const found = await look();
    if (found !== null && found !== undefined && found !== false) return found as NonNullable<T>;
  }
  throw new Error(`waited ${waitMs} ms for ${what}`);
}

/** What is to be undone when the test ends, the last first (the runner itself goes the other way). */
export function undoing(t: TestContext): (undo: () => unknown) => void {
  const all: (() => unknown)[] = [];
  t.after(async () => {
    for (const undo of all.reverse()) await undo();
  });
  return (undo) => all.push(undo);
}

export function newFolder(): string {
  return mkdtempSync(path.join(tmpdir(), 'doubletrack-server-'));
}

export interface Server {
  server: RecordingServer;
  data: string;
  udpPort: number;
  http: string;
}

/** Test files run at the same time: each has media ports of its own. */
export async function startServer(mediaPorts: string, options: Record<string, unknown> = {}): Promise<Server> {
  const data = String(options.data ?? newFolder());
  const own = { sip: ['udp:127.0.0.1:0'], http: '127.0.0.1:0', lanes: 1, logLevel: 'silent', minFreeBytes: 0 };
  const config = loadServerConfig({ ...own, mediaPorts, ...options, data }, {});
  const server = await RecordingServer.start(config, pino({ level: config.logLevel }));
  return { server, data, udpPort: server.sipAddresses[0]!.port, http: server.httpUrl };
}

export async function stopServer({ server, data }: Server): Promise<void> {
  await server.drain(0);
  rmSync(data, { recursive: true, force: true });
}

/** One stream as the recording client sends it: an RTP socket of its own. */
export class Leg {
  readonly ssrc: number;
  readonly socket: Socket;
  sequence = 1000;
  /** What becomes of each packet before it is sent; SRTP. */
  protect: (packet: Buffer) => Uint8Array = (packet) => packet;

  private constructor(socket: Socket, ssrc: number) {
    this.socket = socket;
    this.ssrc = ssrc;
  }

  static async open(ssrc: number): Promise<Leg> {
    const socket = createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    return new Leg(socket, ssrc);
  }

  get port(): number {
    return this.socket.address().port;
  }

  /** Packets of 20 ms, all octets of which are `fill`. */
  send(toPort: number, packets: number, fill = 0xd5, payloadType = 8): void {
    for (let i = 0; i < packets; i++) {
      const packet = Buffer.alloc(172, fill);
      packet[0] = 0x80;
      packet[1] = payloadType;
      packet.writeUInt16BE(this.sequence & 0xffff, 2);
      packet.writeUInt32BE(this.sequence * 160, 4);
      packet.writeUInt32BE(this.ssrc, 8);
      this.sequence++;
      this.socket.send(this.protect(packet), toPort, '127.0.0.1');
    }
  }

  close(): void {
    this.socket.close();
  }
}

export interface Line {
  port: number;
  label?: string | null;
  /** Formats with their rtpmap; `8 PCMA/8000` by default. */
  formats?: string[];
  direction?: string;
  address?: string;
  kind?: string;
  protocol?: string;
  /** Further a= lines, without `a=`. */
  attributes?: string[];
}

let sdpSession = 1;

export function sdpText(lines: Line[], address = '127.0.0.1'): string {
  const out = ['v=0', `o=- ${sdpSession++} 1 IN IP4 ${address}`, 's=-', `c=IN IP4 ${address}`, 't=0 0'];
  for (const line of lines) {
    const formats = line.formats ?? ['8 PCMA/8000'];
    const numbers = formats.map((format) => format.split(' ')[0]).join(' ');
    out.push(`m=${line.kind ?? 'audio'} ${line.port} ${line.protocol ?? 'RTP/AVP'} ${numbers}`);
    if (line.address) out.push(`c=IN IP4 ${line.address}`);
    for (const format of formats) out.push(`a=rtpmap:${format}`);
    for (const attribute of line.attributes ?? []) out.push(`a=${attribute}`);
    out.push(`a=${line.direction ?? 'sendonly'}`);
    if (line.label) out.push(`a=label:${line.label}`);
  }
  return `${out.join('\r\n')}\r\n`;
}

export interface Body {
  contentType: string;
  content: Uint8Array;
}

export const sdpOnly = (sdp: string): Body => ({ contentType: 'application/sdp', content: Buffer.from(sdp) });
export const metadataOnly = (xml: string): Body => ({ contentType: METADATA_CONTENT_TYPE, content: Buffer.from(xml) });

export function withMetadata(sdp: string, xml: string): Body {
  return buildMultipart([
    { contentType: 'application/sdp', content: sdp },
    { contentType: METADATA_CONTENT_TYPE, disposition: METADATA_DISPOSITION, content: xml },
  ]);
}

export const PARTIES = [
  { aor: 'sip:caller@example.com', name: 'Caller' },
  { aor: 'sip:agent@example.com', name: 'Agent' },
] as const;

export function newIds(): MetadataIds {
  return metadataIds(() => crypto.randomUUID());
}

export function fullMetadata(ids: MetadataIds): RsMetadata {
  return callMetadata(ids, PARTIES, '2024-01-01T00:00:00Z', 'ab30317f1a784dc48ff824d0d3715d86;remote=47755a');
}

export interface Answered {
  session: SipSession;
  response: SipResponse;
  answer: Sdp;
}

export class Client {
  readonly endpoint: SipEndpoint;
  readonly to: string;

  private constructor(udpPort: number, contactParams: string[]) {
    this.to = `sip:recorder@127.0.0.1:${udpPort}`;
    this.endpoint = new SipEndpoint({
      listen: [{ transport: 'udp', host: '127.0.0.1', port: 0 }],
      userAgent: 'test client',
      contactUser: 'client',
      contactParams,
      supported: ['siprec'],
      accept: [
        'application/sdp',
        'application/rs-metadata-request',
        'application/rs-metadata-request+xml',
        'application/rs-metadata',
        'application/rs-metadata+xml',
      ],
    });
  }

  static async start(server: Pick<Server, 'udpPort'>, contactParams = ['+sip.src']): Promise<Client> {
    const client = new Client(server.udpPort, contactParams);
    await client.endpoint.start();
    return client;
  }

  /** A recording session (RFC 7866). */
  async call(body: Body, headers: [string, string][] = []): Promise<Answered> {
    const invite = this.endpoint.invite({ to: this.to, body, headers, require: ['siprec'] });
    const { session, response } = await invite.answered;
    return { session, response, answer: parseSdp(response.body) };
  }

  /** Status and response of an INVITE that is refused. */
  async refused(body: Body): Promise<{ status: number; response: SipResponse | null }> {
    return await refusal(this.endpoint.invite({ to: this.to, body, require: ['siprec'] }).answered);
  }

  async close(): Promise<void> {
    await this.endpoint.close();
  }
}

export async function refusal(answered: Promise<unknown>): Promise<{ status: number; response: SipResponse | null }> {
  try {
    await answered;
  } catch (error) {
    if (error instanceof SipFailure) return { status: error.status, response: error.response };
    throw error;
  }
  throw new Error('the INVITE was accepted');
}

/** Requests of the recording server within a session. */
export function requestsOf(session: SipSession): SipRequest[] {
  const requests: SipRequest[] = [];
  session.onReInvite = (request) => {
    requests.push(request);
    return { status: 200 };
  };
  return requests;
}

export async function metric(server: Server, name: string): Promise<number> {
  const text = await (await fetch(`${server.http}/metrics`)).text();
  const values = text.split('\n').filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`));
  return values.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

/** Waits until the lanes have seen so many packets of a class (over all lanes and calls). */
export async function packetsSeen(server: Server, kind: string, count: number): Promise<void> {
  await until(`${count} packets ${kind}`, async () => (await packetCount(server, kind)) >= count);
}

export async function packetCount(server: Server, kind: string): Promise<number> {
  const text = await (await fetch(`${server.http}/metrics`)).text();
  const lines = text.split('\n').filter((line) => line.startsWith('doubletrack_packets_total{'));
  const values = lines.filter((line) => line.includes(`class="${kind}"`));
  return values.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

export interface Session {
  id: string;
  sipCallId: string;
  paused: boolean;
  streams: { label: string; channel: number; held: boolean; rtpPort: number }[];
  participants: { aor: string | null; channel: number | null }[];
}

export async function sessions(server: Server): Promise<Session[]> {
  const { items } = (await (await fetch(`${server.http}/api/v1/sessions`)).json()) as { items: Session[] };
  return items;
}

export async function sessionOf(server: Server, callId: string): Promise<Session> {
  return await until(`a session ${callId}`, async () =>
    (await sessions(server)).find((one) => one.sipCallId === callId),
  );
}

export function recordingsOf(server: Server, callId: string): Recording[] {
  return server.server.catalogue.search({ callId }).items;
}

/** The finished recording of a call, with its manifest. */
export async function finished(server: Server, callId: string): Promise<{ recording: Recording; manifest: Manifest }> {
  const recording = await until(`the recording of ${callId}`, () =>
    recordingsOf(server, callId).find(({ state }) => state === 'complete' || state === 'failed'),
  );
  const file = path.join(server.server.recordingFolder(recording.id), 'manifest.json');
  return { recording, manifest: JSON.parse(readFileSync(file, 'utf8')) as Manifest };
}

/** Two streams that nobody sends. */
export const OFFER = sdpText([
  { port: 30_000, label: '1' },
  { port: 30_002, label: '2' },
]);

/** Raw requests, for what a well-behaved stack does not do. */
export function rawInvite(server: Server, number: number): Buffer {
  const head = [
    `INVITE sip:recorder@127.0.0.1:${server.udpPort} SIP/2.0`,
    `Via: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKraw${number};rport`,
    'Max-Forwards: 70',
    `From: <sip:raw@127.0.0.1>;tag=raw${number}`,
    `To: <sip:recorder@127.0.0.1:${server.udpPort}>`,
    `Call-ID: raw-${number}`,
    'CSeq: 1 INVITE',
    'Contact: <sip:raw@127.0.0.1:9>;+sip.src',
    'Require: siprec',
    'Content-Type: application/sdp',
    `Content-Length: ${OFFER.length}`,
  ];
  return Buffer.from(`${head.join('\r\n')}\r\n\r\n${OFFER}`);
}
