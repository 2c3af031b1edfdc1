/** Replication over real sockets: every sink gets the source's packets, under its own keys, whatever becomes of the others. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Sink, StreamMedia } from '../../src/media/index.ts';
import { buildRtcp } from '../../src/media/rtcp.ts';
import { LOOPBACK, PCMU, Sender, TestEngine, until } from './loopback.ts';
import { asSent, newKeys, packetOf, Receiver, SUITES, sessionOf } from './receiver.ts';
import { unprotectRtcp } from './srtp/oracle.ts';

const STREAM = { label: '1', channel: 0, payloadTypes: PCMU, remote: null, rtcpMux: false };

test('RFC 7866: three sinks of a stream, each with keys of its own, and one in the clear', async () => {
  const tested = await TestEngine.start();
  const sender = await Sender.open();
  const session = await tested.engine.openSession();
  const media = await session.addStream({ ...STREAM, remote: sender.remote });
  const keys = [...Object.keys(SUITES).map((suite) => newKeys(suite as keyof typeof SUITES)), null];
  const receivers = await Promise.all(keys.map(() => Receiver.open()));
  const sinks: Sink[] = [];
  for (const [n, srtp] of keys.entries()) {
    const remote = { address: LOOPBACK, rtpPort: receivers[n]!.port };
    sinks.push(await session.addSink(media.index, { remote, srtp }));
  }
  const sources = Array.from({ length: 300 }, (_, seq) => seq + 5).filter((seq) => seq % 17 !== 0);
  for (const [n, seq] of sources.entries()) {
    sender.send(packetOf(seq), media);
    if (n % 20 === 19) await new Promise((resolve) => setImmediate(resolve));
  }
  for (const [n, receiver] of receivers.entries()) {
    await until(() => receiver.packets.length === sources.length, `the packets of sink ${n}`);
    const expected = asSent(receiver.packets[0]!, sources, keys[n]!);
    assert.deepEqual(receiver.packets, expected, `sink ${n}`);
    const { ssrc, local } = sinks[n]!;
    assert.equal(receiver.packets[0]!.readUInt32BE(8), ssrc);
    assert.deepEqual([...receiver.from], [local.rtpPort], 'where an offer says that they come from');
    const { packets, octets, sendErrors } = sinks[n]!.stats();
    assert.deepEqual([packets, octets, sendErrors], [sources.length, sources.length * 160, 0]);
    receiver.close();
  }
  assert.equal(new Set(sinks.map(({ ssrc }) => ssrc)).size, sinks.length);
  const last = await sinks[0]!.remove();
  assert.equal(last.packets, sources.length);
  assert.deepEqual(await sinks[0]!.remove(), last);
  assert.throws(() => sinks[0]!.stats(), RangeError);
  await session.close();
  assert.equal(tested.journal().size, 0, 'a session that is not recorded leaves nothing in the journal');
  sender.close();
  await tested.close();
});

test('RFC 4961: two parties that are anchored hear each other where they send from, from the ports that they send to', async () => {
  const tested = await TestEngine.start();
  const parties = [await Sender.open(), await Sender.open()];
  const session = await tested.engine.openSession();
  const legs: StreamMedia[] = [];
  for (const channel of [0, 1]) legs.push(await session.addStream({ ...STREAM, channel }));
  const sinks: Sink[] = [];
  for (const [from, to] of [
    [0, 1],
    [1, 0],
  ] as const) {
    sinks.push(await session.addSink(from, { remote: 'learned', via: to }));
  }
  const heard = parties.map(() => [] as Array<{ payload: number; port: number }>);
  for (const [n, party] of parties.entries()) {
    party.rtp.on('message', (packet, { port }) => void heard[n]!.push({ payload: packet[12]!, port }));
  }
  for (const seq of [0, 1, 2]) parties[0]!.send(packetOf(seq), legs[0]!);
  await until(() => sinks[0]!.stats().undirected === 3, 'what has nowhere to go yet');
  parties[1]!.send(packetOf(0), legs[1]!);
  await until(() => heard[0]!.length === 1, 'the first to hear the second');
  heard[0]!.length = 0;
  for (let seq = 3; seq < 53; seq++) {
    for (const [n, party] of parties.entries()) party.send(packetOf(2 * seq + n), legs[n]!);
  }
  await until(() => heard.every((packets) => packets.length === 50), 'both to hear each other');
  for (const n of [0, 1]) {
    const expected = Array.from({ length: 50 }, (_, k) => ({ payload: 2 * (k + 3) + 1 - n, port: legs[n]!.rtpPort }));
    assert.deepEqual(heard[n], expected);
  }
  await assert.rejects(session.addSink(0, { remote: 'learned' }), RangeError);
  await session.close();
  for (const party of parties) party.close();
  await tested.close();
});

test('a sink follows the party that it goes to: to the port that is heard, to another address, and nowhere meanwhile', async () => {
  const tested = await TestEngine.start();
  const [speaker, listener, other] = [await Sender.open(), await Sender.open(), await Sender.open()];
  const session = await tested.engine.openSession();
  const from = await session.addStream({ ...STREAM, remote: speaker.remote });
  const to = await session.addStream({ ...STREAM, channel: 1, remote: listener.remote });
  const sink = await session.addSink(from.index, { remote: 'learned', via: to.index });
  const listenAt = (party: Sender) => {
    const packets: Buffer[] = [];
    party.rtp.on('message', (packet) => void packets.push(packet));
    return packets;
  };
  const [atListener, atOther] = [listenAt(listener), listenAt(other)];
  let seq = 0;
  const say = async (packets: Buffer[], what: string) => {
    const before = packets.length;
    speaker.send(packetOf(seq++), from);
    await until(() => packets.length === before + 1, what);
  };
  await say(atListener, 'the signalled port');
  const block = { ssrc: sink.ssrc, fractionLost: 0, cumulativeLost: 0, highestSeq: 1, jitter: 0 };
  const blocks = [{ ...block, lastSr: 0, delaySinceLastSr: 0 }];
  listener.sendRtcp(buildRtcp([{ type: 'rr', ssrc: 8, blocks }]), to);
  await until(() => sink.stats().receiverReport !== null, 'what it reports of the sink');
  other.send(packetOf(0), to); // the first that is heard from that address
  await until(() => session.counters()[1]!.received === 1, 'the listener to speak');
  await say(atOther, 'the port that is heard');
  listener.send(packetOf(1), to); // the signalled one wins (symmetric RTP)
  await until(() => session.counters()[1]!.received === 2, 'the signalled port to speak');
  await say(atListener, 'the signalled port again');
  await session.updateStream(to.index, { ...STREAM, remote: null });
  speaker.send(packetOf(seq++), from);
  await until(() => sink.stats().undirected === 1, 'a packet that has nowhere to go');
  other.send(packetOf(2), to);
  await until(() => session.counters()[1]!.received === 3, 'whoever is there now');
  await say(atOther, 'where that is');
  const sent = [...atListener, ...atOther].map((packet) => packet.readUInt16BE(2)).toSorted((a, b) => a - b);
  assert.deepEqual(
    sent.map((one) => one - sent[0]!),
    [0, 1, 2, 3],
    'numbers have no gap',
  );
  await session.close();
  for (const party of [speaker, listener, other]) party.close();
  await tested.close();
});

test('sinks that are paused, dead or removed: the others get everything', async () => {
  const tested = await TestEngine.start();
  const sender = await Sender.open();
  const session = await tested.engine.openSession();
  const media = await session.addStream({ ...STREAM, remote: sender.remote });
  const [steady, paused, dead, removed] = await Promise.all([1, 2, 3, 4].map(() => Receiver.open()));
  const sinkTo = ({ port }: Receiver) => session.addSink(media.index, { remote: { address: LOOPBACK, rtpPort: port } });
  await sinkTo(steady!);
  const pausing = await sinkTo(paused!);
  await sinkTo(dead!);
  const removing = await sinkTo(removed!);
  dead!.close(); // its port answers with ICMP from now on
  const sendSome = async (from: number, to: number) => {
    const before = steady!.packets.length;
    for (let seq = from; seq < to; seq++) sender.send(packetOf(seq), media);
    await until(() => steady!.packets.length === before + to - from, 'the steady sink');
  };
  await sendSome(0, 20);
  await until(() => paused!.packets.length === 20 && removed!.packets.length === 20, 'all sinks');
  await pausing.pause();
  await removing.remove();
  await sendSome(20, 40);
  await pausing.resume();
  await sendSome(40, 60);
  await until(() => paused!.packets.length === 40, 'what came behind the pause');
  assert.equal(removed!.packets.length, 20);
  const seqs = paused!.packets.map((packet) => packet.readUInt16BE(2));
  assert.deepEqual(
    seqs,
    seqs.map((_, n) => seqs[0]! + n),
    'no gap over the pause',
  );
  assert.deepEqual(
    paused!.packets.map((packet) => packet[12]),
    [...Array(20).keys(), ...Array.from({ length: 20 }, (_, n) => n + 40)],
  );
  await session.close();
  for (const receiver of [steady!, paused!, removed!]) receiver.close();
  sender.close();
  await tested.close();
});

test('RFC 3550 6.4.1: sender reports of a sink tell what it has sent, as SRTCP under its key', async () => {
  const tested = await TestEngine.start();
  const sender = await Sender.open();
  const session = await tested.engine.openSession();
  const media = await session.addStream({ ...STREAM, remote: sender.remote });
  const [rtpReceiver, rtcpReceiver] = [await Receiver.open(), await Receiver.open()];
  const srtp = newKeys('AEAD_AES_128_GCM');
  const remote = { address: LOOPBACK, rtpPort: rtpReceiver.port, rtcpPort: rtcpReceiver.port };
  const sink = await session.addSink(media.index, { remote, srtp });
  for (let seq = 0; seq < 10; seq++) sender.send(packetOf(seq), media);
  await until(() => rtpReceiver.packets.length === 10, 'the packets');
  await until(() => rtcpReceiver.packets.length > 0, 'a sender report', 8_000);
  const keys = sessionOf(srtp);
  const report = Buffer.from(unprotectRtcp(keys.rtcp, rtcpReceiver.packets[0]!).packet);
  assert.deepEqual([report[0], report[1], report.readUInt16BE(2)], [0x80, 200, 6]);
  assert.equal(report.readUInt32BE(4), sink.ssrc);
  assert.ok(Math.abs(report.readUInt32BE(8) - 2_208_988_800 - Date.now() / 1000) < 10, 'the time of day');
  assert.deepEqual([report.readUInt32BE(20), report.readUInt32BE(24)], [10, 1600]);
  const lastTimestamp = rtpReceiver.packets.at(-1)!.readUInt32BE(4);
  const elapsed = (report.readUInt32BE(16) - lastTimestamp) >>> 0;
  assert.ok(elapsed < 8 * 8000, `${elapsed} RTP units behind the last packet`);
  assert.equal(report[29], 202, 'with a CNAME');
  await session.close();
  for (const receiver of [rtpReceiver, rtcpReceiver]) receiver.close();
  sender.close();
  await tested.close();
});
