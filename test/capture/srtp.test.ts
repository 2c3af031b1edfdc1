// Captures of SRTP through the extraction: what comes out is what the capture in the clear gives, and nothing forged does.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type ExtractReport, extract } from '../../src/capture/extract.ts';
import { pcapFileHeader, pcapRecord, type SocketAddress } from '../../src/capture/index.ts';
import { CaptureKeyError, CaptureKeys, parseCaptureKey } from '../../src/capture/srtp-keys.ts';
import { buildSenderReport } from '../../src/client/caller/rtcp.ts';
import { Secret, SRTP_SUITES, Srtp, type SrtpKeys, type SrtpSuite } from '../../src/media/srtp.ts';
import { deriveSession, protectRtp } from '../media/srtp/oracle.ts';
import { concat } from './samples.ts';

const directory = mkdtempSync(join(tmpdir(), 'doubletrack-'));
after(() => rmSync(directory, { recursive: true }));

const PACKETS = 100;
const PTIME_US = 20_000;
const START_US = 1.7e15;
const alice: SocketAddress = { address: '192.0.2.1', port: 4000 };
const bob: SocketAddress = { address: '192.0.2.2', port: 5000 };
const srtp = new Srtp();
const SUITES = Object.keys(SRTP_SUITES) as SrtpSuite[];
const SUITE: SrtpSuite = 'AES_CM_128_HMAC_SHA1_80';

interface Sent {
  atUs: number;
  from: SocketAddress;
  packet: Uint8Array;
}

function pcmu(ssrc: number, seq: number, n: number, payloadType = 0): Uint8Array {
  const packet = Buffer.alloc(172);
  packet.writeUInt16BE(0x8000 | payloadType, 0);
  packet.writeUInt16BE((seq + n) & 0xffff, 2);
  packet.writeUInt32BE(n * 160, 4);
  packet.writeUInt32BE(ssrc, 8);
  for (let i = 12; i < packet.length; i++) packet[i] = (i * 31 + n * 7 + ssrc) & 0xff;
  return packet;
}

function stream(ssrc: number, from: SocketAddress, seq = 65_450, payloadType = 0): Sent[] {
  const atUs = (n: number) => START_US + n * PTIME_US + (ssrc & 7) * 100;
  return Array.from({ length: PACKETS }, (_, n) => ({ atUs: atUs(n), from, packet: pcmu(ssrc, seq, n, payloadType) }));
}

const isReport = (packet: Uint8Array) => packet[1] === 200;

function report(ssrc: number, from: SocketAddress): Sent {
  const facts = { ssrc, wallMs: START_US / 1000, rtpTimestamp: 0, packetCount: 1, octetCount: 160, cname: 'a' };
  return { atUs: START_US + 5_000, from, packet: buildSenderReport(facts, false) };
}

/** As its sender would send it: in order, RTP and RTCP under the same master key. */
function protect(sent: Sent[], keys: SrtpKeys): Sent[] {
  const context = srtp.openSender(keys);
  const done = sent.map(({ packet, ...rest }) => ({
    ...rest,
    packet: isReport(packet) ? context.rtcp(packet) : context.rtp(packet),
  }));
  context.close();
  return done;
}

let files = 0;
function capture(...streams: Sent[][]): string {
  const file = join(directory, `${files++}.pcap`);
  const inTime = streams.flat().sort((a, b) => a.atUs - b.atUs);
  const records = inTime.map(({ atUs, from, packet }) => pcapRecord(atUs, from, from === alice ? bob : alice, packet));
  writeFileSync(file, concat(pcapFileHeader(), ...records));
  return file;
}

function freshKey(suite: SrtpSuite = SUITE): { keys: SrtpKeys; text: string } {
  const { masterKeyBytes, masterSaltBytes } = SRTP_SUITES[suite];
  const bytes = randomBytes(masterKeyBytes + masterSaltBytes);
  const keys: SrtpKeys = { suite, keys: [{ keyAndSalt: new Secret(bytes), mki: null }] };
  return { keys, text: `${suite}:${bytes.toString('base64')}` };
}

async function extracted(file: string, ...keys: string[]): Promise<ExtractReport & { audio: Buffer | null }> {
  const out = join(directory, `${files++}.wav`);
  const made = await extract({ captures: [file], srtp: keys.map(parseCaptureKey), out });
  return { ...made, audio: made.files[0] === undefined ? null : readFileSync(made.files[0]) };
}

