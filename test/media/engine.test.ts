/** The media engine over real sockets: every packet once in the journal, ports given back, reports sent. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import path from 'node:path';
import { test } from 'node:test';
import { KIND_NOTE, KIND_RTCP, KIND_RTP } from '../../src/journal/format.ts';
import { LaneFull, MediaEngine, NoPortLeft, type StreamMedia } from '../../src/media/index.ts';
import { LOOPBACK, notesOf, PCMU, Sender, TestEngine, until } from './loopback.ts';
import { decodeReport, rtp, SSRC, senderReport } from './rig.ts';

const STREAM = { label: '1', channel: 0, payloadTypes: PCMU, remote: null, rtcpMux: false };

test('20 recordings of two streams: every packet is once in the journal, in order, whole', async () => {
  const tested = await TestEngine.start({ lanes: 2 });
  const { engine } = tested;
  const senders: { sender: Sender; media: StreamMedia; id: string; ssrc: number }[] = [];
  const recordings = await Promise.all(Array.from({ length: 20 }, () => engine.openRecording(randomUUID())));
  for (const recording of recordings) {
    for (const channel of [0, 1]) {
      const sender = await Sender.open();
      const media = await recording.addStream({ ...STREAM, channel, remote: sender.remote });
      senders.push({ sender, media, id: recording.id, ssrc: senders.length + 1 });
    }
  }
  assert.equal(new Set(senders.map(({ media }) => media.rtpPort)).size, 40);
  const perLane = engine.stats().lanes.map(({ streams }) => streams);
  assert.deepEqual(perLane.toSorted(), [20, 20]);
  for (let seq = 0; seq < 100; seq++) {
    for (const { sender, media, ssrc } of senders) {
      sender.send(rtp({ seq, timestamp: seq * 160, ssrc, payload: Buffer.alloc(160, ssrc + seq) }), media);
    }
    if (seq % 10 === 9) await new Promise((resolve) => setImmediate(resolve));
  }
  // What is on its way to a socket when it is closed belongs to the recording.
  await Promise.all(recordings.map((recording) => recording.close()));
  const journal = tested.journal();
  for (const { media, id, ssrc } of senders) {
    const told = journal.get(id)!.filter(({ kind, stream }) => kind === KIND_RTP && stream === media.index);
    assert.deepEqual(
      told.map(({ extSeq }) => extSeq & 0xffff),
      Array.from({ length: 100 }, (_, seq) => seq),
    );
    for (const [seq, { payload, epoch }] of told.entries()) {
      const payloadSent = Buffer.alloc(160, ssrc + seq);
      assert.equal(epoch, 0);
      assert.deepEqual(Buffer.from(payload), rtp({ seq, timestamp: seq * 160, ssrc, payload: payloadSent }));
    }
  }
  const totals = engine.stats().lanes.reduce((sum, { packets }) => sum + packets.received, 0);
  assert.equal(totals, 4_000);
  for (const { sender } of senders) sender.close();
  await tested.close();
});

test('notes are in order with each other, and on the disk when the recording is closed', async () => {
  const tested = await TestEngine.start();
  const recording = await tested.engine.openRecording(randomUUID());
  for (let i = 0; i < 100; i++) recording.note({ type: 'event', i });
  await recording.close();
  recording.note({ type: 'event', name: 'too late' });
  assert.deepEqual(
    notesOf(tested.journal().get(recording.id)).map(({ i }) => i),
    Array.from({ length: 100 }, (_, i) => i),
  );
  await assert.rejects(tested.engine.openRecording('no uuid'), TypeError);
  await tested.close();
});

test('while paused, the journal accounts for packets without their payload', async () => {
  const tested = await TestEngine.start();
  const sender = await Sender.open();
  const recording = await tested.engine.openRecording(randomUUID());
  const media = await recording.addStream({ ...STREAM, remote: sender.remote });
  const totals = () => tested.engine.stats().lanes[0]!.packets;
  const secret = Buffer.from('5500-0000-0000-0004');
  sender.send(rtp({ seq: 1 }), media);
  await until(() => totals().received === 1, 'the first packet');
  await recording.pause(true);
  sender.send(rtp({ seq: 2, payload: secret }), media);
  await until(() => totals().paused === 1, 'the paused packet');
  await recording.pause(false);
  sender.send(rtp({ seq: 3 }), media);
  await until(() => totals().received === 2, 'the third packet');
  await recording.close();
  const told = tested.journal().get(recording.id)!;
  assert.deepEqual(
    told.map(({ extSeq, payload }) => [extSeq & 0xffff, payload.length]),
    [
      [1, 172],
      [2, 12],
      [3, 172],
    ],
  );
  sender.close();
  await tested.close();
});

test('PCI DSS 3.3.1: a pause begins and ends with the packet that has come last, whether it was read or not', async () => {
  const tested = await TestEngine.start();
  const sender = await Sender.open();
  const recording = await tested.engine.openRecording(randomUUID());
  const media = await recording.addStream({ ...STREAM, remote: sender.remote });
  for (let seq = 0; seq < 20; seq++) {
    await sender.sent(rtp({ seq, timestamp: seq * 160 }), media);
    await recording.pause(seq % 2 === 0);
  }
  await recording.close();
  assert.deepEqual(
    tested
      .journal()
      .get(recording.id)!
      .map(({ extSeq, payload }) => [extSeq & 0xffff, payload.length]),
    Array.from({ length: 20 }, (_, seq) => [seq, seq % 2 === 0 ? 172 : 12]),
  );
  sender.close();
  await tested.close();
});

test('RFC 3550 section 6.4.2: a receiver report goes to the source, from the RTCP port', async () => {
  const tested = await TestEngine.start();
  const sender = await Sender.open();
  const from: number[] = [];
  sender.rtcp.on('message', (_, { port }) => from.push(port));
  const recording = await tested.engine.openRecording(randomUUID());
  const media = await recording.addStream({ ...STREAM, remote: sender.remote });
  sender.sendRtcp(senderReport(), media);
  sender.send(rtp({ seq: 1 }), media);
  sender.send(rtp({ seq: 3 }), media);
  await until(() => sender.reports.some((packet) => decodeReport(packet) !== null), 'a report', 10_000);
  const block = decodeReport(sender.reports.at(-1)!)!;
  assert.deepEqual([block.ssrc, block.extHighestSeq, block.cumulativeLost], [SSRC, 3, 1]);
  assert.equal(block.lastSr, 0xbeef_1234);
  assert.deepEqual([...new Set(from)], [media.rtcpPort]);
  await recording.close();
  assert.ok(
    tested
      .journal()
      .get(recording.id)!
      .some(({ kind }) => kind === KIND_RTCP),
  );
  sender.close();
  await tested.close();
});

test('RFC 5761: with rtcp-mux one port takes both', async () => {
  const tested = await TestEngine.start();
  const sender = await Sender.open();
  const recording = await tested.engine.openRecording(randomUUID());
  const media = await recording.addStream({ ...STREAM, remote: sender.remote, rtcpMux: true });
  assert.equal(media.rtcpPort, media.rtpPort);
  sender.send(rtp({ seq: 1 }), media);
  sender.send(senderReport(), media);
  await recording.close();
  assert.deepEqual(
    tested
      .journal()
      .get(recording.id)!
      .map(({ kind }) => kind),
    [KIND_RTP, KIND_RTCP],
  );
  sender.close();
  await tested.close();
});

test('a stream that is updated goes on, on its ports, from its new source', async () => {
  const tested = await TestEngine.start();
  const [first, second] = [await Sender.open(), await Sender.open()];
  const recording = await tested.engine.openRecording(randomUUID());
  const media = await recording.addStream({ ...STREAM, remote: first.remote });
  const totals = () => tested.engine.stats().lanes[0]!.packets;
  first.send(rtp({ seq: 1 }), media);
  await until(() => totals().received === 1, 'the first packet');
  await recording.updateStream(media.index, { ...STREAM, remote: second.remote });
  second.send(rtp({ seq: 2 }), media);
  await until(() => totals().received === 2, 'the packet of the new source');
  first.send(rtp({ seq: 3 }), media);
  await until(() => totals().unauthorised === 1, 'the packet of the old one');
  assert.deepEqual(recording.counters(), [
    { index: 0, received: 2, invalid: 0, unauthorised: 1, duplicate: 0, dropped: 0, unauthenticated: 0 },
  ]);
  await recording.close();
  for (const sender of [first, second]) sender.close();
  await tested.close();
});

test('a port that somebody else uses is passed over', async () => {
  const lo = 21_000 + (process.pid % 1000) * 8;
  const others = [lo, lo + 3].map((port) => createSocket('udp4').bind(port, LOOPBACK));
  await Promise.all(others.map((socket) => once(socket, 'listening')));
  const tested = await TestEngine.start({ ports: { lo, hi: lo + 5 } });
  const recording = await tested.engine.openRecording(randomUUID());
  const media = await recording.addStream(STREAM);
  assert.equal(media.rtpPort, lo + 4, 'the first pair is taken at its even port, the second at its odd one');
  await assert.rejects(recording.addStream(STREAM), NoPortLeft);
  await recording.close();
  for (const socket of others) socket.close();
  await tested.close();
});

/** Every ending must leave all ports but the resting ones, and nothing bound. */
async function isFree(port: number): Promise<boolean> {
  const socket = createSocket('udp4');
  try {
    socket.bind(port, LOOPBACK);
    await once(socket, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    socket.close();
  }
}

test('ports come back by removal of the stream, close of the recording, and close of the engine', async () => {
  const tested = await TestEngine.start();
  const { engine } = tested;
  const all = engine.ports.available;
  const [first, second, third] = await Promise.all([1, 2, 3].map(() => engine.openRecording(randomUUID())));
  const removed = await first!.addStream(STREAM);
  const closed = await second!.addStream(STREAM);
  const left = await third!.addStream(STREAM);
  assert.equal(engine.ports.available, all - 3);
  await first!.removeStream(removed.index);
  await assert.rejects(first!.removeStream(removed.index), RangeError);
  await second!.close();
  assert.deepEqual(await Promise.all([removed, closed].map(({ rtpPort }) => isFree(rtpPort))), [true, true]);
  assert.equal(await isFree(left.rtpPort), false);
  await tested.close();
  assert.deepEqual(await Promise.all([left.rtpPort, left.rtcpPort].map(isFree)), [true, true]);
});

test('a stream that is being added while its recording is closed does not stay open', async () => {
  const tested = await TestEngine.start();
  const recording = await tested.engine.openRecording(randomUUID());
  const adding = recording.addStream(STREAM);
  await recording.close();
  const { rtpPort } = await adding;
  assert.equal(await isFree(rtpPort), true);
  assert.equal(tested.engine.stats().lanes[0]!.streams, 0);
  await assert.rejects(recording.addStream(STREAM), RangeError);
  await tested.close();
});

test('closing the engine keeps what open recordings have received', async () => {
  const tested = await TestEngine.start();
  const sender = await Sender.open();
  const recording = await tested.engine.openRecording(randomUUID());
  const media = await recording.addStream({ ...STREAM, remote: sender.remote });
  recording.note({ type: 'event', name: 'before' });
  for (let seq = 0; seq < 50; seq++) sender.send(rtp({ seq }), media);
  await tested.engine.close();
  const kinds = tested
    .journal()
    .get(recording.id)!
    .map(({ kind }) => kind);
  assert.equal(kinds.filter((kind) => kind === KIND_RTP).length, 50);
  assert.equal(kinds.filter((kind) => kind === KIND_NOTE).length, 1);
  await assert.rejects(tested.engine.openRecording(randomUUID()), { code: 'LANE_CLOSED' });
  sender.close();
  await tested.close();
});

test('a lane that is full says so', async () => {
  const tested = await TestEngine.start();
  const opened = await Promise.allSettled(
    Array.from({ length: 2_049 }, () => tested.engine.openRecording(randomUUID())),
  );
  const refused = opened.filter((outcome) => outcome.status === 'rejected');
  assert.equal(refused.length, 1);
  assert.ok(refused[0]!.reason instanceof LaneFull);
  await tested.close();
});

test('an engine that cannot begin leaves nothing behind', async () => {
  const options = {
    ports: { lo: 20_000, hi: 20_010 },
    journalDir: path.join(import.meta.filename, 'no-folder'),
    onEvent: () => {},
  };
  await assert.rejects(MediaEngine.start({ ...options, address: 'no address' }), TypeError);
  await assert.rejects(MediaEngine.start({ ...options, address: LOOPBACK }));
});

test('IPv6', async () => {
  const tested = await TestEngine.start({ address: '::1' });
  const socket = createSocket('udp6').bind(0, '::1');
  await once(socket, 'listening');
  const { port } = socket.address();
  const recording = await tested.engine.openRecording(randomUUID());
  const media = await recording.addStream({ ...STREAM, remote: { address: '::1', rtpPort: port, rtcpPort: port + 1 } });
  socket.send(rtp(), media.rtpPort, '::1');
  await recording.close();
  assert.equal(tested.journal().get(recording.id)!.length, 1);
  socket.close();
  await tested.close();
});

test('a silent recording is told of, with how long it has been silent', async () => {
  const tested = await TestEngine.start();
  const recording = await tested.engine.openRecording(randomUUID());
  await until(() => tested.events.some(({ type }) => type === 'silent'), 'silence');
  const event = tested.events.find(({ type }) => type === 'silent');
  assert.ok(event?.type === 'silent' && event.recordingId === recording.id && event.forMs >= 1_000);
  await recording.close();
  await tested.close();
});

test('a datagram longer than any RTP packet is refused and counted; the next one is received', async () => {
  const tested = await TestEngine.start();
  const sender = await Sender.open();
  const recording = await tested.engine.openRecording(randomUUID());
  const media = await recording.addStream({ ...STREAM, remote: sender.remote });
  for (const bytes of [20_000, 60_000, 1, 11])
    sender.send(rtp({ payload: Buffer.alloc(bytes) }).subarray(0, bytes), media);
  sender.send(rtp({ seq: 2 }), media);
  await until(() => recording.counters()[0]!.received === 1, 'the packet behind them');
  assert.equal(recording.counters()[0]!.invalid, 4);
  await recording.close();
  sender.close();
  await tested.close();
});
