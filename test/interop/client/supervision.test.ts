/**
 * Others in a recorded call of two: a supervisor listens in, coaches, barges in; a third party makes it a conference. Phones (baresip), the
 * recording client and a recorder as processes: what is recorded of the parties stays what their phones sent, and who listens in leaves no trace.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Recording } from '../../../src/store/recording.ts';
import { until } from '../../server/rig.ts';
import type { Captured, CapturedRtp } from '../phones/capture.ts';
import type { Phone } from '../phones/phone.ts';
import { assertNoGaps, heardTogether } from './heard.ts';
import {
  assertDelivered,
  assertEverything,
  assertToEnd,
  assertWhole,
  bothRecorded,
  byeAtUs,
  SETTLES_WITHIN_MS,
  sentBy,
  UNDER_WAY_MS,
} from './scenarios.ts';
import { hangUp, skipWorld, talk, World } from './world.ts';

const FIRST_PORT = 26_000;
const FIRST_PORT_OF_SECOND = 27_500;
const CALL_MS = 1_500;
/** Packets of 20 ms in it, of which some are lost to the start of a phone. */
const HEARD_PACKETS = 40;

/** What a recorder with two channels says of three who speak. */
const WARNED_OF_THREE = [
  'more than 2 streams at once: the further ones are mixed into the last channel',
  'the metadata has 2 participants send the stream of channel 1',
];

let world: World;

const nowUs = () => Date.now() * 1000;
const textOf = ({ payload }: CapturedRtp) => payload.toString('latin1');

describe('others in a recorded call', { skip: skipWorld, concurrency: true }, () => {
  before(async () => {
    const record = true;
    world = await World.open(FIRST_PORT, {
      recorders: 1,
      extensions: [
        ...['201', '202', '212', '222', '232', '242', '243'].map((dn): { dn: string; [key: string]: unknown } => ({
          dn,
        })),
        ...['211', '221', '231', '241'].map((dn) => ({ dn, record })),
        ...['203', '213', '223', '233'].map((dn) => ({ dn, supervises: ['*'] })),
      ],
      config: ({ recorders: [recorder] }) => ({
        recorders: [{ id: 'recorder-1', uri: `sip:recorder@127.0.0.1:${recorder!.udpPort}` }],
        groups: [{ name: 'main', recorders: ['recorder-1'] }],
        recording: { group: 'main' },
      }),
    });
  });
  after(async () => await world?.close());

  test('who listens in before the recording starts: it is whole, of two, from the request on', async (t) => {
    const [a, b, s] = (await world.phones(t, { dn: '201' }, { dn: '202' }, { dn: '203' })) as [Phone, Phone, Phone];
    await talk(a, b);
    await supervise(world, s, b, 'listen');
    const { id } = await world.client.callOf('201');
    const askedUs = nowUs();
    await world.client.startRecording(id);
    await delay(CALL_MS);
    await hangUp(a, b, s);
    const { recording, captured, recorded, endUs } = await bothRecorded(world, [a, b]);
    assertWhole(recording);
    assert.equal(recording.participants.length, 2);
    for (const { heard, sent } of recorded) {
      assert.ok(heard[0]!.packet.atUs < askedUs + SETTLES_WITHIN_MS * 1000, 'it begins late');
      assertNoGaps(heard, sent, 'listened to');
      assertToEnd(heard, sent, endUs, 'listened to');
    }
    assertHears(captured, s, 0);
  });

  test('who listens in after it has started: no SIP to the parties, no packet more or less for them', async (t) => {
    const [a, b, s] = (await world.phones(t, { dn: '211' }, { dn: '212' }, { dn: '213' })) as [Phone, Phone, Phone];
    await talk(a, b);
    await world.client.recordedCallOf('211');
    await delay(CALL_MS / 3);
    const fromUs = nowUs();
    await supervise(world, s, b, 'listen');
    await delay(CALL_MS);
    await s.hangUp();
    await s.event('CALL_CLOSED');
    await delay(CALL_MS / 3);
    const toUs = nowUs();
    await hangUp(a, b);
    const { recording, captured, recorded, endUs } = await bothRecorded(world, [a, b]);
    assertWhole(recording);
    assert.equal(recording.participants.length, 2);
    for (const [index, one] of recorded.entries()) assertEverything(one, endUs, `party ${index}`);
    assertNoTrace(captured, [a, b], fromUs, toUs, endUs);
    assertHears(captured, s, fromUs);
  });

  test('coach: the supervised one alone hears the supervisor, the recording does not', async (t) => {
    const [a, b, s] = (await world.phones(t, { dn: '221' }, { dn: '222' }, { dn: '223' })) as [Phone, Phone, Phone];
    await talk(a, b);
    await world.client.recordedCallOf('221');
    await supervise(world, s, b, 'coach');
    const fromUs = nowUs();
    await delay(CALL_MS);
    const toUs = nowUs();
    await hangUp(a, b, s);
    const { recording, captured, recorded, endUs } = await bothRecorded(world, [a, b]);
    assertWhole(recording);
    assert.equal(recording.participants.length, 2);
    for (const [index, one] of recorded.entries()) assertEverything(one, endUs, `party ${index}`);
    assertAlone(captured, b, a, endUs);
    assertMixed(captured, a, b, fromUs, toUs);
    assertHears(captured, s, fromUs);
  });

  test('barge: both hear the supervisor, who is a participant then; the parties are recorded as they spoke', async (t) => {
    const [a, b, s] = (await world.phones(t, { dn: '231' }, { dn: '232' }, { dn: '233' })) as [Phone, Phone, Phone];
    await talk(a, b);
    await world.client.recordedCallOf('231');
    await supervise(world, s, b, 'barge');
    const fromUs = nowUs();
    await delay(CALL_MS);
    const toUs = nowUs();
    await hangUp(a, b, s);
    await assertOfThree([a, b, s], fromUs, toUs);
  });

  test('a conference of three is recorded: the parties as they spoke, the third is a participant', async (t) => {
    const [a, b, c] = (await world.phones(t, { dn: '241' }, { dn: '242' }, { dn: '243' })) as [Phone, Phone, Phone];
    await talk(a, b);
    const { id } = await world.client.recordedCallOf('241');
    await post(world, `/api/v1/calls/${id}/parties`, { actor: 'test', number: '243' });
    await c.event('CALL_ESTABLISHED');
    const fromUs = nowUs();
    await delay(CALL_MS);
    const toUs = nowUs();
    await hangUp(a, b, c);
    await assertOfThree([a, b, c], fromUs, toUs);
  });
});

