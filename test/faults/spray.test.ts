/**
 * Forged packets at every media port of a running SRTP call, from the very sockets that the call's own come from: nothing but counters
 * changes. `SPRAY_PACKETS=100000 npx node --test test/faults/spray.test.ts` for more than a test run sprays.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { buildSenderReport } from '../../src/client/caller/rtcp.ts';
import { Srtp, type SrtpContext } from '../../src/media/srtp.ts';
import { parseSdp } from '../../src/sdp/index.ts';
import type { SipEndpoint } from '../../src/sip/index.ts';
import { completeRecordings } from '../interop/recorder.ts';
import { type SecureRecorder, startSecureRecorder, wavOf } from '../interop/secure-recorder.ts';
import { Port } from '../interop/srtp-peers.ts';
import { Random } from '../media/srtp/random.ts';
import { sdpOnly, sdpText, until } from '../server/rig.ts';
import { clientCrypto, tlsClient } from '../server/srtp-rig.ts';

const SPRAYED = Number(process.env.SPRAY_PACKETS ?? 12_000);
const SUITES = ['AES_CM_128_HMAC_SHA1_80', 'AEAD_AES_256_GCM'];
const PACKETS = 100;
/** So many fit into a socket's buffer; the next follow when these have been seen. */
const BURST = 240;
const FIRST_SEQ = 65_500; // so that the roll-over counter is at stake, too
const WALL_MS = 1_700_000_000_000;
const TAG_BYTES = 4;

type Fate = 'invalid' | 'unauthenticated' | 'duplicate' | 'rtcpReplay';
type Counts = Record<Fate, number>;
const none = (): Counts => ({ invalid: 0, unauthenticated: 0, duplicate: 0, rtcpReplay: 0 });

const srtp = new Srtp({ contexts: 16 });
let recorder: SecureRecorder;
let endpoint: SipEndpoint;

before(async () => {
  recorder = await startSecureRecorder('45200-45299');
  endpoint = await tlsClient(recorder.ca);
});
after(async () => {
  await endpoint.close();
  await recorder.end();
});

/** One stream, with what was sent of it. */
class Stream {
  readonly sent: Buffer[] = [];
  readonly reports: Buffer[] = [];
  readonly counts = none();
  readonly #rtp: Port;
  readonly #rtcp: Port;
  readonly #sender: SrtpContext;
  readonly #ssrc: number;
  readonly #random: Random;
  toPort = 0;

  constructor(rtp: Port, rtcp: Port, sender: SrtpContext, ssrc: number) {
    this.#rtp = rtp;
    this.#rtcp = rtcp;
    this.#sender = sender;
    this.#ssrc = ssrc;
    this.#random = new Random(`spray ${ssrc}`);
  }

