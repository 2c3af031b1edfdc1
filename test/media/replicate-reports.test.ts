/** What receivers report of their sinks, and what is refused: in the core, with a clock that the test moves. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { addressBytes } from '../../src/media/address.ts';
import { buildRtcp, parseRtcp, type ReportBlock, type RtcpPacket } from '../../src/media/rtcp.ts';
import { Secret, SRTP_SUITES, type SrtpKeys, type SrtpSuite } from '../../src/media/srtp.ts';
import { Rig, randomNumbers, rtp, type Sender, SOURCE, STATUS } from './rig.ts';
import { deriveSession, protectRtcp } from './srtp/oracle.ts';

const SENDERS = 1;
const RECEIVER: Sender = { address: '198.51.100.9', port: 50_001 };
const UNAUTHENTICATED = 8;
const CNAME = Buffer.from('doubletrack');
const SETTINGS = { stream: 0, clockRate: 8000, payloadTypes: [], paused: false, firstSeq: 7, firstTimestamp: 9 };
const NOTHING = { receiverReport: null, bye: false, invalidReports: 0, unauthenticatedReports: 0 };

/** A stream, and a second one that receives nothing: sinks leave from there, as they do in a lane. */
class ReportRig extends Rig {
  constructor() {
    super();
    this.open(SENDERS, { remote: { address: addressBytes('0.0.0.0'), rtpPort: 0, rtcpPort: 0 } });
  }

  sink(sink: number, { to = RECEIVER, via = SENDERS, keys, reports }: SinkTo = {}): void {
    const { core } = this;
    const ssrc = ssrcOf(sink);
    if (keys) core.srtp.openSink(sink, keys, reports);
    core.sinks.write(sink, {
      ...SETTINGS,
      via,
      ssrc,
      isSrtp: keys !== undefined,
      hasReportKeys: reports !== undefined,
    });
    core.wasm.openSink(sink);
    core.setSinkReceiver(sink, addressBytes(to.address), to.port);
  }

  close(sink: number): void {
    this.core.wasm.closeSink(sink);
    this.core.srtp.closeSink(sink);
  }

  /** @returns the status. */
  hear(packet: Uint8Array, atUs = 1_000_000, from = RECEIVER, via = SENDERS): number {
    return this.rtcp(packet, atUs, from, via);
  }

  /** What the stats of a sink say of its receiver. */
  told(sink: number) {
    const { receiverReport, bye, invalidReports, unauthenticatedReports } = this.core.sinks.counts(sink);
    return { receiverReport, bye, invalidReports, unauthenticatedReports };
  }
}

interface SinkTo {
  to?: Sender;
  via?: number;
  keys?: SrtpKeys;
  reports?: SrtpKeys;
}

const ssrcOf = (sink: number) => 0x5000_0000 + sink;

function newKeys(suite: SrtpSuite) {
  const { masterKeyBytes, masterSaltBytes } = SRTP_SUITES[suite];
  const keyAndSalt = randomBytes(masterKeyBytes + masterSaltBytes);
  const keys: SrtpKeys = { suite, keys: [{ keyAndSalt: new Secret(keyAndSalt), mki: null }] };
  return { keys, session: deriveSession({ suite, keyAndSalt }) };
}

const block = (sink: number, fields: Partial<ReportBlock> = {}): ReportBlock => ({
  ...{ ssrc: ssrcOf(sink), fractionLost: 64, cumulativeLost: -3, highestSeq: 0x1_0203, jitter: 80, lastSr: 0 },
  delaySinceLastSr: 0,
  ...fields,
});
const sdes: RtcpPacket = { type: 'sdes', chunks: [{ ssrc: 1, items: [{ type: 1, text: 'recorder' }] }] };
const rr = (...blocks: ReportBlock[]) => buildRtcp([{ type: 'rr', ssrc: 1, blocks }, sdes]);
const bye = (...ssrcs: number[]) =>
  buildRtcp([{ type: 'rr', ssrc: 1, blocks: [] }, sdes, { type: 'bye', ssrcs, reason: null }]);

const REPORTED = {
  ...{ fractionLost: 0.25, cumulativeLost: -3, highestSeq: 0x1_0203, jitterMs: 10, roundTripMs: null },
  atMs: 1000,
};

