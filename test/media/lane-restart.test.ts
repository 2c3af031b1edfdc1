/** A lane whose worker dies is started again: its streams are received on the same ports, and the journal goes on. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Piscina } from 'piscina';
import * as layout from '../../assembly/layout.ts';
import { DEATHS, type LifeSeen, lifeOf, waitingLifeOf } from '../../bench/system/contenders/lane-death.ts';
import { KIND_RTP } from '../../src/journal/format.ts';
import type { StreamMedia } from '../../src/media/index.ts';
import { Secret, Srtp, type SrtpKeys } from '../../src/media/srtp.ts';
import { openSockets } from './descriptors.ts';
import { LOOPBACK, notesOf, PCMU, Sender, TestEngine, until } from './loopback.ts';
import { newKeys, Receiver, sessionOf } from './receiver.ts';
import { rtp } from './rig.ts';
import { protectRtp } from './srtp/oracle.ts';

/** A thread that is not ready after so long was ended. */
const PREPARE_MS = 1_000;
const SUITE = 'AEAD_AES_128_GCM';
const STREAM = { label: '1', channel: 0, payloadTypes: PCMU, remote: null, rtcpMux: false };

/** Settles when the newest thread that is to wait does: until then it loads an addon, and Node does not bear that it is ended. */
let prepared: Promise<unknown> = Promise.resolve();
const { run } = Piscina.prototype;
Piscina.prototype.run = function (this: Piscina, task: { memory?: WebAssembly.Memory }, ...rest: unknown[]) {
  const running = Reflect.apply(run, this, [task, ...rest]) as ReturnType<typeof run>;
  if (!task.memory) prepared = Promise.race([running.catch(() => {}), delay(PREPARE_MS, null, { ref: false })]);
  return running;
} as typeof run;

/** A chain of staged records that leads out of the memory: the core traps when it flushes. */
function corrupt(): void {
  const view = new DataView(lifeOf(0).memory.buffer);
  view.setUint32(layout.RECORDINGS_AT + layout.RECORDING_HEAD_AT, 0xffff_fff0, true);
  view.setUint32(layout.RECORDINGS_AT + layout.RECORDING_COUNT_AT, 1, true);
  view.setUint32(layout.LANE_AT + layout.LANE_DIRTY_HEAD_AT, 1, true);
  view.setUint32(layout.LANE_AT + layout.LANE_DIRTY_TAIL_AT, 1, true);
  view.setUint32(layout.LANE_AT + layout.LANE_STAGED_BYTES_AT, 1, true); // or nothing would flush
}

async function terminate(): Promise<void> {
  await prepared;
  await endThreads();
}

/** They are being ended when this returns. */
function endThreads(): Promise<unknown> {
  return Promise.all(lifeOf(0).pool.threads.map((thread) => thread.terminate()));
}

/** What only sockets can do that outlive their thread. */
const testNative: typeof test = TestEngine.sockets === 'dgram' ? ((() => {}) as never) : test;

/** Only the thread that runs the lane: the next life waits on the other. */
async function endLane(): Promise<void> {
  const next = await waitingLife();
  DEATHS.exit(0);
  await until(() => next.hasBegun, 'the life that has waited to begin');
}

async function waitingLife(): Promise<LifeSeen> {
  await until(() => waitingLifeOf(0) !== null, 'a life to wait');
  return waitingLifeOf(0)!;
}

const KILLS: [how: string, kill: () => void | Promise<void>][] = [
  ['its core traps', corrupt],
  ['its thread is ended', endLane],
  ['its threads are ended', terminate],
];

const restarts = (tested: TestEngine) => tested.events.filter(({ type }) => type === 'lane-restarted').length;

async function sendUntilReceived(tested: TestEngine, sender: Sender, media: StreamMedia, seq: number): Promise<void> {
  const received = () => tested.engine.stats().lanes[0]!.packets.received;
  const before = received();
  sender.send(rtp({ seq, timestamp: seq * 160 }), media);
  await until(() => received() > before, `packet ${seq}`);
}

