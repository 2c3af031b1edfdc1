// Calls whose media is SRTP, against a recorder that unprotects what arrives: it is what the same call sends in the clear.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { pcapFileHeader, pcapRecord } from '../../src/capture/index.ts';
import { type CallContext, type CallReport, RecordedCall } from '../../src/client/caller/call.ts';
import { sendCodec } from '../../src/client/caller/codecs.ts';
import { LegPorts } from '../../src/client/caller/leg-socket.ts';
import { openMediaSource } from '../../src/client/caller/media-source.ts';
import { Pacer } from '../../src/client/caller/pacer.ts';
import { SrtpOutlet } from '../../src/client/caller/srtp-outlet.ts';
import { Srtp, type SrtpContext, type SrtpError, type SrtpSuite } from '../../src/media/srtp.ts';
import { CRYPTO_SUITES } from '../../src/sdp/index.ts';
import { FakeRecorder, type RecorderLeg } from './recorder.ts';

const ports = new LegPorts({ lo: 26000, hi: 29999 });
const library = new Srtp();
const SUITE: SrtpSuite = 'AES_CM_128_HMAC_SHA1_80';
const RATES = { lossPercent: 10, reorderPercent: 8, duplicatePercent: 6 };

async function context(
  recorder: FakeRecorder,
  suite: SrtpSuite | null,
  o: { durationMs?: number; pcap?: string[]; impairment?: CallContext['impairment'] } = {},
): Promise<CallContext> {
  const pacer = new Pacer();
  const srtp = suite && { suite, outlet: new SrtpOutlet() };
  if (srtp) pacer.onFired = () => srtp.outlet.flush();
  const party = { aor: 'sip:a@example.com', name: 'A' };
  const { impairment = { lossPercent: 0, reorderPercent: 0, duplicatePercent: 0 }, ...media } = o;
  return {
    ...{
      endpoint: recorder,
      to: 'sip:127.0.0.1',
      transport: 'udp',
      address: '127.0.0.1',
      ports,
      pacer,
      srtp,
      impairment,
    },
    media: await openMediaSource({ codec: sendCodec('PCMU')!, seed: 7, ...media }),
    ...{ seed: 7, parties: () => [party, party], hangupDelayMs: 20 },
  };
}

/** The packets that the receiver takes, and how many it refuses as copies. */
function unprotect(context: SrtpContext, kind: 'rtp' | 'rtcp', packets: Uint8Array[]) {
  const taken: Uint8Array[] = [];
  let copies = 0;
  for (const packet of packets) {
    try {
      taken.push(Uint8Array.from(context[kind](packet)));
    } catch (error) {
      assert.equal((error as SrtpError).code, 'REPLAYED');
      copies++;
    }
  }
  return { taken, copies };
}

/** Those of a plain stream that are there for the first time. */
function withoutCopies(packets: Uint8Array[]): Uint8Array[] {
  const seen = new Set<number>();
  return packets.filter((packet) => seen.size < seen.add((packet[2]! << 8) | packet[3]!).size);
}

function opened(t: TestContext): FakeRecorder {
  const recorder = new FakeRecorder();
  t.after(() => recorder.close());
  return recorder;
}

async function callInTheClear(
  t: TestContext,
  o: Parameters<typeof context>[2],
): Promise<{ report: CallReport; legs: RecorderLeg[] }> {
  const recorder = opened(t);
  const report = await new RecordedCall(await context(recorder, null, o), 0).run();
  return { report, legs: recorder.calls[0]! };
}

