// Whole calls against sinks: what arrived is what the report says, exactly.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pcapFileHeader, pcapRecord } from '../../src/capture/index.ts';
import { type CallContext, RecordedCall } from '../../src/client/caller/call.ts';
import { sendCodec } from '../../src/client/caller/codecs.ts';
import { LegPorts } from '../../src/client/caller/leg-socket.ts';
import { type MediaRequest, openMediaSource } from '../../src/client/caller/media-source.ts';
import { Pacer } from '../../src/client/caller/pacer.ts';
import { FakeRecorder, type LegAnswer } from './recorder.ts';

const ports = new LegPorts({ lo: 21000, hi: 25999 });
const party = { aor: 'sip:a@example.com', name: 'A' };

async function context(
  recorder: FakeRecorder,
  media: Partial<MediaRequest>,
  impairment = { lossPercent: 0, reorderPercent: 0, duplicatePercent: 0 },
): Promise<CallContext> {
  return {
    endpoint: recorder,
    to: 'sip:127.0.0.1',
    transport: 'udp',
    address: '127.0.0.1',
    ports,
    pacer: new Pacer(),
    media: await openMediaSource({ codec: sendCodec('PCMU')!, seed: 7, durationMs: 1000, ...media }),
    srtp: null,
    impairment,
    seed: 7,
    parties: () => [party, { aor: 'sip:b@example.com', name: 'B & C' }],
    hangupDelayMs: 50,
  };
}

test('20 calls with loss, reordering and duplicates: the sinks count what the reports say', async () => {
  const recorder = new FakeRecorder();
  const rates = { lossPercent: 10, reorderPercent: 8, duplicatePercent: 6 };
  const shared = await context(recorder, {}, rates);
  const calls = Array.from({ length: 20 }, (_, number) => new RecordedCall(shared, number));
  const reports = await Promise.all(calls.map((call) => call.run()));
  const sums = { sent: 0, withheld: 0, duplicated: 0, reordered: 0 };
  for (const report of reports) {
    assert.equal(report.error, null);
    assert.equal(report.status, 200);
    const legs = recorder.calls[Number(report.callId.slice(5)) - 1]!;
    report.streams.forEach((stream, i) => {
      const { packets } = stream;
      assert.deepEqual(legs[i]!.rtp.counts(), packets);
      assert.equal(packets.sent + packets.withheld, 50);
      for (const key of ['sent', 'withheld', 'duplicated', 'reordered'] as const) sums[key] += packets[key];
      const first = new DataView(legs[i]!.rtp.packets[0]!.buffer);
      assert.equal(first.getUint32(8), stream.ssrc);
      assert.equal(first.getUint16(0), 0x8080); // marker on the first packet
    });
  }
  assert.ok(sums.withheld > 100 && sums.duplicated > 60 && sums.reordered > 60, JSON.stringify(sums));
  recorder.close();
});

test('RFC 3550 6.6: sender reports come with the stream and a BYE ends it', async () => {
  const recorder = new FakeRecorder();
  const report = await new RecordedCall(await context(recorder, {}), 0).run();
  recorder.calls[0]!.forEach((leg, i) => {
    const compounds = leg.rtcp.packets;
    assert.equal(compounds.length, 2);
    for (const compound of compounds) {
      assert.deepEqual([compound[0], compound[1]], [0x80, 200]);
      assert.equal(new DataView(compound.buffer).getUint32(4), report.streams[i]!.ssrc);
    }
    const last = compounds[1]!;
    assert.equal(last[last.length - 7], 203);
    assert.equal(new DataView(last.buffer).getUint32(20), report.streams[i]!.packets.sent);
  });
  recorder.close();
});

test('RFC 7866 7.1.1: two labelled sendonly streams, metadata beside them, and a BYE with the stop time', async () => {
  const recorder = new FakeRecorder();
  await new RecordedCall(await context(recorder, { durationMs: 40 }), 0).run();
  const offer = recorder.offers[0]!;
  assert.equal(offer.match(/^a=sendonly/gm)?.length, 2);
  assert.match(offer, /a=label:1[\s\S]*a=label:2/);
  const bye = recorder.byes[0] as { body: { contentType: string; content: Uint8Array } };
  assert.equal(bye.body.contentType, 'application/rs-metadata+xml');
  assert.match(Buffer.from(bye.body.content).toString(), /<datamode>partial<[\s\S]*<stop-time>/);
  recorder.close();
});

for (const [answer, other] of [
  ['reject', 'recvonly'],
  ['inactive', 'recvonly'],
] as [LegAnswer, LegAnswer][]) {
  test(`RFC 3264 6: a stream answered ${answer === 'reject' ? 'with port 0' : answer} gets nothing, the other one all`, async () => {
    const recorder = new FakeRecorder([answer, other]);
    const report = await new RecordedCall(await context(recorder, { durationMs: 200 }), 0).run();
    assert.equal(report.error, null);
    assert.deepEqual(
      report.streams.map((stream) => stream.packets.sent),
      [0, 10],
    );
    assert.equal(recorder.calls[0]![0]!.rtp.packets.length, 0);
    recorder.close();
  });
}

test('a recorder that rejects everything is an error in the report', async () => {
  const recorder = new FakeRecorder(['reject', 'reject']);
  const report = await new RecordedCall(await context(recorder, {}), 0).run();
  assert.equal(report.error, 'the recorder rejected all streams');
  recorder.close();
});

function request(method: string, contentType: string | undefined, text: string) {
  return { method, contentType, body: new TextEncoder().encode(text) };
}

