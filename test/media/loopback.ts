/** Real senders and a real engine on the loopback interface. */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type JournalRecord, records } from '../../src/journal/format.ts';
import { blocks } from '../../src/journal/reader.ts';
import {
  type EngineOptions,
  type LaneEvent,
  MediaEngine,
  type SocketDriver,
  type StreamMedia,
} from '../../src/media/index.ts';
import { loadLibc } from '../../src/media/libc.ts';

export const LOOPBACK = '127.0.0.1';
export const PCMU = [{ payloadType: 0, encoding: 'PCMU', clockRate: 8000, channels: 1, fmtp: null }];

/** Why a test of the native driver is to be skipped. */
export const noNative = typeof loadLibc() === 'string' && 'there is no native driver here';

/** Resolves when `isTrue`; rejects when that takes too long. */
export async function until(isTrue: () => boolean, what: string, withinMs = 5_000): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!isTrue()) {
    if (performance.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await delay(5);
  }
}

/** A sender with a pair of ports. */
export class Sender {
  readonly rtp: Socket;
  readonly rtcp: Socket;
  readonly reports: Buffer[] = [];

  private constructor(rtp: Socket, rtcp: Socket) {
    this.rtp = rtp;
    this.rtcp = rtcp;
    for (const socket of [rtp, rtcp]) socket.on('error', () => {}).on('message', (packet) => this.reports.push(packet));
  }

  static async open(): Promise<Sender> {
    const sockets = [createSocket('udp4'), createSocket('udp4')] as const;
    for (const socket of sockets) {
      socket.bind(0, LOOPBACK);
      await once(socket, 'listening');
    }
    for (const socket of sockets) socket.unref();
    return new Sender(...sockets);
  }

  get remote() {
    return { address: LOOPBACK, rtpPort: this.rtp.address().port, rtcpPort: this.rtcp.address().port };
  }

  send(packet: Uint8Array, to: { rtpPort: number }): void {
    this.rtp.send(packet, to.rtpPort, LOOPBACK);
  }

  /** Resolves when it lies in the receiver's socket. */
  async sent(packet: Uint8Array, to: { rtpPort: number }): Promise<void> {
    await promisify((done: () => void) => this.rtp.send(packet, to.rtpPort, LOOPBACK, done))();
  }

  sendRtcp(packet: Uint8Array, to: StreamMedia): void {
    this.rtcp.send(packet, to.rtcpPort, LOOPBACK);
  }

  close(): void {
    this.rtp.close();
    this.rtcp.close();
  }
}

/** Ranges of their own for test files that run at the same time. */
let nextLo = 30_000 + (process.pid % 400) * 40;

export class TestEngine {
  readonly engine: MediaEngine;
  readonly events: LaneEvent[];
  readonly journalDir: string;

  private constructor(engine: MediaEngine, events: LaneEvent[], journalDir: string) {
    this.engine = engine;
    this.events = events;
    this.journalDir = journalDir;
  }

  /** The driver that engines get which are not told of one; see ./dgram.test.ts. */
  static sockets: SocketDriver = 'auto';

  static async start(options: Partial<EngineOptions> = {}): Promise<TestEngine> {
    const journalDir = mkdtempSync(path.join(tmpdir(), 'doubletrack-media-'));
    const events: LaneEvent[] = [];
    const ports = { lo: nextLo, hi: nextLo + 199 };
    nextLo += 200;
    const onEvent = (event: LaneEvent) => void events.push(event);
    const { sockets } = TestEngine;
    const engine = await MediaEngine.start({ address: LOOPBACK, ports, journalDir, onEvent, sockets, ...options });
    const tested = new TestEngine(engine, events, journalDir);
    after(() => tested.close()); // a test that fails half way must not keep the process alive
    return tested;
  }

  /** Records by recording, from all segments. */
  journal(): Map<string, JournalRecord[]> {
    const found = new Map<string, JournalRecord[]>();
    for (const name of readdirSync(this.journalDir).toSorted()) {
      if (name.endsWith('.reserve')) continue;
      for (const block of blocks(readFileSync(path.join(this.journalDir, name)))) {
        const told = found.get(block.header.recordingId) ?? [];
        found.set(block.header.recordingId, told);
        told.push(...records(block.bytes));
      }
    }
    return found;
  }

  /** Sequence numbers of the blocks of each lane, in the order of the segments. */
  blockSeqs(): bigint[] {
    return readdirSync(this.journalDir)
      .filter((name) => !name.endsWith('.reserve'))
      .toSorted()
      .flatMap((name) => [...blocks(readFileSync(path.join(this.journalDir, name)))])
      .map(({ header }) => header.blockSeq);
  }

  async close(): Promise<void> {
    await this.engine.close().catch(() => {});
    rmSync(this.journalDir, { recursive: true, force: true });
  }
}

export function notesOf(told: JournalRecord[] | undefined): Array<Record<string, unknown>> {
  return (told ?? [])
    .filter(({ kind }) => kind === 3)
    .map(({ payload }) => JSON.parse(Buffer.from(payload).toString()) as Record<string, unknown>);
}
