/** Opus through a player, against what ffmpeg decodes with the libopus that the system has. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OpusDecoder } from 'opus-decoder';
import { LiveOpus } from '../../../src/media/live-opus.ts';
import { opusSamples } from '../../../src/media/opus-packet.ts';
import type { PlayedFrame } from '../../../src/media/player-memory.ts';
import { withoutFfmpeg as skip } from '../../ffmpeg.ts';
import { decodedOpus, oggOf, readOgg, snrDb } from '../../ogg-opus.ts';
import { randomNumbers, rtp } from '../rig.ts';
import { imbalance, type Packet, PlayerRig } from './rig.ts';

const OPUS = { payloadType: 111, encoding: 'opus', clockRate: 48_000 };
const SPEECH = 'sin(2*PI*(150+20*sin(3*t))*t)*(0.2+0.15*sin(9*t))+0.1*sin(2*PI*700*t)*(1+sin(5*t))/2';
const TONE = '0.4*sin(2*PI*440*t)';
const SILK = ['-application', 'voip', '-b:a', '14k', '-cutoff', '8000'];
const HYBRID = ['-application', 'voip', '-b:a', '20k'];
const CELT = ['-application', 'lowdelay', '-b:a', '96k'];
/** Configurations of RFC 6716 table 2, ffmpeg's parameters for them, and durations in ms. */
const MODES: [name: string, how: string[], from: number, to: number, durations: number[]][] = [
  ['SILK', SILK, 0, 11, [10, 20, 40, 60]],
  ['hybrid', HYBRID, 12, 15, [10, 20, 40, 60]],
  ['CELT', CELT, 16, 31, [2.5, 5, 10, 20]],
];

interface Sent {
  payload: Uint8Array;
  /** RTP time and number; a packet that is left out by DTX has no number. */
  timestamp: number;
  seq: number;
}

function inTime(payloads: Uint8Array[]): Sent[] {
  let timestamp = 0;
  return payloads.map((payload, seq) => {
    const sent = { payload, timestamp, seq };
    timestamp += opusSamples(payload, 0, payload.length);
    return sent;
  });
}

/** All as long on their way, by a clock that is `ppm` faster than ours. */
function packetsOf(sent: Sent[], ppm = 0): Packet[] {
  return sent.map(({ payload, timestamp, seq }) => ({
    arrivalUs: 60_000 + timestamp / (0.048 * (1 + ppm / 1e6)),
    bytes: rtp({ seq, timestamp, payloadType: 111, payload }),
  }));
}

async function listen(packets: Packet[], seconds: number, maxDelayMs = 200) {
  const rig = new PlayerRig();
  // As much as the delay is at the beginning: it does not shrink meanwhile.
  const player = rig.listen({ codecs: [OPUS], minDelayMs: 40, maxDelayMs });
  const opus = new LiveOpus();
  await opus.open(player);
  rig.outside = opus;
  rig.send(player, packets);
  const frames = rig.frames(player, seconds * 1e6);
  opus.close(player);
  const stats = rig.stats(player);
  assert.equal(imbalance(stats.ledger), 0);
  return { frames, stats, pcm: Int16Array.from(frames.flatMap(({ pcm }) => [...pcm])) };
}

/** What is played, from the sample of that RTP timestamp on. */
function from(frames: PlayedFrame[], timestamp: number): Int16Array {
  // Of one that begins before the first packet it is negative.
  const place = ({ rtpTimestamp }: PlayedFrame) => rtpTimestamp | 0;
  const first = frames.findIndex((frame) => frame.kind === 'speech' && place(frame) + 480 > timestamp);
  const pcm = frames.slice(first).flatMap((frame) => [...frame.pcm]);
  return Int16Array.from(pcm.slice(Math.max(0, timestamp - place(frames[first]!))));
}

for (const [mode, how, firstConfig, lastConfig, durations] of MODES) {
  for (const frameMs of durations) {
    test(`${mode}, packets of ${frameMs} ms: played at 48 kHz as libopus decodes them`, { skip }, async () => {
      const ogg = oggOf(SPEECH, frameMs, '-ac', '1', ...how);
      const { packets, preSkip } = readOgg(ogg);
      const configs = packets.slice(50).map((packet) => packet[0]! >> 3);
      assert.ok(configs.every((config) => config >= firstConfig && config <= lastConfig));
      const { frames, stats } = await listen(packetsOf(inTime(packets)), 6);
      const { ledger } = stats;
      assert.equal(ledger.concealed + ledger.comfort + ledger.removedAccelerate + ledger.insertedExpand, 0);
      assert.equal(stats.packets.undecodable + stats.packets.late + stats.packets.overflow, 0);
      const heard = from(frames, preSkip);
      assert.ok(heard.length > 5.5 * 48_000);
      const snr = snrDb(heard, decodedOpus(ogg).subarray(0, heard.length));
      assert.ok(snr > 60, `${snr} dB`);
      assert.ok(frames.every(({ sampleRate, pcm }) => sampleRate === 48_000 && pcm.length === 480));
    });
  }
}

