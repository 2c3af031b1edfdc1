/** Two legs of a call whose senders' clocks run apart stay together, and the ledger tells of every sample. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomNumbers } from '../rig.ts';
import { imbalance, PlayerRig, rampNumber, rampPackets } from './rig.ts';

const SECONDS = Number(process.env.DRIFT_SECONDS ?? 3600);
const SEED = Number(process.env.DRIFT_SEED ?? 7);

/** Exponential jitter, bursts of loss, stragglers that others overtake, and spikes that decay. */
function badNetwork(seed: number) {
  const random = randomNumbers(seed);
  let burst = 0;
  let spikeUs = 0;
  return (): number | null => {
    if (burst > 0) burst -= 1;
    else if (random() < 0.005) burst = 1 + Math.floor(random() * 3);
    if (random() < 0.0005) spikeUs = 70_000;
    spikeUs = Math.max(0, spikeUs - 20_000);
    const jitterUs = -4000 * Math.log(1 - random());
    const straggleUs = random() < 0.01 ? 25_000 : 0;
    return burst > 0 ? null : 18_000 + spikeUs + jitterUs + straggleUs;
  };
}

test(`legs of +80 ppm and -80 ppm stay within 20 ms for ${SECONDS} s, the ledger exact`, () => {
  const rig = new PlayerRig();
  const ppm = [80, -80];
  const legs = ppm.map(() => rig.listen({ group: 1 }));
  for (const leg of legs) {
    rig.send(leg, rampPackets({ seconds: SECONDS, ppm: ppm[leg]!, network: badNetwork(SEED + leg) }));
  }
  const before: (string | undefined)[] = [];
  const placeOf = (leg: number, tickUs: number): number | null => {
    const frame = rig.readers[leg]!.read();
    const perUs = 0.008 * (1 + ppm[leg]! / 1e6);
    // The frame behind a concealed one is joined to it: its samples are not those that were sent.
    const isJoined = before[leg] !== 'speech';
    before[leg] = frame?.kind;
    if (frame?.kind !== 'speech' || isJoined) return null;
    const number = rampNumber(frame.pcm, 40, (tickUs - 100_000) * perUs);
    return number === null ? null : number / perUs;
  };
  let compared = 0;
  let worstUs = 0;
  rig.run(SECONDS * 1e6, (tickUs) => {
    const [a, b] = legs.map((leg) => placeOf(leg, tickUs));
    if (a == null || b == null) return;
    compared += 1;
    worstUs = Math.max(worstUs, Math.abs(a - b));
  });
  assert.ok(compared > SECONDS * 80, `${compared} frames could be compared`);
  assert.ok(worstUs <= 20_000, `${worstUs} us apart`);
  for (const leg of legs) {
    const { ledger, frames, skewPpm } = rig.stats(leg);
    assert.equal(imbalance(ledger), 0);
    assert.equal(frames, SECONDS * 100);
    if (SECONDS >= 600) assert.ok(Math.abs(skewPpm - ppm[leg]!) < 15, `a skew of ${skewPpm} ppm`);
  }
});
