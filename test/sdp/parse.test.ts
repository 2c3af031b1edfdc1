import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ipVersion, isUnspecified, parseSdp, type Sdp, SdpError } from '../../src/sdp/index.ts';

function sdp(...lines: string[]): Sdp {
  return parseSdp(['v=0', 'o=- 1 1 IN IP4 192.0.2.1', 's=-', 'c=IN IP4 192.0.2.1', 't=0 0', ...lines, ''].join('\r\n'));
}

test('RFC 8866 5: what was read is written back byte by byte, whatever the line ends', () => {
  const line = fc.oneof(
    fc.constantFrom(
      'v=0',
      'm=audio 4000 RTP/AVP 0',
      'a=label:1',
      'a=x-unknown:yes',
      'z=1 2',
      '',
      '   ',
      'no line at all',
      'a=',
      ' a=sendonly',
    ),
    fc.string({ maxLength: 20 }).filter((s) => !s.includes('m=') && !s.startsWith('v=')),
  );
  const eol = fc.constantFrom('\r\n', '\n', '\r', '\n\r');
  fc.assert(
    fc.property(fc.array(fc.tuple(line, eol), { maxLength: 15 }), (lines) => {
      const text = `v=0\r\n${lines.map(([l, e]) => l + e).join('')}`;
      const parsed = parseSdp(text);
      assert.equal(parsed.toString(), text);
      assert.equal([...parsed.sessionLines, ...parsed.media.flatMap((m) => m.lines)].length, parsed.lines.length);
    }),
  );
});

test('RFC 8866 5: bytes that are no UTF-8 survive', () => {
  const bytes = Buffer.from('v=0\r\ns=caf\xe9\r\nm=audio 1 RTP/AVP 0\r\n', 'latin1');
  assert.deepEqual(Buffer.from(parseSdp(bytes).toBytes()), bytes);
  const utf8 = Buffer.from('v=0\r\ns=café\r\n');
  assert.deepEqual(Buffer.from(parseSdp(utf8).toBytes()), utf8);
});

test('RFC 8866 5.2: session ids beyond 2^53 keep every digit', () => {
  const parsed = parseSdp('v=0\no=u 9223372036854775807 18446744073709551615 IN IP4 host.example\n');
  assert.deepEqual(parsed.origin, {
    username: 'u',
    sessionId: '9223372036854775807',
    version: '18446744073709551615',
    address: 'host.example',
  });
});

test('RFC 8866 5.14: port, number of ports, protocol and formats', () => {
  const media = sdp('m=audio 49170/2 RTP/AVP 0 96', 'a=rtpmap:96 opus/48000/2', 'a=fmtp:96 stereo=1;useinbandfec=1')
    .media[0]!;
  assert.equal(media.port, 49170);
  assert.equal(media.portCount, 2);
  assert.deepEqual(media.formats, ['0', '96']);
  assert.deepEqual(media.rtpmaps, [
    { payloadType: 0, encoding: 'PCMU', clockRate: 8000, channels: 1, fmtp: null },
    { payloadType: 96, encoding: 'OPUS', clockRate: 48000, channels: 2, fmtp: 'stereo=1;useinbandfec=1' },
  ]);
  assert.equal(sdp('m=audio 0/2 RTP/AVP 0').media[0]!.port, 0);
});

test('RFC 8866 5.14: an impossible m= line is refused', () => {
  const bad = [
    'm=audio',
    'm=audio x RTP/AVP 0',
    'm=audio 65536 RTP/AVP 0',
    'm=audio -1 RTP/AVP 0',
    'm=audio 1/0 RTP/AVP 0',
  ];
  bad.push('m=audio 1/99999 RTP/AVP 0', 'm=audio 99999999999999999999 RTP/AVP 0', 'm=audio 1e3 RTP/AVP 0');
  for (const line of bad) {
    assert.throws(
      () => sdp(line),
      (e) => e instanceof SdpError && e.code === 'bad-line',
      line,
    );
  }
});

test('RFC 3551 6: static payload types need no a=rtpmap; an a=rtpmap goes before the table', () => {
  const media = sdp('m=audio 1 RTP/AVP 8 18 13 0', 'a=rtpmap:0 L16/16000').media[0]!;
  assert.deepEqual(
    media.rtpmaps.map((p) => `${p.encoding}/${p.clockRate}`),
    ['PCMA/8000', 'G729/8000', 'CN/8000', 'L16/16000'],
  );
});

