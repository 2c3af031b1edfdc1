/** SRTP in the lane: what is unprotected in a batch, what its streams make of it, and that nothing but a counter moves for the rest. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import * as layout from '../../assembly/layout.ts';
import { KIND_DUPLICATE, KIND_PAUSED, KIND_RTCP, KIND_RTP } from '../../src/journal/format.ts';
import { addressBytes } from '../../src/media/address.ts';
import { CHANNEL_RTCP, CHANNEL_RTP, createLaneMemory } from '../../src/media/memory.ts';
import { Secret, SRTP_SUITES, type SrtpKeys, type SrtpSuite } from '../../src/media/srtp.ts';
import { Rig, rtp, SOURCE, SSRC, STATUS, senderReport } from './rig.ts';
import { deriveSession, protectRtcp, protectRtp, type Session, unprotectRtcp } from './srtp/oracle.ts';

const UNAUTHENTICATED = 8;
const SUITES = Object.keys(SRTP_SUITES) as SrtpSuite[];
const NAMED = SUITES.filter((suite) => suite !== 'NULL_NULL');

/** Keys for the core, and what the oracle makes of them. */
function newKeys(
  suite: SrtpSuite = 'AES_CM_128_HMAC_SHA1_80',
  mkiBytes = 0,
): { keys: SrtpKeys; session: Session; bytes: Buffer } {
  const { masterKeyBytes, masterSaltBytes } = SRTP_SUITES[suite];
  const bytes = randomBytes(masterKeyBytes + masterSaltBytes);
  const mki = mkiBytes === 0 ? null : randomBytes(mkiBytes);
  const keys = { suite, keys: [{ keyAndSalt: new Secret(bytes), mki }] };
  return { keys, session: deriveSession({ suite, keyAndSalt: bytes, mki }), bytes };
}

class SrtpRig extends Rig {
  readonly receive: ReturnType<typeof newKeys>;
  readonly send: ReturnType<typeof newKeys>;

  constructor(suite?: SrtpSuite, stream: Parameters<Rig['open']>[1] = {}, memory = createLaneMemory()) {
    super({ isSrtp: true, ...stream }, memory);
    this.receive = newKeys(suite);
    this.send = newKeys(suite);
    this.core.srtp.open(0, { receive: this.receive.keys, send: this.send.keys }, 0);
  }

  protect(packet: Uint8Array, roc = 0): Buffer {
    return protectRtp(this.receive.session.rtp, roc, packet);
  }
}

const packetOf = (seq: number) => rtp({ seq, timestamp: seq * 160, payload: randomBytes(160) });

for (const suite of SUITES) {
  test(`RFC 3711 3.3: ${suite}: RTP and RTCP reach the journal as they were before`, () => {
    const rig = new SrtpRig(suite);
    const sent = [1, 2, 3, 5, 4].map(packetOf);
    for (const packet of sent) assert.equal(rig.rtp(rig.protect(packet)), STATUS.received);
    assert.equal(rig.rtcp(protectRtcp(rig.receive.session.rtcp, 1, senderReport(), true)), STATUS.rtcp);
    const records = rig.records();
    assert.deepEqual(
      records.map(({ kind }) => kind),
      [...sent.map(() => KIND_RTP), KIND_RTCP],
    );
    for (const [i, packet] of sent.entries()) assert.deepEqual(Buffer.from(records[i]!.payload), packet);
    assert.deepEqual(Buffer.from(records.at(-1)!.payload), senderReport());
  });
}

