import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  answerOffer,
  CRYPTO_SUITES,
  chooseCrypto,
  NULL_SUITES,
  parseSdp,
  type Sdp,
  SdpError,
} from '../../src/sdp/index.ts';
import { cpuMs, mutate, randomNumbers } from './mutation.ts';

const OFFER = Buffer.from(
  [
    'v=0',
    'o=- 20518 0 IN IP4 203.0.113.1',
    's=-',
    'c=IN IP4 203.0.113.1',
    't=0 0',
    'a=group:LS 1 2',
    'm=audio 54400 RTP/AVP 0 96 101',
    'a=rtpmap:96 opus/48000/2',
    'a=fmtp:96 minptime=10',
    'a=rtpmap:101 telephone-event/8000',
    'a=rtcp:54409 IN IP4 203.0.113.2',
    'a=ptime:20',
    'a=sendonly',
    'a=label:1',
    'm=audio 54402/2 RTP/SAVP 8',
    'c=IN IP6 2001:db8::2',
    'a=crypto:1 AEAD_AES_128_GCM inline:QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYg== WSH=64',
    'a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:4 UNENCRYPTED_SRTCP',
    'a=inactive',
    'a=rtcp-mux',
    'a=label:2',
    '',
  ].join('\r\n'),
);

const POLICY = { suites: [...CRYPTO_SUITES, ...NULL_SUITES], required: false, keysRefused: null };

/** Reads; anything but a description or an SdpError is a fault. What was read comes out unchanged and can be answered. */
function check(bytes: Uint8Array): void {
  let parsed: Sdp;
  try {
    parsed = parseSdp(bytes);
  } catch (error) {
    assert.ok(error instanceof SdpError, String(error));
    return;
  }
  assert.ok(Buffer.from(bytes).equals(parsed.toBytes()));
  for (const media of parsed.media) {
    assert.ok(media.port <= 65_535 && media.rtpmaps.length <= 64);
    const { agreed, fault } = chooseCrypto(media, POLICY);
    assert.ok(agreed === null || fault === null);
  }
  answerOffer(parsed, {
    address: '198.51.100.1',
    sessionId: '1',
    version: 1,
    media: parsed.media.map((m) =>
      m.held() ? { accept: false } : { accept: true, port: 2, direction: 'recvonly', payloadTypes: m.rtpmaps },
    ),
  });
}

test('SDP cut at each byte', () => {
  for (let length = 0; length <= OFFER.length; length++) check(OFFER.subarray(0, length));
});

test('SDP with seeded damage', () => {
  const random = randomNumbers(8866);
  let bytes: Uint8Array = OFFER;
  for (let i = 0; i < 5_000; i++) {
    bytes = i % 5 === 0 ? OFFER : mutate(bytes, random);
    if (bytes.length > 100_000) bytes = OFFER;
    check(bytes);
  }
});

test('SDP bombs are read or refused in bounded time', () => {
  const bombs = [
    `v=0\r\n${'m=audio 1 RTP/AVP 0\r\n'.repeat(3_000)}`,
    `v=0\r\nm=audio 1 RTP/AVP ${'0 '.repeat(4_000)}\r\n`,
    `v=0\r\nm=audio 1 RTP/AVP 0\r\n${'a=rtpmap:0 X/1\r\n'.repeat(900)}`,
    `v=0\r\n${'\r\n'.repeat(30_000)}`,
    `v=0\r\nm=audio 1 RTP/AVP 0\r\n${'a=fmtp:0 x\r\n'.repeat(1_000)}`,
    `v=0\r\nc=IN IP6 ${':'.repeat(8_000)}\r\nm=audio 1 RTP/AVP 0\r\n`,
    `${' '.repeat(60_000)}v=0`,
    `v=0\r\nm=audio 1 RTP/SAVP 0\r\n${'a=crypto:1 X inline:AAAA\r\n'.repeat(1_000)}`,
    `v=0\r\nm=audio 1 RTP/SAVP 0\r\n${`a=crypto:1 AEAD_AES_128_GCM inline:${'A'.repeat(8_000)}|${'9'.repeat(90)}:4\r\n`.repeat(7)}`,
    `v=0\r\n${Array.from({ length: 16 }, () => `m=audio 1 RTP/AVP ${Array.from({ length: 64 }, (_, i) => i + 63).join(' ')}\r\n`).join('')}`,
  ].map((text) => Buffer.from(text));
  for (const bomb of bombs) check(bomb);
  const used = cpuMs(() => {
    for (let i = 0; i < 5; i++) for (const bomb of bombs) check(bomb);
  });
  assert.ok(used / (5 * bombs.length) < 20, `${used / (5 * bombs.length)} ms each`);
});
