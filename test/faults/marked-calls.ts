/**
 * The sender of the fault tests: a recording client outside of what is killed, whose every packet is a function of call, leg
 * and number, and that knows when each of them left.
 */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { callMetadata, LABELS, metadataIds } from '../../src/client/caller/metadata.ts';
import { type PacedSender, Pacer } from '../../src/client/caller/pacer.ts';
import { derivedSeed, seededRandom } from '../../src/client/caller/random.ts';
import { buildOffer, parseSdp, staticPayloadType } from '../../src/sdp/index.ts';
import { SipEndpoint, type SipSession } from '../../src/sip/index.ts';
import { buildSiprecBody } from '../../src/siprec/index.ts';

const PTIME_MS = 20;
const PAYLOAD_BYTES = 160;
/** Chances per packet. */
const WITHHELD = 0.02;
const TWICE = 0.01;
/** Calls that come and go last between these. */
const SHORTEST_MS = 400;
const LONGEST_MS = 8_000;
/** A packet that leaves so late says that the machine is too busy for times to mean anything. */
const OVERDUE_MS = 50;

/** One stream. Its packets are numbered from 0. */
export class MarkedLeg implements PacedSender {
  readonly label: string;
  readonly ssrc: number;
  /** When packet n left, on the clock of performance.now(); null: withheld. */
  readonly sentAtMs: (number | null)[] = [];
  dueMs = 0;
  isOver = false;
  /** When a packet last left overdue. */
  overdueAtMs = -Infinity;
  readonly #seed: number;
  readonly #socket: Socket;
  readonly #random: () => number;
  readonly #firstSeq: number;
  #toPort = 0;

