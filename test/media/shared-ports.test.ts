/** Several streams on one port, over real sockets. */
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { KIND_RTCP, KIND_RTP } from '../../src/journal/format.ts';
import type { MediaSession, StreamMedia } from '../../src/media/index.ts';
import { Secret } from '../../src/secret.ts';
import { PCMU, Sender, TestEngine, until } from './loopback.ts';
import { decodeReport, rtp, senderReport } from './rig.ts';
import { deriveSession, protectRtp } from './srtp/oracle.ts';

const SUITE = 'AES_CM_128_HMAC_SHA1_80' as const;
const STREAM = { label: '1', channel: 0, payloadTypes: PCMU, remote: null, rtcpMux: false };

const received = (session: MediaSession) => session.counters()[0]?.received;

test('streams of different sources share a port, as many as were asked for; each packet is with its own', async () => {
  const tested = await TestEngine.start({ streamsPerPort: 4 });
  const calls: { session: MediaSession; sender: Sender; media: StreamMedia; ssrc: number }[] = [];
  for (let n = 0; n < 6; n++) {
    const [session, sender] = [await tested.engine.openRecording(randomUUID()), await Sender.open()];
    const media = await session.addStream({ ...STREAM, remote: sender.remote });
    calls.push({ session, sender, media, ssrc: n + 1 });
  }
  assert.equal(new Set(calls.map(({ media }) => media.rtpPort)).size, 2);
  for (let seq = 0; seq < 50; seq++) {
    for (const { sender, media, ssrc } of calls) sender.send(rtp({ seq, timestamp: seq * 160, ssrc }), media);
  }
  for (const { sender, media, ssrc } of calls) sender.sendRtcp(senderReport(ssrc), media);
  const packets = () => tested.engine.stats().lanes[0]!.packets;
  await until(() => calls.every(({ session }) => received(session) === 50), 'all packets');
  await until(() => packets().rtcp === 6, 'all reports');
  await until(() => calls.every(({ sender }) => sender.reports.length > 0), 'a report to each', 10_000);
  for (const { sender, ssrc } of calls) assert.equal(decodeReport(sender.reports[0]!)?.ssrc, ssrc);

  // One goes, and what its source sends still is nobody's; the others of its port go on.
  const [gone, ...others] = calls;
  await gone!.session.close();
  gone!.sender.send(rtp({ seq: 60, ssrc: gone!.ssrc }), gone!.media);
  await until(() => packets().unauthorised === 1, 'the stranger');
  for (const { sender, media, ssrc } of others) sender.send(rtp({ seq: 60, timestamp: 9_600, ssrc }), media);
  await until(() => others.every(({ session }) => received(session) === 51), 'packets of the others');
  for (const { session } of others) await session.close();

  const journal = tested.journal();
  for (const { session, sender, ssrc } of calls) {
    const own = journal.get(session.id)!;
    const media = own.filter(({ kind }) => kind === KIND_RTP);
    assert.equal(media.length, session === gone!.session ? 50 : 51);
    assert.ok(media.every(({ payload }) => Buffer.from(payload).readUInt32BE(8) === ssrc));
    assert.equal(own.filter(({ kind }) => kind === KIND_RTCP).length, 1);
    sender.close();
  }
  await tested.close();
});

test('streams of one source share a port by their signalled SSRCs, and have one each when there are none', async () => {
  const tested = await TestEngine.start({ streamsPerPort: 4 });
  const sender = await Sender.open();
  const add = async (ssrc: number | null, remote: typeof sender.remote | null, key?: Buffer) => {
    const session = await tested.engine.openRecording(randomUUID());
    const keys = key && { suite: SUITE, keys: [{ keyAndSalt: new Secret(key), mki: null }] };
    const srtp = keys ? { receive: keys, send: keys } : null;
    return { session, media: await session.addStream({ ...STREAM, remote, rtcpMux: true, ssrc, srtp }) };
  };
  const keys = [randomBytes(30), randomBytes(30)];
  const secure = [await add(0x11, sender.remote, keys[0]), await add(0x22, sender.remote, keys[1])];
  const [plain, other, unknown] = [
    await add(null, sender.remote),
    await add(null, sender.remote),
    await add(null, null),
  ];
  const ports = (calls: { media: StreamMedia }[]) => new Set(calls.map(({ media }) => media.rtpPort)).size;
  assert.equal(ports([...secure, plain]), 1, 'what has no SSRC is told from what has one');
  assert.equal(ports([plain, other, unknown]), 3);
  const inSession = await plain.session.addStream({ ...STREAM, remote: { ...sender.remote, rtpPort: 9 } });
  assert.notEqual(inSession.rtpPort, plain.media.rtpPort, 'RFC 8843 7.1: twice in one description is a BUNDLE group');
  for (const [n, { media }] of secure.entries()) {
    const session = deriveSession({ suite: SUITE, keyAndSalt: keys[n]! });
    const ssrc = 0x11 * (n + 1);
    for (let seq = 0; seq < 20; seq++) sender.send(protectRtp(session.rtp, 0, rtp({ seq, ssrc })), media);
  }
  for (const { media } of [plain, other, unknown]) sender.send(rtp({ ssrc: 0x33 }), media);
  const counts = () => [...secure, plain, other, unknown].map(({ session }) => received(session)).join();
  await until(() => counts() === '20,20,1,1,1', 'all packets, each with its stream');

  // A re-INVITE moves the source.
  const moved = await Sender.open();
  await plain.session.updateStream(plain.media.index, { ...STREAM, remote: moved.remote });
  moved.send(rtp({ seq: 2, ssrc: 0x33 }), plain.media);
  await until(() => received(plain.session) === 2, 'a packet from the new source');
  sender.close();
  moved.close();
  await tested.close();
});
