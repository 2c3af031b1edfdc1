// Containers, link layers and IP, each against bytes built here; then hostile files.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CaptureDecoder, type CaptureSummary, classifyDatagram } from '../../src/capture/index.ts';
import {
  block,
  concat,
  enhancedPacket,
  ethernet,
  interfaceDescription,
  ipv4Udp,
  ipv6Udp,
  numbers,
  pcapFile,
  rtp,
  sectionHeader,
  u16,
} from './samples.ts';

interface Seen {
  source: string;
  sourcePort: number;
  destination: string;
  destinationPort: number;
  payload: string;
  truncated: boolean;
  timestampUs: number;
}

function read(bytes: Uint8Array, pieceBytes = bytes.length): { seen: Seen[]; summary: CaptureSummary } {
  const seen: Seen[] = [];
  const decoder = new CaptureDecoder((datagram, timestampUs) => {
    seen.push({ ...datagram, payload: Buffer.from(datagram.payload).toString('hex'), timestampUs });
  });
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    if (!decoder.push(bytes.subarray(at, at + pieceBytes))) break;
  }
  return { seen, summary: decoder.end() };
}

const packet = rtp({ ssrc: 0x11223344, seq: 7 });
const hex = Buffer.from(packet).toString('hex');
const plain = ipv4Udp(packet);

for (const little of [true, false]) {
  for (const nano of [false, true]) {
    test(`pcap ${little ? 'little' : 'big'} endian, ${nano ? 'nano' : 'micro'}seconds`, () => {
      const frame = { seconds: 1700000000, fraction: nano ? 123456789 : 123456, bytes: plain };
      const { seen, summary } = read(pcapFile({ little, nano, linkType: 101, frames: [frame, frame] }));
      assert.equal(summary.problem, null);
      assert.equal(seen.length, 2);
      assert.deepEqual(seen[0], {
        source: '192.0.2.1',
        sourcePort: 4000,
        destination: '192.0.2.2',
        destinationPort: 5000,
        payload: hex,
        truncated: false,
        timestampUs: 1700000000123456,
      });
    });
  }
}

const links: [name: string, linkType: number, frame: Uint8Array][] = [
  ['Ethernet', 1, ethernet(0x0800, plain)],
  ['Ethernet, padded to the minimum', 1, concat(ethernet(0x0800, plain), new Uint8Array(9))],
  ['Ethernet with one VLAN tag', 1, ethernet(0x0800, plain, [0x8100])],
  ['Ethernet with two VLAN tags', 1, ethernet(0x0800, plain, [0x88a8, 0x8100])],
  ['Linux cooked capture', 113, concat(new Uint8Array(14), u16(0x0800), plain)],
  ['Linux cooked capture, version 2', 276, concat(u16(0x0800), new Uint8Array(18), plain)],
  ['raw IP', 101, plain],
  ['raw IPv4', 228, plain],
  ['BSD loopback, little endian', 0, concat(new Uint8Array([2, 0, 0, 0]), plain)],
  ['BSD loopback, big endian', 108, concat(new Uint8Array([0, 0, 0, 2]), plain)],
  ['IPv4 with options', 101, ipv4Udp(packet, { options: 8 })],
  ['IPv6', 229, ipv6Udp(packet)],
  ['IPv6 on Ethernet', 1, ethernet(0x86dd, ipv6Udp(packet))],
  [
    'RFC 8200 4: hop-by-hop and routing headers',
    101,
    ipv6Udp(packet, [
      [0, [0, 0, 0, 0, 0, 0, 0]],
      [43, [0, 0, 0, 0, 0, 0, 0]],
    ]),
  ],
  ['RFC 6946: an atomic fragment', 101, ipv6Udp(packet, [[44, [0, 0, 0, 0, 0, 0, 1]]])],
];

for (const [name, linkType, bytes] of links) {
  test(`link layer: ${name}`, () => {
    const { seen, summary } = read(pcapFile({ little: true, linkType, frames: [{ seconds: 1, fraction: 0, bytes }] }));
    assert.deepEqual(summary.classes, {
      udp: 1,
      fragment: 0,
      'not-udp': 0,
      'not-ip': 0,
      malformed: 0,
      'unsupported-link': 0,
    });
    assert.equal(seen[0]!.payload, hex);
    assert.equal(
      seen[0]!.source,
      name.includes('v6') || name.includes('8200') || name.includes('6946') ? '2001:db8::1' : '192.0.2.1',
    );
  });
}

test('frames that hold no datagram are counted by what they are', () => {
  const frames = [
    ipv4Udp(packet, { fragment: 0x2000 }),
    ipv4Udp(packet, { fragment: 0x0010 }),
    ipv6Udp(packet, [[44, [0, 0, 1, 0, 0, 0, 1]]]),
    plain.with(9, 6),
    new Uint8Array(30),
    plain.subarray(0, 12),
    concat(plain.subarray(0, 24), u16(4), plain.subarray(26)), // a UDP length below its header's
  ].map((bytes) => ({ seconds: 1, fraction: 0, bytes }));
  const { summary } = read(pcapFile({ little: true, linkType: 101, frames }));
  assert.deepEqual(summary.classes, {
    udp: 0,
    fragment: 3,
    'not-udp': 1,
    'not-ip': 1,
    malformed: 2,
    'unsupported-link': 0,
  });
  const other = read(pcapFile({ little: true, linkType: 147, frames: frames.slice(0, 1) }));
  assert.equal(other.summary.classes['unsupported-link'], 1);
});