/** What libopus makes of the packets; null: of a lost one of 20 ms, in two halves. */
async function reference(payloads: (Uint8Array | null)[]): Promise<Int16Array> {
  const decoder = new OpusDecoder({ channels: 1 });
  await decoder.ready;
  let toc = 0;
  const sound = payloads.flatMap((payload) => {
    toc = payload ? payload[0]! : toc;
    const tenMs = toc >> 3 < 12 ? toc & 0xe4 : toc >> 3 < 16 ? toc & 0xf4 : (toc & 0xe4) | 0x10;
    const parts = payload ? [payload] : [Uint8Array.of(tenMs), Uint8Array.of(tenMs)];
    return parts.flatMap((part) => [...decoder.decodeFrame(part).channelData[0]!]);
  });
  return Int16Array.from(sound, (value) => Math.max(-32_768, Math.min(32_767, Math.round(value * 32_768))));
}

test('the duration of packets changes from one to the next', { skip }, async () => {
  const next = randomNumbers(3);
  const sizes = [10, 20, 40, 60].map((ms) => readOgg(oggOf(SPEECH, ms, '-ac', '1', ...SILK)).packets);
  const celt = [2.5, 5].map((ms) => readOgg(oggOf(SPEECH, ms, '-ac', '1', ...CELT)).packets);
  const all = [...sizes, ...celt];
  const mixed = Array.from({ length: 200 }, () => all[Math.floor(next() * all.length)]!.shift()!);
  const { frames, stats } = await listen(packetsOf(inTime(mixed)), 2.5);
  const heard = from(frames, 0);
  assert.ok(stats.ledger.decoded > 2 * 48_000 && stats.packets.undecodable === 0);
  const spoken = heard.subarray(0, 2 * 48_000);
  assert.ok(snrDb(spoken, (await reference(mixed)).subarray(0, spoken.length)) > 90);
});

/** Of 20 ms. */
function levelDb(pcm: Int16Array, at: number): number {
  return 10 * Math.log10(pcm.subarray(at, at + 960).reduce((sum, sample) => sum + sample ** 2, 1e-9));
}

for (const [mode, how] of MODES) {
  test(`${mode}: what is lost is concealed by the decoder itself, and nothing moves`, { skip }, async () => {
    const payloads = readOgg(oggOf(TONE, 20, '-ac', '1', ...how)).packets;
    const isLost = (seq: number) => seq % 25 === 20;
    const sent = inTime(payloads);
    const { frames, stats } = await listen(packetsOf(sent.filter(({ seq }) => !isLost(seq))), 5.2);
    const heard = from(frames, 0).subarray(0, 4.95 * 48_000);
    const expected = await reference(payloads.map((payload, seq) => (isLost(seq) ? null : payload)));
    assert.ok(snrDb(heard, expected.subarray(0, heard.length)) > 90);
    const whole = (await reference(payloads)).subarray(0, heard.length);
    const lost = sent.filter(({ seq, timestamp }) => isLost(seq) && timestamp < 4.9 * 48_000);
    const levels = lost.map(({ timestamp }) => levelDb(heard, timestamp) - levelDb(whole, timestamp));
    assert.ok(
      levels.every((level) => Math.abs(level) < 9),
      `lost ones are ${levels} dB louder`,
    );
    assert.equal(stats.ledger.concealed, lost.length * 960);
    assert.ok(frames.some(({ kind }) => kind === 'concealed'));
  });
}

test('RFC 7587 3.1.3: pauses of DTX are noise of the decoder, and what follows is in its place', { skip }, async () => {
  const payloads = readOgg(oggOf(`0.02*random(0)+${SPEECH}`, 20, '-ac', '1', ...SILK)).packets;
  // 50 packets of speech, one without sound, 19 that are not sent.
  let seq = 0;
  const sent = inTime(payloads).flatMap(({ payload, timestamp }, n) => {
    if (n % 70 > 50) return [];
    const toc = Uint8Array.of(payload[0]! & 0xfc);
    return [{ payload: n % 70 === 50 ? toc : payload, timestamp, seq: seq++ }];
  });
  const { frames, stats } = await listen(packetsOf(sent), 5);
  const { ledger } = stats;
  const began = frames.findIndex(({ kind }) => kind === 'speech');
  assert.equal(ledger.concealed, 0);
  assert.ok(frames.slice(began).every(({ kind }) => kind !== 'silence'));
  assert.ok(Math.abs(ledger.comfort - 3 * 19 * 960) < 3 * 480, `${ledger.comfort} samples of noise`);
  const noise = frames.filter(({ kind }) => kind === 'comfort-noise');
  assert.ok(noise.some(({ pcm }) => pcm.some((sample) => sample !== 0)));
  // The third run of speech, 100 ms after a pause that the decoder has bridged.
  const place = (140 + 5) * 960;
  const whole = (await reference(payloads)).subarray(place, place + 40 * 960);
  const at = frames.findIndex(({ kind, rtpTimestamp }) => kind === 'speech' && rtpTimestamp >= place);
  const heard = Int16Array.from(frames.slice(at, at + 80).flatMap(({ pcm }) => [...pcm]));
  const shift = frames[at]!.rtpTimestamp - place;
  const snr = snrDb(heard.subarray(0, 38_000 - shift), whole.subarray(shift, 38_000));
  assert.ok(snr > 20, `${snr} dB`);
  assert.ok(Math.abs(at * 480 - (began * 480 + frames[at]!.rtpTimestamp - frames[began]!.rtpTimestamp)) <= 480);
});

