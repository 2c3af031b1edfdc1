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
  rig.lane.core.players.openMixer(rig.lane.core.wasm, 0, 8000, legs);
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
  rig.lane.core.players.openMixer(rig.lane.core.wasm, 0, 8000, legs);
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
  rig.lane.core.players.openMixer(rig.lane.core.wasm, 0, 16_000, legs);
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
