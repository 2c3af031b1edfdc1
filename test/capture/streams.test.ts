// Which datagrams are RTP, RTCP or neither, and which of them make streams.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { classifyDatagram, type Datagram, StreamDiscovery } from '../../src/capture/index.ts';
import { numbers, rtp } from './samples.ts';

function datagram(payload: Uint8Array, sourcePort = 4000): Datagram {
  return {
    source: '192.0.2.1',
    sourcePort,
    destination: '192.0.2.2',
    destinationPort: 5000,
    payload,
    truncated: false,
  };
}

test('RFC 5761 4: RTCP packet types 192 to 223 are RTCP, the rest of version 2 is RTP', () => {
  for (let second = 0; second < 256; second++) {
    const packet = new Uint8Array(28);
    packet[0] = 0x80;
    packet[1] = second;
    packet[3] = 6;
    assert.equal(classifyDatagram(packet), second >= 192 && second <= 223 ? 'rtcp' : 'rtp');
  }
});

test('RFC 7983: STUN, DTLS and TURN channels are neither', () => {
  for (const first of [0, 1, 20, 22, 63, 64, 79, 0xc0]) {
    assert.equal(classifyDatagram(new Uint8Array(40).with(0, first)), 'other');
  }
});

test('RFC 3550 A.1: CSRCs and extensions must fit', () => {
  assert.equal(classifyDatagram(new Uint8Array(12).with(0, 0x80)), 'rtp');
  assert.equal(classifyDatagram(new Uint8Array(12).with(0, 0x81)), 'other');
  assert.equal(classifyDatagram(new Uint8Array(16).with(0, 0x81)), 'rtp');
  assert.equal(classifyDatagram(new Uint8Array(12).with(0, 0x90)), 'other');
  assert.equal(classifyDatagram(new Uint8Array(16).with(0, 0x90).with(15, 1)), 'other');
  assert.equal(classifyDatagram(new Uint8Array(20).with(0, 0x90).with(15, 1)), 'rtp');
});

test('streams are found per direction, across the wrap of the sequence number, with losses', () => {
  const discovery = new StreamDiscovery();
  for (let i = 0; i < 50; i++) {
    if (i % 7 === 3) continue;
    discovery.offer(datagram(rtp({ ssrc: 1, seq: 65520 + i })), i * 20000);
    discovery.offer(datagram(rtp({ ssrc: 2, seq: i, payloadType: i === 5 ? 101 : 8 }), 4002), i * 20000 + 5);
  }
  const [first, second, ...more] = discovery.streams();
  assert.equal(more.length, 0);
  assert.equal(first!.sources[0]!.packets, 43);
  assert.equal(first!.sources[0]!.firstSeq, 65520);
  assert.deepEqual(
    [...second!.sources[0]!.payloadTypes],
    [
      [8, { packets: 42, eventPackets: 0 }],
      [101, { packets: 1, eventPackets: 0 }],
    ],
  );
});

test('a change of SSRC stays one stream, simultaneous SSRCs are two', () => {
  const discovery = new StreamDiscovery();
  for (let i = 0; i < 300; i++) {
    discovery.offer(datagram(rtp({ ssrc: i < 150 ? 1 : 2, seq: i })), i * 20000);
    discovery.offer(datagram(rtp({ ssrc: 3, seq: i }), 4002), i * 20000);
    discovery.offer(datagram(rtp({ ssrc: 4, seq: i }), 4002), i * 20000);
  }
  assert.deepEqual(
    discovery.streams().map((stream) => stream.sources.map((source) => source.ssrc)),
    [[1, 2], [3], [4]],
  );
});

test('traffic with the version bits by chance makes no stream, and its memory is bounded', () => {
  const random = numbers(3);
  const discovery = new StreamDiscovery();
  for (let i = 0; i < 5000; i++) {
    const noise = Uint8Array.from({ length: 40 }, () => random(256))
      .with(0, 0x80)
      .with(1, random(128));
    discovery.offer(datagram(noise, 4000 + (i % 3)), i);
  }
  assert.equal(discovery.streams().length, 0);
  assert.ok(discovery.ignored > 4000);
});
