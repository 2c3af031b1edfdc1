/** Extended sequence numbers, duplicates, loss, jitter and epochs, against models that are written another way. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { KIND_DUPLICATE, KIND_RTP } from '../../src/journal/format.ts';
import { decodeReport, Rig, randomNumbers, rtp, SSRC, STATUS, senderReport } from './rig.ts';

const FIRST_CYCLE = 0x10000;
/** As far back as duplicates are recognised. */
const WINDOW = 1024;

interface Sent {
  /** Position in the sender's order; its sequence number without wrapping. */
  position: number;
  arrivalUs: number;
}

/** What a network makes of a stream: loss, copies, and delays that reorder, all within the window. */
function impaired(packets: number, random: () => number): Sent[] {
  const sent: Sent[] = [];
  for (let position = 0; position < packets; position++) {
    const copies = random() < 0.05 ? 0 : random() < 0.03 ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      const delayed = random() < 0.05 ? random() * 400 : random();
      sent.push({ position, arrivalUs: Math.round((position + delayed) * 20_000) });
    }
  }
  return sent.toSorted((a, b) => a.arrivalUs - b.arrivalUs);
}

test('RFC 3550 A.1: extended sequence numbers over wraps, with loss, reordering and copies', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 0xffff }), fc.integer(), (firstSeq, seed) => {
      const rig = new Rig();
      const sent = impaired(3_000, randomNumbers(seed));
      const seen = new Set<number>();
      for (const { position, arrivalUs } of sent) {
        const status = rig.rtp(rtp({ seq: firstSeq + position, timestamp: position * 160 }), arrivalUs);
        assert.equal(status, seen.has(position) ? STATUS.duplicate : STATUS.received);
        seen.add(position);
      }
      const first = sent[0]!.position;
      const base = FIRST_CYCLE + ((firstSeq + first) & 0xffff) - first;
      const told = rig.records();
      assert.equal(told.length, sent.length);
      for (const [i, { position }] of sent.entries()) assert.equal(told[i]!.extSeq, base + position);
      assert.ok(told.every(({ epoch }) => epoch === 0));
      assert.equal(rig.core.wasm.lost(0), Math.max(...seen) - Math.min(...seen) + 1 - seen.size);
      assert.deepEqual([rig.counters.received, rig.counters.duplicate], [seen.size, sent.length - seen.size]);
    }),
    { numRuns: 20, seed: 3550 },
  );
});

test('RFC 3550 A.1: three wraps of the sequence number', () => {
  const rig = new Rig();
  const cycles = 3 * 0x10000 + 17;
  const empty = new Uint8Array(0);
  for (let position = 0; position < cycles; position++) {
    if (position % 7 === 3) continue;
    rig.rtp(rtp({ seq: 65_000 + position, timestamp: position * 160, payload: empty }), position * 20_000);
    if (position % 10_000 !== 0) continue;
    const told = rig.records();
    assert.equal(told.at(-1)!.extSeq, FIRST_CYCLE + 65_000 + position);
  }
  assert.equal(rig.records().at(-1)!.extSeq, FIRST_CYCLE + 65_000 + cycles - 1);
  assert.equal(rig.report(0)!.extHighestSeq, 65_000 + cycles - 1);
  assert.equal(rig.core.wasm.lost(0), Math.ceil((cycles - 3) / 7));
});

test('a packet older than the first keeps a positive number, and expected counts it', () => {
  const rig = new Rig();
  for (const seq of [2, 0xffff, 1, 0]) rig.rtp(rtp({ seq, timestamp: ((seq << 16) >> 16) * 160 }), 0);
  assert.deepEqual(
    rig.records().map(({ extSeq }) => extSeq - FIRST_CYCLE),
    [2, -1, 1, 0],
  );
  assert.equal(rig.core.wasm.lost(0), 0);
});

test('a duplicate goes into the journal as its header alone', () => {
  const rig = new Rig();
  const secret = Buffer.from('the payload of a copy');
  rig.rtp(rtp({ seq: 5 }), 0);
  assert.equal(rig.rtp(rtp({ seq: 5, payload: secret }), 10), STATUS.duplicate);
  const [first, copy] = rig.records();
  assert.deepEqual([first!.kind, copy!.kind, copy!.extSeq], [KIND_RTP, KIND_DUPLICATE, FIRST_CYCLE + 5]);
  assert.deepEqual(Buffer.from(copy!.payload), rtp({ seq: 5 }).subarray(0, 12));
});