describe('media that is always anchored', { skip: skipWorld }, () => {
  test('who listens in before the recording starts leaves no trace either', async (t) => {
    const anchored = await World.open(FIRST_PORT_OF_SECOND, {
      recorders: 1,
      extensions: [{ dn: '251' }, { dn: '252' }, { dn: '253', supervises: ['*'] }],
      config: (opened) => ({
        media: { anchor: 'always' },
        recorders: [{ id: 'recorder-1', uri: opened.recorderUri(0) }],
        groups: [{ name: 'main', recorders: ['recorder-1'] }],
        recording: { group: 'main' },
      }),
    });
    t.after(() => anchored.close());
    const [a, b, s] = (await anchored.phones(t, { dn: '251' }, { dn: '252' }, { dn: '253' })) as [Phone, Phone, Phone];
    await talk(a, b);
    const { id } = await anchored.client.callOf('251');
    const fromUs = nowUs();
    await supervise(anchored, s, b, 'listen');
    const askedUs = nowUs();
    await anchored.client.startRecording(id);
    await delay(CALL_MS);
    const toUs = nowUs();
    await hangUp(a, b, s);
    const { recording, captured, recorded, endUs } = await bothRecorded(anchored, [a, b]);
    assertWhole(recording);
    for (const { heard, sent } of recorded) {
      assert.ok(heard[0]!.packet.atUs < askedUs + SETTLES_WITHIN_MS * 1000, 'it begins late');
      assertNoGaps(heard, sent, 'listened to');
      assertToEnd(heard, sent, endUs, 'listened to');
    }
    assertNoTrace(captured, [a, b], fromUs, toUs, endUs);
    assertHears(captured, s, fromUs);
  });
});

