/**
 * The client records in its own process: beside other recorders, alone, and when it is stopped in mid-call. Its media address is
 * another than the loopback address on which its local recorder is called.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Manifest } from '../../../src/recording/manifest.ts';
import type { Phone } from '../phones/phone.ts';
import { run } from '../recorder.ts';
import { ClientProcess } from './client-process.ts';
import {
  assertEverything,
  assertEverythingBut,
  assertWhole,
  byeAtUs,
  pauseFor,
  RESUMED_LOOSE_MS,
  sentBy,
} from './scenarios.ts';
import { type Archive, hangUp, skipWorld, talk, World } from './world.ts';

const FIRST_PORT = 24_000;
const FIRST_PORT_OF_SECOND = 25_500;
const CALL_MS = 1_500;
const MEDIA_ADDRESS = '127.0.0.2';
const COMMAND = path.resolve(import.meta.dirname, '../../../bin/doubletrack.mjs');

let world: World;

describe('local recording', { skip: skipWorld, concurrency: true }, () => {
  before(async () => {
    world = await World.open(FIRST_PORT, {
      recorders: 2,
      extensions: [{ dn: '301', record: true }, ...['302', '311', '312'].map((dn) => ({ dn }))],
      config: (opened) => ({
        media: { address: MEDIA_ADDRESS },
        recorders: [1, 2].map((number) => ({ id: `recorder-${number}`, uri: opened.recorderUri(number - 1) })),
        local: opened.localOptions(),
        groups: [
          { name: 'main', recorders: ['recorder-1', 'local'], simultaneous: 2 },
          { name: 'archive', recorders: ['recorder-2'] },
          { name: 'here', recorders: ['local'] },
        ],
        recording: {
          group: 'main',
          alsoGroups: [{ group: 'archive', purpose: 'compliance' }],
          rules: [{ from: '311', record: 'source', group: 'here' }],
        },
      }),
    });
  });
  after(() => world?.close());

  test('two recording sessions plus local recording at once: a pause of one is not one of the others', async (t) => {
    const [a, b] = (await world.phones(t, { dn: '301' }, { dn: '302' })) as [Phone, Phone];
    await talk(a, b);
    const { id, recordings } = await world.client.recordedCallOf('301', 3);
    assert.deepEqual(recordings.map(({ recorder }) => recorder).sort(), ['local', 'recorder-1', 'recorder-2']);
    await delay(CALL_MS);
    const recording = recordings.find(({ recorder }) => recorder === 'local')!.id;
    const pause = await pauseFor(world, id, recording, CALL_MS);
    await delay(CALL_MS);
    await hangUp(a, b);

    const found = async (archive: number | Archive) => (await world.recordings('301', 1, archive))[0]!;
    const [local, first, second] = await Promise.all([found(world.local), found(0), found(1)]);
    for (const whole of [local, first, second]) assertWhole(whole);
    const captured = await world.captured();
    const endUs = byeAtUs(captured, a);
    for (const phone of [a, b]) {
      const sent = sentBy(captured, phone);
      for (const [index, one] of [first, second].entries()) {
        const heard = world.heard(one, phone.dn, sent, index);
        assertEverything({ heard, sent }, endUs, `${phone.dn} at recorder-${index + 1}`);
      }
      const heard = world.heard(local, phone.dn, sent, world.local, RESUMED_LOOSE_MS);
      assertEverythingBut(pause, { heard, sent }, endUs, `${phone.dn} here`);
    }
  });

  test('a group of it alone, also when the configuration is read again in mid-call', async (t) => {
    const [a, b] = (await world.phones(t, { dn: '311' }, { dn: '312' })) as [Phone, Phone];
    for (let calls = 1; calls <= 2; calls++) {
      await talk(a, b);
      const { recordings } = await world.client.recordedCallOf('311', 2);
      assert.deepEqual(recordings.map(({ recorder }) => recorder).sort(), ['local', 'recorder-2']);
      if (calls === 1) await world.client.reload();
      await delay(CALL_MS);
      await hangUp(a, b);
      const made = await world.recordings('311', calls, world.local);
      for (const one of made) assertWhole(one);
    }
    const states = (await world.client.recorders()).map(({ id, state }) => [id, state]);
    assert.deepEqual(Object.fromEntries(states), { local: 'up', 'recorder-1': 'up', 'recorder-2': 'up' });
  });

  test('a folder that another has is told, with what to do', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'doubletrack-local-'));
    const { data: dir } = world.local;
    const [sip, http] = [['udp:127.0.0.1:0'], '127.0.0.1:0'];
    const second = { sip, http, extensions: [], local: { dir, http } };
    await assert.rejects(
      ClientProcess.start(folder, second),
      /exited with 1.*the local recorder cannot start: .*\/local is in use by another server.*change local\.dir/s,
    );
    rmSync(folder, { recursive: true });
  });
});

describe('local recording of a client that is stopped', { skip: skipWorld }, () => {
  test('at once: a call that runs is ended first, then its recording is finalised', async (t) => {
    const { stopped, a, b } = await openStopped(t);
    assert.equal(await stopped.client.stopAtOnce(), 0);
    await assertRecordedHere(stopped, a, b);
  });

  test('when its calls are over: one that runs goes on to its end, and no other is taken', async (t) => {
    const { stopped, a, b, c } = await openStopped(t);
    const { exited } = await stopped.client.drain();
    await c.dial(b.dn);
    await c.event('CALL_CLOSED');
    await delay(CALL_MS);
    await hangUp(a, b);
    assert.equal(await exited, 0);
    const { sip } = await stopped.captured();
    const refused = sip.filter(({ status, toPort }) => status === 503 && toPort === c.sipPort);
    assert.ok(refused.length > 0, 'the new call is not refused by 503');
    await assertRecordedHere(stopped, a, b);
  });
});

/** A client that records here, a call of two that it records, and a third phone. */
async function openStopped(t: TestContext): Promise<{ stopped: World; a: Phone; b: Phone; c: Phone }> {
  const stopped = await World.open(FIRST_PORT_OF_SECOND, {
    recorders: 0,
    extensions: [{ dn: '321', record: true }, { dn: '322' }, { dn: '323' }],
    config: (opened) => ({
      local: opened.localOptions(),
      groups: [{ name: 'here', recorders: ['local'] }],
      recording: { group: 'here' },
    }),
  });
  t.after(() => stopped.close());
  const phones = await stopped.phones(t, { dn: '321' }, { dn: '322' }, { dn: '323' });
  const [a, b, c] = phones as [Phone, Phone, Phone];
  await talk(a, b);
  await stopped.client.recordedCallOf('321');
  await delay(CALL_MS);
  return { stopped, a, b, c };
}

/** There is one recording, its manifest is true, and it has all that both have said. */
async function assertRecordedHere(stopped: World, a: Phone, b: Phone): Promise<void> {
  const archive = stopped.local;
  const out = await run(process.execPath, [COMMAND, 'verify', archive.data, '--json']);
  const [one, ...others] = (JSON.parse(out.toString()) as { recordings: { path: string; ok: boolean }[] }).recordings;
  assert.ok(one?.ok && others.length === 0, out.toString());
  const manifest = JSON.parse(readFileSync(path.join(one.path, 'manifest.json'), 'utf8')) as Manifest;
  assertWhole(manifest.recording);
  const captured = await stopped.captured();
  const endUs = byeAtUs(captured, a);
  for (const phone of [a, b]) {
    const sent = sentBy(captured, phone);
    assertEverything({ heard: stopped.heard(manifest.recording, phone.dn, sent, archive), sent }, endUs, phone.dn);
  }
}
