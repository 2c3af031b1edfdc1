/** Mixed frames against the sum of what the players have played; and packets that are decoded outside of the core. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FrameReader } from '../../../src/media/player-memory.ts';
import { randomNumbers, rtp } from '../rig.ts';
import { L16, PlayerRig, rampPackets, readAll } from './rig.ts';

const network = () => 10_000;

/** L16 of the given samples, 20 ms a packet. */
function packets(pcm: Int16Array, codec = L16) {
  const perPacket = codec.clockRate / 50;
  return Array.from({ length: Math.floor(pcm.length / perPacket) }, (_, k) => {
    const payload = Buffer.from(pcm.slice(k * perPacket, (k + 1) * perPacket).buffer).swap16();
    return {
      arrivalUs: (k + 1) * 20_000,
      bytes: rtp({ seq: k, timestamp: k * perPacket, payloadType: codec.payloadType, payload }),
    };
  });
}

test('a mixture is the sum, sample by sample, where nothing clips', () => {
  const rig = new PlayerRig();
  const random = randomNumbers(3);
  const noise = () => Int16Array.from({ length: 16_000 }, () => Math.floor(random() * 20_000) - 10_000);
  const legs = [rig.listen(), rig.listen(), rig.listen()];
  rig.lane.core.mixers.open(rig.lane.core.wasm, 0, { sampleRate: 8000, players: legs });
  const mixture = FrameReader.ofMixer(rig.memory, 0);
  for (const leg of legs) rig.send(leg, packets(noise()));
  let compared = 0;
  rig.run(1.5e6, () => {
    const parts = legs.map((leg) => rig.readers[leg]!.read()!);
    const mixed = mixture.read()!;
    for (let i = 0; i < 80; i++)
      assert.equal(
        mixed.pcm[i],
        parts.reduce((sum, { pcm }) => sum + pcm[i]!, 0),
      );
    if (parts.some(({ kind }) => kind === 'speech')) assert.equal(mixed.kind, 'speech');
    compared += 1;
  });
  assert.equal(compared, 150);
});

test('what would clip is limited: no sample wraps, the shape stays, and the gain comes back', () => {
  const rig = new PlayerRig();
  const legs = [rig.listen(), rig.listen()];
  rig.lane.core.mixers.open(rig.lane.core.wasm, 0, { sampleRate: 8000, players: legs });
  const mixture = FrameReader.ofMixer(rig.memory, 0);
  const tone = Int16Array.from({ length: 32_000 }, (_, i) => (i < 16_000 ? 25_000 : 1000) * Math.sin(i / 5));
  for (const leg of legs) rig.send(leg, packets(tone));
  const peaks: number[] = [];
  rig.run(4e6, () => {
    const [a, b] = legs.map((leg) => rig.readers[leg]!.read()!.pcm);
    const mixed = mixture.read()!.pcm;
    for (let i = 8; i < 80; i++) {
      const sum = a![i]! + b![i]!;
      assert.ok(sum === 0 || Math.sign(mixed[i]!) === Math.sign(sum) || Math.abs(sum) < 2);
      assert.ok(Math.abs(mixed[i]!) <= Math.abs(sum) + 1);
    }
    peaks.push(Math.max(...mixed.map(Math.abs)));
  });
  assert.ok(Math.max(...peaks) > 32_000);
  const quiet = Math.max(...peaks.slice(-20));
  assert.ok(quiet > 1950 && quiet <= 2000, `the gain is one again: ${quiet}`);
});

test('a leg of 16 kHz and one of 8 kHz are mixed at 16 kHz', () => {
  const rig = new PlayerRig();
  const wide = { ...L16, clockRate: 16_000 };
  const legs = [rig.listen({ codecs: [wide] }), rig.listen()];
  rig.lane.core.mixers.open(rig.lane.core.wasm, 0, { sampleRate: 16_000, players: legs });
  const mixture = FrameReader.ofMixer(rig.memory, 0);
  rig.send(legs[0]!, packets(new Int16Array(32_000).fill(3000), wide));
  rig.send(legs[1]!, packets(new Int16Array(16_000).fill(4000)));
  rig.run(1.5e6);
  const last = readAll(mixture).at(-1)!;
  assert.equal(last.sampleRate, 16_000);
  assert.ok(last.pcm.length === 160 && last.pcm.every((sample) => sample === 7000));
});

