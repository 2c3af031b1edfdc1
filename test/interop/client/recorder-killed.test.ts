/** kill -9 of the recorder in mid-call: the next of its group has what it missed, and the conversation does not notice. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Recording } from '../../../src/store/recording.ts';
import { until } from '../../server/rig.ts';
import type { Phone } from '../phones/phone.ts';
import { killRecorder } from '../recorder.ts';
import { assertDelivered, byeAtUs, sentBy, UNDER_WAY_MS } from './scenarios.ts';
import { Stalls } from './stalls.ts';
import { hangUp, skipWorld, talk, World } from './world.ts';

const FIRST_PORT = 20_000;
const BEFORE_MS = 2_000;
const AFTER_MS = 2_000;
const LOOK_BACK_SEC = 10;
/** Of a packet, beside what the machine itself holds up. */
const MOST_DELAY_MS = 20;

let world: World;

describe('a recorder that is killed', { skip: skipWorld }, () => {
  before(async () => {
    world = await World.open(FIRST_PORT, {
      recorders: 2,
      extensions: [{ dn: '301', record: true }, { dn: '302' }],
      config: (opened) => ({
        recorders: [1, 2].map((number) => ({ id: `recorder-${number}`, uri: opened.recorderUri(number - 1) })),
        groups: [{ name: 'main', strategy: 'hunt', recorders: ['recorder-1', 'recorder-2'], heartbeatSec: 1 }],
        recording: { group: 'main', lookBackSec: LOOK_BACK_SEC },
      }),
    });
  });
  after(() => world?.close());

  test('two recorders together have every packet, and none of the conversation was late', async (t) => {
    const [a, b] = (await world.phones(t, { dn: '301' }, { dn: '302' })) as [Phone, Phone];
    const stalls = new Stalls();
    await talk(a, b);
    const { recordings } = await world.client.recordedCallOf('301');
    assert.equal(recordings[0]!.recorder, 'recorder-1');
    await delay(BEFORE_MS);
    const killedAtMs = Date.now();
    await killRecorder(world.recorders[0]!);
    await until('the other recorder to take over', async () => {
      const call = await world.client.callOf('301');
      return call.recordings.some(({ recorder, state }) => recorder === 'recorder-2' && state === 'recording');
    });
    t.diagnostic(`the other recorder records ${Date.now() - killedAtMs} ms after the kill`);
    await delay(AFTER_MS);
    await hangUp(a, b);
    const stalledMs = await stalls.longestMs();
    t.diagnostic(`the machine held a thread up for ${stalledMs.toFixed(1)} ms at most`);

    world.recorders[0] = await world.startRecorder(world.recorders[0]!.data);
    const [first] = (await world.recordings('301', 1, 0)) as [Recording];
    const [second] = (await world.recordings('301', 1, 1)) as [Recording];
    assert.equal(first.recovered, true);
    assert.equal(second.recovered, false);
    assert.equal(first.communicationSessionId, second.communicationSessionId);
    const captured = await world.captured();
    const endUs = byeAtUs(captured, a);
    for (const phone of [a, b]) {
      const sent = sentBy(captured, phone);
      const [one, other] = [world.heard(first, phone.dn, sent, 0), world.heard(second, phone.dn, sent, 1)];
      const have = new Set([...one, ...other].map(({ index }) => index));
      const missing = sent.flatMap(({ atUs }, index) =>
        atUs < endUs - UNDER_WAY_MS * 1000 && !have.has(index) ? [index] : [],
      );
      assert.deepEqual(missing, [], `of phone ${phone.dn}, ${one.length} and ${other.length} packets were recorded`);
    }
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      const { longestMs } = assertDelivered(captured, from, to, endUs);
      t.diagnostic(`the slowest packet from ${from.dn} to ${to.dn} took ${longestMs.toFixed(1)} ms`);
      assert.ok(
        longestMs <= MOST_DELAY_MS + stalledMs,
        `a packet from ${from.dn} to ${to.dn} took ${longestMs.toFixed(1)} ms`,
      );
    }
  });
});