test('RFC 3550 6.4.1: what the receiver reports of its sink, and of no other', () => {
  const rig = new ReportRig();
  for (const sink of [3, 4]) rig.sink(sink);
  rig.sink(5, { to: { ...RECEIVER, port: 50_003 } });
  assert.equal(rig.hear(rr(block(9), block(4), block(5))), STATUS.rtcp);
  assert.deepEqual(rig.told(4), { ...NOTHING, receiverReport: REPORTED });
  assert.deepEqual([rig.told(3), rig.told(5)], [NOTHING, NOTHING], 'the other, and one of another receiver');
  const extremes = { fractionLost: 255, cumulativeLost: 0x7f_ffff, highestSeq: 0xffff_ffff, jitter: 0xffff_ffff };
  assert.equal(rig.hear(rr(block(4, extremes)), 3_000_000), STATUS.rtcp);
  const { jitter, ...same } = extremes;
  assert.deepEqual(rig.told(4).receiverReport, {
    ...{ ...same, fractionLost: 255 / 256, jitterMs: jitter / 8, roundTripMs: null, atMs: 3000 },
  });
  const sr: RtcpPacket = {
    ...{ type: 'sr', ssrc: 1, ntp: 1n, rtpTimestamp: 1, packets: 1, octets: 1 },
    blocks: [block(3)],
  };
  assert.equal(rig.hear(buildRtcp([sr, sdes])), STATUS.rtcp);
  assert.deepEqual(rig.told(3).receiverReport, REPORTED, 'in a sender report too');
  assert.equal(rig.rtp(rr(block(3)), 4_000_000, RECEIVER, SENDERS), STATUS.rtcp, 'RFC 5761: at the RTP port');
  assert.equal(rig.told(3).receiverReport?.atMs, 4000);
});

test('only the receiver of a sink reports of it', () => {
  const rig = new ReportRig();
  rig.sink(3);
  const strangers: [Sender, number][] = [
    [{ ...RECEIVER, address: '198.51.100.8' }, SENDERS],
    [{ ...RECEIVER, port: 50_000 }, SENDERS],
    [RECEIVER, 0],
  ];
  for (const [from, via] of strangers) assert.equal(rig.hear(rr(block(3)), 1, from, via), STATUS.unauthorised);
  assert.equal(rig.rtp(rtp(), 1, RECEIVER, SENDERS), STATUS.unauthorised, 'no media is taken of it');
  rig.close(3);
  assert.equal(rig.hear(rr(block(3))), STATUS.unauthorised, 'it is removed');
  assert.deepEqual(rig.told(3), NOTHING);
  assert.equal(rig.core.memory.streamCounters(SENDERS).unauthorised, 4);
});

test('the round trip is what is left of the time since the sender report that the block names', () => {
  const rig = new ReportRig();
  rig.sink(3);
  rig.rtp(rtp(), 0);
  rig.core.wasm.replicate(1, 1);
  const sent = [10, 15, 20].map((seconds) => {
    const report = rig.core.sinkReport(3, BigInt(seconds * 1e6), 1.7e12 + seconds * 1000, CNAME)!;
    return Buffer.from(report).readUInt32BE(10);
  });
  const roundTrip = (lastSr: number, delaySinceLastSr: number, atUs: number) => {
    assert.equal(rig.hear(rr(block(3, { lastSr, delaySinceLastSr })), atUs), STATUS.rtcp);
    return rig.told(3).receiverReport!.roundTripMs;
  };
  assert.equal(roundTrip(sent[2]!, 65_536 / 2, 20_580_000), 80);
  assert.equal(roundTrip(sent[1]!, 65_536 * 5, 20_580_000), 580, 'the one before may have been the newest there');
  assert.equal(roundTrip(sent[0]!, 0, 20_580_000), null, 'an older one is forgotten');
  assert.equal(roundTrip(sent[2]!, 0xffff_ffff, 20_580_000), 0, 'a receiver that says it held it longer');
  assert.equal(roundTrip(0, 0, 20_580_000), null, 'none has come there');
});