/** C came to A and B, and is recorded on the channel of B: that is the sum of both. */
async function assertOfThree([a, b, c]: [Phone, Phone, Phone], fromUs: number, toUs: number): Promise<void> {
  const [recording] = (await world.recordings(a.dn, 1)) as [Recording];
  assert.deepEqual(recording.warnings, WARNED_OF_THREE);
  assertWhole({ ...recording, warnings: [] });
  assert.equal(recording.streams.length, 3);
  assert.ok(
    recording.participants.some(({ aor }) => aor?.startsWith(`sip:${c.dn}@`)),
    'the third is a participant',
  );
  const captured = await world.captured();
  const endUs = byeAtUs(captured, a);
  const [ofA, ofB, ofC] = [sentBy(captured, a), sentBy(captured, b), sentBy(captured, c)];
  assertEverything({ heard: world.heard(recording, a.dn, ofA), sent: ofA }, endUs, 'the caller');
  const both = heardTogether(world.channel(recording, b.dn), [ofB, ofC], `recording of ${b.dn} and ${c.dn}`);
  assertEverything({ heard: both[0], sent: ofB }, endUs, 'the called party');
  const lateMs = (both[1][0]!.packet.atUs - ofC[0]!.atUs) / 1000;
  assert.ok(lateMs < SETTLES_WITHIN_MS, `the third is recorded ${lateMs} ms behind its first packet`);
  assertNoGaps(both[1], ofC, 'the third');
  assertToEnd(both[1], ofC, endUs, 'the third');
  assertMixed(captured, a, b, fromUs, toUs);
  assertMixed(captured, b, a, fromUs, toUs);
  assertHears(captured, c, fromUs);
}

/** Until the supervisor's phone has been sent some of what is said. */
async function supervise(on: World, supervisor: Phone, target: Phone, mode: string): Promise<void> {
  await post(on, '/api/v1/supervise', { actor: 'test', supervisorDn: supervisor.dn, targetDn: target.dn, mode });
  await supervisor.event('CALL_ESTABLISHED');
  await until('the supervisor to hear', async () => {
    const captured = await on.captured();
    return captured.rtpTo(supervisor.mediaPorts).length >= 5;
  });
}

async function post(on: World, pathname: string, body: object): Promise<void> {
  const response = await fetch(`${on.client.http}${pathname}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  assert.equal(response.status, 200, await response.text());
}

/** Nobody told the parties anything in that time, and each heard the other and nothing else all the while. */
function assertNoTrace(captured: Captured, [a, b]: [Phone, Phone], fromUs: number, toUs: number, endUs: number): void {
  const ports = [a.sipPort, b.sipPort];
  const told = captured.sip.filter(({ atUs, toPort }) => atUs > fromUs && atUs < toUs && ports.includes(toPort));
  assert.deepEqual(
    told.map(({ head }) => head.split('\r\n', 1)[0]),
    [],
  );
  assertAlone(captured, a, b, endUs);
  assertAlone(captured, b, a, endUs);
}

/** All that one has sent came to the other, and nothing else did. */
function assertAlone(captured: Captured, from: Phone, to: Phone, endUs: number): void {
  assertDelivered(captured, from, to, endUs);
  const sent = new Set(sentBy(captured, from).map(textOf));
  const foreign = captured.rtpTo(to.mediaPorts).filter((packet) => !sent.has(textOf(packet)));
  assert.equal(foreign.length, 0, `${to.dn} got ${foreign.length} packets that are not as ${from.dn} sent them`);
}

/** What came to one is more than the other said, and there is enough of it. */
function assertMixed(captured: Captured, from: Phone, to: Phone, fromUs: number, toUs: number): void {
  const settledUs = fromUs + SETTLES_WITHIN_MS * 1000;
  const came = captured.rtpTo(to.mediaPorts).filter(({ atUs }) => atUs > settledUs && atUs < toUs);
  assert.ok(came.length > HEARD_PACKETS, `${to.dn} got ${came.length} packets`);
  const sent = new Set(sentBy(captured, from).map(textOf));
  const same = came.filter((packet) => sent.has(textOf(packet)));
  assert.equal(same.length, 0, `${to.dn} heard ${from.dn} alone in ${same.length} packets`);
}

/** It got sound, in time: mu-law of noise, not one value again and again. */
function assertHears(captured: Captured, phone: Phone, fromUs: number): void {
  const came = captured.rtpTo(phone.mediaPorts).filter(({ atUs }) => atUs > fromUs - UNDER_WAY_MS * 1000);
  const sounding = came.filter(({ payload }) => new Set(payload).size > 20);
  assert.ok(sounding.length > HEARD_PACKETS, `${phone.dn} heard ${sounding.length} of ${came.length} packets`);
}