test('one batch: streams in the clear, streams of every suite, RTP and RTCP, forged packets', () => {
  const rig = new Rig();
  const source = addressBytes(SOURCE.address);
  const expected: [status: number, payload: Buffer][] = [];
  const describe = (stream: number, channel: number, packet: Uint8Array, status: number, payload: Buffer) => {
    const port = channel === CHANNEL_RTP ? SOURCE.rtpPort : SOURCE.rtcpPort;
    rig.core.memory.describe(expected.length, stream, channel, packet, source, port, 0n);
    expected.push([status, payload]);
  };
  for (const [n, suite] of NAMED.entries()) {
    const { keys, session } = newKeys(suite);
    rig.open(n + 1, { isSrtp: true });
    rig.core.srtp.open(n + 1, { receive: keys, send: newKeys(suite).keys }, 0);
    for (let seq = 1; seq <= 8; seq++) {
      const clear = packetOf(seq);
      if (n === 0) describe(0, CHANNEL_RTP, clear, STATUS.received, clear);
      const packet = rtp({ seq, timestamp: seq * 160, payload: randomBytes(seq * 37) });
      const forged = protectRtp(session.rtp, 0, packet);
      forged[forged.length - 1 - seq]! ^= 1;
      if (seq % 3 === 0) describe(n + 1, CHANNEL_RTP, forged, UNAUTHENTICATED, packet);
      describe(n + 1, CHANNEL_RTP, protectRtp(session.rtp, 0, packet), STATUS.received, packet);
    }
    describe(n + 1, CHANNEL_RTCP, protectRtcp(session.rtcp, 7, senderReport(), true), STATUS.rtcp, senderReport());
  }
  rig.core.wasm.process(expected.length);
  const kept = expected.filter(([status], n) => {
    assert.equal(rig.core.memory.status(n), status, `packet ${n}`);
    return status !== UNAUTHENTICATED;
  });
  assert.deepEqual(
    rig.records().map(({ payload }) => Buffer.from(payload)),
    kept.map(([, payload]) => payload),
  );
  assert.equal(rig.core.memory.totals().unauthenticated, expected.length - kept.length);
});

test('a forged packet moves a counter and nothing else in the whole memory', () => {
  for (const suite of NAMED) {
    const memory = createLaneMemory();
    const rig = new SrtpRig(suite, {}, memory);
    rig.rtp(rig.protect(packetOf(10)));
    const state = () => {
      const bytes = Buffer.from(memory.buffer);
      const stream = Buffer.from(bytes.subarray(layout.STREAMS_AT, layout.STREAMS_AT + layout.STREAM_BYTES));
      stream.writeUInt32LE(0, layout.STREAM_UNAUTHENTICATED_AT);
      const context = Buffer.from(bytes.subarray(layout.CONTEXTS_AT, layout.CONTEXTS_AT + layout.CONTEXT_BYTES));
      context.fill(0, layout.CONTEXT_TRIES_LEFT_AT, layout.CONTEXT_CLOCK_AT); // the budget of tries
      return Buffer.concat([stream, context]);
    };
    const before = state();
    for (let bit = 16; bit < 32; bit++) {
      const forged = rig.protect(packetOf(11));
      forged[bit >> 3]! ^= 1 << (bit & 7);
      assert.equal(rig.rtp(forged), UNAUTHENTICATED);
    }
    assert.equal(rig.rtcp(randomBytes(60).fill(0x80, 0, 1)), UNAUTHENTICATED);
    assert.deepEqual(state(), before);
    assert.equal(rig.counters.unauthenticated, 17);
  }
});

test('RFC 3711 3.3.2: a copy of the network is a duplicate, in the window of RTP; what is older cannot be told from an attack', () => {
  const rig = new SrtpRig('AEAD_AES_128_GCM');
  const first = rig.protect(packetOf(1));
  const second = rig.protect(packetOf(2));
  assert.equal(rig.rtp(first), STATUS.received);
  assert.equal(rig.rtp(second), STATUS.received);
  assert.equal(rig.rtp(first), STATUS.duplicate);
  for (let seq = 3; seq <= 1025; seq++) rig.rtp(rig.protect(packetOf(seq)));
  assert.equal(rig.rtp(second), STATUS.duplicate);
  assert.equal(rig.rtp(first), UNAUTHENTICATED);
  assert.equal(rig.records().filter(({ kind }) => kind === KIND_DUPLICATE).length, 2);
  assert.deepEqual([rig.counters.duplicate, rig.counters.unauthenticated], [2, 1]);
});

