/**
 * Twenty sinks of one stream, each with a key of its own, that join and leave at random and look back: libsrtp decrypts what each has got,
 * and it is exactly what the source has sent from the sink's start to its end. DOUBLETRACK_SINKS_SECONDS says for how long,
 * DOUBLETRACK_SINKS_SEED when they come and go.
 */
import assert from 'node:assert/strict';
import { randomBytes, randomInt } from 'node:crypto';
import { after, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Libsrtp } from '../../bench/peers/libsrtp.ts';
import type { MediaSession, SinkStats, SrtpKeys, StreamMedia } from '../../src/media/index.ts';
import { Srtp, type SrtpContext } from '../../src/media/srtp.ts';
import { LOOPBACK, PCMU, Sender, TestEngine, until } from '../media/loopback.ts';
import { newKeys, Receiver, SUITES } from '../media/receiver.ts';
import { randomNumbers, rtp } from '../media/rig.ts';

const SECONDS = Number(process.env.DOUBLETRACK_SINKS_SECONDS ?? 8);
const SEED = Number(process.env.DOUBLETRACK_SINKS_SEED ?? randomInt(0xffff_ffff));
const SINKS = 20;
const LOOK_BACK_SECONDS = 5;
const PTIME_MS = 20;
/** By how much the kernel's clock and ours may differ. */
const CLOCKS_MS = 20;
const STREAM = { label: '1', channel: 0, payloadTypes: PCMU, rtcpMux: false, lookBackSeconds: LOOK_BACK_SECONDS };

const libsrtp = Libsrtp.start();
const skip = libsrtp instanceof Libsrtp ? false : libsrtp;
if (process.env.CI && skip) throw new Error(skip);
const peer = libsrtp as Libsrtp;
after(async () => {
  if (!skip) await peer.close();
});

interface SourcePacket {
  seq: number;
  packet: Buffer;
  sentMs: number;
}

/** Sends 50 packets a second, by the clock: two of a hundred are lost, two overtaken by the next. */
class Source {
  readonly sent: SourcePacket[] = [];
  readonly #beganMs = performance.now();
  readonly #random: () => number;
  readonly #sender: Sender;
  readonly #srtp: SrtpContext;
  readonly #to: StreamMedia;
  readonly #timer = setInterval(() => this.#sendDue(), PTIME_MS).unref();
  #seq = 60_000;
  #held: Buffer | null = null;