test('RFC 8866 6.6: rates, channels and payload types out of bounds are ignored with a warning', () => {
  const parsed = sdp(
    'm=audio 1 RTP/AVP 0 96 97 98 200',
    'a=rtpmap:0 PCMU/4294967295',
    'a=rtpmap:96 X/0',
    'a=rtpmap:97 X/8000/9999',
  );
  assert.deepEqual(
    parsed.media[0]!.rtpmaps.map((p) => [p.payloadType, p.encoding, p.clockRate]),
    [
      [0, 'PCMU', 8000],
      [96, 'UNKNOWN', 8000],
      [97, 'UNKNOWN', 8000],
      [98, 'UNKNOWN', 8000],
    ],
  );
  assert.ok(parsed.warnings.some((w) => w.includes('a=rtpmap that cannot be read')));
  assert.ok(parsed.warnings.some((w) => w.includes('no RTP payload type')));
});

test('RFC 8866 6.4: a=ptime within bounds only', () => {
  assert.equal(sdp('m=audio 1 RTP/AVP 0', 'a=ptime:20').media[0]!.ptime, 20);
  for (const value of ['0', '-5', '1000000000', 'x', '']) {
    const parsed = sdp('m=audio 1 RTP/AVP 0', `a=ptime:${value}`);
    assert.equal(parsed.media[0]!.ptime, null);
    assert.ok(parsed.warnings.some((w) => w.includes('ptime')));
  }
});

test('RFC 8866 5.7, 6.7: connection address and direction come from the session unless the media says otherwise', () => {
  const text =
    'v=0\nc=IN IP4 192.0.2.1\na=inactive\nm=audio 1 RTP/AVP 0\nm=audio 2 RTP/AVP 0\nc=IN IP6 2001:db8::1\na=sendonly\n';
  const [first, second] = parseSdp(text).media;
  assert.deepEqual([first!.connectionAddress, first!.direction], ['192.0.2.1', 'inactive']);
  assert.deepEqual([second!.connectionAddress, second!.direction], ['2001:db8::1', 'sendonly']);
  assert.equal(parseSdp('v=0\nm=audio 1 RTP/AVP 0\n').media[0]!.direction, 'sendrecv');
  assert.equal(
    parseSdp('v=0\nc=IN IP4 224.2.1.1/127/3\nm=audio 1 RTP/AVP 0\n').media[0]!.connectionAddress,
    '224.2.1.1',
  );
});

test('RFC 3264 8.4: held by inactive, by recvonly and by the zero address', () => {
  assert.equal(sdp('m=audio 1 RTP/AVP 0', 'a=sendonly').media[0]!.held(), false);
  assert.equal(sdp('m=audio 1 RTP/AVP 0', 'a=inactive').media[0]!.held(), true);
  assert.equal(sdp('m=audio 1 RTP/AVP 0', 'a=recvonly').media[0]!.held(), true);
  assert.equal(sdp('m=audio 1 RTP/AVP 0', 'c=IN IP4 0.0.0.0', 'a=sendonly').media[0]!.held(), true);
  assert.equal(sdp('m=audio 1 RTP/AVP 0', 'c=IN IP6 ::', 'a=sendonly').media[0]!.held(), true);
  assert.equal(parseSdp('v=0\no=- 1 1 IN IP4 0.0.0.0\nm=audio 1 RTP/AVP 0\n').media[0]!.held(), false);
});

test('RFC 3605, RFC 5761, RFC 4574: a=rtcp, a=rtcp-mux, a=label', () => {
  const media = sdp('m=audio 1 RTP/AVP 0', 'a=rtcp:53020 IN IP4 192.0.2.9', 'a=rtcp-mux', 'a=label: a_leg ').media[0]!;
  assert.deepEqual([media.rtcpPort, media.rtcpMux, media.label], [53020, true, 'a_leg']);
  assert.equal(sdp('m=audio 1 RTP/AVP 0', 'a=rtcp:70000').media[0]!.rtcpPort, null);
});