test('PCI DSS 3.3.1: while the recording is paused, packets are authenticated and never decrypted', () => {
  for (const suite of NAMED.filter((name) => !name.startsWith('NULL'))) {
    const memory = createLaneMemory();
    const rig = new SrtpRig(suite, {}, memory);
    rig.core.memory.setPaused(0, true);
    const secret = randomBytes(160);
    const packet = rig.protect(rtp({ seq: 1, payload: secret }));
    const forged = Buffer.from(packet);
    forged[20]! ^= 1;
    assert.equal(rig.rtp(forged), UNAUTHENTICATED);
    assert.equal(rig.rtp(packet), STATUS.paused);
    assert.equal(rig.rtp(packet), STATUS.duplicate);
    const padded = rtp({ first: 0xa0, seq: 2, timestamp: 320, payload: Buffer.from([1, 2, 3]) });
    assert.equal(rig.rtp(rig.protect(padded)), STATUS.paused, 'padding is not seen before it is decrypted');
    rig.core.memory.setPaused(0, false);
    assert.equal(rig.rtp(rig.protect(packetOf(3))), STATUS.received);
    assert.equal(Buffer.from(memory.buffer).indexOf(secret.subarray(0, 16)), -1, suite);
    assert.deepEqual(
      rig.records().map(({ kind, payload }) => [kind, payload.length]),
      [
        [KIND_PAUSED, 12],
        [KIND_DUPLICATE, 12],
        [KIND_PAUSED, 12],
        [KIND_RTP, 172],
      ],
    );
  }
});

test('a source is learnt from authentic packets only', () => {
  const rig = new SrtpRig('AES_CM_128_HMAC_SHA1_80', { remote: null });
  const attacker = { address: '198.51.100.9', port: 9 };
  assert.equal(rig.rtp(rtp({ seq: 1 }), 0, attacker), UNAUTHENTICATED);
  assert.equal(rig.rtp(rig.protect(packetOf(1))), STATUS.received);
  assert.equal(rig.rtp(rig.protect(packetOf(2)), 0, attacker), STATUS.unauthorised);
  assert.equal(rig.rtp(rig.protect(packetOf(2))), STATUS.received);
});

test('RFC 5761 4: SRTP and SRTCP on one port', () => {
  const rig = new SrtpRig('AEAD_AES_256_GCM', { rtcpMux: true });
  const report = protectRtcp(rig.receive.session.rtcp, 3, senderReport(), true);
  assert.equal(rig.rtp(rig.protect(packetOf(1))), STATUS.received);
  assert.equal(rig.rtp(report), STATUS.rtcp);
  assert.equal(rig.rtp(report), STATUS.duplicate);
});

test('RFC 3711 3.4: receiver reports are sent as SRTCP, no index twice', () => {
  for (const suite of SUITES) {
    const rig = new SrtpRig(suite);
    rig.rtp(rig.protect(packetOf(1)));
    const indices = [1, 2, 3].map(() => {
      const report = Buffer.from(rig.core.receiverReport(0, 0n, Buffer.from('doubletrack'))!);
      const { packet, index } = unprotectRtcp(rig.send.session.rtcp, report);
      assert.equal(packet[1], 201);
      assert.equal(packet.readUInt32BE(8), SSRC);
      return index;
    });
    assert.deepEqual(indices, [0, 1, 2]);
  }
});

// --- the roll-over counter ---

test('RFC 3711 3.3.1: the sequence number wraps, in order and around late packets', () => {
  const rig = new SrtpRig('AES_CM_128_HMAC_SHA1_32');
  const order = [65_533, 65_535, 0, 65_534, 2, 1, 3];
  for (const seq of order) assert.equal(rig.rtp(rig.protect(packetOf(seq), seq > 60_000 ? 4 : 5)), STATUS.received);
  assert.deepEqual(
    rig.records().map(({ extSeq }) => extSeq & 0xffff),
    order,
  );
});