for (const suite of SUITES) {
  test(`${suite}: both directions under keys of their own, with SRTCP between; counters and audio as in the clear`, async () => {
    const [left, right] = [freshKey(suite), freshKey(suite)];
    const a = [report(0xaaaa0001, alice), ...stream(0xaaaa0001, alice)];
    const b = [...stream(0xaaaa0002, bob, 7), report(0xaaaa0002, bob)];
    const clear = await extracted(capture(a, b));
    const file = capture(protect(a, left.keys), protect(b, right.keys));
    const secure = await extracted(file, `0xAAAA0001=${left.text}`, `*=${right.text}`);
    assert.deepEqual(secure.warnings, []);
    assert.deepEqual(
      secure.streams,
      clear.streams.map((one) => ({ ...one, srtp: suite })),
    );
    assert.ok(secure.streams.every(({ packets }) => packets.received === PACKETS && packets.unauthenticated === 0));
    assert.deepEqual(secure.audio, clear.audio);
  });
}

test('the wrong key: nothing verifies, nothing is heard, and the warning says what to do', async () => {
  const [right, wrong] = [freshKey(), freshKey()];
  const { streams, warnings } = await extracted(capture(protect(stream(1, alice), right.keys)), `1=${wrong.text}`);
  const { received, expected, unauthenticated } = streams[0]!.packets;
  assert.deepEqual([received, expected, unauthenticated], [0, 0, PACKETS]);
  assert.deepEqual([streams[0]!.ssrcs, streams[0]!.srtp], [[1], SUITE]);
  assert.match(warnings.join('\n'), /none of the 100 packets of stream 1 \(SSRC 0x00000001\) verifies: .*a=crypto/);
});

test('RFC 3711 3.3.2: a copy is a duplicate, an old packet sent again and a forged one are unauthenticated', async () => {
  const { keys, text } = freshKey();
  const sent = stream(3, alice, 1000);
  const genuine = protect(sent, keys);
  const later = (n: number, by: Sent) => ({ ...by, atUs: genuine[n]!.atUs + 1 });
  const forged = { ...genuine[50]!, packet: genuine[50]!.packet.map((byte, i) => (i === 40 ? byte ^ 1 : byte)) };
  const copies = [later(20, genuine[20]!), later(30, genuine[25]!)];
  const file = capture(genuine, copies, [later(49, forged)]);
  const { streams, warnings, audio } = await extracted(file, `*=${text}`);
  const { received, lost, duplicate, unauthenticated } = streams[0]!.packets;
  assert.deepEqual([received, lost, duplicate, unauthenticated], [PACKETS, 0, 2, 1]);
  assert.match(warnings.join('\n'), /^1 packets of stream 1 do not verify/);
  assert.deepEqual(audio, (await extracted(capture(sent))).audio);
});

function joined(roc: number, seq: number, text: string): Sent[] {
  const { suite, keys } = parseCaptureKey(`*=${text}`).keys;
  const session = deriveSession({ suite, keyAndSalt: keys[0]!.keyAndSalt.reveal() });
  return stream(4, alice, seq).map((sent, n) => ({
    ...sent,
    packet: protectRtp(session.rtp, roc + (seq + n > 0xffff ? 1 : 0), sent.packet),
  }));
}

test('RFC 3711 3.3.1: a capture that begins when the ROC is 3, and goes on to 4, gives every packet', async () => {
  const { text } = freshKey();
  const { streams, audio } = await extracted(capture(joined(3, 65_480, text)), `*=${text}`);
  assert.deepEqual([streams[0]!.packets.received, streams[0]!.packets.unauthenticated], [PACKETS, 0]);
  assert.deepEqual([streams[0]!.firstSeq, streams[0]!.lastSeq], [65_480, (65_480 + 99) & 0xffff]);
  assert.deepEqual(audio, (await extracted(capture(stream(4, alice, 65_480)))).audio);
});

test('a ROC beyond one second of tries is found in the next', async () => {
  const { text } = freshKey('AEAD_AES_128_GCM');
  const { streams } = await extracted(capture(joined(100, 500, text)), `*=${text}`);
  const { received, unauthenticated } = streams[0]!.packets;
  assert.equal(received + unauthenticated, PACKETS);
  assert.ok(unauthenticated > 0 && unauthenticated <= 51, `${unauthenticated}`); // 50 packets are a second
});

test('a source that follows another one in its stream has a key and a suite of its own', async () => {
  const [first, second] = [freshKey(), freshKey('AEAD_AES_256_GCM')];
  const after2 = stream(6, alice, 1).map((sent) => ({ ...sent, atUs: sent.atUs + PACKETS * PTIME_US }));
  const file = capture(protect(stream(5, alice, 1), first.keys), protect(after2, second.keys));
  const { streams } = await extracted(file, `5=${first.text}`, `0x6=${second.text}`);
  assert.deepEqual(streams[0]!.ssrcs, [5, 6]);
  assert.deepEqual([streams[0]!.packets.received, streams[0]!.packets.unauthenticated], [2 * PACKETS, 0]);
});

test('RFC 4733: telephone-events of a dynamic number are known by their length, for they cannot be read', async () => {
  const { keys, text } = freshKey();
  const events = stream(8, alice, 1).map((sent, n) =>
    n > 40 && n < 50 ? { ...sent, packet: Buffer.from([...pcmu(8, 1, n, 101).subarray(0, 12), 5, 10, 0, 160]) } : sent,
  );
  const { streams, warnings } = await extracted(capture(protect(events, keys)), `*=${text}`);
  assert.deepEqual([streams[0]!.codec, streams[0]!.packets.received, warnings], ['PCMU', PACKETS, []]);
});

