/** Listening to a recording of a real engine while it runs. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import type { ListenedFrame, Listening, PayloadType } from '../../src/media/index.ts';
import { PCMU, Sender, TestEngine, until } from './loopback.ts';
import { rtp } from './rig.ts';

const STREAM = { label: '1', channel: 0, payloadTypes: PCMU, rtcpMux: false };
/** Octets of PCMU and what they stand for (G.711 table 2). */
const LOUD = { octet: 0x80, linear: 32_124 };
const SOFT = { octet: 0xc0, linear: 1884 };

/** Sends 20 ms of PCMU whenever it is called. */
function source(sender: Sender, media: { rtpPort: number }, octet: number, ssrc: number) {
  let k = 0;
  const startMs = performance.now();
  return () => {
    for (; k * 20 < performance.now() - startMs; k++) {
      sender.send(rtp({ seq: k, timestamp: k * 160, ssrc, payload: new Uint8Array(160).fill(octet) }), media);
    }
  };
}

/** Sends and listens until there is speech of the whole frame from each that is asked for. */
async function hear(listening: Listening, send: () => void, streams: (number | 'mix')[], minimum: number) {
  const found = new Map<number | 'mix', ListenedFrame>();
  await until(() => {
    send();
    for (const frame of listening.read()) {
      if (frame.kind === 'speech' && frame.pcm.every((sample) => sample >= minimum)) found.set(frame.stream, frame);
    }
    return streams.every((stream) => found.has(stream));
  }, `speech of ${streams}`);
  return streams.map((stream) => found.get(stream)!);
}

test('each stream, and the mixture, are heard while they are recorded', async () => {
  const tested = await TestEngine.start();
  const recording = await tested.engine.openRecording(randomUUID());
  const senders = [await Sender.open(), await Sender.open()];
  const sends: (() => void)[] = [];
  for (const [i, sender] of senders.entries()) {
    const media = await recording.addStream({ ...STREAM, channel: i, remote: sender.remote });
    sends.push(source(sender, media, i === 0 ? LOUD.octet : SOFT.octet, i + 1));
  }
  const send = () => {
    for (const one of sends) one();
  };
  const apart = await recording.listen();
  const second = await recording.listen({ streams: [1] });
  const mixed = await recording.listen({ mix: true });
  const [loud, soft] = await hear(apart, send, [0, 1], SOFT.linear);
  assert.ok(loud!.pcm.length === 80 && loud!.pcm.every((sample) => sample === LOUD.linear));
  assert.ok(soft!.pcm.every((sample) => sample === SOFT.linear));
  const [mixture] = await hear(mixed, send, ['mix'], 32_700);
  assert.equal(mixture!.sampleRate, 8000);
  assert.ok(Math.max(...mixture!.pcm) <= 32_767, 'limited');
  assert.equal((await hear(second, send, [1], SOFT.linear)).length, 1);
  await apart.close();
  assert.deepEqual(apart.read(), []);
  assert.equal((await hear(second, send, [1], SOFT.linear)).length, 1, 'the others hear on');
  const { streams } = second.stats();
  assert.ok(streams[0]!.stream === 1 && streams[0]!.frames > 0 && streams[0]!.packets.unknown === 0);
  const iterated: ListenedFrame[] = [];
  const ended = (async () => {
    for await (const frame of second) iterated.push(frame);
  })();
  await recording.removeStream(1);
  await ended;
  await recording.close();
  for (const sender of senders) sender.close();
  await tested.close();
});

test('a stream without a codec that can be heard, and delays out of bounds, are refused', async () => {
  const tested = await TestEngine.start();
  const recording = await tested.engine.openRecording(randomUUID());
  const opus: PayloadType[] = [{ payloadType: 111, encoding: 'opus', clockRate: 48_000, channels: 2, fmtp: null }];
  await recording.addStream({ ...STREAM, remote: null });
  await recording.addStream({ ...STREAM, remote: null, payloadTypes: opus });
  await assert.rejects(recording.listen(), RangeError);
  await assert.rejects(recording.listen({ streams: [7] }), RangeError);
  await assert.rejects(recording.listen({ streams: [0], minDelayMs: 300, maxDelayMs: 200 }), RangeError);
  await (await recording.listen({ streams: [0] })).close();
  await tested.close();
});