  /** The next packet of the call itself; a report with every tenth, which puts both legs on one clock. */
  speak(): void {
    const n = this.sent.length;
    const payload = new Random(`speech ${this.#ssrc} ${n}`).bytes(160);
    this.sent.push(Buffer.from(this.#sender.rtp(Buffer.concat([this.#header(n), payload]))));
    this.#rtp.send(this.sent[n]!, this.toPort);
    if (n % 10 !== 0) return;
    const ssrc = this.#ssrc;
    const counted = { ssrc, packetCount: n + 1, octetCount: 160 * (n + 1), cname: `${ssrc}` };
    const report = buildSenderReport({ ...counted, wallMs: WALL_MS + 20 * n, rtpTimestamp: 160 * n }, false);
    this.reports.push(Buffer.from(this.#sender.rtcp(report)));
    this.#rtcp.send(this.reports.at(-1)!, this.toPort + 1);
  }

  #header(n: number): Buffer {
    const header = Buffer.alloc(12);
    header.writeUInt16BE(0x8000, 0);
    header.writeUInt16BE((FIRST_SEQ + n) & 0xffff, 2);
    header.writeUInt32BE(160 * n, 4);
    header.writeUInt32BE(this.#ssrc, 8);
    return header;
  }

  /** One forged packet, and what must be said of it. */
  forge(): void {
    const random = this.#random;
    const toRtcp = random.chance(0.3);
    const [packet, fate] = toRtcp ? this.#forgedReport() : this.#forgedMedia();
    (toRtcp ? this.#rtcp : this.#rtp).send(packet, toRtcp ? this.toPort + 1 : this.toPort);
    this.counts[fate]++;
  }

  #forgedMedia(): [Buffer, Fate] {
    const random = this.#random;
    const genuine = random.pick(this.sent);
    switch (random.upTo(5)) {
      case 0:
        return [withVersion(random.bytes(200), 2, 0), 'unauthenticated'];
      case 1:
        return [withVersion(random.bytes(1 + random.upTo(300)), random.pick([0, 1, 3])), 'invalid'];
      case 2: // a number ahead, which would move the window, the ROC and what is expected
        return [
          Buffer.concat([this.#header(this.sent.length + random.upTo(30_000)), random.bytes(176)]),
          'unauthenticated',
        ];
      case 3:
        return [Buffer.from(genuine), 'duplicate'];
      case 4: // cut in the payload: the tag is what then stands last
        return [genuine.subarray(0, genuine.length - 1 - random.upTo(100)), 'unauthenticated'];
      default:
        return [genuine.subarray(0, 1 + random.upTo(10)), 'invalid'];
    }
  }

  #forgedReport(): [Buffer, Fate] {
    const random = this.#random;
    const genuine = random.pick(this.reports);
    switch (random.upTo(4)) {
      case 0:
        return [withVersion(random.bytes(100), 2), 'unauthenticated'];
      case 1:
        return [withVersion(random.bytes(100), random.pick([0, 1, 3])), 'invalid'];
      case 2:
        return [Buffer.from(genuine), 'rtcpReplay'];
      case 3: {
        const forged = Buffer.from(genuine);
        const at = random.upTo(genuine.length - 5) + 4; // behind version and type
        forged[at]! ^= 1 + random.upTo(254);
        return [forged, 'unauthenticated'];
      }
      default:
        return [genuine.subarray(0, 1 + random.upTo(TAG_BYTES + 6)), 'invalid'];
    }
  }

  close(): void {
    this.#sender.close();
    for (const port of [this.#rtp, this.#rtcp]) port.close();
  }
}

function withVersion(packet: Buffer, version: number, csrcs = packet[0]! & 15): Buffer {
  packet[0] = (version << 6) | csrcs;
  return packet;
}

/** What the lanes have counted so far, of all calls, by class. */
async function totals(): Promise<Record<string, number>> {
  const text = await (await fetch(`${recorder.http}/metrics`)).text();
  const counted = text.matchAll(/^doubletrack_packets_total\{.*class="(\w+)"\} (\d+)$/gm);
  return Object.fromEntries([...counted].map(([, kind, value]) => [kind, Number(value)]));
}

/** Seconds of processor time that the recorder has had. */
async function cpuSeconds(): Promise<number> {
  const text = await (await fetch(`${recorder.http}/metrics`)).text();
  return Number(/^process_cpu_seconds_total (\S+)$/m.exec(text)?.[1]);
}

/** Datagrams that a lane has seen. */
async function seen(): Promise<number> {
  const { lost, paused, ...datagrams } = await totals();
  return Object.values(datagrams).reduce((sum, value) => sum + value, 0);
}

/** A call of two streams; between its packets so many forged ones. */
async function call(suite: string, forged: number) {
  const cryptos = [clientCrypto(suite), clientCrypto(suite)];
  const streams: Stream[] = [];
  const lines = [];
  for (const [i, { attribute, keys }] of cryptos.entries()) {
    const [rtp, rtcp] = await Port.openPair();
    streams.push(new Stream(rtp, rtcp, srtp.openSender(keys), 0x5000 + i));
    const line = { port: rtp.number, label: String(i + 1), formats: ['0 PCMU/8000'], protocol: 'RTP/SAVP' };
    lines.push({ ...line, attributes: [attribute] });
  }
  const to = `sip:recorder@127.0.0.1:${recorder.tlsPort};transport=tls`;
  const invite = endpoint.invite({ to, body: sdpOnly(sdpText(lines)), require: ['siprec'] });
  const { session, response } = await invite.answered;
  for (const [i, { port }] of parseSdp(response.body).media.entries()) streams[i]!.toPort = port;
  let expected = await seen();
  let left = forged;
  for (let n = 0; n < PACKETS; n++) {
    for (const stream of streams) stream.speak();
    expected += streams.length * (n % 10 === 0 ? 2 : 1);
    for (let due = Math.ceil(left / (PACKETS - n)); due > 0; ) {
      const burst = Math.min(due, BURST);
      for (let i = 0; i < burst; i++) streams[i % 2]!.forge();
      due -= burst;
      left -= burst;
      expected += burst;
      await until(`${expected} packets to be seen`, async () => (await seen()) >= expected);
    }
    await until(`${expected} packets to be seen`, async () => (await seen()) >= expected);
  }
  await session.bye();
  for (const stream of streams) stream.close();
  const all = await completeRecordings(recorder, 1);
  const recording = all.find(({ sipCallId }) => sipCallId === session.callId)!;
  const packets = recording.streams.map((stream) => stream.packets);
  return { streams, packets, wav: wavOf(recorder, recording.id) };
}

for (const suite of SUITES) {
  test(`RFC 3711 3.3: ${SPRAYED} forged packets change nothing but counters, ${suite}`, async (t) => {
    const quiet = await call(suite, 0);
    const [before, cpuBefore] = [await totals(), await cpuSeconds()];
    const sprayed = await call(suite, SPRAYED);
    const after = await totals();
    t.diagnostic(`${(await cpuSeconds()) - cpuBefore} s of processor time`);
    t.diagnostic(JSON.stringify({ sent: sprayed.streams.map(({ counts }) => counts), recorded: sprayed.packets }));
    assert.ok(sprayed.wav.equals(quiet.wav), 'the audio is that of the call that nobody disturbed');
    const forged = (fate: Fate) => sprayed.streams.reduce((sum, { counts }) => sum + counts[fate], 0);
    const counted = (kind: string) => (after[kind] ?? 0) - (before[kind] ?? 0);
    assert.deepEqual(
      ['received', 'rtcp', 'unauthenticated', 'invalid', 'duplicate', 'dropped', 'unauthorised'].map(counted),
      [
        ...[2 * PACKETS, (2 * PACKETS) / 10, forged('unauthenticated'), forged('invalid')],
        ...[forged('duplicate') + forged('rtcpReplay'), 0, 0],
      ],
    );
    for (const [i, { counts }] of sprayed.streams.entries()) {
      const p = sprayed.packets[i]!;
      assert.equal(p.expected, p.received + p.lost + p.dropped + p.paused);
      assert.deepEqual([p.received, p.lost, p.dropped], [PACKETS, 0, 0]);
      assert.deepEqual([p.unauthenticated, p.duplicate], [counts.unauthenticated, counts.duplicate]);
    }
  });
}
