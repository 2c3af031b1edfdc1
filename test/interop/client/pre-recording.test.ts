/** What was said before anybody asked for a recording; and two recording sessions of one call, each for a purpose of its own. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Recording } from '../../../src/store/recording.ts';
import type { Phone } from '../phones/phone.ts';
import {
  assertEverything,
  assertEverythingBut,
  bothRecorded,
  byeAtUs,
  pauseFor,
  RESUMED_LOOSE_MS,
  sentBy,
} from './scenarios.ts';
import { hangUp, skipWorld, talk, World } from './world.ts';

const FIRST_PORT = 18_000;
const CALL_MS = 1_500;
/** When a call is asked for: in it, and behind its end. */
const ASKED_AT_MS = 8_000;
const ASKED_BEHIND_MS = 10_000;

let world: World;

describe('pre-recording, and two recording sessions', { skip: skipWorld, concurrency: true }, () => {
  before(async () => {
    world = await World.open(FIRST_PORT, {
      recorders: 2,
      extensions: [
        { dn: '221', record: true },
        ...['201', '202', '211', '212', '222', '231', '232'].map((dn) => ({ dn })),
      ],
      config: (opened) => ({
        recorders: [1, 2].map((number) => ({ id: `recorder-${number}`, uri: opened.recorderUri(number - 1) })),
        groups: [
          { name: 'main', recorders: ['recorder-1'] },
          { name: 'archive', recorders: ['recorder-2'] },
        ],
        recording: {
          group: 'main',
          alsoGroups: [{ group: 'archive', purpose: 'compliance' }],
          preRecord: { seconds: 11, afterEndSec: 20 },
        },
      }),
    });
  });
  after(() => world?.close());

  test('asked for in the middle of the call, it begins with the first packet', async (t) => {
    const [a, b] = (await world.phones(t, { dn: '201' }, { dn: '202' })) as [Phone, Phone];
    await talk(a, b);
    await delay(ASKED_AT_MS);
    const { id, recordings } = await world.client.callOf('201');
    assert.deepEqual(recordings, []);
    await world.client.startRecording(id);
    await delay(CALL_MS);
    await hangUp(a, b);
    const { recorded, endUs } = await bothRecorded(world, [a, b]);
    for (const [index, one] of recorded.entries()) assertEverything(one, endUs, `party ${index}`);
  });

  test('asked for when the call has ended, it is the whole call', async (t) => {
    const [a, b] = (await world.phones(t, { dn: '211' }, { dn: '212' })) as [Phone, Phone];
    await talk(a, b);
    const { id } = await world.client.callOf('211');
    await delay(CALL_MS);
    await hangUp(a, b);
    await delay(ASKED_BEHIND_MS);
    await world.client.startRecording(id);
    const { recorded, endUs } = await bothRecorded(world, [a, b]);
    for (const [index, one] of recorded.entries()) assertEverything(one, endUs, `party ${index}`);
  });

  test('never asked for, nothing of it reaches a recorder', async (t) => {
    const [a, b] = (await world.phones(t, { dn: '231' }, { dn: '232' })) as [Phone, Phone];
    await talk(a, b);
    await delay(CALL_MS);
    await hangUp(a, b);
    const captured = await world.captured();
    const toRecorders = captured.datagrams.filter(({ toPort }) => world.isOfRecorder(toPort));
    for (const { payload } of sentBy(captured, a)) {
      assert.ok(!toRecorders.some(({ bytes }) => bytes.includes(payload)), 'a packet of a call that nobody wanted');
    }
  });

  test('two recording sessions: a pause of one is not one of the other', async (t) => {
    const [a, b] = (await world.phones(t, { dn: '221' }, { dn: '222' })) as [Phone, Phone];
    await talk(a, b);
    const { id, recordings } = await world.client.recordedCallOf('221', 2);
    assert.deepEqual(recordings.map(({ recorder }) => recorder).sort(), ['recorder-1', 'recorder-2']);
    assert.equal(recordings.find(({ recorder }) => recorder === 'recorder-2')!.purpose, 'compliance');
    await delay(CALL_MS);
    const recording = recordings.find(({ recorder }) => recorder === 'recorder-1')!.id;
    const pause = await pauseFor(world, id, recording, CALL_MS);
    await delay(CALL_MS);
    await hangUp(a, b);
    const [first] = (await world.recordings('221', 1, 0)) as [Recording];
    const [second] = (await world.recordings('221', 1, 1)) as [Recording];
    const captured = await world.captured();
    const endUs = byeAtUs(captured, a);
    for (const phone of [a, b]) {
      const sent = sentBy(captured, phone);
      const paused = { heard: world.heard(first, phone.dn, sent, 0, RESUMED_LOOSE_MS), sent };
      assertEverythingBut(pause, paused, endUs, `${phone.dn} at the first`);
      assertEverything({ heard: world.heard(second, phone.dn, sent, 1), sent }, endUs, `${phone.dn} at the second`);
    }
  });
});
