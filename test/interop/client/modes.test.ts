/**
 * Who is recorded, and from when: full-time, selective by rule and by hook, dynamic, with pause, hold and transfers. Two phones
 * (baresip), the recording client and a recorder as processes; a recording is compared with what the phones sent.
 */
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Recording } from '../../../src/store/recording.ts';
import type { Phone } from '../phones/phone.ts';
import { assertAligned, assertNoGaps, heardInTurn } from './heard.ts';
import {
  assertDelivered,
  assertEverything,
  assertToEnd,
  assertWhole,
  bothRecorded,
  byeAtUs,
  RESUMED_LOOSE_MS,
  SETTLES_WITHIN_MS,
  sentBy,
  UNDER_WAY_MS,
} from './scenarios.ts';
import { hangUp, skipWorld, talk, World } from './world.ts';

const FIRST_PORT = 16_000;
const CALL_MS = 1_500;
/** Of a dynamic recording: when in the call it is asked for. */
const STARTED_AT_MS = 5_000;
/** Of a pause, in the call. */
const PAUSED_AT_MS = 3_000;
const RESUMED_AT_MS = 6_000;
/** By which the clocks of two legs may differ in a recording. */
const APART_MS = 60;

let world: World;
let hook: Server;
/** What the hook was asked. */
const asked: Record<string, unknown>[] = [];

function startHook(): Promise<Server> {
  const server = createServer(async (request, response) => {
    const question = (await json(request)) as Record<string, unknown>;
    asked.push(question);
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ record: /131/.test(String(question.from)) ? 'source' : 'none' }));
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

const nowUs = () => Date.now() * 1000;

