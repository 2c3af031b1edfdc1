/** RFC 6263: when a sink's way is kept open, and by what, with a clock that the test moves. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Destination, SinkSetup } from '../../src/media/lane-protocol.ts';
import { parseRtcp } from '../../src/media/rtcp.ts';
import { REPORT_MS, SinkReports } from '../../src/media/sink-reports.ts';
import { Rig, rtp } from './rig.ts';

const RTP_PORT = 40_000;
const SETUP: SinkSetup = {
  ...{ stream: 0, via: 5, clockRate: 8000, payloadTypes: [], paused: false, ssrc: 9, firstSeq: 1, firstTimestamp: 1 },
  ...{ remote: 'learned', srtp: null, receiveSrtp: null, keepAliveMs: 15_000, lookBackSeconds: 0 },
};

interface Datagram {
  atMs: number;
  via: number;
  channel: number;
  bytes: Uint8Array;
  port: number;
}

/** A sink, and what has left for it beside media. */
class Kept {
  readonly rig = new Rig();
  readonly sent: Datagram[] = [];
  readonly #reports: SinkReports;
  readonly #setup: SinkSetup;
  #atMs = 0;
  #seq = 0;

  constructor(to: Partial<Destination> = {}, keepAliveMs = SETUP.keepAliveMs) {
    this.#setup = { ...SETUP, keepAliveMs };
    const destination = { address: '192.0.2.9', rtpPort: RTP_PORT, ...to };
    const sendFrom = (via: number, channel: number, packet: Uint8Array, _address: string, port: number) => {
      this.sent.push({ atMs: this.#atMs, via, channel, bytes: packet.slice(), port });
    };
    this.#reports = new SinkReports(this.rig.core, { sendFrom }, () => destination, Buffer.from('doubletrack'));
    this.rig.core.sinks.write(0, { ...SETUP, isSrtp: false });
    this.rig.core.wasm.openSink(0);
    this.#reports.open(0, 0n);
  }

  media(atMs: number): void {
    this.rig.rtp(rtp({ seq: ++this.#seq, timestamp: atMs * 8 }), atMs * 1000);
    this.rig.core.wasm.replicate(1, 1);
  }

  turn(atMs: number): void {
    this.#atMs = atMs;
    this.#reports.send(0, this.#setup, BigInt(atMs * 1000));
  }
}

test('an RTP port that hears nothing gets an empty datagram before 15 s are over, from where media leaves', () => {
  const sink = new Kept({ rtcpPort: RTP_PORT + 1 });
  for (let atMs = 0; atMs < 20_000; atMs += 20) sink.media(atMs);
  for (let atMs = 5_000; atMs <= 60_000; atMs += REPORT_MS) sink.turn(atMs);
  const kept = sink.sent.filter(({ bytes }) => bytes.length === 0);
  assert.deepEqual(
    kept.map(({ atMs, via, channel, port }) => ({ atMs, via, channel, port })),
    [30_000, 45_000, 60_000].map((atMs) => ({ atMs, via: 5, channel: 0, port: RTP_PORT })),
  );
  const reports = sink.sent.filter(({ bytes }) => bytes.length > 0);
  assert.deepEqual(new Set(reports.map(({ channel, port }) => `${channel} ${port}`)), new Set([`1 ${RTP_PORT + 1}`]));
  assert.equal(reports.length, 12, 'the RTCP flow has its reports');
});

test('with rtcp-mux the reports keep the way open, also of a sink that has sent nothing', () => {
  const sink = new Kept({ rtcpPort: RTP_PORT });
  for (let atMs = 5_000; atMs <= 60_000; atMs += REPORT_MS) sink.turn(atMs);
  assert.equal(sink.sent.length, 12);
  for (const { channel, port, bytes } of sink.sent) {
    assert.deepEqual([channel, port, parseRtcp(bytes)?.[0]?.type], [0, RTP_PORT, 'rr']);
  }
});

test('no silence is longer than it may be, and what is not silent is left alone', () => {
  const run = fc.record({
    gapsMs: fc.array(fc.integer({ min: 20, max: 40_000 }), { minLength: 1, maxLength: 40 }),
    keepAliveMs: fc.constantFrom(5_000, 15_000, 30_000),
    firstTurnMs: fc.integer({ min: 1, max: REPORT_MS }),
  });
  fc.assert(
    fc.property(run, ({ gapsMs, keepAliveMs, firstTurnMs }) => {
      const sink = new Kept({}, keepAliveMs);
      const heard: number[] = [0];
      let [mediaMs, turnMs] = [0, firstTurnMs];
      for (const gapMs of gapsMs) {
        mediaMs += gapMs;
        for (; turnMs <= mediaMs; turnMs += REPORT_MS) {
          const before = sink.sent.length;
          sink.turn(turnMs);
          if (sink.sent.length === before) continue;
          const silentMs = turnMs - heard.at(-1)!;
          assert.ok(silentMs > keepAliveMs - REPORT_MS, `a keep-alive after ${silentMs} ms`);
          heard.push(turnMs);
        }
        sink.media(mediaMs);
        heard.push(mediaMs);
      }
      for (const [n, atMs] of heard.entries()) assert.ok(atMs - (heard[n - 1] ?? 0) <= keepAliveMs);
    }),
    { numRuns: 200 },
  );
});