test("a sender's clock that is 120 ppm fast is followed, the ledger exact", { skip }, async () => {
  const payloads = readOgg(oggOf(SPEECH, 20, '-ac', '1', ...SILK)).packets;
  const many = Array.from({ length: 9000 }, (_, n) => payloads[n % payloads.length]!);
  const { stats, frames } = await listen(packetsOf(inTime(many), 120), 178);
  assert.equal(stats.ledger.played, frames.length * 480);
  assert.ok(Math.abs(stats.skewPpm - 120) < 15, `a skew of ${stats.skewPpm} ppm`);
  const removed = stats.ledger.removedSkew + stats.ledger.removedAccelerate;
  assert.ok(Math.abs(removed - 178 * 48_000 * 120e-6) < 300, `${removed} samples`);
  assert.equal(stats.ledger.concealed, 0);
});

test('RFC 6716 3.1: of a packet that comes late, what is not over is heard, for it says how long it lasts', {
  skip,
}, async () => {
  const sent = inTime(readOgg(oggOf(SPEECH, 60, '-ac', '1', ...SILK)).packets);
  const packets = packetsOf(sent).map((packet, n) =>
    n === 40 ? { ...packet, arrivalUs: packet.arrivalUs + 75_000 } : packet,
  );
  const { stats, frames } = await listen(packets, 5, 40);
  assert.equal(stats.packets.late, 0);
  // 35 ms of it, to the frame.
  assert.ok(Math.abs(stats.ledger.discarded - 35 * 48) <= 480, `${stats.ledger.discarded} samples`);
  assert.equal(stats.ledger.concealed, stats.ledger.discarded);
  assert.ok(frames.slice(-100).every(({ kind }) => kind === 'speech'));
});

test('whatever is in packets, the ledger is exact', async () => {
  const next = randomNumbers(11);
  const packets = Array.from({ length: 3000 }, (_, seq) => {
    const payload = Uint8Array.from({ length: Math.floor(next() ** 3 * 300) }, () => next() * 256);
    const timestamp = seq * 960 + (next() < 0.05 ? Math.floor(next() * 4000) - 2000 : 0);
    return {
      arrivalUs: seq * 20_000 + next() * 30_000,
      bytes: rtp({ seq, timestamp, payloadType: 111, payload }),
    };
  });
  const { stats, frames } = await listen(
    packets.filter(() => next() > 0.05),
    59,
  );
  assert.equal(frames.length, 5900);
  const { undecodable } = stats.packets;
  assert.ok(undecodable > 50 && stats.ledger.decoded > 48_000 && stats.ledger.concealed > 0, `${undecodable}`);
});

test('damaged packets are concealed and counted; a decoder that traps is replaced', { skip }, async () => {
  const payloads = readOgg(oggOf(TONE, 20, '-ac', '1', ...SILK)).packets;
  const opened: Promise<void>[] = [];
  let decoded = 0;
  const opus = new LiveOpus(async () => {
    const decoder = new OpusDecoder({ channels: 1 });
    opened.push(decoder.ready);
    await decoder.ready;
    return {
      free: () => decoder.free(),
      decodeFrame: (packet) => {
        decoded += 1;
        if (decoded === 60) throw new WebAssembly.RuntimeError('unreachable');
        return decoder.decodeFrame(packet);
      },
    };
  });
  const rig = new PlayerRig();
  const player = rig.listen({ codecs: [OPUS] });
  await opus.open(player);
  rig.outside = opus;
  const sent = inTime(payloads).map((one) => (one.seq === 30 ? { ...one, payload: Uint8Array.of(0x4b, 0) } : one));
  rig.send(player, packetsOf(sent));
  rig.frames(player, 2e6);
  assert.equal(opened.length, 2);
  const broken = rig.stats(player).packets.undecodable;
  assert.ok(broken > 2, 'while the next decoder is loaded');
  assert.ok(rig.stats(player).ledger.concealed >= 960 + 4800);
  await Promise.all(opened);
  await new Promise((resolve) => setImmediate(resolve));
  const frames = rig.frames(player, 4e6);
  const { ledger, packets } = rig.stats(player);
  assert.equal(imbalance(ledger), 0);
  assert.ok(frames.slice(4).every(({ kind }) => kind === 'speech'));
  assert.equal(packets.undecodable, broken);
  opus.close(player);
});
