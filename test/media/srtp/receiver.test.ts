/**
 * What a receiver must bear that random packets seldom bring: every length, several keys told apart by MKI, SRTCP that is not encrypted, a
 * receiver that joins late, long outages, a sender that begins again.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Secret, SRTP_SUITES, Srtp, SrtpError, type SrtpKeys, type SrtpSuite } from '../../../src/media/srtp.ts';
import { IMPLEMENTATIONS } from './implementations.ts';
import { deriveSession, protectRtcp, protectRtp, type Session } from './oracle.ts';
import type { ContextLike } from './oracle-context.ts';
import { ALL_SUITES, Random, randomRtcp } from './random.ts';

const SSRC = 0x0bad_cafe;
const MAX_PAYLOAD_BYTES = 1460;
const ENCRYPTED = ALL_SUITES.filter((suite) => SRTP_SUITES[suite].cipher !== 'NULL');
const random = new Random('receiver');

function rtp(index: number, payloadBytes = 20): Buffer {
  const packet = random.bytes(12 + payloadBytes);
  packet.writeUInt16BE(0x8000, 0);
  packet.writeUInt16BE(index & 0xffff, 2);
  packet.writeUInt32BE(SSRC, 8);
  return packet;
}

function keysOf(suite: SrtpSuite, ...mkis: (Buffer | null)[]): { keys: SrtpKeys; sessions: Session[] } {
  const { masterKeyBytes, masterSaltBytes } = SRTP_SUITES[suite];
  const all = mkis.map((mki) => ({ keyAndSalt: random.bytes(masterKeyBytes + masterSaltBytes), mki }));
  return {
    keys: { suite, keys: all.map(({ keyAndSalt, mki }) => ({ keyAndSalt: new Secret(keyAndSalt), mki })) },
    sessions: all.map((key) => deriveSession({ suite, ...key })),
  };
}

function refuses(receiver: ContextLike, kind: 'rtp' | 'rtcp', packet: Uint8Array, code: string): void {
  assert.throws(
    () => receiver[kind](packet),
    (error) => error instanceof SrtpError && error.code === code,
  );
}

for (const { name, open } of IMPLEMENTATIONS) {
  test(`RFC 3711 section 4.1, RFC 7714 section 8: each payload from 0 to ${MAX_PAYLOAD_BYTES} octets: ${name}`, () => {
    const srtp = open(2);
    for (const suite of ENCRYPTED) {
      const { keys, sessions } = keysOf(suite, null);
      const [sender, receiver] = [srtp.openSender(keys), srtp.openReceiver(keys)];
      for (let bytes = 0; bytes <= MAX_PAYLOAD_BYTES; bytes++) {
        const plain = rtp(bytes, bytes);
        const secured = protectRtp(sessions[0]!.rtp, 0, plain);
        assert.ok(secured.equals(sender.rtp(plain)), `${suite}: ${bytes} octets protected`);
        assert.ok(plain.equals(receiver.rtp(secured)), `${suite}: ${bytes} octets unprotected`);
      }
      for (const context of [sender, receiver]) context.close();
    }
  });

  test(`RFC 3711 section 8.1: the MKI says which of several keys it is: ${name}`, () => {
    const srtp = open(4);
    for (const suite of ENCRYPTED) {
      const { keys, sessions } = keysOf(suite, Buffer.from([1, 0]), Buffer.from([1, 1]), Buffer.from([2, 0]));
      const receiver = srtp.openReceiver(keys);
      for (let index = 0; index < 30; index++) {
        const [plain, report] = [rtp(index), randomRtcp(random, SSRC)];
        const session = random.pick(sessions);
        assert.ok(plain.equals(receiver.rtp(protectRtp(session.rtp, 0, plain))), suite);
        assert.ok(report.equals(receiver.rtcp(protectRtcp(session.rtcp, index, report, true))), suite);
      }
      const unknown = keysOf(suite, Buffer.from([2, 1])).sessions[0]!;
      refuses(receiver, 'rtp', protectRtp(unknown.rtp, 0, rtp(30)), 'UNAUTHENTICATED');
      refuses(
        receiver,
        'rtp',
        protectRtp({ ...sessions[0]!.rtp, mki: Buffer.from([2, 0]) }, 0, rtp(30)),
        'UNAUTHENTICATED',
      );
      receiver.close();
    }
  });

  test(`RFC 3711 section 3.4: the E bit says whether SRTCP is encrypted: ${name}`, () => {
    const srtp = open(1);
    for (const suite of ENCRYPTED) {
      const { keys, sessions } = keysOf(suite, null);
      const receiver = srtp.openReceiver(keys);
      for (let index = 0; index < 20; index++) {
        const report = randomRtcp(random, SSRC);
        const secured = protectRtcp(sessions[0]!.rtcp, index, report, index % 2 === 0);
        assert.ok(report.equals(receiver.rtcp(secured)), `${suite}: E is ${index % 2 === 0 ? 1 : 0}`);
      }
      receiver.close();
    }
  });

  test(`RFC 3711 section 3.3.1: a sender may begin again at ROC 0 when that was allowed, once: ${name}`, () => {
    const srtp = open(1);
    for (const suite of ENCRYPTED) {
      const { keys, sessions } = keysOf(suite, null);
      const receiver = srtp.openReceiver(keys);
      const secured = (index: number) => protectRtp(sessions[0]!.rtp, Math.floor(index / 0x1_0000), rtp(index));
      for (const index of [65_000, 65_535, 65_536, 65_600]) receiver.rtp(secured(index));
      refuses(receiver, 'rtp', secured(200), 'UNAUTHENTICATED');
      receiver.allowRocReset();
      receiver.rtp(secured(200));
      receiver.rtp(secured(201));
      receiver.close();
    }
  });
}

test('RFC 3711 section 3.3.1: a receiver that joins late, or misses more than 2^15 packets, finds the ROC', () => {
  const srtp = new Srtp({ contexts: 1 });
  for (const suite of ENCRYPTED) {
    for (const [first, next] of [
      [3 * 65_536 + 7, 3 * 65_536 + 8],
      [65_535, 65_536 + 40_000],
      [1000, 1000 + 65_536 + 5],
    ] as const) {
      const { keys, sessions } = keysOf(suite, null);
      const receiver = srtp.openReceiver(keys);
      for (const index of [first, next, next + 1]) {
        const plain = rtp(index);
        const secured = protectRtp(sessions[0]!.rtp, Math.floor(index / 0x1_0000), plain);
        assert.ok(plain.equals(receiver.rtp(secured)), `${suite}: index ${index} after ${first}`);
        refuses(receiver, 'rtp', secured, 'REPLAYED');
      }
      assert.ok(receiver.rocFound > 0);
      receiver.close();
    }
  }
});