test('a codec that the core does not know is decoded outside, in order, and other players go on', () => {
  const rig = new PlayerRig();
  const opus = { payloadType: 111, encoding: 'opus', clockRate: 48_000 };
  const [outside, inside] = [rig.listen({ codecs: [opus] }), rig.listen()];
  const asked: number[] = [];
  rig.outside = {
    decode: (player, payload, pcm, at) => {
      assert.equal(player, outside);
      asked.push(payload[0]!);
      pcm.fill(payload[0]!, at, at + 960);
      return 960;
    },
    makeUp: () => 0,
  };
  const coded = Array.from({ length: 100 }, (_, k) => ({
    arrivalUs: (k + 1) * 20_000,
    bytes: rtp({ seq: k, timestamp: k * 960, payloadType: 111, payload: Uint8Array.of(k + 1) }),
  }));
  rig.send(outside, coded);
  rig.send(inside, rampPackets({ seconds: 2, network }));
  const heard: number[] = [];
  rig.run(2e6, () => {
    const frame = rig.readers[outside]!.read()!;
    assert.equal(frame.pcm.length, 480);
    if (frame.kind === 'speech') heard.push(frame.pcm[300]!);
    assert.ok(rig.readers[inside]!.read());
  });
  assert.ok(asked.length > 95 && asked.every((value, i) => value === i + 1));
  assert.deepEqual(
    heard,
    heard.toSorted((a, b) => a - b),
  );
  assert.equal(heard.filter((value) => value === 50).length, 2);
});

const RATES = [8000, 16_000, 48_000];
const sine = (hz: number, rate: number, seconds = 1.2) =>
  Int16Array.from({ length: rate * seconds }, (_, i) => Math.round(10_000 * Math.sin((2 * Math.PI * hz * i) / rate)));

/** A leg of one rate in a mixture of another: half a second of what is heard. */
function resampled(pcm: Int16Array, from: number, to: number): Int16Array {
  const rig = new PlayerRig();
  const codec = { ...L16, clockRate: from };
  const leg = rig.listen({ codecs: [codec] });
  rig.lane.core.mixers.open(rig.lane.core.wasm, 0, { sampleRate: to, players: [leg] });
  const mixture = FrameReader.ofMixer(rig.memory, 0);
  const perPacket = from / 100;
  const sent = Array.from({ length: Math.floor(pcm.length / perPacket) }, (_, k) => {
    const payload = Buffer.from(pcm.slice(k * perPacket, (k + 1) * perPacket).buffer).swap16();
    return { arrivalUs: (k + 1) * 10_000, bytes: rtp({ seq: k, timestamp: k * perPacket, payloadType: 96, payload }) };
  });
  rig.send(leg, sent);
  rig.run(1e6);
  const frames = readAll(mixture).slice(-50);
  return Int16Array.from(frames.flatMap(({ pcm }) => [...pcm]));
}

/** Amplitude at that frequency, of whole periods of it. */
function amplitudeAt(pcm: Int16Array, hz: number, rate: number): number {
  let [re, im] = [0, 0];
  for (const [i, sample] of pcm.entries()) {
    re += sample * Math.cos((2 * Math.PI * hz * i) / rate);
    im += sample * Math.sin((2 * Math.PI * hz * i) / rate);
  }
  return (2 * Math.hypot(re, im)) / pcm.length;
}