for (const suite of ['AES_CM_128_HMAC_SHA1_80', 'AEAD_AES_256_GCM'] as const) {
  test(`RFC 3711: reports of a sink with keys count under the receiver's, ${suite}`, () => {
    const rig = new ReportRig();
    const [send, receive, other] = [newKeys(suite), newKeys(suite), newKeys(suite)];
    const deaf = { ...RECEIVER, port: 50_003 };
    rig.sink(3, { keys: send.keys, reports: receive.keys });
    rig.sink(4, { to: deaf, keys: send.keys });
    const report = Buffer.from(rr(block(3)));
    const sealed = protectRtcp(receive.session.rtcp, 1, report, true);
    assert.equal(rig.hear(report), UNAUTHENTICATED, 'in the clear');
    assert.equal(rig.hear(protectRtcp(other.session.rtcp, 1, report, true)), UNAUTHENTICATED, 'under other keys');
    assert.equal(rig.hear(protectRtcp(send.session.rtcp, 1, report, true)), UNAUTHENTICATED, 'under ours');
    assert.deepEqual(rig.told(3), { ...NOTHING, unauthenticatedReports: 3 });
    assert.equal(rig.hear(sealed), STATUS.rtcp);
    assert.deepEqual(rig.told(3), { ...NOTHING, unauthenticatedReports: 3, receiverReport: REPORTED });
    assert.equal(rig.hear(sealed, 2_000_000), STATUS.duplicate, 'a replay');
    assert.equal(rig.told(3).receiverReport?.atMs, 1000);
    for (const packet of [
      Buffer.from(rr(block(4))),
      protectRtcp(send.session.rtcp, 1, Buffer.from(rr(block(4))), true),
    ]) {
      assert.equal(rig.hear(packet, 1, deaf), UNAUTHENTICATED, 'nobody knows the keys');
    }
    assert.deepEqual(rig.told(4), { ...NOTHING, unauthenticatedReports: 2 });
  });
}

test('RFC 4961: a party that is anchored reports of what it hears, beside what it sends', () => {
  const rig = new ReportRig();
  const party = { address: SOURCE.address, port: SOURCE.rtcpPort };
  rig.sink(3, { to: party, via: 0 });
  rig.sink(4, { to: party, via: 0, keys: newKeys('AES_CM_128_HMAC_SHA1_80').keys });
  assert.equal(rig.hear(rr(block(3), block(4)), 1_000_000, party, 0), STATUS.rtcp);
  assert.equal(rig.records().length, 1, 'it is recorded as every report of the source');
  assert.deepEqual(rig.told(3), { ...NOTHING, receiverReport: REPORTED });
  assert.deepEqual(
    rig.told(4),
    { ...NOTHING, unauthenticatedReports: 1 },
    'what is in the clear says nothing of this one',
  );
  assert.equal(rig.hear(bye(1), 2_000_000, party, 0), STATUS.rtcp);
  assert.deepEqual([rig.told(3).bye, rig.told(4).bye], [true, false]);
});

test('RFC 3550 6.6: a receiver that says BYE is gone until it reports again', () => {
  const rig = new ReportRig();
  for (const sink of [3, 4]) rig.sink(sink);
  assert.equal(rig.hear(bye(77)), STATUS.rtcp);
  assert.equal(rig.told(3).bye, false, 'somebody else of its session');
  assert.equal(rig.hear(bye(77, 1)), STATUS.rtcp);
  assert.deepEqual([rig.told(3), rig.told(4)], Array(2).fill({ ...NOTHING, bye: true }));
  assert.equal(rig.hear(rr(block(4))), STATUS.rtcp);
  assert.deepEqual([rig.told(3).bye, rig.told(4).bye], [true, false]);
});