  constructor(label: string, seed: number, socket: Socket) {
    this.label = label;
    this.#seed = seed;
    this.#socket = socket;
    this.#random = seededRandom(seed);
    this.ssrc = Math.floor(this.#random() * 2 ** 32);
    this.#firstSeq = Math.floor(this.#random() * 2 ** 16);
  }

  get port(): number {
    return this.#socket.address().port;
  }

  start(toPort: number): void {
    this.#toPort = toPort;
    this.dueMs = performance.now() + Math.floor(this.#random() * PTIME_MS);
  }

  fire(nowMs: number): boolean {
    if (this.isOver) return false;
    if (nowMs - this.dueMs > OVERDUE_MS) this.overdueAtMs = nowMs;
    this.dueMs += PTIME_MS;
    const number = this.sentAtMs.length;
    const isWithheld = this.#random() < WITHHELD && number > 0;
    const copies = isWithheld ? 0 : this.#random() < TWICE ? 2 : 1;
    const packet = this.packet(number);
    for (let copy = 0; copy < copies; copy++) this.#socket.send(packet, this.#toPort, '127.0.0.1');
    this.sentAtMs.push(isWithheld ? null : performance.now());
    return true;
  }

  packet(number: number): Buffer {
    const packet = Buffer.alloc(12 + PAYLOAD_BYTES);
    packet[0] = 0x80;
    packet.writeUInt16BE((this.#firstSeq + number) & 0xffff, 2);
    packet.writeUInt32BE((number * PAYLOAD_BYTES) >>> 0, 4);
    packet.writeUInt32BE(this.ssrc, 8);
    const random = seededRandom(derivedSeed(this.#seed, number));
    for (let at = 12; at < packet.length; at += 4) packet.writeUInt32BE(Math.floor(random() * 2 ** 32), at);
    return packet;
  }

  /** Of a sequence number on the wire; streams are shorter than 2^16 packets. */
  numberOf(seq: number): number {
    return (seq - this.#firstSeq) & 0xffff;
  }

  close(): void {
    this.isOver = true;
    this.#socket.close();
  }
}

export interface MarkedCall {
  callId: string;
  legs: MarkedLeg[];
  /** When the 200 came. */
  answeredAtMs: number;
  /** When BYE was sent; null: the call is running. */
  byeAtMs: number | null;
  /** When BYE was answered. */
  endedAtMs: number | null;
}

export interface MarkedLoad {
  /** Calls at a time; one that ends is followed by another. */
  concurrent: number;
  /** False: calls stay. Then nothing but its own clock makes the recorder write. */
  comeAndGo: boolean;
}

/** A load of calls, kept up until it is stopped. */
export class MarkedCalls {
  /** Every call that was answered. */
  readonly calls: MarkedCall[] = [];
  readonly #endpoint: SipEndpoint;
  readonly #pacer = new Pacer();
  readonly #to: string;
  readonly #seed: number;
  readonly #open = new Set<MarkedLeg>();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #comeAndGo: boolean;
  #placed = 0;
  #isOver = false;

  private constructor(sipPort: number, seed: number, comeAndGo: boolean) {
    this.#to = `sip:recorder@127.0.0.1:${sipPort}`;
    this.#seed = seed;
    this.#comeAndGo = comeAndGo;
    this.#endpoint = new SipEndpoint({
      listen: [{ transport: 'udp', host: '127.0.0.1', port: 0 }],
      userAgent: 'marked calls',
      contactUser: 'client',
      contactParams: ['+sip.src'],
      supported: ['siprec'],
      datagramRequestBytes: Infinity,
    });
  }

  static async start(sipPort: number, seed: number, load: MarkedLoad): Promise<MarkedCalls> {
    const calls = new MarkedCalls(sipPort, seed, load.comeAndGo);
    await calls.#endpoint.start();
    for (let i = 0; i < load.concurrent; i++) calls.#begin();
    return calls;
  }

  get running(): MarkedCall[] {
    return this.calls.filter(({ byeAtMs }) => byeAtMs === null);
  }

  /** When a packet last left so late that the machine must be too busy. */
  get overdueAtMs(): number {
    return Math.max(...this.running.flatMap(({ legs }) => legs.map((leg) => leg.overdueAtMs)));
  }

  /** Nothing more is sent, from now on. */
  async stop(): Promise<void> {
    this.#isOver = true;
    for (const leg of this.#open) this.#close(leg);
    for (const timer of this.#timers) clearTimeout(timer);
    await this.#endpoint.close({ graceMs: 0 });
  }

  #begin(): void {
    if (this.#isOver) return;
    // A call that comes to nothing, for the recorder is gone, is no call.
    this.#place(this.#placed++).catch(() => {});
  }

  async #place(number: number): Promise<void> {
    const legs: MarkedLeg[] = [];
    for (const [i, label] of LABELS.entries()) {
      const socket = createSocket('udp4');
      socket.bind(0, '127.0.0.1');
      await once(socket, 'listening');
      const leg = new MarkedLeg(label, derivedSeed(this.#seed, number, i), socket);
      legs.push(leg);
      this.#open.add(leg);
    }
    if (this.#isOver) for (const leg of legs) this.#close(leg);
    const { session, response } = await this.#endpoint.invite({
      to: this.#to,
      body: offerBody(legs, number),
      require: ['siprec'],
    }).answered;
    if (this.#isOver) return;
    const answeredAtMs = performance.now();
    const call: MarkedCall = { callId: session.callId, legs, answeredAtMs, byeAtMs: null, endedAtMs: null };
    this.calls.push(call);
    const answer = parseSdp(response.body);
    for (const [i, leg] of legs.entries()) {
      leg.start(answer.media[i]!.port);
      this.#pacer.add(leg);
    }
    if (!this.#comeAndGo) return;
    const forMs = SHORTEST_MS + seededRandom(derivedSeed(this.#seed, number))() * (LONGEST_MS - SHORTEST_MS);
    const timer = setTimeout(() => void this.#end(call, session), forMs);
    this.#timers.add(timer);
  }

  async #end(call: MarkedCall, session: SipSession): Promise<void> {
    call.byeAtMs = performance.now();
    for (const leg of call.legs) this.#close(leg);
    this.#begin();
    const isAnswered = await session.request('BYE').then(
      ({ status }) => status === 200,
      () => false,
    );
    if (isAnswered) call.endedAtMs = performance.now();
  }

  #close(leg: MarkedLeg): void {
    if (!this.#open.delete(leg)) return;
    this.#pacer.remove(leg);
    leg.close();
  }
}

function offerBody(legs: MarkedLeg[], number: number): { contentType: string; content: Uint8Array } {
  const offer = buildOffer({
    address: '127.0.0.1',
    sessionId: String(number + 1),
    version: 1,
    media: legs.map(({ port, label }) => ({ port, label, payloadTypes: [staticPayloadType(0)!], ptime: PTIME_MS })),
  });
  const parties = [0, 1].map((i) => ({ aor: `sip:party-${number}-${i}@example.com`, name: `Party ${number} ${i}` }));
  const ids = metadataIds(() => crypto.randomUUID());
  const sipSession = '0123456789abcdef0123456789abcdef;remote=00000000000000000000000000000000';
  const metadata = callMetadata(ids, [parties[0]!, parties[1]!], new Date().toISOString(), sipSession);
  return buildSiprecBody(offer, metadata);
}