describe('recorded calls of two phones', { skip: skipWorld, concurrency: true }, () => {
  before(async () => {
    hook = await startHook();
    const { port } = hook.address() as AddressInfo;
    const record = true;
    world = await World.open(FIRST_PORT, {
      recorders: 1,
      extensions: [
        ...['102', '112', '131', '132', '141', '142', '152', '162', '172', '173', '182', '183', '192', '193'],
      ]
        .map((dn): { dn: string; [option: string]: unknown } => ({ dn }))
        .concat(['101', '151', '161', '171', '181'].map((dn) => ({ dn, record })))
        .concat([{ dn: '111', record, srtp: 'required' }])
        .concat(['121', '122'].map((dn) => ({ dn, srtp: 'required' }))),
      config: ({ recorders: [recorder] }) => ({
        recorders: [
          { id: 'recorder-1', uri: `sip:recorder@127.0.0.1:${recorder!.udpPort}` },
          { id: 'secure', uri: `sip:secure@127.0.0.1:${recorder!.udpPort}`, srtp: 'AES_CM_128_HMAC_SHA1_80' },
        ],
        groups: [
          { name: 'main', recorders: ['recorder-1'] },
          { name: 'sealed', recorders: ['secure'] },
        ],
        recording: {
          group: 'main',
          rules: [{ from: '121', to: '122', record: 'source', group: 'sealed' }],
          hook: { url: `http://127.0.0.1:${port}/record`, timeoutMs: 1_000, default: 'none' },
        },
      }),
    });
  });
  after(async () => {
    await world?.close();
    hook?.close();
  });

  test('full-time: each party on its own channel, every sample as its phone sent it', async (t) => {
    const [a, b] = (await world.phones(t, { dn: '101' }, { dn: '102' })) as [Phone, Phone];
    await talk(a, b);
    await delay(CALL_MS);
    await hangUp(a, b);
    const { recording, captured, recorded, endUs } = await bothRecorded(world, [a, b]);
    assertWhole(recording);
    for (const [index, one] of recorded.entries()) assertEverything(one, endUs, `party ${index}`);
    assertAligned(recorded[0].heard, recorded[1].heard, APART_MS);
    assertDelivered(captured, a, b, endUs);
    assertDelivered(captured, b, a, endUs);
    assert.deepEqual(
      recording.participants.map(({ aor, channel }) => [/^sip:(\d+)@/.exec(aor!)![1], channel]),
      [
        ['101', 0],
        ['102', 1],
      ],
    );
  });

  test('full-time, the called party, with SRTP on one side', async (t) => {
    const [a, b] = (await world.phones(t, { dn: '111', srtp: 'sdes' }, { dn: '112' })) as [Phone, Phone];
    await talk(b, a);
    await delay(CALL_MS);
    await hangUp(b, a);
    const [recording] = (await world.recordings('111', 1)) as [Recording];
    assertWhole(recording);
    const captured = await world.captured();
    const endUs = byeAtUs(captured, b);
    for (const [phone, isSrtp] of [
      [a, true],
      [b, false],
    ] as const) {
      const sent = sentBy(captured, phone, isSrtp);
      assertEverything({ sent, heard: world.heard(recording, phone.dn, sent) }, endUs, `phone ${phone.dn}`);
    }
    assert.equal(recording.participants.find(({ aor }) => /:112@/.test(aor!))!.channel, 0);
  });

  test('selective, by a rule that names other recorders: SRTP on all legs', async (t) => {
    const phones = await world.phones(t, { dn: '121', srtp: 'sdes' }, { dn: '122', srtp: 'sdes' });
    const [a, b] = phones as [Phone, Phone];
    await talk(a, b);
    await delay(CALL_MS);
    await hangUp(a, b);
    const { recording, captured, recorded, endUs } = await bothRecorded(world, [a, b], { isSrtp: true });
    assertWhole(recording);
    assertEverything(recorded[0], endUs, 'the caller');
    assertEverything(recorded[1], endUs, 'the called party');
    assert.deepEqual(
      recording.streams.map(({ srtp }) => srtp),
      ['AES_CM_128_HMAC_SHA1_80', 'AES_CM_128_HMAC_SHA1_80'],
    );
    const offered = captured.sip.filter(({ head }) => head.startsWith('INVITE sip:secure@')).map(({ body }) => body);
    const ownKeys = new Set(captured.sip.filter(({ fromPort }) => fromPort === a.sipPort).flatMap(inlineKeys));
    for (const key of offered.flatMap((body) => inlineKeys({ body }))) assert.ok(!ownKeys.has(key), 'a key of a party');
  });

  test('selective, by the HTTP hook; calls that it does not want leave no trace', async (t) => {
    const [a, b] = (await world.phones(t, { dn: '131' }, { dn: '132' })) as [Phone, Phone];
    await talk(b, a);
    await delay(CALL_MS / 3);
    await hangUp(b, a);
    await talk(a, b);
    await delay(CALL_MS);
    await hangUp(a, b);
    const { recording, captured, endUs } = await bothRecorded(world, [a, b]);
    assertWhole(recording);
    for (const phone of [a, b]) {
      const [, own] = [...Map.groupBy(sentBy(captured, phone), ({ ssrc }) => ssrc).values()];
      assertEverything({ sent: own!, heard: world.heard(recording, phone.dn, own!) }, endUs, `phone ${phone.dn}`);
    }
    const mine = asked.filter(({ from, to }) => /13[12]/.test(`${from} ${to}`));
    assert.equal(mine.length, 2);
    assert.ok(
      mine.every(({ callUuid }) => /^[0-9a-fA-F]{32}$/.test(String(callUuid))),
      JSON.stringify(mine),
    );
  });

  test('dynamic: from the request to the stop, and not more', async (t) => {
    const [a, b] = (await world.phones(t, { dn: '141' }, { dn: '142' })) as [Phone, Phone];
    await talk(a, b);
    await delay(STARTED_AT_MS);
    const { id } = await world.client.callOf('141');
    const askedUs = nowUs();
    await world.client.startRecording(id);
    await delay(CALL_MS);
    const stopUs = nowUs();
    await world.client.stopRecording(id);
    const stoppedUs = nowUs();
    await delay(300);
    await hangUp(a, b);
    const { recording, recorded } = await bothRecorded(world, [a, b]);
    assertWhole(recording);
    for (const { heard, sent } of recorded) {
      const [first, last] = [heard[0]!.packet, heard.at(-1)!.packet];
      assert.ok(first.atUs > askedUs - UNDER_WAY_MS * 1000, 'it begins before it was asked for');
      assert.ok(first.atUs < askedUs + SETTLES_WITHIN_MS * 1000, 'it begins late');
      assert.ok(last.atUs < stoppedUs, 'it goes on after the stop');
      assertNoGaps(heard, sent, 'dynamic');
      assertToEnd(heard, sent, stopUs, 'dynamic');
    }
  });

  test('pause: nothing of it is in any file of the recorder or went to it, and the timeline is kept', async (t) => {
    const [a, b] = (await world.phones(t, { dn: '151' }, { dn: '152' })) as [Phone, Phone];
    await talk(a, b);
    const { id } = await world.client.recordedCallOf('151');
    await delay(PAUSED_AT_MS);
    const askedUs = nowUs();
    await world.client.pause(id);
    const pausedUs = nowUs();
    await delay(RESUMED_AT_MS - PAUSED_AT_MS);
    const resumeUs = nowUs();
    await world.client.resume(id);
    const resumedUs = nowUs();
    await delay(CALL_MS);
    await hangUp(a, b);
    const { captured, recorded, endUs } = await bothRecorded(world, [a, b], { looseMs: RESUMED_LOOSE_MS });
    const isWithin = ({ atUs }: { atUs: number }, from: number, to: number) => atUs > from && atUs < to;
    const files = world.filesOf();
    const toRecorder = captured.datagrams.filter(({ toPort }) => world.isOfRecorder(toPort));
    for (const [index, one] of recorded.entries()) {
      const what = `party ${index}`;
      const mayMiss = (packet: { atUs: number }) => isWithin(packet, askedUs, resumedUs + SETTLES_WITHIN_MS * 1000);
      assertEverything(one, endUs, what, mayMiss);
      const paused = one.sent.filter((packet) => isWithin(packet, pausedUs, resumeUs - UNDER_WAY_MS * 1000));
      assert.ok(paused.length > 100);
      for (const { payload } of paused) {
        assert.ok(!files.some((file) => file.includes(payload)), `${what}: the recorder has a paused packet`);
        assert.ok(!toRecorder.some(({ bytes }) => bytes.includes(payload)), `${what}: a paused packet was sent on`);
      }
      assert.ok(
        one.heard.some(({ packet }) => packet.atUs > resumedUs),
        `${what}: nothing after the pause`,
      );
    }
  });

  test('hold: who is held says nothing, and what is said after it is where it belongs', async (t) => {
    const [a, b] = (await world.phones(t, { dn: '161' }, { dn: '162' })) as [Phone, Phone];
    await talk(a, b);
    await delay(CALL_MS);
    const holdUs = nowUs();
    await a.hold();
    await a.event('CALL_REMOTE_SDP');
    await delay(CALL_MS / 2);
    const heldUs = nowUs();
    await a.resume();
    await a.event('CALL_REMOTE_SDP');
    await delay(CALL_MS);
    await hangUp(a, b);
    const { recorded, endUs } = await bothRecorded(world, [a, b]);
    for (const [index, one] of recorded.entries()) {
      const isUnderWay = ({ atUs }: { atUs: number }) =>
        atUs > holdUs - UNDER_WAY_MS * 1000 && atUs < heldUs + SETTLES_WITHIN_MS * 1000;
      assertEverything(one, endUs, `party ${index}`, isUnderWay);
      assert.ok(
        one.heard.some(({ packet }) => packet.atUs > heldUs),
        `party ${index}: nothing after the hold`,
      );
    }
  });

  test('RFC 3515: the recording of a party goes on through a blind transfer of the other', async (t) => {
    const phones = await world.phones(t, { dn: '171' }, { dn: '172' }, { dn: '173' });
    const [a, b, c] = phones as [Phone, Phone, Phone];
    await talk(a, b);
    await delay(CALL_MS);
    await b.transfer('173');
    await Promise.all([b.event('CALL_CLOSED'), c.event('CALL_ESTABLISHED')]);
    await delay(CALL_MS);
    await hangUp(a, c);
    await assertFollowed([a, b, c]);
  });

  test('RFC 3891: the recording of a party goes on through an attended transfer of the other', async (t) => {
    const phones = await world.phones(t, { dn: '181' }, { dn: '182' }, { dn: '183' });
    const [a, b, c] = phones as [Phone, Phone, Phone];
    await talk(a, b);
    await delay(CALL_MS);
    await b.hold();
    await b.event('CALL_REMOTE_SDP');
    const callId = await talk(b, c);
    await delay(CALL_MS / 3);
    const { sip } = await world.captured();
    const answer = sip.find((one) => one.callId === callId && one.status === 200 && one.method === 'INVITE')!;
    await b.line(1);
    const uri = `sip:183@127.0.0.1:${world.client.sipPort}`;
    await b.transferTo({ uri, callId, toTag: answer.toTag!, fromTag: answer.fromTag! });
    await b.event('CALL_CLOSED');
    await delay(CALL_MS);
    await hangUp(a, c);
    await assertFollowed([a, b, c]);
  });
});

