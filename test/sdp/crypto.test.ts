/** The a=crypto line (RFC 4568): read and written without loss, and no key in anything that is said about it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { formatCrypto, keyAndSaltBytes, mkiOctets, parseCrypto, parseSdp, SdpError } from '../../src/sdp/index.ts';
import { mutate, randomNumbers } from './mutation.ts';

const KEY = 'WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz';
const LONGEST = `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}|2^20|1:4;inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR|2^20|2:4 KDR=0 FEC_ORDER=FEC_SRTP FEC_KEY=inline:${KEY}|2^20|3:4 WSH=128 UNENCRYPTED_SRTCP -X=${KEY}`;

/** Those of RFC 4568 sections 4, 5, 6.1 and 7.3. */
const EXAMPLES = [
  '1 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR|2^20|1:32',
  '1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:4 FEC_ORDER=FEC_SRTP',
  '2 F8_128_HMAC_SHA1_80 inline:MTIzNDU2Nzg5QUJDREUwMTIzNDU2Nzg5QUJjZGVm|2^20|1:4;inline:QUJjZGVmMTIzNDU2Nzg5QUJDREUwMTIzNDU2Nzg5|2^20|2:4 FEC_ORDER=FEC_SRTP',
  '1 AES_CM_128_HMAC_SHA1_32 inline:NzB4d1BINUAvLEw6UzF3WSJ+PSdFcGdUJShpX1Zj|2^20|1:32',
  '1 AES_CM_128_HMAC_SHA1_80 inline:YUJDZGVmZ2hpSktMbW9QUXJzVHVWd3l6MTIzNDU2|1066:4',
  '1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20|1:32 KDR=1 UNENCRYPTED_SRTCP',
];

for (const text of [...EXAMPLES, LONGEST]) {
  test(`RFC 4568 9: written as it was read: ${text.slice(0, 90)}`, () =>
    assert.equal(formatCrypto(parseCrypto(text)), text));
}

test('RFC 4568 6.1: key, lifetime and MKI in their parts', () => {
  const { tag, suite, keys, parameters } = parseCrypto(LONGEST);
  assert.deepEqual([tag, suite, keys.length], [1, 'AES_CM_128_HMAC_SHA1_80', 2]);
  assert.equal(Buffer.from(keys[0]!.keyAndSalt.reveal()).toString('latin1'), 'YS___semctl () {\t220;}\n}\nunles');
  assert.deepEqual([keys[0]!.lifetime, keys[0]!.mki], ['2^20', { value: '1', bytes: 4 }]);
  assert.deepEqual(Buffer.from(mkiOctets(keys[1]!.mki!)), Buffer.from([0, 0, 0, 2]));
  assert.deepEqual(
    parameters.map(({ name, isOptional }) => (isOptional ? `-${name}` : name)),
    ['KDR', 'FEC_ORDER', 'FEC_KEY', 'WSH', 'UNENCRYPTED_SRTCP', '-X'],
  );
});

test('RFC 4568 6.1: an MKI without a lifetime, and one as long as they come', () => {
  const { lifetime, mki } = parseCrypto(EXAMPLES[4]!).keys[0]!;
  assert.deepEqual([lifetime, mki], [null, { value: '1066', bytes: 4 }]);
  const value = (256n ** 128n - 1n).toString();
  const longest = parseCrypto(`1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}|${value}:128`).keys[0]!.mki!;
  assert.deepEqual(Buffer.from(mkiOctets(longest)), Buffer.alloc(128, 0xff));
});

for (const [suite, octets] of [
  ['AES_CM_128_HMAC_SHA1_80', 30],
  ['AES_CM_128_HMAC_SHA1_32', 30],
  ['AES_192_CM_HMAC_SHA1_80', 38],
  ['AES_192_CM_HMAC_SHA1_32', 38],
  ['AES_256_CM_HMAC_SHA1_80', 46],
  ['AES_256_CM_HMAC_SHA1_32', 46],
  ['AEAD_AES_128_GCM', 28],
  ['AEAD_AES_256_GCM', 44],
] as const) {
  test(`RFC 4568 6.2, 6188 4, 7714 14.2: ${suite} takes ${octets} octets, padded or not`, () => {
    assert.equal(keyAndSaltBytes(suite), octets);
    const padded = Buffer.alloc(octets, 0x5a).toString('base64');
    for (const base64 of [padded, padded.replace(/=+$/, '')]) {
      const text = `7 ${suite} inline:${base64}`;
      assert.equal(formatCrypto(parseCrypto(text)), text);
    }
    for (const other of [octets - 1, octets + 1]) {
      const wrong = `7 ${suite} inline:${Buffer.alloc(other, 0x5a).toString('base64')}`;
      assert.throws(() => parseCrypto(wrong), { code: 'bad-crypto', message: new RegExp(`takes ${octets} octets`) });
    }
  });
}

