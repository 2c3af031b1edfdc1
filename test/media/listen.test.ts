/** Listening to a recording of a real engine while it runs. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import type { ListenedFrame, Listening, PayloadType } from '../../src/media/index.ts';
import { ffmpeg, withoutFfmpeg } from '../ffmpeg.ts';
import { oggOf, readOgg } from '../ogg-opus.ts';
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

/** How much of the energy is at that frequency, by Goertzel's algorithm, in whole periods of it. */
function shareOf(pcm: Int16Array, hz: number, rate: number): number {
  let [a, b] = [0, 0];
  const twice = 2 * Math.cos((2 * Math.PI * hz) / rate);
  for (const sample of pcm) [a, b] = [sample + twice * a - b, a];
  const energy = pcm.reduce((sum, sample) => sum + sample * sample, 1e-9);
  return (2 * (a * a + b * b - twice * a * b)) / (energy * pcm.length);
}

test('a leg of Opus is heard at 48 kHz, and mixed with one of G.711', { skip: withoutFfmpeg }, async () => {
  const { packets } = readOgg(oggOf('0.3*sin(2*PI*500*t)', 20, '-ac', '1', '-b:a', '48k'));
  const pcmu = ffmpeg(
    Buffer.alloc(0),
    '-f',
    'lavfi',
    '-i',
    "aevalsrc='0.3*sin(2*PI*1000*t)':d=7:s=8000",
    '-f',
    'mulaw',
  );
  const tested = await TestEngine.start();
  const recording = await tested.engine.openRecording(randomUUID());
  const senders = [await Sender.open(), await Sender.open()];
  const opus: PayloadType[] = [{ payloadType: 111, encoding: 'opus', clockRate: 48_000, channels: 2, fmtp: null }];
  const legs: { rtpPort: number }[] = [];
  for (const [channel, sender] of senders.entries()) {
    const payloadTypes = channel === 0 ? opus : PCMU;
    legs.push(await recording.addStream({ ...STREAM, channel, payloadTypes, remote: sender.remote }));
  }
  const [apart, again, mixed] = [
    await recording.listen({ streams: [0] }),
    await recording.listen({ streams: [0] }),
    await recording.listen({ mix: true }),
  ];
  const startMs = performance.now();
  let k = 0;
  const heard = new Map<Listening, ListenedFrame[]>([apart, again, mixed].map((one) => [one, []]));
  await until(
    () => {
      for (; k * 20 < performance.now() - startMs && k < packets.length; k++) {
        const payload = packets[k]!;
        senders[0]!.send(rtp({ seq: k, timestamp: k * 960, payloadType: 111, payload }), legs[0]!);
        const sound = pcmu.subarray(k * 160, k * 160 + 160);
        senders[1]!.send(rtp({ seq: k, timestamp: k * 160, ssrc: 2, payload: sound }), legs[1]!);
      }
      for (const [listening, frames] of heard) {
        frames.push(...listening.read().filter(({ kind }) => kind === 'speech'));
      }
      return [...heard.values()].every(({ length }) => length >= 120);
    },
    'speech of both legs',
    8000,
  );
  /** The median of frames: some may be joined to what was concealed. */
  const medianShare = (listening: Listening, hz: number) => {
    const shares = heard.get(listening)!.map(({ pcm, sampleRate }) => shareOf(pcm, hz, sampleRate));
    return shares.toSorted((a, b) => a - b)[shares.length >> 1]!;
  };
  for (const frames of heard.values()) assert.ok(frames.every(({ sampleRate }) => sampleRate === 48_000));
  assert.ok(medianShare(apart, 500) > 0.95);
  assert.ok(medianShare(again, 500) > 0.95);
  const shares = [500, 1000].map((hz) => medianShare(mixed, hz));
  assert.ok(
    shares.every((share) => share > 0.4 && share < 0.6),
    `${shares}`,
  );
  const { streams } = apart.stats();
  assert.ok(streams[0]!.packets.undecodable === 0 && streams[0]!.ledger.decoded <= k * 960, 'decoded once');
  await recording.close();
  for (const sender of senders) sender.close();
  await tested.close();
});

test('a stream without a codec that can be heard, and delays out of bounds, are refused', async () => {
  const tested = await TestEngine.start();
  const recording = await tested.engine.openRecording(randomUUID());
  const gsm: PayloadType[] = [{ payloadType: 3, encoding: 'GSM', clockRate: 8000, channels: 1, fmtp: null }];
  await recording.addStream({ ...STREAM, remote: null });
  await recording.addStream({ ...STREAM, remote: null, payloadTypes: gsm });
  await assert.rejects(recording.listen(), RangeError);
  await assert.rejects(recording.listen({ streams: [7] }), RangeError);
  await assert.rejects(recording.listen({ streams: [0], minDelayMs: 300, maxDelayMs: 200 }), RangeError);
  await (await recording.listen({ streams: [0] })).close();
  await tested.close();
});