for (const [how, kill] of KILLS) {
  test(`when ${how}, streams are received again on the same ports and the journal goes on`, async () => {
    const tested = await TestEngine.start();
    const sender = await Sender.open();
    const recording = await tested.engine.openRecording(randomUUID());
    recording.note({ type: 'recording', id: recording.id });
    const media = await recording.addStream({ ...STREAM, remote: sender.remote });
    await sendUntilReceived(tested, sender, media, 1);
    for (let death = 1; death <= 2; death++) {
      await tested.engine.seal(0); // what is not on the disk may die with the worker
      await kill();
      await until(() => restarts(tested) === death, 'the restart');
      await sendUntilReceived(tested, sender, media, 10 * death);
      await sendUntilReceived(tested, sender, media, 10 * death + 1);
    }
    assert.equal(recording.counters()[0]!.received, 5, 'of all its lives');
    await recording.close();
    const told = tested.journal().get(recording.id)!;
    const packets = told.filter(({ kind }) => kind === KIND_RTP);
    assert.deepEqual(
      packets.map(({ extSeq }) => extSeq & 0xffff),
      [1, 10, 11, 20, 21],
    );
    // A life can end before it has begun: with the thread that ran the lane, the one that waited may have been ended too.
    const [first, second, second2, third, third2] = packets.map(({ epoch }) => epoch / 0x10000);
    assert.ok(first === 0 && second! > 0 && third! > second!, 'no epoch of a life before is used again');
    assert.deepEqual([second2, third2], [second, third]);
    const seqs = tested.blockSeqs();
    assert.deepEqual(
      seqs,
      seqs.toSorted((a, b) => (a < b ? -1 : 1)),
    );
    assert.equal(new Set(seqs).size, seqs.length, 'no block number is used twice');
    const notes = notesOf(told);
    const restarted = notes.filter(({ name }) => name === 'lane-restarted').map(({ restart }) => restart);
    assert.deepEqual([...new Set(restarted)], [second, third]);
    assert.ok(notes.some(({ type }) => type === 'recording'));
    assert.equal(tested.engine.stats().lanes[0]!.packets.received, 5, 'of all its lives');
    sender.close();
    await tested.close();
  });
}

testNative('what comes while a lane is down waits in its sockets', async () => {
  const tested = await TestEngine.start({ sockets: 'native' });
  const sender = await Sender.open();
  const recording = await tested.engine.openRecording(randomUUID());
  const media = await recording.addStream({ ...STREAM, remote: sender.remote });
  await sendUntilReceived(tested, sender, media, 1);
  await tested.engine.seal(0); // what is not on the disk may die with the worker
  await prepared;
  const died = endThreads();
  for (let seq = 2; seq <= 50; seq++) sender.send(rtp({ seq, timestamp: seq * 160 }), media);
  await died;
  await until(() => restarts(tested) === 1, 'the restart');
  await until(() => recording.counters()[0]!.received === 50, 'what was sent meanwhile');
  await recording.close();
  const journaled = tested
    .journal()
    .get(recording.id)!
    .filter(({ kind }) => kind === KIND_RTP);
  assert.deepEqual(
    journaled.map(({ extSeq }) => extSeq & 0xffff).toSorted((a, b) => a - b),
    Array.from({ length: 50 }, (_, i) => i + 1),
  );
  sender.close();
  await tested.close();
});

testNative('a lane leaves no descriptor behind, whether it ends or dies', async () => {
  const before = openSockets().length;
  const tested = await TestEngine.start({ sockets: 'native' });
  const recording = await tested.engine.openRecording(randomUUID());
  for (const channel of [0, 1]) await recording.addStream({ ...STREAM, channel });
  await terminate();
  await until(() => restarts(tested) === 1, 'the restart');
  await recording.addStream(STREAM);
  await tested.engine.close();
  await until(() => openSockets().length === before, 'the descriptors');
  await tested.close();
});

test('a life that has waited for its beginning knows what was opened, changed and closed meanwhile', async () => {
  const tested = await TestEngine.start();
  const sender = await Sender.open();
  const session = await tested.engine.openSession();
  const [first, then, others] = [newKeys(SUITE), newKeys(SUITE), newKeys(SUITE)];
  const options = { ...STREAM, remote: sender.remote };
  const changed = await session.addStream({ ...options, srtp: { receive: first, send: others } });
  const closed = await session.addStream(options);
  await waitingLife();
  await session.updateStream(changed.index, { ...options, srtp: { receive: then, send: others } });
  await session.removeStream(closed.index);
  const opened = await session.addStream(options);
  await endLane();
  await until(() => restarts(tested) === 1, 'the restart');
  sender.send(protectRtp(sessionOf(then).rtp, 0, rtp({ seq: 1 })), changed);
  sender.send(rtp({ seq: 1 }), opened);
  await until(() => session.counters().every(({ received }) => received === 1), 'a packet of each');
  const isFree = createSocket('udp4').bind(closed.rtpPort, LOOPBACK);
  await once(isFree, 'listening');
  isFree.close();
  await session.close();
  sender.close();
  await tested.close();
});