const line = (rest: string) => `1 AES_CM_128_HMAC_SHA1_80 ${rest}`;
for (const [what, text] of [
  ['nothing', ''],
  ['no suite', '1'],
  ['no key', '1 AES_CM_128_HMAC_SHA1_80'],
  ['a tag of ten digits', `1234567890 AES_CM_128_HMAC_SHA1_80 inline:${KEY}`],
  ['a tag with a zero in front', `01 AES_CM_128_HMAC_SHA1_80 inline:${KEY}`],
  ['a suite that is no token', `1 AES-CM inline:${KEY}`],
  ['a key method that is not inline', line(`uri:${KEY}`)],
  ['a key without method', line(KEY)],
  ['no base64', line('inline:')],
  ['other characters in the base64', line(`inline:${KEY.slice(0, 20)}*${KEY.slice(20)}`)],
  ['URL-safe base64', line(`inline:${KEY.slice(0, 39)}_`)],
  ['too much padding', line(`inline:${KEY}=`)],
  ['too little padding', `1 AEAD_AES_128_GCM inline:${Buffer.alloc(28).toString('base64').slice(0, -1)}`],
  ['bits left over', `1 AEAD_AES_128_GCM inline:${'A'.repeat(37)}B==`],
  ['a lifetime of none', line(`inline:${KEY}|0`)],
  ['a lifetime over 2^48', line(`inline:${KEY}|2^49`)],
  ['a lifetime that is no number', line(`inline:${KEY}|2^`)],
  ['an MKI that is too long for its length', line(`inline:${KEY}|2^20|256:1`)],
  ['an MKI of no octets', line(`inline:${KEY}|1:0`)],
  ['an MKI of 129 octets', line(`inline:${KEY}|1:129`)],
  ['two MKIs', line(`inline:${KEY}|1:4|2:4`)],
  ['a part too many', line(`inline:${KEY}|2^20|1:4|x`)],
  ['two keys without MKI', line(`inline:${KEY};inline:${KEY}`)],
  ['two keys with one MKI', line(`inline:${KEY}|1:4;inline:${KEY}|1:4`)],
  ['MKIs of two lengths', line(`inline:${KEY}|1:4;inline:${KEY}|2:2`)],
  ['nine keys', line(Array.from({ length: 9 }, (_, i) => `inline:${KEY}|${i}:4`).join(';'))],
  ['a semicolon at the end', line(`inline:${KEY};`)],
  ['seventeen session parameters', line(`inline:${KEY}${' -X'.repeat(17)}`)],
] as const) {
  test(`RFC 4568 9: ${what} is refused, and the reason shows no key`, () => {
    assert.throws(
      () => parseCrypto(text),
      (error: unknown) => {
        assert.ok(error instanceof SdpError && error.code === 'bad-crypto', String(error));
        assert.ok(!inspect(error).includes(KEY.slice(0, 12)));
        return true;
      },
    );
  });
}

/** Reads; anything but a line or an SdpError is a fault, and what was read stays the same when it is written and read again. */
function check(text: string): void {
  let written: string;
  try {
    written = formatCrypto(parseCrypto(text));
  } catch (error) {
    assert.ok(error instanceof SdpError && error.code === 'bad-crypto', String(error));
    for (const part of text.match(/[A-Za-z0-9+/]{16,}/g) ?? []) {
      assert.ok(part.includes('_') || !error.message.includes(part), `${error.message} shows ${part}`);
    }
    return;
  }
  assert.equal(formatCrypto(parseCrypto(written)), written);
  assert.equal(
    written,
    text
      .trim()
      .split(/[ \t]+/)
      .join(' ')
      .replaceAll(/inline:/gi, 'inline:'),
  );
}

test('RFC 4568 9: cut at each byte', () => {
  for (let length = 0; length <= LONGEST.length; length++) check(LONGEST.slice(0, length));
});

test('RFC 4568 9: seeded damage', () => {
  const random = randomNumbers(4568);
  const whole = Buffer.from(LONGEST);
  let bytes: Uint8Array = whole;
  for (let i = 0; i < 20_000; i++) {
    bytes = i % 4 === 0 ? whole : mutate(bytes, random);
    check(Buffer.from(bytes).toString('latin1'));
  }
});

test('a session description with keys shows none of them, and is sent as it is', () => {
  const lines = [
    `a=crypto:${LONGEST}`,
    `a = crypto ${KEY}`,
    `k=base64:${KEY}`,
    `a=key-mgmt:mikey ${KEY}`,
    `inline:${KEY}`,
  ];
  const text = ['v=0', 's=-', 'm=audio 4000 RTP/SAVP 0', ...lines, 'a=label:1', ''].join('\r\n');
  const sdp = parseSdp(text);
  assert.equal(sdp.toString(), text);
  for (const shown of [
    JSON.stringify(sdp),
    inspect(sdp, { depth: 20, showHidden: true }),
    JSON.stringify(sdp.media[0]),
  ]) {
    assert.ok(!shown.includes(KEY), shown);
    assert.ok(shown.includes('label:1'));
  }
  assert.ok(!inspect(parseCrypto(LONGEST), { depth: 20, showHidden: true }).includes(KEY));
  assert.ok(!JSON.stringify(parseCrypto(LONGEST)).includes(KEY));
});