test('RFC 7866 7.2: a re-INVITE with inactive stops the streams, recvonly resumes them without a gap in the numbers', async () => {
  const recorder = new FakeRecorder();
  const call = new RecordedCall(await context(recorder, { durationMs: 600 }), 0);
  const running = call.run();
  const until = async (condition: () => boolean) => {
    for (const end = performance.now() + 10_000; !condition(); await new Promise((resolve) => setTimeout(resolve, 2))) {
      if (performance.now() > end) throw new Error('waited 10 s in vain');
    }
  };
  await until(() => (recorder.calls[0]?.[0]?.rtp.packets.length ?? 0) >= 5);
  const leg = recorder.calls[0]![0]!;
  const offer = (direction: string) =>
    `v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n${recorder.calls[0]!.map(
      (l) => `m=audio ${l.rtp.port} RTP/AVP 0\r\na=rtcp:${l.rtcp.port}\r\na=${direction}\r\n`,
    ).join('')}`;
  const stopped = recorder.session.onReInvite(request('INVITE', 'application/sdp', offer('inactive')));
  assert.equal(stopped.status, 200);
  assert.equal(
    Buffer.from(stopped.body.content)
      .toString()
      .match(/a=inactive/g)?.length,
    2,
  );
  await until(() => leg.rtp.packets.length >= 5);
  const during = leg.rtp.packets.length;
  await new Promise((resolve) => setTimeout(resolve, 60));
  assert.ok(leg.rtp.packets.length - during <= 1);
  const resumed = recorder.session.onReInvite(request('INVITE', 'application/sdp', offer('recvonly')));
  assert.equal(
    Buffer.from(resumed.body.content)
      .toString()
      .match(/a=sendonly/g)?.length,
    2,
  );
  const report = await running;
  assert.deepEqual(leg.rtp.counts(), report.streams[0]!.packets);
  assert.equal(report.streams[0]!.packets.withheld, 0);
  assert.ok(report.streams[0]!.packets.sent < 30);
  assert.equal(leg.rtp.packets.filter((packet) => (packet[1]! & 0x80) !== 0).length, 2); // a marker per talkspurt
  recorder.close();
});

test('RFC 7866 9.2: a snapshot request is answered, then the metadata comes in an UPDATE of its own', async () => {
  const recorder = new FakeRecorder();
  const running = new RecordedCall(await context(recorder, { durationMs: 300 }), 0).run();
  while (recorder.session === null) await new Promise((resolve) => setTimeout(resolve, 2));
  const requests: unknown[][] = [];
  const sent = new Promise<void>((resolve) => {
    recorder.session.request = async (...args: unknown[]) => {
      requests.push(args);
      resolve();
      return { status: 200 };
    };
  });
  while (recorder.session.onReInvite(request('UPDATE', undefined, '')).status === 500) {
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  const xml = "<requestsnapshot xmlns='urn:ietf:params:xml:ns:recording:1'/>";
  const answer = recorder.session.onReInvite(request('UPDATE', 'application/rs-metadata-request', xml));
  assert.deepEqual(answer, { status: 200 });
  await sent;
  assert.equal(requests[0]![0], 'UPDATE');
  const { body } = requests[0]![1] as { body: { content: Uint8Array } };
  const metadata = Buffer.from(body.content).toString();
  assert.match(metadata, /<datamode>complete/);
  assert.match(metadata, /B &amp; C/);
  await running;
  recorder.close();
});

test('a call that the recorder ends stops sending and says so', async () => {
  const recorder = new FakeRecorder();
  const running = new RecordedCall(await context(recorder, { durationMs: 60000 }), 0).run();
  while ((recorder.calls[0]?.[0]?.rtp.packets.length ?? 0) < 3) await new Promise((resolve) => setTimeout(resolve, 2));
  recorder.session.onEnded({ by: 'remote', reason: 'BYE' });
  const report = await running;
  assert.equal(report.endedBy, 'remote');
  assert.match(report.error!, /the recorder ended the call/);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(
    recorder.calls[0]!.map((leg) => leg.rtp.counts()),
    report.streams.map((stream) => stream.packets),
  );
  recorder.close();
});

test('a replayed capture arrives byte for byte, its own gaps and copies counted', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'doubletrack-'));
  const recorder = new FakeRecorder();
  try {
    const ends = [
      { address: '192.0.2.1', port: 4000 },
      { address: '192.0.2.2', port: 5000 },
    ] as const;
    const seqs = [65533, 65534, 65534, 1, 0, 2, 3, 6, 7];
    const packets = seqs.map((seq, i) => {
      const packet = new Uint8Array(172).fill(i);
      packet.set([0x80, i === 0 ? 0x88 : 8, seq >> 8, seq, 0, 0, seq === 65533 ? 0 : i, 160, 1, 2, 3, 4]);
      return packet;
    });
    const path = join(directory, 'a.pcap');
    const records = packets.map((packet, i) => pcapRecord(1e15 + i * 20000, ends[0], ends[1], packet));
    writeFileSync(path, Buffer.concat([pcapFileHeader(), ...records]));
    const replay: Partial<MediaRequest> = { pcap: [path] };
    const shared = await context(recorder, replay);
    shared.media = await openMediaSource({ codec: sendCodec('PCMU')!, seed: 1, pcap: [path] });
    const report = await new RecordedCall(shared, 0).run();
    assert.deepEqual(recorder.calls[0]![0]!.rtp.packets, packets);
    assert.deepEqual(report.streams[0]!.packets, { sent: 8, withheld: 3, duplicated: 1, reordered: 1 });
    assert.match(recorder.offers[0]!, /m=audio \d+ RTP\/AVP 8\r\na=rtpmap:8 PCMA\/8000/);
  } finally {
    recorder.close();
    rmSync(directory, { recursive: true });
  }
});
