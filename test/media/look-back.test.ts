/** Look-back over real sockets: a sink that comes late gets what was sent before it, then what comes, without a gap. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { MediaSession, StreamMedia } from '../../src/media/index.ts';
import { LOOPBACK, PCMU, Sender, TestEngine, until } from './loopback.ts';
import { asSent, newKeys, packetOf, Receiver } from './receiver.ts';

const STREAM = { label: '1', channel: 0, payloadTypes: PCMU, rtcpMux: false, lookBackSeconds: 5 };
const PACKET_MS = 10;

/** A source that sends one packet after the other until it is stopped, each twentieth of which is lost. */
class Source {
  readonly sent: number[] = [];
  readonly #sender: Sender;
  readonly #to: StreamMedia;
  readonly #timer: NodeJS.Timeout;
  #seq = 65_500;

  constructor(sender: Sender, to: StreamMedia) {
    this.#sender = sender;
    this.#to = to;
    this.#timer = setInterval(() => this.#send(), PACKET_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #send(): void {
    const seq = this.#seq++;
    if (seq % 20 === 0) return;
    this.#sender.send(packetOf(seq), this.#to);
    this.sent.push(seq);
  }
}

async function start(): Promise<{ tested: TestEngine; sender: Sender; session: MediaSession; media: StreamMedia }> {
  const tested = await TestEngine.start();
  const sender = await Sender.open();
  const session = await tested.engine.openSession();
  const media = await session.addStream({ ...STREAM, remote: sender.remote });
  return { tested, sender, session, media };
}

test('sinks that join at any time, with and without keys, get everything from the first packet kept', async () => {
  const { tested, sender, session, media } = await start();
  const source = new Source(sender, media);
  const keys = [newKeys('AES_CM_128_HMAC_SHA1_80'), null, newKeys('AEAD_AES_128_GCM')];
  const receivers = await Promise.all(keys.map(() => Receiver.open()));
  const dead = await Receiver.open();
  await session.addSink(media.index, { remote: { address: LOOPBACK, rtpPort: dead.port }, lookBack: true });
  dead.close();
  const sinks = [];
  for (const [n, srtp] of keys.entries()) {
    await until(() => session.counters()[0]!.received >= 30 * (n + 1), 'the source');
    const remote = { address: LOOPBACK, rtpPort: receivers[n]!.port };
    sinks.push(await session.addSink(media.index, { remote, srtp, lookBack: true }));
  }
  await until(() => source.sent.length >= 200, 'the source');
  source.stop();
  for (const [n, receiver] of receivers.entries()) {
    await until(() => receiver.packets.length === source.sent.length, `the packets of sink ${n}`);
    assert.deepEqual(receiver.packets, asSent(receiver.packets[0]!, source.sent, keys[n]!), `sink ${n}`);
    const { packets, lookBackPackets, skipped } = sinks[n]!.stats();
    assert.equal(packets, source.sent.length);
    assert.ok(lookBackPackets >= 30 * (n + 1), `${lookBackPackets} packets of the ring`);
    assert.equal(skipped, 0);
    receiver.close();
  }
  const [lane] = tested.engine.stats().lanes;
  assert.ok(lane!.lookBack.usedBytes > 200 * 172 && lane!.lookBack.usedBytes <= lane!.lookBack.maxBytes);
  await session.close();
  assert.equal(tested.engine.stats().lanes[0]!.lookBack.usedBytes, 0);
  sender.close();
  await tested.close();
});

