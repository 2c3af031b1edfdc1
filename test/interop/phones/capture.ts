/** What went over the loopback while phones talked: dumpcap is the witness of what each of them has sent, packet by packet. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { classifyDatagram, readCapture, rtpSeq, rtpSsrc } from '../../../src/capture/index.ts';
import { Srtp, type SrtpKeys } from '../../../src/media/srtp.ts';
import { until } from '../../server/rig.ts';
import { within } from '../recorder.ts';
import { type CapturedSip, keysSentFrom, sipOf } from './captured-sip.ts';

const found = spawnSync('dumpcap', ['-D'], { encoding: 'utf8' });
/** For a test's `skip`: it takes the right to capture, too. */
export const withoutDumpcap = /\blo\b/.test(found.stdout ?? '')
  ? false
  : 'dumpcap may not capture: apt-get install tshark, as root';

const STARTS_WITHIN_MS = 15_000;
const STOPS_WITHIN_MS = 15_000;
const BUFFER_MIB = 32;
const RTP_HEADER_BYTES = 12;

/** Both inclusive. */
export interface PortRange {
  lo: number;
  hi: number;
}

export interface CapturedDatagram {
  /** Microseconds since 1970. */
  atUs: number;
  fromPort: number;
  toPort: number;
  bytes: Buffer;
}

export interface CapturedRtp extends CapturedDatagram {
  ssrc: number;
  seq: number;
  timestamp: number;
  payloadType: number;
  marker: boolean;
  payload: Buffer;
}

export class Capture {
  readonly #file: string;
  readonly #ports: PortRange;
  readonly #child: ChildProcess;
  readonly #said: string[];

  private constructor(file: string, ports: PortRange, child: ChildProcess, said: string[]) {
    this.#file = file;
    this.#ports = ports;
    this.#child = child;
    this.#said = said;
  }

  /** Of UDP from or to these ports. */
  static async start(file: string, ports: PortRange): Promise<Capture> {
    const filter = `udp portrange ${ports.lo}-${ports.hi}`;
    const options = ['-q', '-i', 'lo', '-B', String(BUFFER_MIB), '-f', filter, '-w', file];
    const child = spawn('dumpcap', options, { stdio: ['ignore', 'ignore', 'pipe'] });
    const said: string[] = [];
    const started = new Promise<void>((resolve, reject) => {
      createInterface({ input: child.stderr! }).on('line', (line) => {
        said.push(line);
        if (line.startsWith('File:')) resolve();
      });
      child.once('exit', (code) => reject(new Error(`dumpcap exited with ${code}: ${said.join('\n')}`)));
      child.once('error', reject);
    });
    await within(STARTS_WITHIN_MS, 'dumpcap to start', started);
    return new Capture(file, ports, child, said);
  }

  /** All that has been there until now; it goes on. */
  async soFar(): Promise<Captured> {
    await this.#untilAllIsWritten();
    return await Captured.read(this.#file, { isWhole: false });
  }

  /** @throws when something is missing in it */
  async stop(): Promise<Captured> {
    await this.#untilAllIsWritten();
    const closed = once(this.#child, 'close');
    this.#child.kill('SIGINT');
    await within(STOPS_WITHIN_MS, 'dumpcap to end', closed);
    const counts = this.#said.find((line) => line.startsWith('Packets received/dropped'));
    if (!/: \d+\/0 /.test(counts ?? '')) throw new Error(`dumpcap has lost packets: ${counts}`);
    return await Captured.read(this.#file);
  }

  abandon(): void {
    this.#child.kill('SIGKILL');
  }

  /** What comes before a datagram of ours is in the file when that is. */
  async #untilAllIsWritten(): Promise<void> {
    const mark = randomBytes(32);
    const socket = createSocket('udp4');
    try {
      socket.send(mark, this.#ports.hi, '127.0.0.1');
      await until('the capture to be written', () => readFileSync(this.#file).includes(mark));
    } finally {
      socket.close();
    }
  }
}

export class Captured {
  readonly datagrams: readonly CapturedDatagram[];
  readonly sip: readonly CapturedSip[];

  private constructor(datagrams: CapturedDatagram[]) {
    this.datagrams = datagrams;
    this.sip = datagrams.flatMap(sipOf);
  }

  static async read(file: string, { isWhole = true } = {}): Promise<Captured> {
    const datagrams: CapturedDatagram[] = [];
    const { problem } = await readCapture(file, ({ sourcePort, destinationPort, payload }, atUs) => {
      datagrams.push({ atUs, fromPort: sourcePort, toPort: destinationPort, bytes: Buffer.from(payload) });
    });
    if (problem !== null && isWhole) throw new Error(`the capture cannot be read to its end: ${problem}`);
    return new Captured(datagrams);
  }

  /** RTP that has left these ports, in the order in which it did. */
  rtpFrom(ports: PortRange): CapturedRtp[] {
    return this.datagrams.filter(({ fromPort }) => isIn(fromPort, ports)).flatMap(rtpOf);
  }

  /** RTP that went to these ports. */
  rtpTo(ports: PortRange): CapturedRtp[] {
    return this.datagrams.filter(({ toPort }) => isIn(toPort, ports)).flatMap(rtpOf);
  }

  /** The same, by the keys (RFC 4568) that SDP from this SIP port has named; what was never protected is refused. */
  srtpFrom(ports: PortRange, sipPort: number): CapturedRtp[] {
    const keysOf = keysSentFrom(this.sip, sipPort);
    const srtp = new Srtp();
    const receivers = new Map<number, ReturnType<Srtp['openReceiver']>>();
    return this.rtpFrom(ports).map((packet) => {
      let receiver = receivers.get(packet.fromPort);
      if (receiver === undefined) {
        const keys: SrtpKeys | undefined = keysOf.get(packet.fromPort);
        if (keys === undefined) throw new Error(`no a=crypto for what port ${packet.fromPort} has sent`);
        receiver = srtp.openReceiver(keys);
        receivers.set(packet.fromPort, receiver);
      }
      const [clear] = rtpOf({ ...packet, bytes: Buffer.from(receiver.rtp(packet.bytes)) });
      return clear!;
    });
  }
}

/** In the order of their first packets. */
export function bySsrc(packets: readonly CapturedRtp[]): CapturedRtp[][] {
  return [...Map.groupBy(packets, ({ ssrc }) => ssrc).values()];
}

export function payloadsOf(packets: readonly CapturedRtp[]): Buffer {
  return Buffer.concat(packets.map(({ payload }) => payload));
}

function isIn(port: number, { lo, hi }: PortRange): boolean {
  return port >= lo && port <= hi;
}

function rtpOf(datagram: CapturedDatagram): CapturedRtp[] {
  const { bytes } = datagram;
  if (bytes.length < RTP_HEADER_BYTES || classifyDatagram(bytes) !== 'rtp') return [];
  if (bytes[0] !== 0x80) throw new Error('RTP with CSRCs, an extension or padding: this reads none of them');
  return [
    {
      ...datagram,
      ssrc: rtpSsrc(bytes),
      seq: rtpSeq(bytes),
      timestamp: bytes.readUInt32BE(4),
      payloadType: bytes[1]! & 0x7f,
      marker: bytes[1]! >> 7 === 1,
      payload: bytes.subarray(RTP_HEADER_BYTES),
    },
  ];
}
