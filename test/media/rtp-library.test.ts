/** `doubletrack/rtp`: packets written by hand after the RFC's pictures, round trips, and damage. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  buildRtcp,
  buildRtp,
  looksLikeRtcp,
  parseRtcp,
  parseRtp,
  type RtcpPacket,
  type RtpFields,
} from '../../src/media/rtp.ts';

const hex = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'));
const uint = (bits: number) => fc.integer({ min: 0, max: 2 ** bits - 1 });
/** Records with Object's prototype, as the parsers give them. */
const record = <T>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }) => fc.record<T>(fields, { noNullPrototype: true });
const octets = (max: number) => fc.uint8Array({ maxLength: max });

const RTP: fc.Arbitrary<Required<RtpFields>> = record({
  marker: fc.boolean(),
  payloadType: uint(7),
  seq: uint(16),
  timestamp: uint(32),
  ssrc: uint(32),
  csrcs: fc.array(uint(32), { maxLength: 15 }),
  extension: fc.option(
    record({
      profile: uint(16),
      data: fc
        .array(uint(32), { maxLength: 5 })
        .map((words) => Uint8Array.from(words.flatMap((w) => [w & 255, 1, 2, 3]))),
    }),
  ),
  payload: octets(200),
  paddingBytes: uint(8),
});

const BLOCK = record({
  ssrc: uint(32),
  fractionLost: uint(8),
  cumulativeLost: fc.integer({ min: -(2 ** 23), max: 2 ** 23 - 1 }),
  highestSeq: uint(32),
  jitter: uint(32),
  lastSr: uint(32),
  delaySinceLastSr: uint(32),
});
const BLOCKS = fc.array(BLOCK, { maxLength: 31 });
const REPORT: fc.Arbitrary<RtcpPacket> = fc.oneof(
  record({
    type: fc.constant('sr' as const),
    ssrc: uint(32),
    ntp: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    rtpTimestamp: uint(32),
    packets: uint(32),
    octets: uint(32),
    blocks: BLOCKS,
  }),
  record({ type: fc.constant('rr' as const), ssrc: uint(32), blocks: BLOCKS }),
);
const TEXT = fc.string({ maxLength: 60 });
const FOLLOWING: fc.Arbitrary<RtcpPacket> = fc.oneof(
  REPORT,
  record({
    type: fc.constant('sdes' as const),
    chunks: fc.array(
      record({
        ssrc: uint(32),
        items: fc.array(record({ type: fc.integer({ min: 1, max: 255 }), text: TEXT }), { maxLength: 4 }),
      }),
      { maxLength: 5 },
    ),
  }),
  record({
    type: fc.constant('bye' as const),
    ssrcs: fc.array(uint(32), { maxLength: 31 }),
    reason: fc.option(TEXT),
  }),
  record({
    type: fc.constant('other' as const),
    packetType: fc.integer({ min: 204, max: 223 }),
    count: uint(5),
    body: fc.array(uint(8), { maxLength: 8 }).map((n) => Uint8Array.from(n.flatMap((v) => [v, v, v, v]))),
  }),
);
const COMPOUND = fc.tuple(REPORT, fc.array(FOLLOWING, { maxLength: 4 })).map(([first, rest]) => [first, ...rest]);

test('RFC 3550 5.1: every field stands where the picture has it', () => {
  // V=2 P=1 X=1 CC=2, M=1 PT=8, one extension word, payload aa bb, padding 00 02
  const packet = hex('b2 88 1234 89abcdef cafebabe 00000001 fffffffe bede 0001 10ff0000 aabb 0002');
  assert.deepEqual(parseRtp(packet), {
    marker: true,
    payloadType: 8,
    seq: 0x1234,
    timestamp: 0x89abcdef,
    ssrc: 0xcafebabe,
    csrcs: [1, 0xfffffffe],
    extension: { profile: 0xbede, data: hex('10ff0000') },
    payload: hex('aabb'),
    paddingBytes: 2,
  });
});

test('RFC 3550 5.1: what is built is what is parsed', () => {
  fc.assert(
    fc.property(RTP, (fields) => {
      assert.deepEqual(parseRtp(buildRtp(fields)), fields);
    }),
  );
});

test('RFC 3550 A.1: what cannot be RTP is null', () => {
  const cases: [string, string][] = [
    ['version 1', '40 00 0001 00000000 00000001'],
    ['eleven octets', '80 00 0001 00000000 000001'],
    ['a CSRC list that is not there', '81 00 0001 00000000 00000001'],
    ['an extension without a head', '90 00 0001 00000000 00000001 0000'],
    ['an extension longer than the packet', '90 00 0001 00000000 00000001 0000 0002 00000000'],
    ['padding of nothing', 'a0 00 0001 00000000 00000001 00'],
    ['padding longer than the payload', 'a0 00 0001 00000000 00000001 02'],
  ];
  for (const [what, text] of cases) assert.equal(parseRtp(hex(text)), null, what);
  assert.equal(parseRtp(hex('a0 00 0001 00000000 00000001 01'))?.payload.length, 0, 'a packet of padding alone');
});

