import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { answerOffer, answerProblem, buildOffer, parseSdp, remoteOf, staticPayloadType } from '../../src/sdp/index.ts';

const PCMU = staticPayloadType(0)!;
const PCMA = staticPayloadType(8)!;
const EVENTS = { payloadType: 101, encoding: 'TELEPHONE-EVENT', clockRate: 8000, channels: 1, fmtp: '0-15' };

const OFFER = parseSdp(
  [
    'v=0',
    'o=- 1 1 IN IP4 192.0.2.1',
    's=-',
    'c=IN IP4 192.0.2.1',
    't=3034423619 3042462419',
    'm=audio 4000 RTP/AVP 0 101',
    'a=rtpmap:101 Telephone-Event/8000',
    'a=fmtp:101 0-16',
    'a=ptime:20',
    'a=sendonly',
    'a=label:10',
    'm=video 4002 RTP/AVP 96',
    'a=rtpmap:96 H264/90000',
    'a=label:11',
    'm=audio 4004 RTP/AVPF 8',
    'a=inactive',
    'a=label:20',
    '',
  ].join('\r\n'),
);

test('RFC 3264 6: as many m-lines in the same order, protocol and label kept, port 0 for the rejected', () => {
  const answer = answerOffer(OFFER, {
    address: '198.51.100.7',
    sessionId: '77',
    version: 2,
    media: [
      { accept: true, port: 30_000, direction: 'recvonly', payloadTypes: OFFER.media[0]!.rtpmaps },
      { accept: false },
      { accept: true, port: 30_002, direction: 'recvonly', payloadTypes: [PCMA], rtcpPort: 30_009 },
    ],
  });
  assert.equal(answerProblem(OFFER, answer), null);
  assert.deepEqual(
    answer.media.map((m) => [m.kind, m.port, m.protocol, m.label, m.direction]),
    [
      ['audio', 30_000, 'RTP/AVP', '10', 'recvonly'],
      ['video', 0, 'RTP/AVP', '11', 'sendrecv'],
      ['audio', 30_002, 'RTP/AVPF', '20', 'inactive'],
    ],
  );
  assert.equal(answer.origin?.version, '2');
  assert.equal(answer.media[2]!.rtcpPort, 30_009);
  assert.equal(answer.media[0]!.ptime, 20);
  // The t= line of the answer equals the offer's; names are echoed in the offerer's own letters.
  assert.match(answer.toString(), /\r\nt=3034423619 3042462419\r\n/);
  assert.match(answer.toString(), /a=rtpmap:101 Telephone-Event\/8000\r\na=fmtp:101 0-16\r\n/);
});

test('RFC 5761 5.1.1: rtcp-mux is answered only where it was offered', () => {
  const media = [
    { accept: true as const, port: 30_000, direction: 'recvonly' as const, payloadTypes: [PCMU], rtcpPort: 30_000 },
  ];
  const base = 'v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0\r\n';
  const o = { address: '198.51.100.7', sessionId: '1', version: 1, media };
  assert.equal(answerOffer(parseSdp(`${base}a=rtcp-mux\r\n`), o).media[0]!.rtcpMux, true);
  assert.equal(answerOffer(parseSdp(base), o).media[0]!.rtcpMux, false);
});

test('an answer with the wrong number of entries is a mistake of the caller', () => {
  assert.throws(
    () => answerOffer(OFFER, { address: '198.51.100.7', sessionId: '1', version: 1, media: [] }),
    RangeError,
  );
});

test('RFC 3264 6: property - any offer that parses can be answered, and the answer fits', () => {
  const media = fc.record({
    kind: fc.constantFrom('audio', 'video', 'image'),
    port: fc.integer({ min: 0, max: 65_535 }),
    protocol: fc.constantFrom('RTP/AVP', 'RTP/SAVP', 'udptl'),
    formats: fc.array(fc.integer({ min: 0, max: 127 }), { maxLength: 6 }),
    direction: fc.constantFrom('sendonly', 'sendrecv', 'recvonly', 'inactive'),
    label: fc.option(fc.constantFrom('1', '2', 'a_leg')),
    accept: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(media, { maxLength: 16 }), (list) => {
      const lines = list.flatMap((m) => [
        `m=${m.kind} ${m.port} ${m.protocol} ${m.formats.join(' ')}`,
        `a=${m.direction}`,
        ...(m.label === null ? [] : [`a=label:${m.label}`]),
      ]);
      const offer = parseSdp(`v=0\r\nc=IN IP4 192.0.2.1\r\n${lines.join('\r\n')}\r\n`);
      const answer = answerOffer(offer, {
        address: '2001:db8::7',
        sessionId: '1',
        version: 1,
        media: offer.media.map((m, i) =>
          list[i]!.accept && m.port !== 0
            ? { accept: true, port: 40_000, direction: 'recvonly', payloadTypes: m.rtpmaps }
            : { accept: false },
        ),
      });
      assert.equal(answerProblem(offer, answer), null);
      answer.media.forEach((m, i) => {
        assert.equal(m.label, offer.media[i]!.label);
        if (m.port !== 0) assert.equal(m.direction, offer.media[i]!.held() ? 'inactive' : 'recvonly');
      });
    }),
  );
});

test('RFC 7866 7.1.1: an offer of a recording client is read back as it was meant', () => {
  const offer = buildOffer({
    address: '192.0.2.5',
    sessionId: '123456789012345678',
    version: 1,
    media: [
      { port: 5000, label: '1', payloadTypes: [PCMU, PCMA, EVENTS], ptime: 20 },
      {
        port: 5002,
        label: '2',
        payloadTypes: [PCMA],
        direction: 'inactive',
        rtcpPort: 5005,
        attributes: ['ssrc:7 cname:x'],
      },
    ],
  });
  const [first, second] = parseSdp(offer.toBytes()).media;
  assert.deepEqual(first!.rtpmaps, [PCMU, PCMA, EVENTS]);
  assert.deepEqual([first!.label, first!.direction, first!.ptime, first!.held()], ['1', 'sendonly', 20, false]);
  assert.deepEqual([second!.label, second!.direction, second!.rtcpPort], ['2', 'inactive', 5005]);
  assert.equal(second!.attribute('ssrc'), '7 cname:x');
  assert.match(offer.toString(), /a=rtpmap:101 telephone-event\/8000/);
  assert.deepEqual(remoteOf(first!), { address: '192.0.2.5', rtpPort: 5000, rtcpPort: 5001 });
  assert.deepEqual(remoteOf(second!), { address: '192.0.2.5', rtpPort: 5002, rtcpPort: 5005 });
});

test('RFC 3264 6: what is wrong with an answer is named', () => {
  const none = parseSdp('v=0\r\n');
  assert.match(answerProblem(OFFER, none) ?? '', /0 m-lines/);
  const turned = parseSdp('v=0\r\nm=audio 1 RTP/AVP 0\r\nm=audio 1 RTP/AVP 0\r\nm=audio 1 RTP/AVP 0\r\n');
  assert.match(answerProblem(OFFER, turned) ?? '', /m-line 2/);
});
