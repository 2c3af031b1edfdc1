/** Which datagrams are RTP and RTCP, and that no datagram can do more than be refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KIND_DUPLICATE, KIND_RTCP, KIND_RTP } from '../../src/journal/format.ts';
import { MAX_DATAGRAM_BYTES } from '../../src/media/memory.ts';
import { Rig, randomNumbers, rtp, STATUS, senderReport } from './rig.ts';

/** Everything in it: padding of 4, an extension of one word, two CSRCs, four bytes of payload. */
const FULL = Buffer.from(
  'b20000010000000acafebabe' + '0000000100000002' + 'bede000110aa0000' + '01020304' + '00000004',
  'hex',
);

/** RFC 3550 A.1 once more, from the text of the standard. */
function isValidRtp(packet: Uint8Array): boolean {
  const [first = 0] = packet;
  if (packet.length < 12 || first >> 6 !== 2) return false;
  let header = 12 + 4 * (first & 15);
  if (first & 16) {
    if (packet.length < header + 4) return false;
    header += 4 + 4 * ((packet[header + 2]! << 8) | packet[header + 3]!);
  }
  if (packet.length < header) return false;
  const padding = first & 32 ? packet.at(-1)! : 0;
  return first & 32 ? padding > 0 && header + padding <= packet.length : true;
}

/** RFC 3550 A.2. */
function isValidRtcp(packet: Uint8Array): boolean {
  if (packet.length < 8 || packet.length % 4 !== 0) return false;
  if ((packet[0]! & 0xe0) !== 0x80 || (packet[1] !== 200 && packet[1] !== 201)) return false;
  let at = 0;
  while (at < packet.length) {
    if (packet[at]! >> 6 !== 2) return false;
    at += 4 * (((packet[at + 2]! << 8) | packet[at + 3]!) + 1);
  }
  return at === packet.length;
}

test('RFC 3550 A.1: a packet with CSRCs, extension and padding is received whole', () => {
  const rig = new Rig();
  assert.equal(rig.rtp(FULL), STATUS.received);
  const [record] = rig.records();
  assert.equal(record!.kind, KIND_RTP);
  assert.deepEqual(Buffer.from(record!.payload), FULL);
});

test('RFC 3550 A.1: truncated at each byte', () => {
  for (let length = 1; length < FULL.length; length++) {
    const cut = FULL.subarray(0, length);
    const rig = new Rig();
    const expected = isValidRtp(cut) ? STATUS.received : STATUS.invalid;
    assert.equal(rig.rtp(cut), expected, `${length} bytes`);
    assert.equal(rig.counters.invalid, expected === STATUS.invalid ? 1 : 0);
    assert.equal(rig.records().length, expected === STATUS.invalid ? 0 : 1);
  }
});

test('RFC 3550 A.1: version, padding and lengths that cannot be', () => {
  const rig = new Rig();
  const bad: Buffer[] = [
    rtp({ first: 0x40 }),
    rtp({ first: 0xa0, payload: Buffer.from([1, 2, 0]) }),
    rtp({ first: 0xa0, payload: Buffer.from([1, 2, 4]) }),
    rtp({ first: 0x8f, payload: Buffer.alloc(59) }),
    rtp({ first: 0x90, payload: Buffer.from('bede0001', 'hex') }),
    Buffer.alloc(MAX_DATAGRAM_BYTES + 1, 0x80),
    Buffer.alloc(65_507, 0x80),
  ];
  for (const packet of bad) assert.equal(rig.rtp(packet), STATUS.invalid);
  assert.equal(rig.counters.invalid, bad.length);
  assert.equal(rig.core.memory.totals().invalid, bad.length);
  assert.equal(rig.records().length, 0);
  assert.equal(rig.rtp(rtp({ first: 0xa0, payload: Buffer.from([1, 2, 3]) })), STATUS.received, 'padding only');
  assert.equal(
    rig.rtp(Buffer.concat([rtp({ seq: 2 }), Buffer.alloc(MAX_DATAGRAM_BYTES - 172)])),
    STATUS.received,
    'the longest',
  );
  assert.equal(
    rig.rtp(Buffer.concat([rtp({ seq: 3 }), Buffer.alloc(MAX_DATAGRAM_BYTES - 171)])),
    STATUS.invalid,
    'longer',
  );
});

