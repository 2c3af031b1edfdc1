/** RFC 4568 7.1.2: SRTP may overtake the answer that has its keys. Nothing of it is lost, and nothing passes that is not under those keys. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { KIND_RTCP, KIND_RTP } from '../../src/journal/format.ts';
import type { MediaSession } from '../../src/media/index.ts';
import { LOOPBACK, PCMU, Sender, TestEngine, until } from './loopback.ts';
import { asSent, newKeys, packetOf, Receiver, sessionOf } from './receiver.ts';
import { senderReport } from './rig.ts';
import { protectRtcp, protectRtp } from './srtp/oracle.ts';

const SUITE = 'AES_CM_128_HMAC_SHA1_80';
const STREAM = { label: '1', channel: 0, payloadTypes: PCMU, remote: null, rtcpMux: false };
const EARLY = 50;
const ALL = 60;

const nowUs = () => Number(process.hrtime.bigint() / 1000n);
const numbers = (count: number) => Array.from({ length: count }, (_, i) => i + 1);

/** A stream whose sender's keys are under way, and what it will send under them. */
async function openAwaiting(session: MediaSession) {
  const keys = newKeys(SUITE);
  const { rtp, rtcp } = sessionOf(keys);
  const send = newKeys(SUITE);
  const awaiting = { receive: newKeys(SUITE), send, awaitsKeys: true };
  const media = await session.addStream({ ...STREAM, srtp: awaiting });
  const sender = await Sender.open();
  const sent = async (from: number, to: number) => {
    for (let seq = from; seq <= to; seq++) await sender.sent(protectRtp(rtp, 0, packetOf(seq)), media);
  };
  const report = () => sender.sendRtcp(protectRtcp(rtcp, 1, senderReport(), true), media);
  const answer = () => session.updateStream(media.index, { ...STREAM, srtp: { receive: keys, send } });
  return { media, sender, sent, report, answer };
}

test('what has come before the keys is received when they are known, as of when it came', async () => {
  const tested = await TestEngine.start();
  const recording = await tested.engine.openRecording(randomUUID());
  const { media, sender, sent, report, answer } = await openAwaiting(recording);
  // Another stream of the lane is received meanwhile: so have the packets of this one been, if they were read.
  const other = await recording.addStream({ ...STREAM, channel: 1 });
  await sent(1, EARLY);
  report();
  sender.send(packetOf(1), other);
  await until(() => recording.counters()[1]!.received === 1, 'the other stream');
  const { received, unauthenticated } = recording.counters()[0]!;
  assert.deepEqual({ received, unauthenticated }, { received: 0, unauthenticated: 0 });
  const answeredUs = nowUs();
  await answer();
  await sent(EARLY + 1, ALL);
  await until(() => recording.counters()[0]!.received === ALL, 'all of them');
  await recording.close();
  const told = tested.journal().get(recording.id)!;
  const packets = told.filter(({ kind, stream }) => kind === KIND_RTP && stream === media.index);
  assert.deepEqual(
    packets.map(({ payload }) => Buffer.from(payload)),
    numbers(ALL).map(packetOf),
  );
  assert.deepEqual(
    packets.map(({ arrivalUs }) => arrivalUs < answeredUs),
    numbers(ALL).map((seq) => seq <= EARLY),
  );
  const reports = told.filter(({ kind }) => kind === KIND_RTCP);
  assert.deepEqual(
    reports.map(({ payload }) => Buffer.from(payload)),
    [senderReport()],
  );
  sender.close();
  await tested.close();
});

test('a sink gets them from the first on', async () => {
  const tested = await TestEngine.start();
  const session = await tested.engine.openSession();
  const { media, sender, sent, answer } = await openAwaiting(session);
  const receiver = await Receiver.open();
  await sent(1, EARLY / 2);
  await session.addSink(media.index, { remote: { address: LOOPBACK, rtpPort: receiver.port } });
  await sent(EARLY / 2 + 1, EARLY);
  await answer();
  await sent(EARLY + 1, ALL);
  await until(() => receiver.packets.length >= ALL, 'all of them');
  assert.deepEqual(receiver.packets, asSent(receiver.packets[0]!, numbers(ALL), null));
  await session.close();
  for (const one of [sender, receiver]) one.close();
  await tested.close();
});

test('a stream that is closed without keys has counted what nobody could authenticate', async () => {
  const tested = await TestEngine.start();
  const session = await tested.engine.openSession();
  const { media, sender, sent } = await openAwaiting(session);
  await sent(1, EARLY);
  const { received, unauthenticated } = await session.removeStream(media.index);
  assert.deepEqual({ received, unauthenticated }, { received: 0, unauthenticated: EARLY });
  await session.close();
  sender.close();
  await tested.close();
});

test('PCI DSS 3.3.1: what comes in a pause does not wait for keys', async () => {
  const tested = await TestEngine.start();
  const recording = await tested.engine.openRecording(randomUUID());
  const { sender, sent, answer } = await openAwaiting(recording);
  await recording.pause(true);
  await sent(1, EARLY);
  await recording.pause(false);
  await sent(EARLY + 1, ALL);
  await answer();
  await until(() => recording.counters()[0]!.received === ALL - EARLY, 'what came behind the pause');
  assert.equal(recording.counters()[0]!.unauthenticated, EARLY);
  await recording.close();
  const told = tested.journal().get(recording.id)!;
  const packets = told.filter(({ kind }) => kind === KIND_RTP).map(({ payload }) => Buffer.from(payload));
  assert.deepEqual(packets, numbers(ALL).slice(EARLY).map(packetOf));
  sender.close();
  await tested.close();
});

test('what strangers send meanwhile is counted, and keeps nothing from being received', async () => {
  const tested = await TestEngine.start();
  const session = await tested.engine.openSession();
  const { media, sender, sent, answer } = await openAwaiting(session);
  const stranger = await Sender.open();
  for (const seq of numbers(EARLY)) {
    await stranger.sent(packetOf(seq), media);
    await sent(seq, seq);
  }
  await answer();
  await until(() => session.counters()[0]!.received === EARLY, 'all that are under the keys');
  // Once a packet has verified, who sends from elsewhere is not even tried.
  const { unauthenticated, unauthorised } = session.counters()[0]!;
  assert.equal(unauthenticated + unauthorised, EARLY);
  await session.close();
  for (const one of [sender, stranger]) one.close();
  await tested.close();
});