for (const suite of CRYPTO_SUITES as SrtpSuite[]) {
  test(`${suite}: under loss, reordering and duplicates the recorder counts what the report says, and hears the same`, async (t) => {
    const recorder = opened(t);
    const o = { durationMs: 600, impairment: RATES };
    const [report, clear] = await Promise.all([
      context(recorder, suite, o).then((shared) => new RecordedCall(shared, 0).run()),
      callInTheClear(t, o),
    ]);
    assert.equal(report.error, null);
    assert.deepEqual(report.streams, clear.report.streams);
    recorder.calls[0]!.forEach((leg, i) => {
      const { packets } = report.streams[i]!;
      assert.deepEqual(leg.rtp.counts(), packets);
      const receiver = library.openReceiver(leg.srtp!.receive);
      const { taken, copies } = unprotect(receiver, 'rtp', leg.rtp.packets);
      assert.equal(copies, packets.duplicated);
      assert.deepEqual(taken, withoutCopies(clear.legs[i]!.rtp.packets));
      const distinct = new Set(leg.rtp.packets.map((packet) => Buffer.from(packet).toString('hex')));
      assert.equal(distinct.size, packets.sent); // a duplicate is the same SRTP packet again
      const { taken: reports } = unprotect(receiver, 'rtcp', leg.rtcp.packets);
      assert.deepEqual(
        reports.map((one) => [one[1], one.at(-7)]).at(-1),
        [200, 203], // SR first, BYE last
      );
      receiver.close();
    });
  });
}

test('RFC 4568 5.1: RTP/SAVP with one a=crypto line per m-line, each stream and call with a key of its own', async (t) => {
  const recorder = opened(t);
  const shared = await context(recorder, SUITE, { durationMs: 40 });
  const reports = await Promise.all([0, 1].map((number) => new RecordedCall(shared, number).run()));
  const lines = recorder.offers.flatMap((offer) => offer.split('\r\n').filter((line) => /^a=crypto:/.test(line)));
  assert.equal(lines.length, 4);
  for (const line of lines) assert.match(line, /^a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:[A-Za-z0-9+/]{40}$/);
  assert.equal(new Set(lines).size, 4);
  for (const offer of recorder.offers) assert.equal(offer.match(/^m=audio \d+ RTP\/SAVP 0/gm)?.length, 2);
  const keys = lines.map((line) => line.split('inline:')[1]!);
  assert.ok(keys.every((key) => !JSON.stringify(reports).includes(key)));
});

const wrongAnswers: [what: string, mend: (line: string) => string, error: RegExp][] = [
  ['another tag', (line) => line.replace('crypto:1', 'crypto:2'), /none of those that were offered/],
  ['another suite', (line) => line.replace('SHA1_80', 'SHA1_32'), /none of those that were offered/],
  ['no a=crypto', (line) => (line.startsWith('a=crypto') ? 'a=x' : line), /0 a=crypto lines/],
  ['plain RTP', (line) => line.replace('RTP/SAVP', 'RTP/AVP'), /RTP\/AVP answers an offer of RTP\/SAVP/],
  ['a short key', (line) => line.replace(/inline:..../, 'inline:'), /takes 30 octets of key and salt, not 27/],
  [
    'no encryption',
    (line) => (/^a=crypto/.test(line) ? `${line} UNENCRYPTED_SRTCP` : line),
    /not those that were offered/,
  ],
];

for (const [what, mend, error] of wrongAnswers) {
  test(`RFC 4568 5.1.3: an answer with ${what} is an error, and nothing is sent`, async (t) => {
    const recorder = opened(t);
    recorder.mend = mend;
    const report = await new RecordedCall(await context(recorder, SUITE, { durationMs: 100 }), 0).run();
    assert.match(report.error!, error);
    assert.ok(recorder.calls[0]!.every((leg) => leg.rtp.packets.length + leg.rtcp.packets.length === 0));
    assert.equal(recorder.byes.length, 1);
  });
}