test('a lane whose next life has ended while it waited is started again all the same', async () => {
  const tested = await TestEngine.start();
  const sender = await Sender.open();
  const session = await tested.engine.openSession();
  const media = await session.addStream({ ...STREAM, remote: sender.remote });
  const next = await waitingLife();
  await prepared;
  await next.pool.threads[1]!.terminate();
  await sendUntilReceived(tested, sender, media, 1);
  assert.equal(restarts(tested), 0, 'the lane goes on');
  corrupt();
  await until(() => restarts(tested) === 1, 'the restart');
  assert.ok(!next.hasBegun);
  await sendUntilReceived(tested, sender, media, 2);
  await session.close();
  sender.close();
  await tested.close();
});

test('SRTP goes on under its keys after a restart, at the ROC where it was', async () => {
  const tested = await TestEngine.start();
  const sender = await Sender.open();
  const keys = newKeys(SUITE);
  const session = sessionOf(keys);
  const recording = await tested.engine.openRecording(randomUUID());
  const srtp = { receive: keys, send: newKeys(SUITE) };
  const media = await recording.addStream({ ...STREAM, remote: sender.remote, srtp });
  const received = () => tested.engine.stats().lanes[0]!.packets.received;
  const send = async (seq: number) => {
    const before = received();
    sender.send(protectRtp(session.rtp, 7, rtp({ seq, timestamp: seq * 160 })), media);
    await until(() => received() > before, `packet ${seq}`);
  };
  await send(1);
  await tested.engine.seal(0); // what is not on the disk may die with the worker
  await terminate();
  await until(() => restarts(tested) === 1, 'the restart');
  await send(2);
  await recording.updateStream(media.index, { ...STREAM, remote: sender.remote, srtp });
  await send(3);
  sender.send(rtp({ seq: 4 }), media);
  await until(() => recording.counters()[0]!.unauthenticated === 1, 'the packet in the clear to be refused');
  await recording.close();
  const packets = tested
    .journal()
    .get(recording.id)!
    .filter(({ kind }) => kind === KIND_RTP);
  assert.deepEqual(
    packets.map(({ payload }) => Buffer.from(payload)),
    [1, 2, 3].map((seq) => rtp({ seq, timestamp: seq * 160 })),
  );
  sender.close();
  await tested.close();
});

testNative('SRTP whose keys are under way waits for them in the next life, too', async () => {
  const tested = await TestEngine.start({ sockets: 'native' });
  const sender = await Sender.open();
  const session = await tested.engine.openSession();
  const keys = newKeys(SUITE);
  const { rtp: sent } = sessionOf(keys);
  const srtp = { receive: newKeys(SUITE), send: newKeys(SUITE) };
  const media = await session.addStream({ ...STREAM, srtp: { ...srtp, awaitsKeys: true } });
  const send = (seq: number) => sender.sent(protectRtp(sent, 0, rtp({ seq, timestamp: seq * 160 })), media);
  await send(1);
  await terminate();
  await until(() => restarts(tested) === 1, 'the restart');
  await send(2);
  await session.updateStream(media.index, { ...STREAM, srtp: { ...srtp, receive: keys } });
  await until(() => session.counters()[0]!.received === 2, 'both packets');
  assert.equal(session.counters()[0]!.unauthenticated, 0);
  await session.close();
  sender.close();
  await tested.close();
});

test('a sink goes on as another source after a restart, when it is known again where it goes', async () => {
  const tested = await TestEngine.start();
  const parties = [await Sender.open(), await Sender.open()] as const;
  const session = await tested.engine.openSession();
  const [from, to] = [await session.addStream(STREAM), await session.addStream({ ...STREAM, channel: 1 })];
  const sink = await session.addSink(from.index, { remote: 'learned', via: to.index });
  const heard = new Set<number>();
  parties[1].rtp.on('message', (packet) => heard.add(packet.readUInt32BE(8)));
  const speak = async (seq: number) => {
    const received = () => tested.engine.stats().lanes[0]!.packets.received;
    const before = received();
    parties[1].send(rtp({ seq, timestamp: seq * 160 }), to);
    await until(() => received() === before + 1, 'the receiver to speak');
    parties[0].send(rtp({ seq, timestamp: seq * 160 }), from);
    await until(() => heard.has(sink.ssrc), 'the sink');
  };
  await speak(1);
  const before = sink.ssrc;
  await terminate();
  await until(() => restarts(tested) === 1, 'the restart');
  await speak(2);
  assert.deepEqual(heard, new Set([before, sink.ssrc]));
  assert.notEqual(sink.ssrc, before);
  await session.close();
  for (const party of parties) party.close();
  await tested.close();
});

