/** Which a=crypto line is used (RFC 4568 sections 5.1, 6.3 and 7): offers as they come from the field, policy, answers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  acceptCrypto,
  answeringLine,
  CRYPTO_SUITES,
  type CryptoPolicy,
  chooseCrypto,
  formatCrypto,
  keyAndSaltBytes,
  type MediaDescription,
  NO_CRYPTO,
  NULL_SUITES,
  parseCrypto,
  parseSdp,
} from '../../src/sdp/index.ts';
import { Secret } from '../../src/secret.ts';

const ALL: CryptoPolicy = { suites: CRYPTO_SUITES, required: false, keysRefused: null };
const WEAK: CryptoPolicy = { ...ALL, suites: [...CRYPTO_SUITES, ...NULL_SUITES] };

function key(suite: string, octet = 1): string {
  return `inline:${Buffer.alloc(keyAndSaltBytes(suite) ?? 30, octet).toString('base64')}`;
}

const crypto = (tag: number, suite: string, parameters = '') => `crypto:${tag} ${suite} ${key(suite)}${parameters}`;

function media(protocol: string, ...attributes: string[]): MediaDescription {
  const lines = [
    'v=0',
    's=-',
    'c=IN IP4 192.0.2.1',
    `m=audio 4000 ${protocol} 0`,
    ...attributes.map((a) => `a=${a}`),
    '',
  ];
  return parseSdp(lines.join('\r\n')).media[0]!;
}

const chosen = (m: MediaDescription, policy = ALL) => {
  const { agreed, fault, warnings } = chooseCrypto(m, policy);
  return { suite: agreed?.suite ?? null, tag: agreed?.line.tag ?? null, fault, warnings };
};

test('RFC 4568 5.1.2: the first line that is known is used, whatever its tag', () => {
  for (const protocol of ['RTP/SAVP', 'RTP/SAVPF']) {
    const m = media(protocol, crypto(9, 'AEAD_AES_256_GCM'), crypto(1, 'AES_CM_128_HMAC_SHA1_80'));
    assert.deepEqual(chosen(m), { suite: 'AEAD_AES_256_GCM', tag: 9, fault: null, warnings: [] });
  }
});

test('RFC 4568 7.3: the example of the standard; F8 is passed over, and is no reason to refuse', () => {
  const f8 = `crypto:2 F8_128_HMAC_SHA1_80 ${key('F8')}|2^20|1:4;${key('F8', 2)}|2^20|2:4 FEC_ORDER=FEC_SRTP`;
  const aes = `crypto:1 AES_CM_128_HMAC_SHA1_80 ${key('', 3)}|2^20|1:4 FEC_ORDER=FEC_SRTP`;
  assert.equal(chosen(media('RTP/SAVP', aes, f8)).tag, 1);
  const { tag, warnings } = chosen(media('RTP/SAVP', f8, aes));
  assert.deepEqual([tag, warnings], [1, ['m-line 1: a=crypto:2 F8_128_HMAC_SHA1_80 is not supported']]);
  const alone = chosen(media('RTP/SAVP', f8));
  assert.equal(alone.fault, 'no a=crypto line that can be used: a=crypto:2 F8_128_HMAC_SHA1_80 is not supported');
});

const OFFERS: [string, MediaDescription, string | null, number | null][] = [
  [
    'Oracle/Acme: one line, tag 1, MKI off',
    media('RTP/SAVP', crypto(1, 'AES_CM_128_HMAC_SHA1_80'), 'sendonly', 'label:27783721'),
    'AES_CM_128_HMAC_SHA1_80',
    1,
  ],
  [
    'Cisco CUBE: SAVP with 32 before 80',
    media('RTP/SAVP', crypto(1, 'AES_CM_128_HMAC_SHA1_32'), crypto(2, 'AES_CM_128_HMAC_SHA1_80')),
    'AES_CM_128_HMAC_SHA1_32',
    1,
  ],
  [
    'Cisco CUBE: next generation suites first',
    media(
      'RTP/SAVP',
      crypto(1, 'AEAD_AES_256_GCM'),
      crypto(2, 'AEAD_AES_128_GCM'),
      crypto(3, 'AES_CM_128_HMAC_SHA1_80'),
    ),
    'AEAD_AES_256_GCM',
    1,
  ],
  [
    'Lync gateway: best effort in RTP/AVP, with MKI and with lifetime alone',
    media(
      'RTP/AVP',
      crypto(2, 'AES_CM_128_HMAC_SHA1_80', '|2^31|1:1'),
      crypto(3, 'AES_CM_128_HMAC_SHA1_80', '|2^31'),
      'encryption:optional',
    ),
    'AES_CM_128_HMAC_SHA1_80',
    2,
  ],
  [
    'AudioCodes: tags from 1 with an MKI, lifetime 2^31',
    media(
      'RTP/SAVP',
      crypto(1, 'AES_CM_128_HMAC_SHA1_80', '|2^31|1:4'),
      crypto(2, 'AES_256_CM_HMAC_SHA1_80', '|2^31|1:4'),
    ),
    'AES_CM_128_HMAC_SHA1_80',
    1,
  ],
  [
    'a name of a draft for AES-256, then one of the standard',
    media('RTP/SAVP', crypto(1, 'AES_CM_256_HMAC_SHA1_80'), crypto(2, 'AES_256_CM_HMAC_SHA1_80')),
    'AES_256_CM_HMAC_SHA1_80',
    2,
  ],
];
for (const [name, m, suite, tag] of OFFERS) {
  test(`RFC 4568 7.1: ${name}`, () => {
    const { agreed, fault } = chooseCrypto(m, ALL);
    assert.deepEqual([agreed?.suite, agreed?.line.tag, fault], [suite, tag, null]);
  });
}

test('RFC 4568 6.3: session parameters that are not supported make their line unusable', () => {
  for (const [parameter, fault] of [
    ['KDR=1', 'KDR other than 0 is not supported'],
    ['FEC_ORDER=SRTP_FEC', 'FEC_ORDER other than FEC_SRTP is not supported'],
    [`FEC_KEY=${key('')}`, 'session parameter FEC_KEY is not supported'],
    ['WSH=32', 'WSH below 64'],
    ['UNAUTHENTICATED_SRTP', 'UNAUTHENTICATED_SRTP is not supported for what is encrypted'],
    ['UNENCRYPTED_SRTP', 'UNENCRYPTED_SRTP is not supported without UNENCRYPTED_SRTCP'],
    ['UNENCRYPTED_SRTP UNENCRYPTED_SRTCP', 'NULL_HMAC_SHA1_80 is not allowed here'],
    ['UNENCRYPTED_SRTCP', 'UNENCRYPTED_SRTCP is not allowed here'],
    ['UNENCRYPTED_SRTCP=1', 'a session parameter is not known'],
    ['SOMETHING=1', 'session parameter SOMETHING is not supported'],
    ['c29tZXRoaW5nIHNlY3JldA==', 'a session parameter is not known'],
  ] as const) {
    const bad = crypto(1, 'AES_CM_128_HMAC_SHA1_80', ` ${parameter}`);
    assert.match(chosen(media('RTP/SAVP', bad)).fault ?? '', /^no a=crypto line that can be used: a=crypto:1 /);
    const next = chosen(media('RTP/SAVP', bad, crypto(2, 'AES_CM_128_HMAC_SHA1_80')));
    const expected = parameter.startsWith('UNENCRYPTED_SRTCP=')
      ? /UNENCRYPTED_SRTCP|session parameter/
      : new RegExp(fault);
    assert.equal(next.tag, 2, parameter);
    assert.match(next.warnings.join(), expected);
  }
  for (const parameter of ['KDR=0', 'WSH=64', 'FEC_ORDER=FEC_SRTP', '-SOMETHING=1', '-KDR=3', '-UNENCRYPTED_SRTP']) {
    const good = crypto(1, 'AES_CM_128_HMAC_SHA1_80', ` ${parameter}`);
    assert.equal(chosen(media('RTP/SAVP', good)).suite, 'AES_CM_128_HMAC_SHA1_80', parameter);
  }
});

test('RFC 4568 6.3.2, 6.3.3: what weakens a suite is taken where policy names what is left, and is answered', () => {
  for (const [suite, parameters, effect] of [
    ['AES_CM_128_HMAC_SHA1_80', 'UNENCRYPTED_SRTCP', 'AES_CM_128_HMAC_SHA1_80'],
    ['AES_CM_128_HMAC_SHA1_80', 'UNENCRYPTED_SRTP UNENCRYPTED_SRTCP', 'NULL_HMAC_SHA1_80'],
    ['AES_CM_128_HMAC_SHA1_32', 'UNENCRYPTED_SRTP UNENCRYPTED_SRTCP', 'NULL_HMAC_SHA1_32'],
    ['AES_CM_128_HMAC_SHA1_80', 'UNENCRYPTED_SRTP UNENCRYPTED_SRTCP UNAUTHENTICATED_SRTP', 'NULL_NULL'],
  ] as const) {
    const { agreed } = chooseCrypto(media('RTP/SAVP', crypto(4, suite, ` ${parameters}`)), WEAK);
    assert.deepEqual([agreed?.suite, agreed?.unencryptedSrtcp], [effect, true]);
    const own = formatCrypto(answeringLine(agreed!, new Secret(Buffer.alloc(30, 9))));
    assert.equal(own, `4 ${suite} ${key('', 9)} ${parameters}`);
  }
  const gcm = media('RTP/SAVP', crypto(1, 'AEAD_AES_128_GCM', ' UNENCRYPTED_SRTP UNENCRYPTED_SRTCP'));
  assert.match(chosen(gcm, WEAK).fault ?? '', /UNENCRYPTED_SRTP is not supported for AEAD_AES_128_GCM/);
});

test('policy: suites that are not allowed are passed over, and nothing takes their place', () => {
  const both = media('RTP/SAVP', crypto(1, 'AES_CM_128_HMAC_SHA1_32'), crypto(2, 'AES_CM_128_HMAC_SHA1_80'));
  const strict = { ...ALL, suites: ['AES_CM_128_HMAC_SHA1_80'] };
  assert.equal(chosen(both, strict).tag, 2);
  const gcm = { ...ALL, suites: ['AEAD_AES_256_GCM'] };
  assert.equal(
    chosen(both, gcm).fault,
    'no a=crypto line that can be used: a=crypto:1 AES_CM_128_HMAC_SHA1_32 is not allowed here, a=crypto:2 AES_CM_128_HMAC_SHA1_80 is not allowed here',
  );
  assert.match(chosen(both, NO_CRYPTO).fault ?? '', /SRTP is not supported/);
  assert.match(chosen(both, { ...ALL, keysRefused: 'over TLS only' }).fault ?? '', /over TLS only/);
});

test('RTP/AVP with a=crypto is best effort: SRTP where a line can be used, in the clear with a warning where none can', () => {
  assert.equal(chosen(media('RTP/AVP', crypto(1, 'AES_CM_128_HMAC_SHA1_80'))).suite, 'AES_CM_128_HMAC_SHA1_80');
  const f8 = media('RTP/AVP', `crypto:1 F8_128_HMAC_SHA1_80 ${key('')}`);
  const taken = chosen(f8);
  assert.deepEqual([taken.suite, taken.fault], [null, null]);
  assert.match(taken.warnings.join(), /m-line 1: taken in the clear: a=crypto:1 F8_128_HMAC_SHA1_80 is not supported/);
  assert.match(chosen(f8, { ...ALL, required: true }).fault ?? '', /only SRTP is taken: .*F8/);
});

test('policy "required": plain RTP is refused', () => {
  assert.deepEqual(chosen(media('RTP/AVP')), { suite: null, tag: null, fault: null, warnings: [] });
  assert.equal(chosen(media('RTP/AVP'), { ...ALL, required: true }).fault, 'only SRTP is taken');
});

test('RFC 5764: DTLS-SRTP is refused by its name, and so is SRTP without keys', () => {
  for (const protocol of ['UDP/TLS/RTP/SAVPF', 'UDP/TLS/RTP/SAVP', 'TCP/DTLS/RTP/SAVPF']) {
    assert.match(chosen(media(protocol, 'fingerprint:sha-256 AA:BB', 'setup:actpass')).fault ?? '', /^DTLS-SRTP/);
  }
  assert.match(chosen(media('RTP/SAVPF', 'fingerprint:sha-256 AA:BB')).fault ?? '', /^DTLS-SRTP/);
  assert.equal(chosen(media('RTP/SAVP')).fault, 'SRTP without an a=crypto line');
});

test('RFC 4568 5.1.1: a tag that comes twice is used once; lines without number are bounded', () => {
  const twice = media('RTP/SAVP', `crypto:1 F8_128_HMAC_SHA1_80 ${key('')}`, crypto(1, 'AES_CM_128_HMAC_SHA1_80'));
  assert.match(chosen(twice).fault ?? '', /tag 1 for the second time/);
  const bad = Array.from({ length: 40 }, (_, i) => crypto(i, 'F8_128_HMAC_SHA1_80'));
  assert.match(chosen(media('RTP/SAVP', ...bad, crypto(99, 'AES_CM_128_HMAC_SHA1_80'))).fault ?? '', /^no a=crypto/);
});

test('RFC 4568 5.1.3: an answer has exactly one line, of those that were offered', () => {
  const ours = media('RTP/SAVP', crypto(1, 'AEAD_AES_256_GCM'), crypto(2, 'AES_CM_128_HMAC_SHA1_80'));
  const { agreed } = acceptCrypto(media('RTP/SAVP', crypto(2, 'AES_CM_128_HMAC_SHA1_80')), ours);
  assert.deepEqual([agreed?.suite, agreed?.own?.tag], ['AES_CM_128_HMAC_SHA1_80', 2]);
  assert.equal(formatCrypto(agreed!.own!), formatCrypto(parseCrypto(ours.attributes('crypto')[1]!)));
  for (const [answer, fault] of [
    [media('RTP/SAVP'), /^0 a=crypto lines/],
    [media('RTP/SAVP', crypto(1, 'AEAD_AES_256_GCM'), crypto(2, 'AES_CM_128_HMAC_SHA1_80')), /^2 a=crypto lines/],
    [media('RTP/SAVP', crypto(1, 'AES_CM_128_HMAC_SHA1_80')), /none of those that were offered/],
    [media('RTP/SAVP', crypto(3, 'AES_CM_128_HMAC_SHA1_80')), /none of those that were offered/],
    [media('RTP/AVP'), /RTP\/AVP answers an offer of RTP\/SAVP/],
    [media('RTP/SAVP', crypto(2, 'AES_CM_128_HMAC_SHA1_80', ' UNENCRYPTED_SRTCP')), /not those that were offered/],
    [media('RTP/SAVP', 'crypto:2 AES_CM_128_HMAC_SHA1_80 inline:AAAA'), /takes 30 octets/],
  ] as const) {
    const refused = acceptCrypto(answer, ours);
    assert.equal(refused.agreed, null);
    assert.match(refused.fault ?? '', fault);
  }
  assert.deepEqual(acceptCrypto(media('RTP/AVP'), media('RTP/AVP')), { agreed: null, fault: null, warnings: [] });
  // Best effort that was taken as SRTP may be answered in the clear, but not where SRTP is required.
  const bestEffort = media('RTP/AVP', crypto(1, 'AEAD_AES_256_GCM'));
  assert.deepEqual(acceptCrypto(media('RTP/AVP'), bestEffort), { agreed: null, fault: null, warnings: [] });
  assert.equal(acceptCrypto(media('RTP/AVP'), bestEffort, true).fault, 'only SRTP is taken');
  assert.match(
    acceptCrypto(media('RTP/SAVP', crypto(1, 'AEAD_AES_256_GCM')), media('RTP/AVP')).fault ?? '',
    /answers an/,
  );
});
