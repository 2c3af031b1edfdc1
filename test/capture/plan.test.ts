// From captures to the plan of an extraction, and captures merged in order of time.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { pcapFileHeader, pcapRecord, type SocketAddress } from '../../src/capture/index.ts';
import { mergeCaptures } from '../../src/capture/merge.ts';
import { planExtraction } from '../../src/capture/plan.ts';
import { concat, rtp } from './samples.ts';

const directory = mkdtempSync(join(tmpdir(), 'doubletrack-'));
after(() => rmSync(directory, { recursive: true }));

interface Sent {
  atMs: number;
  from: SocketAddress;
  to: SocketAddress;
  payload: Uint8Array;
}

let files = 0;
function capture(sent: Sent[]): string {
  const path = join(directory, `${files++}.pcap`);
  const records = sent.map((s) => pcapRecord(1.6e15 + s.atMs * 1000, s.from, s.to, s.payload));
  writeFileSync(path, concat(pcapFileHeader(), ...records));
  return path;
}

const a = { address: '192.0.2.1', port: 4000 };
const b = { address: '192.0.2.2', port: 5000 };
const c = { address: '192.0.2.3', port: 6000 };
const d = { address: '192.0.2.4', port: 7000 };

function stream(
  from: SocketAddress,
  to: SocketAddress,
  ssrc: number,
  o: { startMs?: number; firstSeq?: number; payloadType?: number; bytes?: number } = {},
): Sent[] {
  return Array.from({ length: 20 }, (_, i) => ({
    atMs: (o.startMs ?? 0) + i * 20,
    from,
    to,
    payload: rtp({ ssrc, seq: (o.firstSeq ?? 0) + i, payloadType: o.payloadType ?? 0, bytes: o.bytes ?? 20 }),
  }));
}

function sip(from: SocketAddress, to: SocketAddress, media: SocketAddress, lines: string): Sent {
  const sdp = `v=0\r\no=- 1 1 IN IP4 ${media.address}\r\ns=-\r\nc=IN IP4 ${media.address}\r\nt=0 0\r\n${lines}`;
  const text = `INVITE sip:x SIP/2.0\r\nContent-Type: application/sdp\r\nContent-Length: ${sdp.length}\r\n\r\n${sdp}`;
  return { atMs: -10, from, to, payload: new TextEncoder().encode(text) };
}

const ssrcs = (plan: Awaited<ReturnType<typeof planExtraction>>) =>
  plan.streams.map((s) => [s.pair, s.channel, s.label, ...s.sources.map((source) => source.ssrc)]);

test('one capture: the two directions of the same sockets make a pair', async () => {
  const mixed = [
    ...stream(a, b, 1),
    ...stream(c, d, 2, { startMs: 1 }),
    ...stream(b, a, 3, { startMs: 2 }),
    ...stream(d, c, 4, { startMs: 3 }),
  ];
  const plan = await planExtraction([capture(mixed.sort((x, y) => x.atMs - y.atMs))]);
  assert.deepEqual(ssrcs(plan), [
    [0, 0, '1', 1],
    [0, 1, '2', 3],
    [1, 0, '3', 2],
    [1, 1, '4', 4],
  ]);
  assert.deepEqual(plan.warnings, []);
});

test('two captures: channels in the order of the captures, not of time', async () => {
  const plan = await planExtraction([capture(stream(a, b, 1, { startMs: 50 })), capture(stream(c, d, 2))]);
  assert.deepEqual(ssrcs(plan), [
    [0, 0, '1', 1],
    [0, 1, '2', 2],
  ]);
});

test('a capture written to several files in turn is one stream', async () => {
  const whole = stream(a, b, 1);
  const plan = await planExtraction([capture(whole.slice(0, 9)), capture(whole.slice(9))]);
  assert.deepEqual(ssrcs(plan), [[0, 0, '1', 1]]);
  assert.equal(plan.streams[0]!.sources[0]!.packets, 20);
  assert.deepEqual(plan.streams[0]!.captures, [0, 1]);
});

test('SDP in the capture names dynamic payload types and labels', async () => {
  const offer = sip(a, b, a, 'm=audio 4000 RTP/AVP 96\r\na=rtpmap:96 L16/16000\r\na=label:left\r\na=sendonly\r\n');
  const plan = await planExtraction([capture([offer, ...stream(a, b, 1, { payloadType: 96 })])]);
  assert.equal(plan.streams[0]!.label, 'left');
  const [type] = plan.streams[0]!.payloadTypes;
  assert.deepEqual([type!.encoding, type!.clockRate], ['L16', 16000]);
});

test('without SDP a dynamic payload type is unknown and warned of, telephone events are known by their shape', async () => {
  const sent = stream(a, b, 1, { payloadType: 97 });
  for (const i of [5, 6, 7]) {
    sent[i]!.payload = rtp({ ssrc: 1, seq: i, payloadType: 101, bytes: 4 });
    sent[i]!.payload.set([5, 10, 0, 160], 12);
  }
  const plan = await planExtraction([capture(sent)]);
  assert.deepEqual(
    plan.streams[0]!.payloadTypes.map((t) => [t.payloadType, t.encoding]),
    [
      [97, 'UNKNOWN'],
      [101, 'TELEPHONE-EVENT'],
    ],
  );
  assert.equal(plan.warnings.length, 1);
});

test('datagrams of several captures come in order of time', async () => {
  const paths = [
    capture(stream(a, b, 1)),
    capture(stream(c, d, 2, { startMs: 7 })),
    capture([]),
    capture(stream(c, a, 3, { startMs: 1000 })),
  ];
  const times: number[] = [];
  const from: number[] = [];
  const summaries = await mergeCaptures(paths, (_datagram, timestampUs, i) => {
    times.push(timestampUs);
    from.push(i);
  });
  assert.equal(times.length, 60);
  assert.deepEqual(
    times,
    times.toSorted((x, y) => x - y),
  );
  assert.deepEqual(from.slice(0, 4), [0, 1, 0, 1]);
  assert.deepEqual(
    summaries.map((s) => s.frames),
    [20, 20, 0, 20],
  );
});

test('a capture that is not there rejects, one that is damaged is warned of', async () => {
  await assert.rejects(planExtraction([join(directory, 'none.pcap')]), { code: 'ENOENT' });
  const path = join(directory, 'damaged.pcap');
  writeFileSync(path, 'this is text');
  const plan = await planExtraction([path]);
  assert.match(plan.warnings[0]!, /neither pcap nor pcapng/);
  assert.deepEqual(plan.streams, []);
});