test('reports that are cut or damaged at random change nothing but counters, and nothing traps', () => {
  const rig = new ReportRig();
  for (const sink of [3, 4]) rig.sink(sink);
  const whole = Buffer.from(
    buildRtcp([
      { type: 'rr', ssrc: 1, blocks: [block(3), block(4)] },
      sdes,
      { type: 'bye', ssrcs: [5, 6], reason: 'over' },
    ]),
  );
  for (let length = 0; length < whole.length; length++) {
    const status = rig.hear(whole.subarray(0, length));
    const isWhole = length === 56 || length === 76; // between packets
    assert.equal(status, length < 8 ? STATUS.unauthorised : isWhole ? STATUS.rtcp : STATUS.invalid, `${length} bytes`);
  }
  const before = rig.told(4);
  const tooMany = Buffer.from(rr(block(4, { jitter: 8 })));
  tooMany[0]! += 1;
  assert.equal(rig.hear(tooMany, 9_000_000), STATUS.invalid, 'a block more than there is');
  assert.deepEqual(rig.told(4), { ...before, invalidReports: before.invalidReports + 1 });
  const random = randomNumbers(7);
  for (let n = 0; n < 20_000; n++) {
    const packet = Buffer.from(whole);
    for (let damage = 0; damage <= n % 4; damage++) packet[Math.floor(random() * packet.length)] = random() * 256;
    const status = rig.hear(packet.subarray(0, 4 * Math.ceil((random() * packet.length) / 4)), n);
    assert.ok([STATUS.rtcp, STATUS.invalid, STATUS.unauthorised].includes(status as 1));
  }
});

test('sinks that come, go and share receivers at random: a report reaches those of its receiver that it names', () => {
  const step = fc.record({ sink: fc.nat(30), to: fc.nat(3), via: fc.constantFrom(0, SENDERS), act: fc.nat(2) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const rig = new ReportRig();
      const open = new Map<number, { to: number; via: number; atMs: number }>();
      const receiver = (to: number) => ({ address: `198.51.100.${to >> 1}`, port: 50_001 + 2 * (to & 1) });
      for (const [n, { sink, to, via, act }] of steps.entries()) {
        if (act === 0 && !open.has(sink)) {
          rig.sink(sink, { to: receiver(to), via });
          open.set(sink, { to, via, atMs: 0 });
        } else if (act === 1) {
          rig.close(sink);
          open.delete(sink);
        } else {
          const named = [sink, sink + 1, sink + 2];
          rig.hear(rr(...named.map((one) => block(one))), (n + 1) * 1000, receiver(to), via);
          for (const one of named) {
            const state = open.get(one);
            if (state?.to === to && state.via === via) state.atMs = n + 1;
          }
        }
      }
      for (const [sink, { atMs }] of open) assert.equal(rig.told(sink).receiverReport?.atMs ?? 0, atMs);
    }),
    { numRuns: 200 },
  );
});

test('RFC 3550 6.3.7, 6.6: a sink that has told something ends with BYE', () => {
  const rig = new ReportRig();
  rig.sink(3);
  const told = (atUs: bigint, isLast: boolean) => {
    const packet = rig.core.sinkReport(3, atUs, 1.7e12, CNAME, isLast);
    return packet && parseRtcp(Buffer.from(packet))!.map(({ type }) => type);
  };
  assert.equal(told(1n, true), null, 'nobody has heard of it');
  assert.deepEqual(told(2n, false), ['rr', 'sdes'], 'a receiver, of nothing');
  assert.deepEqual(told(3n, true), ['rr', 'sdes', 'bye']);
  rig.sink(4);
  rig.rtp(rtp(), 4);
  assert.equal(rig.core.wasm.replicate(1, 1), 2);
  assert.deepEqual(told(5n, true), ['sr', 'sdes', 'bye']);
});

test('RFC 3711: what an anchored party reports comes under the keys of its own stream', () => {
  const rig = new ReportRig();
  const [receive, send, ofSink] = Array.from({ length: 3 }, () => newKeys('AEAD_AES_128_GCM'));
  const party = { address: SOURCE.address, port: SOURCE.rtcpPort };
  rig.core.srtp.open(2, { receive: receive!.keys, send: send!.keys }, 0);
  rig.open(2, { isSrtp: true });
  rig.sink(3, { to: party, via: 2, keys: ofSink!.keys });
  const report = Buffer.from(rr(block(3)));
  assert.equal(rig.hear(report, 1, party, 2), UNAUTHENTICATED);
  assert.equal(rig.told(3).receiverReport, null);
  assert.equal(rig.hear(protectRtcp(receive!.session.rtcp, 1, report, true), 1_000_000, party, 2), STATUS.rtcp);
  assert.deepEqual(rig.told(3), { ...NOTHING, receiverReport: REPORTED });
});