for (const suite of ['AES_CM_128_HMAC_SHA1_80', 'AEAD_AES_128_GCM'] as const) {
  test(`${suite}: whoever joins late finds the ROC, within the tries of a second`, () => {
    const rig = new SrtpRig(suite);
    assert.equal(rig.rtp(rig.protect(packetOf(1), 22)), STATUS.received);
    assert.equal(rig.rtp(rig.protect(packetOf(2), 22)), STATUS.received);
    const later = new SrtpRig(suite);
    const found = [0, 1, 2, 3, 4].map((second) => later.rtp(later.protect(packetOf(second), 200), second * 1_000_000));
    assert.deepEqual(found, [...Array(3).fill(UNAUTHENTICATED), STATUS.received, STATUS.received]);
  });

  test(`${suite}: more than 32,768 packets lost, and a whole cycle`, () => {
    const rig = new SrtpRig(suite);
    for (const [index, roc] of [
      [10_000, 0],
      [50_000, 0],
      [20_000, 2],
      [60_000, 9],
    ] as const) {
      assert.equal(rig.rtp(rig.protect(packetOf(index), roc)), STATUS.received, `${roc}:${index}`);
    }
  });

  test(`${suite}: a ROC that falls back to 0 is found after a new offer only, and once`, () => {
    const rig = new SrtpRig(suite);
    const { keys } = rig.receive;
    for (const seq of [1, 2]) rig.rtp(rig.protect(packetOf(seq), 3));
    const old = rig.protect(packetOf(500), 0);
    assert.equal(rig.rtp(old), UNAUTHENTICATED);
    rig.core.srtp.update(0, { receive: keys, send: rig.send.keys }, { receive: false, send: false });
    assert.equal(rig.rtp(rig.protect(packetOf(3), 3)), STATUS.received, 'it need not fall back');
    assert.equal(rig.rtp(rig.protect(packetOf(501), 0)), STATUS.received);
    assert.equal(rig.rtp(rig.protect(packetOf(502), 0)), STATUS.received);
    assert.equal(rig.rtp(rig.protect(packetOf(503), 3)), STATUS.received, 'ahead');
    assert.equal(rig.rtp(rig.protect(packetOf(504), 0)), UNAUTHENTICATED);
  });
}

test('forged packets cannot buy more tries of ROCs than a second has', () => {
  const rig = new SrtpRig();
  for (let n = 0; n < 50; n++) rig.rtp(rtp({ seq: n }), 5_000_000);
  assert.equal(
    rig.rtp(rig.protect(packetOf(1), 1), 5_000_000),
    UNAUTHENTICATED,
    'the tries of this second are used up',
  );
  const seconds = [6, 7, 8, 9, 10].map((second) => rig.rtp(rig.protect(packetOf(second), 1), second * 1_000_000));
  assert.ok(seconds.includes(STATUS.received), 'and those of later seconds are not');
});

test('RFC 3711 3.3.1: new keys do not reset the ROC', () => {
  const rig = new SrtpRig();
  rig.rtp(rig.protect(packetOf(65_535), 0));
  rig.rtp(rig.protect(packetOf(0), 1));
  const next = newKeys('AEAD_AES_256_GCM');
  rig.core.srtp.update(0, { receive: next.keys, send: rig.send.keys }, { receive: true, send: false });
  assert.equal(rig.rtp(protectRtp(next.session.rtp, 1, packetOf(1))), STATUS.received);
  assert.equal(rig.rtp(rig.protect(packetOf(2), 1)), UNAUTHENTICATED, 'under the old key');
});

