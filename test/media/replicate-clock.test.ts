/** Which NTP time a sink's sender reports give its timestamps: the source's where it has told it, under its CNAME, else ours. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  buildRtcp,
  parseRtcp,
  type RtcpPacket,
  type SenderReport,
  type SourceDescription,
} from '../../src/media/rtcp.ts';
import { Rig, randomNumbers, rtp, SSRC, STATUS } from './rig.ts';

const SINK = { stream: 0, via: 0, payloadTypes: [], paused: false, isSrtp: false, ssrc: 7, firstSeq: 100 };
const CNAME = Buffer.from('doubletrack');
const NTP_EPOCH_SEC = 2_208_988_800n;

/** A source whose NTP clock and timestamps are known exactly, and a sink. */
class Clocked {
  readonly rig: Rig;
  readonly clockRate: number;
  readonly #ntp0: bigint;
  readonly #timestamp0: number;

  constructor({ clockRate = 8000, ntp0 = 1_000_000n << 32n, timestamp0 = 5_000, firstTimestamp = 77 } = {}) {
    this.rig = new Rig({ clockRate });
    this.clockRate = clockRate;
    this.#ntp0 = ntp0;
    this.#timestamp0 = timestamp0;
    this.rig.core.sinks.write(0, { ...SINK, clockRate, firstTimestamp });
    this.rig.core.wasm.openSink(0);
  }