test("the recorder's receiver reports are unprotected; one that does not verify is an error of the call", async (t) => {
  for (const forge of [false, true]) {
    const recorder = opened(t);
    const running: Promise<CallReport> = new RecordedCall(await context(recorder, SUITE, { durationMs: 300 }), 0).run();
    while ((recorder.calls[0]?.[0]?.rtp.packets.length ?? 0) < 2) await new Promise(setImmediate);
    const leg = recorder.calls[0]![0]!;
    const sender = library.openSender(leg.srtp!.send);
    const protectedReport = sender.rtcp(Uint8Array.of(0x80, 201, 0, 1, 1, 2, 3, 4));
    if (forge) protectedReport[15]! ^= 1;
    const port = Number(/m=audio (\d+)/.exec(recorder.offers[0]!)![1]) + 1;
    await new Promise((resolve) => leg.rtcp.socket.send(protectedReport, port, '127.0.0.1', resolve));
    const report = await running;
    assert.equal(report.error, forge ? '1 reports of the recorder do not verify' : null);
    sender.close();
  }
});

const sdp = (leg: RecorderLeg, protocol: string, crypto: string) =>
  `m=audio ${leg.rtp.port} ${protocol} 0\r\na=rtcp:${leg.rtcp.port}\r\n${crypto}a=inactive\r\n`;

test('RFC 4568 7.1.4: an offer of the recorder is answered with our key under its tag; one in the clear with 488', async (t) => {
  const recorder = opened(t);
  const running: Promise<CallReport> = new RecordedCall(await context(recorder, SUITE, { durationMs: 300 }), 0).run();
  while ((recorder.calls[0]?.[0]?.rtp.packets.length ?? 0) < 2) await new Promise(setImmediate);
  const reInvite = (media: (leg: RecorderLeg) => string) => {
    const text = `v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n${recorder.calls[0]!.map(media).join('')}`;
    return recorder.session.onReInvite({ method: 'INVITE', contentType: 'application/sdp', body: Buffer.from(text) });
  };
  const ours = [...recorder.offers[0]!.matchAll(/inline:\S+/g)].map(([key]) => key);
  assert.equal(reInvite((leg) => sdp(leg, 'RTP/AVP', '')).status, 488);
  const offered = reInvite((leg) => sdp(leg, 'RTP/SAVP', `a=crypto:${leg.srtp!.answer.replace(/^1/, '5')}\r\n`));
  assert.equal(offered.status, 200);
  const answer = Buffer.from(offered.body.content).toString();
  assert.deepEqual(
    [...answer.matchAll(/a=crypto:(\d+) \S+ (inline:\S+)/g)].map(([, tag, key]) => [tag, key]),
    ours.map((key) => ['5', key]),
  );
  assert.equal((await running).error, null);
});

test('a capture is protected anew: its own copies are the same SRTP packet, across a wrap of the sequence numbers', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'doubletrack-'));
  const recorder = opened(t);
  try {
    const [from, to] = [
      { address: '192.0.2.1', port: 4000 },
      { address: '192.0.2.2', port: 5000 },
    ];
    const packets = [65533, 65534, 65534, 1, 0, 65534, 2, 3].map((seq, i) => {
      const packet = new Uint8Array(172).fill(seq);
      packet.set([0x80, 8, seq >> 8, seq, 0, 0, 0, i, 1, 2, 3, 4]);
      return packet;
    });
    const path = join(directory, 'a.pcap');
    const records = packets.map((packet, i) => pcapRecord(1e15 + i * 20000, from, to, packet));
    writeFileSync(path, Buffer.concat([pcapFileHeader(), ...records]));
    const report = await new RecordedCall(await context(recorder, 'AEAD_AES_128_GCM', { pcap: [path] }), 0).run();
    assert.equal(report.error, null);
    assert.deepEqual(report.streams[0]!.packets, { sent: 6, withheld: 1, duplicated: 2, reordered: 1 });
    const leg = recorder.calls[0]![0]!;
    const receiver = library.openReceiver(leg.srtp!.receive);
    assert.deepEqual(unprotect(receiver, 'rtp', leg.rtp.packets), { taken: withoutCopies(packets), copies: 2 });
    receiver.close();
  } finally {
    rmSync(directory, { recursive: true });
  }
});