test('a pause ends a look-back: the sink goes on with what comes behind it', async () => {
  const { tested, sender, session, media } = await start();
  const receiver = await Receiver.open();
  const steady = await Receiver.open();
  await session.addSink(media.index, { remote: { address: LOOPBACK, rtpPort: steady.port } });
  const sendSome = async (from: number, to: number) => {
    const before = steady.packets.length;
    for (let seq = from; seq < to; seq++) {
      sender.send(packetOf(seq), media);
      await delay(PACKET_MS); // a past of some length
    }
    await until(() => steady.packets.length === before + to - from, 'the steady sink');
  };
  await sendSome(0, 60);
  const remote = { address: LOOPBACK, rtpPort: receiver.port };
  const sink = await session.addSink(media.index, { remote, lookBack: true });
  await sink.pause();
  const { packets } = sink.stats();
  await sendSome(60, 70);
  await sink.resume();
  await sendSome(70, 80);
  const expected = [...Array(packets).keys(), ...Array.from({ length: 10 }, (_, n) => 70 + n)];
  await until(() => receiver.packets.length === expected.length, 'what came behind the pause');
  assert.deepEqual(
    receiver.packets.map((packet) => packet[12]),
    expected,
  );
  await session.close();
  for (const one of [receiver, steady]) one.close();
  sender.close();
  await tested.close();
});

test('the engine says how much a stream keeps that says nothing, and an update of the stream changes nothing of it', async () => {
  const tested = await TestEngine.start({ lookBackSeconds: 3 });
  const sender = await Sender.open();
  const receiver = await Receiver.open();
  const session = await tested.engine.openSession();
  const { lookBackSeconds: _, ...stream } = STREAM;
  const media = await session.addStream({ ...stream, remote: sender.remote });
  for (let seq = 0; seq < 10; seq++) sender.send(packetOf(seq), media);
  await until(() => session.counters()[0]!.received === 10, 'the past');
  await session.updateStream(media.index, { ...stream, remote: sender.remote });
  const remote = { address: LOOPBACK, rtpPort: receiver.port };
  await session.addSink(media.index, { remote, lookBack: 60 });
  await until(() => receiver.packets.length === 10, 'what was kept');
  await session.close();
  receiver.close();
  sender.close();
  await tested.close();
});

test('what cannot be looked back to is refused', async () => {
  const { tested, sender, session, media } = await start();
  const remote = { address: LOOPBACK, rtpPort: 9 };
  for (const lookBack of [0, -1, Number.NaN]) {
    await assert.rejects(session.addSink(media.index, { remote, lookBack }), RangeError);
  }
  await assert.rejects(session.addSink(media.index, { remote, lookBack: true, paused: true }), RangeError);
  const plain = await session.addStream({ ...STREAM, remote: null, lookBackSeconds: 0 });
  await assert.rejects(session.addSink(plain.index, { remote, lookBack: true }), RangeError);
  await assert.rejects(session.addStream({ ...STREAM, remote: null, lookBackSeconds: 3_601 }), RangeError);
  await session.close();
  sender.close();
  await tested.close();
});

test('what comes while the look-back is paused reaches the sinks that there are, and none that comes later', async () => {
  const { tested, sender, session, media } = await start();
  const steady = await Receiver.open();
  const late = await Receiver.open();
  await session.addSink(media.index, { remote: { address: LOOPBACK, rtpPort: steady.port } });
  const send = async (from: number, to: number) => {
    for (let seq = from; seq < to; seq++) await sender.sent(packetOf(seq), media);
  };
  await send(0, 10);
  await session.pauseLookBack(true);
  await send(10, 20);
  await session.pauseLookBack(false);
  await send(20, 30);
  await until(() => steady.packets.length === 30, 'the sink that was there');
  const sink = await session.addSink(media.index, {
    remote: { address: LOOPBACK, rtpPort: late.port },
    lookBack: true,
  });
  await send(30, 32);
  await until(() => late.packets.length === 22, 'the sink that came later');
  const expected = [...Array(10).keys(), ...Array.from({ length: 12 }, (_, n) => 20 + n)];
  assert.deepEqual(late.packets, asSent(late.packets[0]!, expected, null));
  assert.ok(sink.stats().lookBackPackets >= 20);
  for (const receiver of [steady, late]) receiver.close();
  await session.close();
  sender.close();
  await tested.close();
});