test('a snapshot length shows as a truncated datagram', () => {
  const frame = { seconds: 1, fraction: 0, bytes: plain.subarray(0, 44), original: plain.length };
  const { seen, summary } = read(pcapFile({ little: true, linkType: 101, frames: [frame] }));
  assert.equal(summary.truncated, 1);
  assert.equal(seen[0]!.truncated, true);
  assert.equal(seen[0]!.payload, hex.slice(0, 32));
});

function pcapngFile(little: boolean): Uint8Array {
  const second = 1700000000n;
  return concat(
    sectionHeader(little),
    interfaceDescription(1, little),
    interfaceDescription(101, little, 9),
    interfaceDescription(101, little, 0x80 | 20, 1600000000n),
    block(0x0bad, new Uint8Array(100), little),
    enhancedPacket(0, second * 1000000n + 5n, ethernet(0x0800, plain), little),
    enhancedPacket(1, second * 1000000000n + 6999n, plain, little),
    enhancedPacket(2, 100000000n << 20n, plain, little),
    block(3, concat(new Uint8Array(u32(ethernet(0x0800, plain).length, little)), ethernet(0x0800, plain)), little),
    sectionHeader(!little),
    interfaceDescription(101, !little),
    enhancedPacket(0, second * 1000000n + 8n, plain, !little),
    enhancedPacket(1, second * 1000000n + 9n, plain, !little), // of an interface that this section has not
  );
}

function u32(value: number, little: boolean): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, little);
  return bytes;
}

for (const little of [true, false]) {
  test(`pcapng: interfaces, resolutions, offset, simple packets, sections; first section ${little ? 'little' : 'big'} endian`, () => {
    const { seen, summary } = read(pcapngFile(little));
    assert.equal(summary.problem, null);
    assert.deepEqual(
      seen.map((datagram) => datagram.timestampUs),
      [1700000000000005, 1700000000000006, 1700000000000000, 0, 1700000000000008],
    );
    assert.ok(seen.every((datagram) => datagram.payload === hex));
  });
}

test('a file reads the same in pieces of any size', () => {
  const frame = { seconds: 1, fraction: 0, bytes: plain };
  for (const file of [pcapngFile(true), pcapFile({ little: false, linkType: 101, frames: [frame, frame, frame] })]) {
    const whole = read(file);
    for (const piece of [1, 2, 3, 7, 64, 100]) assert.deepEqual(read(file, piece), whole);
  }
});

test('truncation at each byte: what came before is kept, nothing throws', () => {
  const frame = { seconds: 1, fraction: 0, bytes: plain };
  for (const file of [pcapngFile(true), pcapFile({ little: true, linkType: 101, frames: [frame, frame] })]) {
    const whole = read(file);
    let before = 0;
    for (let length = 0; length < file.length; length++) {
      const { seen } = read(file.subarray(0, length));
      assert.deepEqual(seen, whole.seen.slice(0, seen.length));
      assert.ok(seen.length >= before);
      before = seen.length;
    }
  }
});

test('seeded mutation of files: nothing throws', () => {
  const random = numbers(7);
  const frames = links.map(([, , bytes]) => ({ seconds: 1, fraction: 0, bytes }));
  const seeds = [
    pcapngFile(true),
    pcapngFile(false),
    pcapFile({ little: true, linkType: 1, frames }),
    pcapFile({ little: true, linkType: 101, frames }),
  ];
  for (let round = 0; round < 4000; round++) {
    const bytes = seeds[round % seeds.length]!.slice();
    for (let changes = 1 + random(6); changes > 0; changes--) bytes[random(bytes.length)] = random(256);
    const { seen } = read(bytes, 1 + random(200));
    for (const datagram of seen) classifyDatagram(Buffer.from(datagram.payload, 'hex'));
  }
});

test('lengths that claim gigabytes are refused or skipped without memory', () => {
  const claim = pcapFile({ little: true, linkType: 1, frames: [{ seconds: 1, fraction: 0, bytes: plain }] });
  new DataView(claim.buffer).setUint32(24 + 8, 0x7fffffff, true);
  assert.match(read(claim).summary.problem!, /claims 2147483647 bytes/);
  const skipped = concat(sectionHeader(true), block(6, new Uint8Array(40), true));
  new DataView(skipped.buffer).setUint32(28 + 4, 0xfffffff0, true);
  const { summary } = read(skipped, 16);
  assert.equal(summary.frames, 0);
});

test('what is no capture is called that', () => {
  assert.equal(read(new TextEncoder().encode('not a capture at all')).summary.problem, 'neither pcap nor pcapng');
  assert.equal(read(new Uint8Array(0)).summary.problem, 'neither pcap nor pcapng');
});