  constructor(sender: Sender, keys: SrtpKeys, to: StreamMedia, random: () => number) {
    this.#sender = sender;
    this.#srtp = new Srtp().openSender(keys);
    this.#to = to;
    this.#random = random;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #sendDue(): void {
    while ((this.#seq - 60_000) * PTIME_MS < performance.now() - this.#beganMs) {
      const seq = this.#seq++;
      const payload = randomBytes(160);
      payload.writeUInt32BE(this.#seq);
      const packet = rtp({ seq, timestamp: seq * 160, payload });
      const luck = this.#random();
      if (luck < 0.02) continue;
      if (luck < 0.04 && !this.#held) {
        this.#held = packet;
        continue;
      }
      this.#sendNow(packet);
      if (this.#held) this.#sendNow(this.#held);
      this.#held = null;
    }
  }

  #sendNow(packet: Buffer): void {
    this.sent.push({ seq: packet.readUInt16BE(2), packet, sentMs: performance.now() });
    this.#sender.send(this.#srtp.rtp(packet), this.#to);
  }
}

interface Visit {
  keys: SrtpKeys;
  receiver: Receiver;
  stats: SinkStats;
  /** It must have got the first packet that was sent later than this. */
  fromMs: number;
  /** It has left before it had got anything in particular. */
  isHasty: boolean;
}

/** A sink that comes and goes. */
async function visit(session: MediaSession, source: Source, random: () => number): Promise<Visit> {
  const receiver = await Receiver.open();
  const suites = Object.keys(SUITES) as (keyof typeof SUITES)[];
  const keys = newKeys(suites[Math.floor(random() * suites.length)]!);
  const remote = { address: LOOPBACK, rtpPort: receiver.port };
  const lookBack = random() < 0.75 ? true : random() < 0.5 && 1 + random() * 3;
  const sink = await session.addSink(0, { remote, srtp: keys, lookBack });
  const seconds = lookBack === true ? LOOK_BACK_SECONDS : Number(lookBack);
  const fromMs = performance.now() - seconds * 1_000 + CLOCKS_MS;
  const isHasty = random() < 0.2;
  await delay(isHasty ? random() * 1_500 : 1_000 + random() * Math.min(20_000, SECONDS * 500));
  if (!isHasty) await untilItHas(receiver, keys, source.sent.at(-1)!, source);
  const stats = await sink.remove();
  await until(() => receiver.packets.length === stats.packets, `${stats.packets} packets on their way`);
  receiver.close();
  return { keys, receiver, stats, fromMs, isHasty };
}

/** By the timestamps, which are not encrypted. */
async function untilItHas(receiver: Receiver, keys: SrtpKeys, last: SourcePacket, source: Source): Promise<void> {
  await until(() => receiver.packets.length > 0, 'a first packet');
  const [first] = await decrypted(receiver.packets.slice(0, 1), keys);
  const start = source.sent.find(({ packet }) => packet.subarray(12).equals(first!.subarray(12)))!;
  const elapsed = last.packet.readUInt32BE(4) - start.packet.readUInt32BE(4);
  const timestamp = (first!.readUInt32BE(4) + elapsed) >>> 0;
  await until(() => receiver.packets.some((packet) => packet.readUInt32BE(4) === timestamp), 'what was sent last');
}

async function decrypted(received: Buffer[], { suite, keys: masters }: SrtpKeys): Promise<Buffer[]> {
  const id = await peer.open({ suite, direction: 'unprotect', keyAndSalt: masters[0]!.keyAndSalt.reveal() });
  const packets = await Promise.all(received.map((packet) => peer.convert(id, 'rtp', packet)));
  await peer.closeSession(id);
  assert.ok(!packets.includes(null), 'libsrtp takes every packet');
  return packets as Buffer[];
}

/** The source's packet as the sink must have it, by what it began with. */
function asGot(first: Buffer, start: SourcePacket, { packet, seq }: SourcePacket): Buffer {
  const expected = Buffer.from(packet);
  if (packet === start.packet) expected[1]! |= 0x80;
  const steps = (seq - start.seq) & 0xffff;
  const elapsed = packet.readUInt32BE(4) - start.packet.readUInt32BE(4);
  expected.writeUInt16BE((first.readUInt16BE(2) + steps) & 0xffff, 2);
  expected.writeUInt32BE((first.readUInt32BE(4) + elapsed) >>> 0, 4);
  expected.writeUInt32BE(first.readUInt32BE(8), 8);
  return expected;
}

/** @returns how many packets were compared. */
async function assertExact(visited: Visit, sent: SourcePacket[]): Promise<number> {
  const { stats, fromMs, isHasty } = visited;
  const got = await decrypted(visited.receiver.packets, visited.keys);
  assert.deepEqual([stats.skipped, stats.sendErrors, stats.unprotected], [0, 0, 0]);
  assert.ok(got[0] || isHasty);
  if (!got[0]) return 0;
  const startsAt = sent.findIndex(({ packet }) => packet.subarray(12).equals(got[0]!.subarray(12)));
  assert.ok(startsAt >= 0);
  const mustStartAt = sent.findIndex(({ sentMs }) => sentMs >= fromMs);
  assert.ok(mustStartAt === -1 || startsAt <= mustStartAt, 'it begins as far back as it was to');
  const start = sent[startsAt]!;
  const isEarlier = ({ seq }: SourcePacket) => ((seq - start.seq) & 0xffff) > 0x8000;
  const expected = sent.slice(startsAt).filter((packet) => !isEarlier(packet));
  assert.equal(new Set(got.map((packet) => packet.readUInt32BE(8))).size, 1);
  for (const [n, packet] of got.entries()) assert.deepEqual(packet, asGot(got[0], start, expected[n]!), `packet ${n}`);
  return got.length;
}

test(`libsrtp: ${SINKS} sinks that come and go for ${SECONDS} s have exactly what the source sent`, {
  skip,
  timeout: SECONDS * 1_000 + 120_000,
}, async (t) => {
  t.diagnostic(`DOUBLETRACK_SINKS_SEED=${SEED}`);
  const tested = await TestEngine.start();
  const sender = await Sender.open();
  const session = await tested.engine.openSession();
  const srtp = { receive: newKeys('AES_CM_128_HMAC_SHA1_80'), send: newKeys('AES_CM_128_HMAC_SHA1_80') };
  const media = await session.addStream({ ...STREAM, remote: sender.remote, srtp });
  const source = new Source(sender, srtp.receive, media, randomNumbers(SEED));
  // Two that are dead: ICMP answers. Nobody gets these ports meanwhile, as somebody might get one that was free.
  for (const rtpPort of [9, 19]) await session.addSink(0, { remote: { address: LOOPBACK, rtpPort }, lookBack: true });
  const endMs = performance.now() + SECONDS * 1_000;
  let [visits, packets, past] = [0, 0, 0];
  const seats = Array.from({ length: SINKS }, async (_, seat) => {
    const random = randomNumbers(SEED + 1 + seat);
    while (performance.now() < endMs) {
      await delay(random() * 1_000);
      const visited = await visit(session, source, random);
      packets += await assertExact(visited, source.sent);
      past += visited.stats.lookBackPackets;
      visits++;
    }
  });
  await Promise.all(seats).finally(() => source.stop());
  t.diagnostic(
    `${visits} sinks, ${packets} packets compared, ${past} of them from the ring, ${source.sent.length} of the source`,
  );
  await until(() => session.counters()[0]!.received === source.sent.length, 'the last packets');
  assert.ok(past > 0);
  await session.close();
  assert.equal(tested.engine.stats().lanes[0]!.lookBack.shortPackets, 0);
  sender.close();
  await tested.close();
});