test('RFC 3550 5.1: a field that does not fit is refused', () => {
  const good = { payloadType: 0, seq: 0, timestamp: 0, ssrc: 0, payload: new Uint8Array(0) };
  for (const bad of [
    { payloadType: 128 },
    { seq: 65536 },
    { seq: -1 },
    { timestamp: 2 ** 32 },
    { ssrc: 0.5 },
    { csrcs: new Array<number>(16).fill(0) },
    { csrcs: [2 ** 32] },
    { paddingBytes: 256 },
    { extension: { profile: 0, data: new Uint8Array(3) } },
  ]) {
    assert.throws(() => buildRtp({ ...good, ...bad }), RangeError, JSON.stringify(bad));
  }
});

test('RFC 5761 4: RTP and RTCP on one port', () => {
  for (let type = 0; type < 256; type++) {
    assert.equal(looksLikeRtcp(Uint8Array.of(0x80, type)), type >= 192 && type <= 223, `second octet ${type}`);
  }
  assert.equal(looksLikeRtcp(new Uint8Array(1)), false);
});

test('RFC 3550 6.4.1: a sender report, octet by octet', () => {
  const packet = hex(
    '81c8000c 00000001 0123456789abcdef 00000002 00000003 00000004' +
      '00000005 40ffffff 00010002 00000006 456789ab 00010000',
  );
  assert.deepEqual(parseRtcp(packet), [
    {
      type: 'sr',
      ssrc: 1,
      ntp: 0x0123456789abcdefn,
      rtpTimestamp: 2,
      packets: 3,
      octets: 4,
      blocks: [
        {
          ssrc: 5,
          fractionLost: 64,
          cumulativeLost: -1,
          highestSeq: 0x10002,
          jitter: 6,
          lastSr: 0x456789ab,
          delaySinceLastSr: 65536,
        },
      ],
    },
  ]);
});

test('RFC 3550 6: what is built is what is parsed', () => {
  fc.assert(
    fc.property(COMPOUND, (packets) => {
      const parsed = parseRtcp(buildRtcp(packets));
      assert.deepEqual(parsed, packets);
    }),
  );
});

test('RFC 3550 A.2: what is no compound packet is null', () => {
  const cases: [string, string][] = [
    ['nothing', ''],
    ['no report first', '81cb0001 00000001'],
    ['version 1', '40c90001 00000001'],
    ['padding in the first packet', 'a0c90002 00000001 00000004'],
    ['padding before the last packet', '80c90001 00000001 a1cb0002 00000001 00000004 80c90001 00000001'],
    ['padding that is no multiple of four', '80c90001 00000001 a1cb0002 00000001 00000003'],
    ['a length beyond the datagram', '80c90002 00000001'],
    ['octets behind the last packet', '80c90001 00000001 0000'],
    ['fewer report blocks than the count', '81c90001 00000001'],
    ['an SDES item beyond its packet', '80c90001 00000001 81ca0002 00000001 01ff6161'],
    ['an SDES chunk without an end', '80c90001 00000001 81ca0002 00000001 01026161'],
  ];
  for (const [what, text] of cases) assert.equal(parseRtcp(hex(text)), null, what);
  assert.equal(parseRtcp(hex('80c90001 00000001 a1cb0002 00000001 00000004'))?.length, 2, 'padding in the last one');
});

test('RFC 3550 A.2: each prefix of a compound packet is whole packets or null', () => {
  fc.assert(
    fc.property(COMPOUND, (packets) => {
      const whole = buildRtcp(packets);
      const ends = new Map(packets.map((_, i) => [buildRtcp(packets.slice(0, i + 1)).length, i + 1]));
      for (let length = 0; length < whole.length; length++) {
        assert.equal(parseRtcp(whole.subarray(0, length))?.length, ends.get(length), `${length} octets`);
      }
    }),
    { numRuns: 30 },
  );
});

test('damage: neither parser throws, nor reads beyond its bytes', () => {
  const mutation = fc.array(fc.tuple(fc.nat(), uint(8)), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(fc.oneof(RTP.map(buildRtp), COMPOUND.map(buildRtcp)), mutation, fc.nat(), (packet, changes, cut) => {
      const damaged = Uint8Array.from(packet);
      for (const [at, octet] of changes) damaged[at % damaged.length] = octet;
      const bytes = damaged.subarray(0, cut % (damaged.length + 1));
      const rtp = parseRtp(bytes);
      if (rtp) assert.ok(rtp.payload.length + rtp.paddingBytes + 12 <= bytes.length);
      parseRtcp(bytes);
    }),
    { numRuns: 3000 },
  );
});