test('SRTP without a key is told by the length of its packets, and by its signalling', async () => {
  const { keys } = freshKey();
  const sent = protect(stream(9, alice), keys);
  const { streams, warnings } = await extracted(capture(sent));
  assert.deepEqual([streams[0]!.srtp, streams[0]!.packets.received], [null, PACKETS]);
  assert.match(warnings.join('\n'), /stream 1 looks like SRTP .*give --srtp 0x00000009=SUITE:KEY/);

  const sdp = 'v=0\r\no=- 1 1 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\nm=audio 5000 RTP/SAVP 18\r\n';
  const invite = `INVITE sip:x SIP/2.0\r\nContent-Type: application/sdp\r\nContent-Length: ${sdp.length}\r\n\r\n${sdp}`;
  const signalling = [{ atUs: START_US - 1000, from: bob, packet: Buffer.from(invite) }];
  const g729 = await extracted(capture(signalling, protect(stream(9, alice, 1, 18), keys)));
  assert.match(g729.warnings.join('\n'), /stream 1 is signalled as SRTP, .*give --srtp 0x00000009=SUITE:KEY/);
});

test('an SSRC without a key in a stream that is SRTP, and a key without a stream, are warned of', async () => {
  const { keys, text } = freshKey();
  const other = stream(11, alice, 1).map((sent) => ({ ...sent, atUs: sent.atUs + PACKETS * PTIME_US }));
  const file = capture(protect(stream(10, alice, 1), keys), protect(other, freshKey().keys));
  const { streams, warnings } = await extracted(file, `10=${text}`, `12=${text}`);
  assert.deepEqual([streams[0]!.packets.received, streams[0]!.packets.unauthenticated], [PACKETS, PACKETS]);
  assert.match(warnings.join('\n'), /stream 1 belongs to a stream that is SRTP.* 0x0000000b=/);
  assert.match(warnings.join('\n'), /a key is given for SSRC 0x0000000c, which no stream has/);
});

const KEY = 'NhqBK/JjtVJgmOgPyDKpvMTEjvFCQ4eiyVQelF6x';
const wrong: [text: string, message: RegExp][] = [
  ['', /of the form SSRC=SUITE:KEY/],
  [KEY, /of the form/],
  [`*=${KEY}`, /of the form/],
  [`alice=${SUITE}:${KEY}`, /of the form/],
  [`4294967296=${SUITE}:${KEY}`, /more than 32 bits/],
  [`*=${KEY}:${SUITE}`, /unknown SRTP suite; known are AES_CM_128_HMAC_SHA1_80, .*AEAD_AES_256_GCM/],
  [`*=AES_CM_128:${KEY}`, /unknown SRTP suite/],
  [`*=__proto__:${KEY}`, /unknown SRTP suite/],
  [`*=${SUITE}:`, /not base64/],
  [`*=${SUITE}:${KEY}!`, /not base64/],
  [`*=${SUITE}:${KEY}x`, /not base64/],
  [`*=${SUITE}:${KEY.slice(4)}`, /takes 30 octets of master key and salt, not 27/],
  [`*=AEAD_AES_256_GCM:${KEY}`, /takes 44 octets of master key and salt, not 30/],
];

test('a key that cannot be one is refused with the reason, and is never shown', () => {
  for (const [text, message] of wrong) {
    assert.throws(
      () => parseCaptureKey(text),
      (error: Error) =>
        error instanceof CaptureKeyError && message.test(error.message) && !/NhqB|VJgm/.test(error.message),
      text,
    );
  }
  const twice = [parseCaptureKey(`*=${SUITE}:${KEY}`), parseCaptureKey(`*=${SUITE}:${KEY}`)];
  assert.throws(() => new CaptureKeys(twice), /two keys for \*/);
});

test('keys with and without padding, SSRCs decimal and hexadecimal; one of its own comes before that of all', () => {
  const bytes = randomBytes(28);
  for (const base64 of [bytes.toString('base64'), bytes.toString('base64').replace(/=+$/, '')]) {
    const { ssrc, keys } = parseCaptureKey(`0x2A1AD144=aead_aes_128_gcm:${base64}`);
    assert.equal(ssrc, 706400580);
    assert.deepEqual(Buffer.from(keys.keys[0]!.keyAndSalt.reveal()), bytes);
  }
  const [own, all] = [parseCaptureKey(`5=${SUITE}:${KEY}`), parseCaptureKey(`*=${SUITE}:${KEY}`)];
  const keys = new CaptureKeys([all, own]);
  assert.equal(keys.of(5), own.keys);
  assert.equal(keys.of(6), all.keys);
});