for (const suite of ['AES_CM_128_HMAC_SHA1_32', 'AES_256_CM_HMAC_SHA1_80', 'AEAD_AES_256_GCM'] as const) {
  for (const mkiBytes of [0, 3]) {
    test(`RFC 4568 7.1.4: ${suite}, MKI of ${mkiBytes} octets: what is under way when keys change is taken, until they are forgotten`, () => {
      const rig = new SrtpRig(suite);
      const [before, after] = [newKeys(suite, mkiBytes), newKeys(suite, mkiBytes)];
      const update = (receive: SrtpKeys) =>
        rig.core.srtp.update(0, { receive, send: rig.send.keys }, { receive: true, send: false });
      update(before.keys);
      update(after.keys);
      const seen: [keys: typeof before, seq: number][] = [
        [before, 1],
        [after, 2],
        [before, 3],
        [after, 4],
      ];
      for (const [{ session }, seq] of seen) {
        const packet = packetOf(seq);
        assert.equal(rig.rtp(protectRtp(session.rtp, 0, packet)), STATUS.received, `packet ${seq}`);
        assert.deepEqual(Buffer.from(rig.records()[0]!.payload), packet);
        assert.equal(rig.rtcp(protectRtcp(session.rtcp, seq, senderReport(), true)), STATUS.rtcp);
        assert.deepEqual(Buffer.from(rig.records()[0]!.payload), senderReport());
      }
      assert.equal(rig.rtp(rig.protect(packetOf(5))), UNAUTHENTICATED, 'keys of two changes ago');
      rig.core.srtp.forgetPreviousKeys(0);
      assert.equal(rig.rtp(protectRtp(before.session.rtp, 0, packetOf(6))), UNAUTHENTICATED);
      assert.equal(rig.rtp(protectRtp(after.session.rtp, 0, packetOf(6))), STATUS.received);
    });
  }
}

test('keys can be changed as often as one likes', () => {
  const rig = new SrtpRig();
  let keys = newKeys();
  for (let change = 0; change < 20_000; change++) {
    if (change % 1000 === 0) keys = newKeys();
    rig.core.srtp.update(0, { receive: keys.keys, send: keys.keys }, { receive: true, send: true });
  }
  assert.equal(rig.rtp(protectRtp(keys.session.rtp, 0, packetOf(1))), STATUS.received);
});

for (const suite of ['AES_256_CM_HMAC_SHA1_80', 'AEAD_AES_256_GCM'] as const) {
  test(`keys of ${suite} are zeroed when a stream closes, and nowhere else in the memory`, () => {
    const memory = createLaneMemory();
    const rig = new SrtpRig(suite, {}, memory);
    rig.rtp(rig.protect(packetOf(1)));
    rig.core.receiverReport(0, 0n, Buffer.from('doubletrack'));
    const bytes = Buffer.from(memory.buffer);
    const { rtp: rtpKeys, rtcp: rtcpKeys } = rig.receive.session;
    const master = rig.receive.bytes;
    const authKeys = suite === 'AEAD_AES_256_GCM' ? [] : [rtpKeys.authKey];
    for (const secret of [master, master.subarray(0, 32), rtpKeys.cipherKey, ...authKeys, rtcpKeys.cipherKey]) {
      assert.equal(bytes.indexOf(secret.subarray(0, 16)), -1, 'no key stands in the memory as it is');
    }
    assert.notEqual(bytes.indexOf(rtpKeys.salt), -1);
    const tables = bytes.subarray(layout.KEY_TABLES_AT, layout.KEY_TABLES_AT + layout.SRTP_KEY_TABLES_BYTES);
    assert.equal(isZero(tables), suite !== 'AEAD_AES_256_GCM');
    rig.core.srtp.close(0);
    assert.equal(bytes.indexOf(rtpKeys.salt), -1);
    assert.ok(isZero(bytes.subarray(layout.KEYS_AT, layout.KEY_TABLES_AT)));
    assert.ok(isZero(bytes.subarray(layout.KEY_TABLES_AT, layout.IO_AT)));
  });
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}