test('RFC 5576 4.1: a=ssrc of the one source', () => {
  const ssrc = (...lines: string[]) => sdp('m=audio 1 RTP/AVP 0', ...lines).media[0]!.ssrc;
  assert.equal(ssrc('a=ssrc:4294967295 cname:a@b', 'a=ssrc:4294967295 label:1'), 0xffff_ffff);
  assert.equal(ssrc('a=ssrc:1 cname:a', 'a=ssrc:2 cname:a'), null);
  for (const wrong of ['4294967296 cname:a', '-1 cname:a', 'x', '']) assert.equal(ssrc(`a=ssrc:${wrong}`), null);
  assert.equal(ssrc(), null);
});

test('RFC 8866 9: leading blank lines, indentation and foreign text are tolerated', () => {
  const parsed = parseSdp('\r\n\n  v=0\n  c=IN IP4 192.0.2.1\n  m=audio 4000 RTP/AVP 0\n  a=sendonly\n__cut__\n');
  assert.equal(parsed.media.length, 1);
  assert.equal(parsed.media[0]!.direction, 'sendonly');
  assert.ok(parsed.warnings.length > 0);
});

test('what is no session description is refused', () => {
  for (const text of ['', '\r\n\r\n', 'hello', '<recording/>', 'v=1\r\nm=audio 1 RTP/AVP 0\r\n', 'a=sendonly\r\n']) {
    assert.throws(() => parseSdp(text), SdpError);
  }
});

test('caps: 16 m-lines, 64 payload types, 64 a=rtpmap, lines, bytes', () => {
  const codeOf = (build: () => unknown): string => {
    try {
      build();
    } catch (error) {
      if (error instanceof SdpError) return error.code;
      throw error;
    }
    return 'read';
  };
  const many = (n: number, line: (i: number) => string) => Array.from({ length: n }, (_, i) => line(i));
  assert.equal(
    codeOf(() => sdp(...many(16, () => 'm=audio 1 RTP/AVP 0'))),
    'read',
  );
  assert.equal(
    codeOf(() => sdp(...many(17, () => 'm=audio 1 RTP/AVP 0'))),
    'too-many-media',
  );
  const formats = (n: number) => many(n, (i) => String(i)).join(' ');
  assert.equal(
    codeOf(() => sdp(`m=audio 1 RTP/AVP ${formats(64)}`)),
    'read',
  );
  assert.equal(
    codeOf(() => sdp(`m=audio 1 RTP/AVP ${formats(65)}`)),
    'too-many-payload-types',
  );
  const rtpmaps = many(65, (i) => `a=rtpmap:${i} X/8000`);
  assert.equal(
    codeOf(() => sdp('m=audio 1 RTP/AVP 0', ...rtpmaps)),
    'too-many-payload-types',
  );
  assert.equal(
    codeOf(() => sdp(...many(1100, () => 'a=x'))),
    'too-many-lines',
  );
  assert.equal(
    codeOf(() => sdp(`a=${'x'.repeat(9000)}`)),
    'too-large',
  );
  assert.equal(
    codeOf(() => parseSdp(`v=0\n${'a=x\n'.repeat(20_000)}`)),
    'too-large',
  );
});

test('IP address literals', () => {
  const v4 = ['192.0.2.1', '0.0.0.0', '255.255.255.255'];
  const v6 = ['::', '::1', '2001:db8::1', 'fe80::1%eth0', '::ffff:192.0.2.1', '1:2:3:4:5:6:7:8'];
  const neither = [
    '',
    'X.X.X.X',
    'y.y.y.y',
    '192.0.2',
    '192.0.2.256',
    '1.2.3.4.5',
    'host.example',
    ':::',
    '1::2::3',
    '1:2:3',
    '12345::',
    '1:2:3:4:5:6:7:8:9',
  ];
  for (const text of v4) assert.equal(ipVersion(text), 4, text);
  for (const text of v6) assert.equal(ipVersion(text), 6, text);
  for (const text of neither) assert.equal(ipVersion(text), 0, text);
  assert.ok(isUnspecified('0.0.0.0') && isUnspecified('::') && isUnspecified('0:0:0:0:0:0:0:0'));
  assert.ok(!isUnspecified('192.0.2.1') && !isUnspecified('::1') && !isUnspecified('X.X.X.X'));
});