test('what failed authentication before a restart still counts when the stream closes', async () => {
  const tested = await TestEngine.start();
  const sender = await Sender.open();
  const recording = await tested.engine.openRecording(randomUUID());
  const keyAndSalt = new Secret(Buffer.alloc(30, 7));
  const keys: SrtpKeys = { suite: 'AES_CM_128_HMAC_SHA1_80', keys: [{ keyAndSalt, mki: null }] };
  const media = await recording.addStream({ ...STREAM, remote: sender.remote, srtp: { receive: keys, send: keys } });
  const genuine = new Srtp().openSender(keys);
  const total = () => tested.engine.stats().lanes[0]!.packets;
  for (let life = 1; life <= 3; life++) {
    sender.send(rtp({ seq: 100 }), media);
    sender.send(genuine.rtp(rtp({ seq: life, timestamp: life * 160 })), media);
    await until(() => total().unauthenticated === life && total().received === life, `the packets of life ${life}`);
    if (life < 3) await terminate();
    await until(() => restarts(tested) === Math.min(life, 2), 'the restart');
  }
  const { received, unauthenticated } = await recording.removeStream(media.index);
  assert.deepEqual({ received, unauthenticated }, { received: 3, unauthenticated: 3 });
  await recording.close();
  sender.close();
  await tested.close();
});

test('notes that were not on the disk when the worker died are written by the next one, in order', async () => {
  const tested = await TestEngine.start();
  const recording = await tested.engine.openRecording(randomUUID());
  for (let i = 0; i < 20; i++) recording.note({ type: 'event', i });
  await prepared;
  const killed = endThreads();
  for (let i = 20; i < 40; i++) recording.note({ type: 'event', i });
  await killed;
  await recording.close();
  const order = notesOf(tested.journal().get(recording.id)).flatMap(({ i }) => (i === undefined ? [] : [i as number]));
  const firsts = [...new Set(order)];
  assert.deepEqual(
    firsts,
    Array.from({ length: 40 }, (_, i) => i),
  );
  await tested.close();
});

test('what is asked of a lane while it is dead is done by its next life', async () => {
  const tested = await TestEngine.start();
  const sender = await Sender.open();
  const [stays, paused, goes] = await Promise.all([1, 2, 3].map(() => tested.engine.openRecording(randomUUID())));
  const [first, second] = await Promise.all(
    [stays!, paused!].map((one) => one.addStream({ ...STREAM, remote: sender.remote })),
  );
  const removed = await goes!.addStream(STREAM);
  await prepared;
  const killed = endThreads();
  const added = stays!.addStream({ ...STREAM, remote: sender.remote });
  const opened = tested.engine.openRecording(randomUUID());
  const done = Promise.all([paused!.pause(true), goes!.close(), tested.engine.seal(0)]);
  await killed;
  const [media] = await Promise.all([added, done]);
  assert.notEqual(media.rtpPort, removed.rtpPort);
  assert.equal(tested.engine.stats().lanes[0]!.streams, 3);
  sender.send(rtp({ seq: 1 }), first!);
  sender.send(rtp({ seq: 2 }), media);
  sender.send(rtp({ seq: 3 }), second!);
  await Promise.all([stays!.close(), paused!.close(), (await opened).close()]);
  const journal = tested.journal();
  const packets = (id: string) => journal.get(id)!.filter(({ kind }) => kind !== 3);
  assert.deepEqual(
    packets(stays!.id).map(({ extSeq, kind }) => [extSeq & 0xffff, kind]),
    [
      [1, KIND_RTP],
      [2, KIND_RTP],
    ],
  );
  assert.deepEqual(
    packets(paused!.id).map(({ payload }) => payload.length),
    [12],
    'the pause holds in the next life',
  );
  sender.close();
  await tested.close();
});

