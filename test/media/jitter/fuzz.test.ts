/** Packets of random content and order never trap a player, never leave its region, and never unbalance its ledger. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as layout from '../../../assembly/layout.ts';
import { randomNumbers, rtp } from '../rig.ts';
import { imbalance, PlayerRig, readAll } from './rig.ts';

const ROUNDS = Number(process.env.JITTER_ROUNDS ?? 12);
const SEED = Number(process.env.JITTER_SEED ?? 1);
const PACKETS = 3000;
const CODECS = [
  { payloadType: 0, encoding: 'PCMU', clockRate: 8000 },
  { payloadType: 8, encoding: 'PCMA', clockRate: 8000 },
  { payloadType: 13, encoding: 'CN', clockRate: 8000 },
  { payloadType: 96, encoding: 'L16', clockRate: 8000 },
  { payloadType: 111, encoding: 'opus', clockRate: 48_000 },
];
const RATES = [8000, 16_000, 48_000];

/** A sender out of its mind: mostly it goes on, sometimes anything. */
function madPackets(random: () => number) {
  const below = (n: number) => Math.floor(random() * n);
  let seq = below(65_536);
  let timestamp = below(2 ** 32);
  let ssrc = 1;
  let arrivalUs = 0;
  return Array.from({ length: PACKETS }, () => {
    seq += random() < 0.05 ? below(65_536) - 30_000 : 1;
    timestamp += random() < 0.05 ? below(2 ** 32) - 2 ** 31 : [80, 160, 240, 0, 3000][below(5)]!;
    if (random() < 0.01) ssrc = below(4);
    arrivalUs += random() < 0.01 ? below(4_000_000) : below(40_000);
    const payload = new Uint8Array(random() < 0.1 ? below(2200) : below(400)).map(() => below(256));
    const payloadType = ([0, 8, 13, 96, 111, 101] as const)[below(6)]!;
    return { arrivalUs, bytes: rtp({ seq, timestamp, ssrc, payloadType: payloadType | (below(2) << 7), payload }) };
  });
}

for (let round = 0; round < ROUNDS; round++) {
  test(`${PACKETS} packets of seed ${SEED + round}`, () => {
    const random = randomNumbers(SEED + round);
    const rig = new PlayerRig();
    const rate = RATES[round % RATES.length]!;
    const [before, player, behind] = [rig.listen(), rig.listen(), rig.listen()];
    const { wasm, players } = rig.lane.core;
    for (const other of [before, behind]) wasm.playerClose(other);
    players.open(wasm, player, {
      ...{ stream: player, sampleRate: rate, samplesPerUnit: rate === 16_000 ? 2 : 1, group: round % 2 },
      ...{ minDelayMs: 0, maxDelayMs: 60 + 40 * (round % 5) },
      codecs: CODECS.map(({ payloadType }, i) => ({ payloadType, codec: [1, 2, 5, 3, 6][i]! })),
    });
    const region = (n: number) =>
      new Uint8Array(rig.memory.buffer, layout.PLAYERS_AT + n * layout.PLAYER_BYTES, layout.PLAYER_BYTES);
    const around = [before, behind].map((n) => Buffer.from(region(n)));
    const reader = rig.readers[player]!;
    rig.outside = {
      decode: (_, __, pcm, at, room) => {
        const samples = random() < 0.1 ? 9000 : Math.floor(random() * 5800);
        pcm.fill(123, at, at + Math.min(samples, room));
        return samples;
      },
      makeUp: (_, samples, pcm, at) => {
        pcm.fill(45, at, at + samples);
        return random() < 0.1 ? 0 : samples;
      },
    };
    rig.send(player, madPackets(random));
    let frames = 0;
    rig.run(PACKETS * 60_000, () => {
      frames += readAll(reader).length;
      assert.equal(imbalance(rig.stats(player).ledger), 0);
    });
    assert.equal(frames, rig.stats(player).frames);
    assert.deepEqual(
      [before, behind].map((n) => Buffer.from(region(n))),
      around,
      'nothing beside it has changed',
    );
    const { skewPpm, targetDelayMs } = rig.stats(player);
    assert.ok(Number.isFinite(skewPpm) && targetDelayMs >= 0 && targetDelayMs <= 220);
  });
}