  /** The source's timestamp of a moment. */
  timestamp(atMs: number): number {
    return (this.#timestamp0 + (atMs * this.clockRate) / 1000) >>> 0;
  }

  /** And its NTP time. */
  ntp(atMs: number): bigint {
    return BigInt.asUintN(64, this.#ntp0 + (BigInt(atMs) << 32n) / 1000n);
  }

  /** The packet of that moment, which takes `transitMs` to come. @returns the sink's timestamp of it. */
  media(atMs: number, { transitMs = 0, ssrc = SSRC, seq = 1 + atMs / 20 } = {}): number {
    this.rig.rtp(rtp({ seq, ssrc, timestamp: this.timestamp(atMs) }), (atMs + transitMs) * 1000);
    assert.equal(this.rig.core.wasm.replicate(1, 1), 1);
    return Buffer.from(this.rig.core.sinks.packet(0)).readUInt32BE(4);
  }

  report(atMs: number, { ssrc = SSRC, ntp = this.ntp(atMs), cname = 'alice@example.com' as string | null } = {}): void {
    const sr: RtcpPacket = {
      type: 'sr',
      ssrc,
      ntp,
      rtpTimestamp: this.timestamp(atMs),
      packets: 3,
      octets: 9,
      blocks: [],
    };
    const items = [{ type: 2, text: 'Alice' }, ...(cname === null ? [] : [{ type: 1, text: cname }])];
    assert.equal(this.rig.rtcp(buildRtcp([sr, { type: 'sdes', chunks: [{ ssrc, items }] }]), atMs * 1000), STATUS.rtcp);
  }

  told(atMs: number): { report: SenderReport; cname: string } {
    const packet = Buffer.from(this.rig.core.sinkReport(0, BigInt(atMs * 1000), 1.7e12 + atMs, CNAME)!);
    const [report, description] = parseRtcp(packet) as [SenderReport, SourceDescription];
    return { report, cname: description.chunks[0]!.items[0]!.text };
  }
}

const ours = (atMs: number) => ((NTP_EPOCH_SEC + 1_700_000_000n) << 32n) + (BigInt(atMs) << 32n) / 1000n;
const distance = (a: bigint, b: bigint) => Number(BigInt.asIntN(64, a - b)) / 2 ** 32;

test('RFC 3550 6.4.1: the source says which NTP time its timestamps have, and the sink says the same of its own', () => {
  const to = new Clocked();
  const first = to.media(0, { transitMs: 30 });
  const before = to.told(1000);
  assert.ok(Math.abs(distance(before.report.ntp, ours(1000))) < 1e-6, 'our clock until then');
  assert.equal(before.cname, 'doubletrack');
  to.report(1000);
  const last = to.media(2000, { transitMs: 45 });
  assert.equal(last - first, 16_000);
  const { report, cname } = to.told(3000);
  assert.equal(cname, 'alice@example.com');
  assert.equal(report.rtpTimestamp, last + (3000 - 2045) * 8, 'advanced to now');
  const ofSource = to.ntp(2000) + (BigInt(report.rtpTimestamp - last) << 32n) / 8000n;
  assert.ok(Math.abs(distance(report.ntp, ofSource)) < 1e-6);
  assert.deepEqual([report.packets, report.octets], [2, 320], 'counts are its own');
});

test('whatever is lost, late and paused: each packet has the NTP time at the sink that it has at the source', () => {
  const step = fc.record({
    afterMs: fc.integer({ min: 1, max: 400 }).map((steps) => steps * 20),
    act: fc.constantFrom('media', 'media', 'report', 'pause', 'resume'),
    transitMs: fc.nat(80),
  });
  const run = fc.record({
    steps: fc.array(step, { minLength: 1, maxLength: 60 }),
    clockRate: fc.constantFrom(8000, 16_000, 48_000),
    ntp0: fc.bigInt({ min: 1n, max: (1n << 64n) - 1n }),
    timestamp0: fc.nat(0xffff_ffff),
    firstTimestamp: fc.nat(0xffff_ffff),
  });
  fc.assert(
    fc.property(run, ({ steps, ...clocks }) => {
      const to = new Clocked(clocks);
      let atMs = 0;
      let isPaused = false;
      let last = { atMs, own: to.media(0) };
      to.report(0);
      for (const { afterMs, act, transitMs } of steps) {
        atMs += afterMs;
        if (act === 'report') to.report(atMs);
        else if (act !== 'media') {
          isPaused = act === 'pause';
          to.rig.core.sinks.setPaused(0, isPaused);
        } else if (!isPaused) last = { atMs, own: to.media(atMs, { transitMs }) };
        const { report, cname } = to.told(atMs + 100);
        const since = (report.rtpTimestamp - last.own) | 0;
        const expected = to.ntp(last.atMs) + (BigInt(since) << 32n) / BigInt(to.clockRate);
        assert.ok(Math.abs(distance(report.ntp, expected)) < 1e-3, `${distance(report.ntp, expected)} s`);
        assert.equal(cname, 'alice@example.com');
      }
    }),
    { numRuns: 200 },
  );
});

test('what says nothing of the source leaves the clock ours', () => {
  const to = new Clocked();
  to.report(0);
  to.media(20);
  const isOurs = () => assert.equal(to.told(1000).cname, 'doubletrack');
  isOurs(); // it came before the source had an epoch
  to.report(40, { ssrc: 9 });
  isOurs();
  to.report(40, { ntp: 0n }); // RFC 3550 6.4.1: a sender that has no clock
  isOurs();
  to.report(40);
  assert.equal(to.told(1000).cname, 'alice@example.com');
  to.media(60, { ssrc: 2, seq: 30_000 });
  isOurs(); // another source, with a clock of its own
  to.report(80, { ssrc: 2, cname: null });
  assert.equal(to.told(1000).cname, '00000002', "a clock without a name is nobody else's");
});

test('source descriptions that are damaged at random give a name that fits, or none', () => {
  const to = new Clocked();
  to.media(0);
  const sr: RtcpPacket = { type: 'sr', ssrc: SSRC, ntp: 1n, rtpTimestamp: 1, packets: 3, octets: 9, blocks: [] };
  const items = [1, 2, 3].map((type) => ({ type, text: 'a'.repeat(17 * type) }));
  const whole = Buffer.from(buildRtcp([sr, { type: 'sdes', chunks: [{ ssrc: SSRC, items }] }]));
  const random = randomNumbers(3);
  const names = new Set<string>();
  for (let n = 0; n < 20_000; n++) {
    const packet = Buffer.from(whole);
    for (let damage = 0; damage <= n % 3; damage++)
      packet[28 + Math.floor(random() * (packet.length - 28))] = random() * 256;
    to.rig.rtcp(packet, n);
    names.add(to.told(1000).cname);
  }
  assert.ok(names.has('a'.repeat(17)) && names.size > 10);
  assert.equal(to.rig.core.memory.streamCounters(0).received, 1);
});
