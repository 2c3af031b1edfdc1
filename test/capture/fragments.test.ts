// RFC 791 3.2 and RFC 8200 4.5: datagrams from their fragments.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CaptureDecoder, type CaptureSummary } from '../../src/capture/index.ts';
import { seededRandom } from '../../src/client/caller/random.ts';
import { concat, ipv4Udp, ipv6Udp, pcapFile, rtp } from './samples.ts';

const RAW_IP = 101;
const payload = rtp({ ssrc: 7, seq: 1, bytes: 3000 });

function read(frames: Uint8Array[], seconds = frames.map(() => 1)): { seen: Uint8Array[]; summary: CaptureSummary } {
  const seen: Uint8Array[] = [];
  const decoder = new CaptureDecoder((datagram) => seen.push(datagram.payload.slice()));
  const records = frames.map((bytes, i) => ({ seconds: seconds[i]!, fraction: 0, bytes }));
  decoder.push(pcapFile({ little: true, linkType: RAW_IP, frames: records }));
  return { seen, summary: decoder.end() };
}

/** Cut before each offset (multiples of 8 from the end of the headers). */
function cutIpv4(id: number, offsets: number[]): Uint8Array[] {
  const whole = ipv4Udp(payload);
  return pieces(whole.length - 20, offsets).map(([from, to], i, all) => {
    const frame = concat(whole.subarray(0, 20), whole.subarray(20 + from, 20 + to));
    const view = new DataView(frame.buffer);
    view.setUint16(2, frame.length);
    view.setUint16(4, id);
    view.setUint16(6, (i < all.length - 1 ? 0x2000 : 0) | (from / 8));
    return frame;
  });
}

function cutIpv6(id: number, offsets: number[]): Uint8Array[] {
  const whole = ipv6Udp(payload, [[44, [0, 0, 0, 0, 0, 0, id]]]);
  return pieces(whole.length - 48, offsets).map(([from, to], i, all) => {
    const frame = concat(whole.subarray(0, 48), whole.subarray(48 + from, 48 + to));
    const view = new DataView(frame.buffer);
    view.setUint16(4, frame.length - 40);
    view.setUint16(42, from | (i < all.length - 1 ? 1 : 0));
    return frame;
  });
}

function pieces(bytes: number, offsets: number[]): [number, number][] {
  const starts = [0, ...offsets];
  return starts.map((from, i) => [from, starts[i + 1] ?? bytes]);
}

for (const [version, cut] of [
  ['RFC 791 3.2', cutIpv4],
  ['RFC 8200 4.5', cutIpv6],
] as const) {
  test(`${version}: pieces in any order, copies among them, two datagrams at once`, () => {
    const random = seededRandom(4);
    for (let round = 0; round < 50; round++) {
      const offsets = [...new Set([1, 2, 3].map(() => 8 * (1 + Math.floor(random() * 370))))].sort((a, b) => a - b);
      const first = cut(1, offsets);
      const frames = [...first.slice(0, -1), first[0]!, ...cut(2, [1480]), first.at(-1)!];
      const last = frames.pop()!;
      frames.sort(() => random() - 0.5);
      const { seen, summary } = read([...frames, last]);
      assert.deepEqual(seen, [new Uint8Array(payload), new Uint8Array(payload)]);
      assert.equal(summary.classes.udp, 2);
      assert.equal(summary.lostFragments, 0);
    }
  });

  test(`${version}: without one of its pieces, or with pieces a minute apart, there is no datagram`, () => {
    const [one, two, three] = cut(1, [1000, 2000]) as [Uint8Array, Uint8Array, Uint8Array];
    const missing = read([one, three]);
    assert.deepEqual([missing.seen.length, missing.summary.lostFragments], [0, 2]);
    const late = read([one, two, three], [1, 1, 62]);
    assert.deepEqual([late.seen.length, late.summary.lostFragments], [0, 3]);
  });

  test('RFC 5722: pieces that overlap make no datagram', () => {
    const [one, , three] = cut(1, [1000, 2000]) as [Uint8Array, Uint8Array, Uint8Array];
    const [, overlapping] = cut(1, [992, 2000]) as [Uint8Array, Uint8Array];
    const { seen, summary } = read([one, overlapping, three]);
    assert.equal(seen.length, 0);
    assert.equal(summary.lostFragments, 3);
  });
}

test('a flood of first pieces is held in bounded memory, and what comes whole after it is read', () => {
  const flood = Array.from({ length: 5000 }, (_, id) => cutIpv4(id, [1480])[0]!);
  const { seen, summary } = read([...flood, ...cutIpv4(6000, [1480])]);
  assert.equal(seen.length, 1);
  assert.equal(summary.lostFragments, 5000);
});