test('an engine that is closed while a lane is dead ends', async () => {
  const tested = await TestEngine.start();
  const recording = await tested.engine.openRecording(randomUUID());
  await recording.addStream(STREAM);
  await prepared;
  const killed = endThreads();
  const [closed] = await Promise.allSettled([recording.close(), tested.engine.close(), killed]);
  assert.ok(['fulfilled', 'rejected'].includes(closed.status));
  await tested.close();
});

test('a restarted lane does not make its recordings look silent since they began', async () => {
  const tested = await TestEngine.start();
  const recording = await tested.engine.openRecording(randomUUID());
  const openedUs = recording.lastPacketUs();
  await terminate();
  await until(() => restarts(tested) === 1, 'the restart');
  assert.ok(recording.lastPacketUs() > openedUs);
  await recording.close();
  await tested.close();
});

test('a lane that keeps dying is given up: it is reported, and nothing waits for it for ever', async () => {
  const tested = await TestEngine.start();
  const recording = await tested.engine.openRecording(randomUUID());
  await recording.addStream(STREAM);
  const available = tested.engine.ports.available;
  const isGone = () => tested.events.some(({ type }) => type === 'disk-full');
  for (let deaths = 0; !isGone(); deaths++) {
    await terminate();
    await until(() => restarts(tested) > deaths || isGone(), 'the restart or the end', 10_000);
  }
  await assert.rejects(recording.close(), { code: 'LANE_CLOSED' });
  assert.equal(tested.engine.ports.available, available, 'they rest');
  await tested.close();
});

test('whoever listened hears on after the lane was started again, streams apart and mixed', async () => {
  const tested = await TestEngine.start();
  const sender = await Sender.open();
  const recording = await tested.engine.openRecording(randomUUID());
  const media = await recording.addStream({ ...STREAM, remote: sender.remote });
  const apart = await recording.listen();
  const mixed = await recording.listen({ mix: true });
  let seq = 0;
  const isHeard = () => {
    seq += 1;
    sender.send(rtp({ seq, timestamp: seq * 160, payload: new Uint8Array(160).fill(0x80) }), media);
    const heard = [apart, mixed].map((one) => one.read().some(({ pcm }) => pcm.includes(32_124)));
    return heard.every(Boolean);
  };
  await until(isHeard, 'sound before the death');
  await terminate();
  await until(() => restarts(tested) === 1, 'the restart');
  await until(isHeard, 'sound after it');
  assert.equal(apart.stats().streams[0]!.stream, 0);
  await recording.close();
  assert.deepEqual(apart.read(), []);
  sender.close();
  await tested.close();
});

test('streams that share a port are found again by a lane that was started again', async () => {
  const tested = await TestEngine.start({ streamsPerPort: 8 });
  const calls: { sender: Sender; media: StreamMedia }[] = [];
  for (let n = 0; n < 2; n++) {
    const sender = await Sender.open();
    const recording = await tested.engine.openRecording(randomUUID());
    calls.push({ sender, media: await recording.addStream({ ...STREAM, remote: sender.remote }) });
  }
  assert.equal(calls[0]!.media.rtpPort, calls[1]!.media.rtpPort);
  await terminate();
  await until(() => restarts(tested) === 1, 'the restart');
  for (const { sender, media } of calls) await sendUntilReceived(tested, sender, media, 1);
  for (const { sender } of calls) sender.close();
  await tested.close();
});

test('a lane that is started again has no past to look back to, and sinks that did go on with what comes', async () => {
  const tested = await TestEngine.start();
  const sender = await Sender.open();
  const session = await tested.engine.openSession();
  const media = await session.addStream({ ...STREAM, remote: sender.remote, lookBackSeconds: 5 });
  for (let seq = 0; seq < 20; seq++) await sendUntilReceived(tested, sender, media, seq);
  const receiver = await Receiver.open();
  const remote = { address: LOOPBACK, rtpPort: receiver.port };
  await session.addSink(media.index, { remote, lookBack: true });
  await until(() => receiver.packets.length === 20, 'the past');
  await terminate();
  await until(() => restarts(tested) === 1, 'the restart');
  assert.equal(tested.engine.stats().lanes[0]!.lookBack.usedBytes, 0);
  for (let seq = 20; seq < 30; seq++) await sendUntilReceived(tested, sender, media, seq);
  await until(() => receiver.packets.length === 30, 'what comes');
  const timestamps = receiver.packets.map((packet) => packet.readUInt32BE(4));
  assert.equal((timestamps[29]! - timestamps[20]!) >>> 0, 9 * 160);
  await session.close();
  receiver.close();
  sender.close();
  await tested.close();
});
