/** RTCP of sinks over real sockets: what receivers report, and what they are told. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { buildRtcp, parseRtcp, type SenderReport } from '../../src/media/rtcp.ts';
import { Secret, type SrtpKeys } from '../../src/media/srtp.ts';
import { LOOPBACK, PCMU, Sender, TestEngine, until } from './loopback.ts';
import { rtp } from './rig.ts';
import { deriveSession, protectRtcp, unprotectRtcp } from './srtp/oracle.ts';

const STREAM = { label: '1', channel: 0, payloadTypes: PCMU, remote: null, rtcpMux: false };
const packetOf = (seq: number) => rtp({ seq, timestamp: seq * 160, payload: Buffer.alloc(160, seq) });

function newKeys() {
  const suite = 'AES_CM_128_HMAC_SHA1_80';
  const keyAndSalt = randomBytes(30);
  const keys: SrtpKeys = { suite, keys: [{ keyAndSalt: new Secret(keyAndSalt), mki: null }] };
  return { keys, session: deriveSession({ suite, keyAndSalt }) };
}

function reportOf(ssrc: number, lastSr: number, delaySinceLastSr: number): Buffer {
  const block = {
    ssrc,
    fractionLost: 128,
    cumulativeLost: 7,
    highestSeq: 70_000,
    jitter: 16,
    lastSr,
    delaySinceLastSr,
  };
  return Buffer.from(buildRtcp([{ type: 'rr', ssrc: 99, blocks: [block] }]));
}

for (const isSrtp of [false, true]) {
  test(`a receiver's reports, ${isSrtp ? 'SRTCP under its own keys' : 'in the clear'}, name the sender report that it has had`, async () => {
    const tested = await TestEngine.start();
    const [sender, receiver] = [await Sender.open(), await Sender.open()];
    const [ours, theirs] = [newKeys(), newKeys()];
    const session = await tested.engine.openSession();
    const media = await session.addStream({ ...STREAM, remote: sender.remote });
    const keys = isSrtp ? { srtp: ours.keys, receiveSrtp: theirs.keys } : {};
    const sink = await session.addSink(media.index, { remote: receiver.remote, ...keys });
    assert.equal(sink.stats().receiverReport, null);
    sender.send(packetOf(1), media);
    const senderReports = () => receiver.reports.filter((packet) => packet[1] === 200);
    await until(() => senderReports().length > 0, 'a sender report', 8_000);
    const told = senderReports()[0]!;
    const clear = isSrtp ? unprotectRtcp(ours.session.rtcp, told).packet : told;
    const lastSr = Number(((parseRtcp(clear)![0] as SenderReport).ntp >> 16n) & 0xffff_ffffn);
    const report = reportOf(sink.ssrc, lastSr, 0);
    const sent = isSrtp ? protectRtcp(theirs.session.rtcp, 1, report, true) : report;
    receiver.rtcp.send(sent, sink.local.rtcpPort, LOOPBACK);
    await until(() => sink.stats().receiverReport !== null, 'the report');
    const { atMs, roundTripMs, ...numbers } = sink.stats().receiverReport!;
    assert.deepEqual(numbers, { fractionLost: 0.5, cumulativeLost: 7, highestSeq: 70_000, jitterMs: 2 });
    assert.ok(roundTripMs !== null && roundTripMs >= 0 && roundTripMs < 10_000, `${roundTripMs} ms`);
    assert.ok(Math.abs(Number(process.hrtime.bigint()) / 1e6 - atMs) < 10_000);
    receiver.rtp.send(sent, sink.local.rtcpPort, LOOPBACK); // from another port: whose it is cannot be known
    const stranger = () => tested.engine.stats().lanes[0]!.packets.unauthorised;
    await until(() => stranger() === 1, 'a report of a stranger');
    const last = await sink.remove();
    assert.deepEqual([last.receiverReport?.highestSeq, last.bye, last.unauthenticatedReports], [70_000, false, 0]);
    await session.close();
    for (const one of [sender, receiver]) one.close();
    await tested.close();
  });
}

for (const isMuxed of [false, true]) {
  test(`RFC 3550 6.6: a sink that is removed says BYE${isMuxed ? ', to the RTP port with rtcp-mux' : ''}; its source's BYE goes no further`, async () => {
    const tested = await TestEngine.start();
    const [sender, receiver] = [await Sender.open(), await Sender.open()];
    const ours = newKeys();
    const session = await tested.engine.openSession();
    const media = await session.addStream({ ...STREAM, remote: sender.remote });
    const { address, rtpPort, rtcpPort } = receiver.remote;
    const remote = { address, rtpPort, rtcpPort: isMuxed ? rtpPort : rtcpPort };
    const sink = await session.addSink(media.index, { remote, srtp: ours.keys });
    const from = new Set<number>();
    for (const socket of [receiver.rtp, receiver.rtcp]) {
      socket.on('message', (packet, { port }) => packet[1]! >= 200 && packet[1]! < 204 && from.add(port));
    }
    sender.send(packetOf(1), media);
    sender.sendRtcp(
      buildRtcp([
        { type: 'rr', ssrc: 7, blocks: [] },
        { type: 'bye', ssrcs: [7], reason: null },
      ]),
      media,
    );
    await until(() => tested.engine.stats().lanes[0]!.packets.rtcp === 1, "the source's BYE");
    sender.send(packetOf(2), media);
    await until(() => sink.stats().packets === 2, 'media behind it');
    const { ssrc } = sink;
    await sink.remove();
    const told = () =>
      receiver.reports
        .filter((packet) => packet[1]! >= 200 && packet[1]! < 204)
        .map((packet) => parseRtcp(packet) ?? parseRtcp(unprotectRtcp(ours.session.rtcp, packet).packet)!);
    const byes = () => told().filter((report) => report.some(({ type }) => type === 'bye'));
    await until(() => byes().length > 0, 'the last report');
    const last = told().at(-1)!;
    assert.deepEqual(
      last.map(({ type }) => type),
      ['sr', 'sdes', 'bye'],
    );
    assert.deepEqual(last[2], { type: 'bye', ssrcs: [ssrc], reason: null });
    assert.equal((last[0] as SenderReport).packets, 2);
    assert.equal(byes().length, 1);
    assert.deepEqual([...from], [sink.local.rtcpPort]);
    assert.equal(sink.local.rtcpPort - sink.local.rtpPort, isMuxed ? 0 : 1);
    await session.close();
    for (const one of [sender, receiver]) one.close();
    await tested.close();
  });
}

test('RFC 6263: the RTP port of a paused sink gets empty datagrams, and its numbers go on as if there had been none', async () => {
  const tested = await TestEngine.start();
  const [sender, receiver] = [await Sender.open(), await Sender.open()];
  const session = await tested.engine.openSession();
  const media = await session.addStream({ ...STREAM, remote: sender.remote });
  const { address, rtpPort } = receiver.remote;
  await assert.rejects(session.addSink(media.index, { remote: { address, rtpPort }, keepAliveMs: 4_999 }), RangeError);
  const sink = await session.addSink(media.index, { remote: { address, rtpPort }, keepAliveMs: 5_000 });
  sender.send(packetOf(1), media);
  await until(() => receiver.reports.length > 0, 'media');
  await sink.pause();
  await until(() => receiver.reports.at(-1)?.length === 0, 'a keep-alive', 12_000);
  await sink.resume();
  sender.send(packetOf(2), media);
  await until(() => (receiver.reports.at(-1)?.length ?? 0) > 0, 'media again');
  const packets = receiver.reports.filter(({ length }) => length > 0);
  assert.equal(packets[1]!.readUInt16BE(2) - packets[0]!.readUInt16BE(2), 1);
  assert.equal(sink.stats().packets, 2);
  await session.close();
  for (const one of [sender, receiver]) one.close();
  await tested.close();
});

test('an engine that is closed says BYE for the sinks that are there still', async () => {
  const tested = await TestEngine.start();
  const [sender, receiver] = [await Sender.open(), await Sender.open()];
  const session = await tested.engine.openSession();
  const media = await session.addStream({ ...STREAM, remote: sender.remote });
  const sink = await session.addSink(media.index, { remote: receiver.remote });
  sender.send(packetOf(1), media);
  await until(() => sink.stats().packets === 1, 'media');
  await tested.engine.close();
  const hasBye = (packet: Buffer) => parseRtcp(packet)?.at(-1)?.type === 'bye';
  await until(() => receiver.reports.some(hasBye), 'BYE');
  for (const one of [sender, receiver]) one.close();
  await tested.close();
});

test('a sink to a port that cannot be is refused', async () => {
  const tested = await TestEngine.start();
  const session = await tested.engine.openSession();
  const media = await session.addStream(STREAM);
  for (const ports of [{ rtpPort: 0 }, { rtpPort: 65_536 }, { rtpPort: 4000, rtcpPort: 65_536 }, { rtpPort: 1.5 }]) {
    await assert.rejects(session.addSink(media.index, { remote: { address: LOOPBACK, ...ports } }), RangeError);
  }
  await session.close();
  await tested.close();
});

test('a party that is found over IPv6 hears the other, and reports of what it hears', async () => {
  const tested = await TestEngine.start({ address: '::1' });
  const session = await tested.engine.openSession();
  const [from, to] = [
    await session.addStream({ ...STREAM, rtcpMux: true }),
    await session.addStream({ ...STREAM, channel: 1, rtcpMux: true }),
  ];
  const sink = await session.addSink(from.index, { remote: 'learned', via: to.index });
  const [speaker, listener] = [createSocket('udp6').bind(0, '::1'), createSocket('udp6').bind(0, '::1')];
  await Promise.all([speaker, listener].map((socket) => once(socket, 'listening')));
  const heard: Buffer[] = [];
  listener.on('message', (packet) => void heard.push(packet));
  listener.send(packetOf(1), to.rtpPort, '::1');
  await until(() => session.counters()[1]!.received === 1, 'the listener to speak');
  speaker.send(packetOf(7), from.rtpPort, '::1');
  await until(() => heard.some((packet) => packet[1] === 0x80), 'the speaker');
  listener.send(reportOf(sink.ssrc, 0, 0), sink.local.rtcpPort, '::1');
  await until(() => sink.stats().receiverReport !== null, 'the report');
  await session.close();
  await until(() => heard.some((packet) => packet[1] === 200 && parseRtcp(packet)?.at(-1)?.type === 'bye'), 'BYE');
  for (const socket of [speaker, listener]) socket.close();
  await tested.close();
});