for (const from of RATES) {
  for (const to of RATES.filter((rate) => rate !== from)) {
    test(`from ${from} to ${to} Hz: what both rates hold is kept, and nothing else is heard`, () => {
      const lower = Math.min(from, to);
      for (const hz of [300, lower * 0.25, lower * 0.375]) {
        const heard = resampled(sine(hz, from), from, to);
        const amplitude = amplitudeAt(heard, hz, to);
        assert.ok(Math.abs(20 * Math.log10(amplitude / 10_000)) < 0.2, `${hz} Hz: ${amplitude}`);
        const energy = heard.reduce((sum, sample) => sum + sample * sample, 0) / heard.length;
        const rest = Math.sqrt(Math.max(0, energy - amplitude ** 2 / 2));
        assert.ok(20 * Math.log10(rest / (amplitude / Math.SQRT2)) < -45, `${hz} Hz: ${rest} of something else`);
      }
      if (from < to) return;
      const alias = resampled(sine(to * 0.625, from), from, to);
      assert.ok(
        Math.max(...alias.map(Math.abs)) < 10_000 * 10 ** (-45 / 20),
        'what the lower rate cannot hold is not heard',
      );
    });
  }
}

test('members that come and go: the rest is as it was from the second frame on, and no sample is a step', () => {
  const rig = new PlayerRig();
  const legs = [rig.listen(), rig.listen(), rig.listen()];
  const { mixers, wasm } = rig.lane.core;
  mixers.open(wasm, 0, { sampleRate: 8000, players: [legs[0]!] });
  const mixture = FrameReader.ofMixer(rig.memory, 0);
  for (const [i, leg] of legs.entries())
    rig.send(leg, packets(sine(200 + 150 * i, 8000, 3).map((sample) => 0.3 * sample)));
  const random = randomNumbers(11);
  let members = [legs[0]!];
  let isChanged = false;
  let before = 0;
  rig.run(2.9e6, (tickUs) => {
    const parts = legs.map((leg) => rig.readers[leg]!.read()!.pcm);
    const { pcm } = mixture.read()!;
    for (const [i, sample] of pcm.entries()) {
      const sum = members.reduce((all, leg) => all + parts[leg]![i]!, 0);
      if (!isChanged) assert.ok(Math.abs(sample - sum) <= 1, `at ${tickUs}`);
      // Their own greatest step together is 2,474, and 225 a sample bring 18,000 to nothing within a frame. Speech begins with a step.
      if (tickUs > 300_000) assert.ok(Math.abs(sample - before) < 2700, `${before} to ${sample} at ${tickUs}`);
      before = sample;
    }
    isChanged = random() < 0.3;
    if (!isChanged) return;
    members = legs.filter(() => random() < 0.5);
    mixers.change(wasm, 0, members);
  });
});

test('a tone is as long, as loud and as often as it is to be, and has soft ends', () => {
  const rig = new PlayerRig();
  const { mixers, wasm } = rig.lane.core;
  const tone = { frequencyHz: 1400, onMs: 200, everyMs: 500, levelDbm0: -10 };
  mixers.open(wasm, 0, { sampleRate: 8000, players: [], tone });
  mixers.open(wasm, 1, { sampleRate: 16_000, players: [], tone: { ...tone, onMs: 500 } });
  const readers = [0, 1].map((mixer) => FrameReader.ofMixer(rig.memory, mixer));
  const heard: number[][] = [[], []];
  rig.run(1e6, () => {
    for (const [n, reader] of readers.entries()) heard[n]!.push(...readAll(reader).flatMap(({ pcm }) => [...pcm]));
  });
  const pcm = Int16Array.from(heard[0]!);
  const level = (32_767 * 10 ** ((-10 - 3.14) / 20)) / 1;
  for (const start of [0, 4000]) {
    assert.ok(Math.abs(amplitudeAt(pcm.subarray(start + 400, start + 1200), 1400, 8000) - level) < 2);
    assert.ok(Math.abs(pcm[start + 1]!) < level / 10 && Math.abs(pcm[start + 1598]!) < level / 10, 'rises and falls');
    assert.ok(pcm.subarray(start + 1600, start + 4000).every((sample) => sample === 0));
  }
  const always = Int16Array.from(heard[1]!);
  assert.ok(Math.abs(amplitudeAt(always, 1400, 16_000) - level) < 2, 'one that never ends has no gaps');
});