test('RFC 6263 4.1: an empty datagram keeps a way open and is nothing else; from a stranger it is unauthorised', () => {
  const rig = new Rig();
  const before = rig.core.memory.totals();
  for (const push of [rig.rtp.bind(rig), rig.rtcp.bind(rig)]) assert.equal(push(Buffer.alloc(0)), STATUS.keepAlive);
  assert.deepEqual(rig.core.memory.totals(), before);
  assert.equal(rig.rtp(Buffer.alloc(0), 0, { address: '192.0.2.99', port: 40_000 }), STATUS.unauthorised);
  assert.equal(rig.records().length, 0);
});

test('RFC 3550 A.2: a compound packet truncated at each byte', () => {
  const compound = Buffer.concat([senderReport(), Buffer.from('81ca0003cafebabe0104616263640000', 'hex')]);
  for (let length = 1; length <= compound.length; length++) {
    const cut = compound.subarray(0, length);
    const rig = new Rig();
    const expected = isValidRtcp(cut) ? STATUS.rtcp : STATUS.invalid;
    assert.equal(rig.rtcp(cut), expected, `${length} bytes`);
    assert.equal(rig.records().length, expected === STATUS.rtcp ? 1 : 0);
  }
  assert.equal(isValidRtcp(compound), true);
});

function damaged(packet: Buffer, random: () => number): Buffer {
  const out = Buffer.from(packet);
  for (let changes = 1 + Math.floor(random() * 4); changes > 0; changes--) {
    out[Math.floor(random() * out.length)] = Math.floor(random() * 256);
  }
  return random() < 0.3 ? out.subarray(0, 1 + Math.floor(random() * out.length)) : out;
}

test('RFC 3550 A.1: seeded mutations are received or refused, never trap, and agree with the standard', () => {
  const random = randomNumbers(1);
  const rig = new Rig();
  let invalid = 0;
  for (let i = 0; i < 50_000; i++) {
    const packet = damaged(FULL, random);
    const status = rig.rtp(packet, i);
    if (!isValidRtp(packet)) invalid++;
    assert.equal(status === STATUS.invalid, !isValidRtp(packet), packet.toString('hex'));
    if (i % 1000 !== 0) continue;
    for (const record of rig.records()) assert.ok([KIND_RTP, KIND_DUPLICATE].includes(record.kind));
  }
  assert.equal(rig.counters.invalid, invalid);
  assert.ok(invalid > 1000);
});

test('RFC 3550 A.2: seeded mutations of RTCP', () => {
  const random = randomNumbers(2);
  const rig = new Rig();
  const compound = Buffer.concat([senderReport(), Buffer.from('81ca0003cafebabe0104616263640000', 'hex')]);
  for (let i = 0; i < 20_000; i++) {
    const packet = damaged(compound, random);
    assert.equal(rig.rtcp(packet, i), isValidRtcp(packet) ? STATUS.rtcp : STATUS.invalid, packet.toString('hex'));
    if (i % 1000 === 0) for (const record of rig.records()) assert.equal(record.kind, KIND_RTCP);
  }
});

test('RFC 5761 section 4: RTP and RTCP on one port are told apart by the payload type', () => {
  const rig = new Rig({ rtcpMux: true });
  assert.equal(rig.rtp(rtp()), STATUS.received);
  assert.equal(rig.rtp(senderReport()), STATUS.rtcp);
  assert.equal(rig.rtp(rtp({ seq: 2, payloadType: 0x80 | 63 })), STATUS.received, 'marker and payload type 63');
  assert.equal(rig.rtp(rtp({ seq: 3, payloadType: 0x80 | 96 })), STATUS.received, 'marker and payload type 96');
  assert.equal(rig.rtp(Buffer.from('80c80000', 'hex')), STATUS.invalid);
  assert.deepEqual(
    rig.records().map(({ kind }) => kind),
    [KIND_RTP, KIND_RTCP, KIND_RTP, KIND_RTP],
  );
});

test('RFC 3550 section 11: without rtcp-mux, what looks like RTCP on the RTP port is RTP', () => {
  const rig = new Rig();
  assert.equal(rig.rtp(senderReport()), STATUS.received);
  assert.equal(rig.records()[0]!.kind, KIND_RTP);
});