test('a copy beyond the window is kept whole: the finaliser tells it apart', () => {
  for (const behind of [WINDOW - 1, WINDOW]) {
    const rig = new Rig();
    for (let seq = 0; seq <= behind; seq++) rig.rtp(rtp({ seq, timestamp: seq * 160 }), seq * 20_000);
    const status = rig.rtp(rtp({ seq: 0, timestamp: 0 }), behind * 20_000);
    assert.equal(status, behind < WINDOW ? STATUS.duplicate : STATUS.received);
  }
});

/** RFC 3550 section 6.4.1 in floating point. */
class JitterModel {
  jitter = 0;
  #transit: number | null = null;
  packet(timestamp: number, arrivalUs: number): void {
    const transit = Math.floor((arrivalUs * 8000) / 1e6) - timestamp;
    if (this.#transit !== null) this.jitter += (Math.abs(transit - this.#transit) - this.jitter) / 16;
    this.#transit = transit;
  }
}

test('RFC 3550 A.8: interarrival jitter agrees with the definition in floating point', () => {
  for (const seed of [1, 2, 3]) {
    const random = randomNumbers(seed);
    const rig = new Rig();
    const model = new JitterModel();
    for (let seq = 0; seq < 5_000; seq++) {
      const arrivalUs = seq * 20_000 + Math.floor(random() * (seq < 2_500 ? 30_000 : 3_000));
      rig.rtp(rtp({ seq, timestamp: seq * 160 }), arrivalUs);
      model.packet(seq * 160, arrivalUs);
      if (seq % 100 !== 99) continue;
      rig.records();
      const { jitter } = rig.report(arrivalUs)!;
      assert.ok(Math.abs(jitter - model.jitter) <= 1.5, `packet ${seq}: ${jitter}, model ${model.jitter}`);
    }
  }
});

test('RFC 3550 section 8: another SSRC begins an epoch with numbers of its own', () => {
  const rig = new Rig();
  rig.rtp(rtp({ seq: 100 }), 0);
  rig.rtp(rtp({ seq: 102 }), 20_000);
  rig.rtp(rtp({ seq: 7, ssrc: 0x0101_0101 }), 40_000);
  rig.rtp(rtp({ seq: 8, ssrc: 0x0101_0101 }), 60_000);
  assert.deepEqual(
    rig.records().map(({ epoch, extSeq }) => [epoch, extSeq - FIRST_CYCLE]),
    [
      [0, 100],
      [0, 102],
      [1, 7],
      [1, 8],
    ],
  );
  assert.equal(rig.core.wasm.lost(0), 1, 'in the first one');
  assert.equal(rig.counters.received, 4, 'of both');
});

test('RFC 3550 A.1: a sender that starts again elsewhere begins an epoch', () => {
  const rig = new Rig();
  rig.rtp(rtp({ seq: 100, timestamp: 0 }), 0);
  rig.rtp(rtp({ seq: 20_000, timestamp: 900_000_000 }), 20_000);
  rig.rtp(rtp({ seq: 20_001, timestamp: 900_000_160 }), 40_000);
  assert.deepEqual(
    rig.records().map(({ epoch }) => epoch),
    [0, 1, 1],
  );
});

test('RFC 3550 A.1: a sender that starts again a little further back is not taken for copies of itself', () => {
  const rig = new Rig();
  for (let i = 0; i < 500; i++) rig.rtp(rtp({ seq: 1_000 + i, timestamp: i * 160 }), i * 20_000);
  for (let i = 0; i < 500; i++)
    rig.rtp(rtp({ seq: 1_100 + i, timestamp: 2_400_000_000 + i * 160 }), (500 + i) * 20_000);
  const records = rig.records();
  assert.equal(records.filter(({ kind }) => kind === KIND_RTP).length, 1_000);
  assert.deepEqual([...new Set(records.map(({ epoch }) => epoch))], [0, 1]);
});

test('RFC 3550 A.1: a jump with which the timestamp went on is an outage: what is missing was lost', () => {
  const rig = new Rig();
  const missing = 4_000;
  rig.rtp(rtp({ seq: 100, timestamp: 1_000 }), 0);
  rig.rtp(rtp({ seq: 101 + missing, timestamp: 1_000 + (missing + 1) * 160 }), (missing + 1) * 20_000);
  assert.deepEqual(
    rig.records().map(({ epoch, extSeq }) => [epoch, extSeq - FIRST_CYCLE]),
    [
      [0, 100],
      [0, 101 + missing],
    ],
  );
  assert.equal(rig.core.wasm.lost(0), missing);
});

test('an outage across the wrap', () => {
  const rig = new Rig();
  rig.rtp(rtp({ seq: 65_000, timestamp: 0xffff_ff00 }), 0);
  rig.rtp(rtp({ seq: 65_000 + 10_000, timestamp: 0xffff_ff00 + 1_600_000 }), 200_000_000);
  assert.equal(rig.records().at(-1)!.extSeq, FIRST_CYCLE + 75_000);
});

test('RFC 3550 section 6.4.1: fraction lost, cumulative lost, last SR and the delay since', () => {
  const rig = new Rig();
  rig.rtcp(senderReport(SSRC, 0x1111_2222_3333_4444n), 1_000_000);
  for (const seq of [10, 11, 12, 14, 15, 16, 18, 19]) rig.rtp(rtp({ seq, timestamp: seq * 160 }), seq * 20_000);
  const first = rig.report(3_000_000)!;
  assert.deepEqual(
    { ...first, jitter: 0 },
    {
      ...{ ssrc: SSRC, fractionLost: Math.floor((2 * 256) / 10), cumulativeLost: 2, extHighestSeq: 19, jitter: 0 },
      ...{ lastSr: 0x2222_3333, delaySinceLastSr: 2 * 65_536 },
    },
  );
  assert.equal(rig.report(3_500_000)!.fractionLost, 0, 'nothing since');
  rig.rtp(rtp({ seq: 13, timestamp: 13 * 160 }), 3_500_000);
  const late = rig.report(4_000_000)!;
  assert.deepEqual([late.fractionLost, late.cumulativeLost], [0, 1], 'more came than were expected');
});

test('RFC 3550 section 6.4.2: no report block before the first packet', () => {
  const rig = new Rig();
  const report = Buffer.from(rig.core.receiverReport(0, 0n, Buffer.from('doubletrack'))!);
  assert.equal(decodeReport(report), null);
  assert.equal(
    report.toString('hex'),
    `80c9000112345678${'81ca000512345678010b'}${Buffer.from('doubletrack').toString('hex')}000000`,
  );
});

test('RFC 3550 section 6.5: the CNAME item ends with at least one zero, at a multiple of four', () => {
  const rig = new Rig();
  for (let length = 1; length < 256; length++) {
    const report = Buffer.from(rig.core.receiverReport(0, 0n, Buffer.alloc(length, 0x61))!);
    assert.equal(report.length % 4, 0);
    assert.equal((report.readUInt16BE(10) + 1) * 4, report.length - 8);
    assert.equal(report[17], length);
    assert.equal(report.at(-1), 0);
    assert.ok(report.length - 18 - length <= 4);
  }
});

test('RFC 3550 section 6.4.1: the last SR is that of the present source', () => {
  const rig = new Rig();
  rig.rtp(rtp({ seq: 1 }), 0);
  rig.rtcp(senderReport(0x0bad_0bad), 1_000);
  assert.equal(rig.report(2_000)!.lastSr, 0, 'a report of somebody else');
  rig.rtcp(senderReport(SSRC), 3_000);
  assert.notEqual(rig.report(4_000)!.lastSr, 0);
  rig.rtp(rtp({ seq: 2, ssrc: 0x0101_0101 }), 5_000);
  assert.equal(rig.report(6_000)!.lastSr, 0, 'another source');
});

test('two sources that alternate keep two epochs, not one per packet', () => {
  const rig = new Rig();
  for (let i = 0; i < 50; i++) {
    rig.rtp(rtp({ seq: 65_530 + i, timestamp: i * 160 }), i * 20_000);
    rig.rtp(rtp({ seq: 7 + i, ssrc: 0x0101_0101, timestamp: i * 160 }), i * 20_000 + 10);
  }
  const told = rig.records();
  assert.deepEqual(
    told.map(({ epoch, extSeq }) => [epoch, extSeq - FIRST_CYCLE]),
    Array.from({ length: 50 }, (_, i) => [
      [0, 65_530 + i],
      [1, 7 + i],
    ]).flat(),
  );
  assert.equal(rig.counters.received, 100);
});

test('RFC 3550 A.1: a stray packet from far away does not end the epoch', () => {
  const rig = new Rig();
  for (let seq = 0; seq < 10; seq++) rig.rtp(rtp({ seq, timestamp: seq * 160 }), seq * 20_000);
  rig.rtp(rtp({ seq: 30_000, timestamp: 0x7777_7777 }), 200_000);
  for (let seq = 10; seq < 20; seq++) rig.rtp(rtp({ seq, timestamp: seq * 160 }), seq * 20_000 + 20_000);
  const epochs = rig.records().map(({ epoch }) => epoch);
  assert.deepEqual(epochs, [...Array(10).fill(0), 1, ...Array(10).fill(0)]);
  assert.equal(rig.core.wasm.lost(0), 0);
});