/** A talked to B and then to C, and is recorded: A all the time, the others while they were there. */
async function assertFollowed([a, b, c]: [Phone, Phone, Phone]): Promise<void> {
  const [recording] = (await world.recordings(a.dn, 1)) as [Recording];
  assert.equal(recording.state, 'complete');
  const captured = await world.captured();
  const [ofA, allOfB, ofC] = [sentBy(captured, a), sentBy(captured, b), sentBy(captured, c)];
  // What B says to C it reads from the same file, from its beginning on.
  const ofB = allOfB.filter(({ ssrc }) => ssrc === allOfB[0]!.ssrc);
  const endUs = byeAtUs(captured, a);
  const heardA = world.heard(recording, a.dn, ofA);
  assert.equal(heardA[0]!.index, 0);
  assertToEnd(heardA, ofA, endUs, 'the party that stays');
  const channel = world.channel(recording, b.dn);
  const [heardB, heardC] = heardInTurn(channel, [ofB, ofC], `recording of ${b.dn}, then ${c.dn}`);
  assert.equal(heardB[0]!.index, 0);
  assertToEnd(heardC, ofC, endUs, 'the new party');
  assert.ok(
    recording.participants.some(({ aor }) => aor?.startsWith(`sip:${c.dn}@`)),
    'the new party is a participant',
  );
}

function inlineKeys({ body }: { body: string }): string[] {
  return [...body.matchAll(/inline:([A-Za-z0-9+/=]+)/g)].map(([, key]) => key!);
}
