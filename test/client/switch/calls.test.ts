/** Calls through the switch between registered parties, over real sockets, with the recorder behind it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { CallView } from '../../../src/client/switch/call-control.ts';
import type { SipFailure } from '../../../src/sip/index.ts';
import { until } from '../../server/rig.ts';
import { received, SwitchRig } from './switch-rig.ts';

/** One after another, all use the same. */
const FIRST_PORT = 49_000;
const TWO = { '1001': {}, '1002': {} };
const RECORDED = { '1001': { record: true }, '1002': {} };

test('media of a call that nobody records flows between the parties', async (t) => {
  const rig = await SwitchRig.start(t, { firstPort: FIRST_PORT, recorders: 0, extensions: TWO });
  await rig.call('1001', '1002');
  assert.equal(rig.party('1001').remote?.rtpPort, rig.party('1002').socket.address().port);
  await rig.talk('1001', '1002', 5, 0);
  await rig.party('1001').session!.bye();
  await until('the other party to be told', () => rig.party('1002').ended);
  assert.deepEqual(await rig.calls(), []);
});

test('full-time: both parties hear each other and the recorder gets every packet from the first', async (t) => {
  const rig = await SwitchRig.start(t, { firstPort: FIRST_PORT, extensions: RECORDED });
  await rig.call('1001', '1002');
  await rig.talk('1001', '1002', 20, 0);
  await rig.callWith('that is recorded', ({ recordings }) => recordings[0]?.state === 'recording');
  await rig.talk('1001', '1002', 20, 20);
  await rig.party('1002').session!.bye();
  const [recording] = await rig.recordings(1);
  assert.deepEqual(received(recording!), [40, 40]);
  assert.deepEqual(
    recording!.participants.map(({ name, channel }) => [name, channel]),
    [
      ['Party 1001', 0],
      ['Party 1002', 1],
    ],
  );
  assert.deepEqual(recording!.warnings, []);
});

test('RFC 3264 8.4: hold reaches the other party and is told; what is said after it is heard again', async (t) => {
  const rig = await SwitchRig.start(t, { firstPort: FIRST_PORT, extensions: RECORDED });
  const [a, b] = [rig.party('1001'), rig.party('1002')];
  await rig.call('1001', '1002');
  await rig.talk('1001', '1002', 5, 0);
  const answer = await a.reinvite('sendonly');
  assert.equal(answer.media[0]!.direction, 'recvonly');
  assert.equal(b.lastOffer!.media[0]!.direction, 'sendonly');
  await rig.callWith('on hold', ({ state }) => state === 'held');
  b.send(77);
  a.send(5);
  await until('the holding party to be heard', () => b.heardNumbers.includes(5));
  await a.reinvite('sendrecv');
  await rig.talk('1001', '1002', 5, 6);
  assert.ok(!a.heardNumbers.includes(77), 'who holds hears nothing');
  await a.session!.bye();
});

test('dynamic: media is brought here in mid-call, and what is said from then on is recorded', async (t) => {
  const rig = await SwitchRig.start(t, { firstPort: FIRST_PORT, extensions: TWO });
  await rig.call('1001', '1002');
  await rig.talk('1001', '1002', 5, 0);
  const [call] = await rig.calls();
  const begun = await rig.post(`/api/v1/calls/${call!.id}/recording/start`, { actor: 'test', reason: 'asked for' });
  assert.equal(begun.status, 200, await begun.clone().text());
  assert.notEqual(rig.party('1001').remote?.rtpPort, rig.party('1002').socket.address().port);
  await rig.talk('1001', '1002', 7, 5);
  await rig.party('1001').session!.bye();
  const [recording] = await rig.recordings(1);
  assert.deepEqual(received(recording!), [7, 7]);
});

test('pre-recording: asked for when the call is over, it has the call from its first packet', async (t) => {
  const recording = { preRecord: { seconds: 30, afterEndSec: 60 } };
  const rig = await SwitchRig.start(t, { firstPort: FIRST_PORT, extensions: TWO, config: { recording } });
  await rig.call('1001', '1002');
  await rig.talk('1001', '1002', 30, 0);
  const [call] = await rig.calls();
  await rig.party('1001').session!.bye();
  await until('the call to be over', async () => (await rig.calls()).length === 0);
  const begun = await rig.post(`/api/v1/calls/${call!.connId}/recording/start`, { actor: 'test' });
  assert.equal(begun.status, 200, await begun.clone().text());
  const [kept] = await rig.recordings(1);
  assert.deepEqual(received(kept!), [30, 30]);
});

test('pause: nothing of it reaches the recorder or the look-back, and the parties go on', async (t) => {
  const rig = await SwitchRig.start(t, { firstPort: FIRST_PORT, extensions: RECORDED });
  await rig.call('1001', '1002');
  const call = await rig.callWith('that is recorded', ({ recordings }) => recordings[0]?.state === 'recording');
  await rig.talk('1001', '1002', 10, 0);
  const by = { actor: 'test', reason: 'card number' };
  assert.equal((await rig.post(`/api/v1/calls/${call.id}/recording/pause`, by)).status, 200);
  await rig.talk('1001', '1002', 10, 10);
  assert.equal((await rig.calls())[0]!.recordings[0]!.state, 'paused');
  assert.equal((await rig.post(`/api/v1/calls/${call.id}/recording/resume`, by)).status, 200);
  await rig.talk('1001', '1002', 10, 20);
  await rig.party('1001').session!.bye();
  const [recording] = await rig.recordings(1);
  assert.deepEqual(received(recording!), [20, 20]);
});

test('a call that is over before the recorder has answered is recorded from its first packet to its last', async (t) => {
  const rig = await SwitchRig.start(t, { firstPort: FIRST_PORT, extensions: RECORDED });
  await rig.call('1001', '1002');
  await rig.talk('1001', '1002', 10, 0);
  await rig.party('1001').session!.bye();
  const [recording] = await rig.recordings(1);
  assert.deepEqual(received(recording!), [10, 10]);
});

test('RFC 7866 6.2: a party that says so is recorded, not recorded, or not for a while', async (t) => {
  const config = { recording: { honourPreference: true } };
  const extensions = { ...TWO, '1003': { record: true } };
  const rig = await SwitchRig.start(t, { firstPort: FIRST_PORT, extensions, config });
  const party = rig.party('1001');
  party.wants = 'on';
  await rig.call('1001', '1002');
  const isIn = (state: string) => rig.callWith(`that is ${state}`, (call) => call.recordings[0]?.state === state);
  await isIn('recording');
  await rig.talk('1001', '1002', 10, 0);
  for (const [wants, state] of [
    ['pause', 'paused'],
    ['nopreference', 'recording'],
  ] as const) {
    party.wants = wants;
    await party.reinvite('sendrecv');
    await isIn(state);
    await delay(200); // the state is what is wanted; sinks follow it by as long as a command takes
    await rig.talk('1001', '1002', 10, 20);
  }
  party.wants = 'off';
  await party.reinvite('sendrecv');
  const [recording] = await rig.recordings(1);
  assert.deepEqual(received(recording!), [20, 20]);
  await rig.talk('1001', '1002', 5, 40);
  await party.session!.bye();
  await until('the call to be over', async () => (await rig.calls()).length === 0);
  rig.party('1003').wants = 'off';
  await rig.call('1003', '1002'); // full-time otherwise
  await rig.talk('1003', '1002', 5, 50);
  assert.deepEqual((await rig.calls())[0]!.recordings, []);
});

test('RFC 3261 13.2.1, RFC 7866 6.2: a caller that says it in the answer to our offer, which its ACK brings', async (t) => {
  const config = { recording: { honourPreference: true } };
  const rig = await SwitchRig.start(t, { firstPort: FIRST_PORT, extensions: TWO, config });
  rig.party('1001').wants = 'on';
  await rig.call('1001', '1002', { withoutOffer: true });
  await rig.callWith('that is recorded', ({ recordings }) => recordings[0]?.state === 'recording');
  await rig.talk('1001', '1002', 10, 0);
  await rig.party('1001').session!.bye();
  const [recording] = await rig.recordings(1);
  assert.deepEqual(received(recording!), [10, 10]);
});

test('a second recorder of the group takes over when the first is lost, with the past that was kept', async (t) => {
  const rig = await SwitchRig.start(t, { firstPort: FIRST_PORT, recorders: 2, extensions: RECORDED });
  await rig.call('1001', '1002');
  await rig.callWith('that is recorded', ({ recordings }) => recordings[0]?.recorder === 'recorder-1');
  await rig.talk('1001', '1002', 10, 0);
  await rig.recorders[0]!.server.drain(0);
  await rig.callWith('that another records', ({ recordings }) => recordings[0]?.recorder === 'recorder-2');
  await rig.talk('1001', '1002', 10, 10);
  await rig.party('1001').session!.bye();
  const [recording] = await rig.recordings(1, 1);
  assert.deepEqual(received(recording!), [20, 20]);
});

test('the recorder that takes over gets nothing of a pause, though another recording has kept it', async (t) => {
  const config = {
    groups: [
      { name: 'main', recorders: ['recorder-1', 'recorder-2'], heartbeatSec: 1 },
      { name: 'archive', recorders: ['recorder-3'] },
    ],
    recording: { alsoGroups: [{ group: 'archive', purpose: 'archive' }] },
  };
  const rig = await SwitchRig.start(t, { firstPort: FIRST_PORT, recorders: 3, extensions: RECORDED, config });
  await rig.call('1001', '1002');
  const isOn = (call: CallView, ...recorders: string[]) => {
    const on = call.recordings.filter(({ state }) => state === 'recording').map(({ recorder }) => recorder);
    return isDeepStrictEqual(on.sort(), recorders);
  };
  const call = await rig.callWith('that two record', (one) => isOn(one, 'recorder-1', 'recorder-3'));
  const { id: recording } = call.recordings.find(({ recorder }) => recorder === 'recorder-1')!;
  await rig.talk('1001', '1002', 10, 0);
  const by = { actor: 'test', reason: 'card number', recording };
  assert.equal((await rig.post(`/api/v1/calls/${call.id}/recording/pause`, by)).status, 200);
  await rig.talk('1001', '1002', 20, 10);
  assert.equal((await rig.post(`/api/v1/calls/${call.id}/recording/resume`, by)).status, 200);
  await delay(50); // the past that is sent begins behind the resume by as long as a command takes
  await rig.talk('1001', '1002', 10, 30);
  await rig.recorders[0]!.server.drain(0);
  await rig.callWith('that another records', (one) => isOn(one, 'recorder-2', 'recorder-3'));
  await rig.talk('1001', '1002', 10, 40);
  await rig.party('1001').session!.bye();
  assert.deepEqual(received((await rig.recordings(1, 1))[0]!), [20, 20]);
  assert.deepEqual(received((await rig.recordings(1, 2))[0]!), [50, 50]);
});

test('RFC 3515: a blind transfer leaves the one that stays with the newcomer, and the recording running', async (t) => {
  const rig = await SwitchRig.start(t, { firstPort: FIRST_PORT, extensions: { ...RECORDED, '1003': {} } });
  await rig.call('1001', '1002');
  await rig.talk('1001', '1002', 10, 0);
  const b = rig.party('1002');
  const { status } = await b.session!.request('REFER', { headers: [['Refer-To', `<${rig.uri('1003')}>`]] });
  assert.equal(status, 202);
  await until('the transfer to be told', () => b.requests.some(({ body }) => body.toString().includes('200 OK')));
  await b.session!.bye();
  await rig.talk('1001', '1003', 10, 10);
  const [call] = await rig.calls();
  assert.deepEqual(
    call!.parties.map(({ dn }) => dn),
    ['1001', '1003'],
  );
  await rig.party('1003').session!.bye();
  const [recording] = await rig.recordings(1);
  assert.deepEqual(received(recording!), [20, 20]);
  assert.deepEqual(recording!.participants.map(({ name }) => name).sort(), ['Party 1001', 'Party 1002', 'Party 1003']);
});

test('RFC 5589: an attended transfer joins the two others, and both calls of the one that goes are over', async (t) => {
  const rig = await SwitchRig.start(t, { firstPort: FIRST_PORT, extensions: { ...RECORDED, '1003': {} } });
  await rig.call('1001', '1002');
  await rig.talk('1001', '1002', 10, 0);
  const b = rig.party('1002');
  const first = b.session!;
  await b.reinvite('sendonly');
  await rig.call('1002', '1003');
  const second = b.session!;
  const replaces = encodeURIComponent(`${second.callId};to-tag=${second.remoteTag};from-tag=${second.localTag}`);
  await first.request('REFER', { headers: [['Refer-To', `<${rig.uri('1003')}?Replaces=${replaces}>`]] });
  await until('the consultation to be over', () => second.over);
  await until('the transfer to be told', () => b.requests.some(({ body }) => body.toString().includes('200 OK')));
  await first.bye();
  await rig.talk('1001', '1003', 10, 10);
  assert.equal((await rig.calls()).length, 1);
  await rig.party('1001').session!.bye();
  const [recording] = await rig.recordings(1);
  assert.equal(received(recording!)[0], 20);
});

test('a third party hears both and is heard by both, and goes as it came', async (t) => {
  const rig = await SwitchRig.start(t, { firstPort: FIRST_PORT, recorders: 0, extensions: { ...TWO, '1003': {} } });
  await rig.call('1001', '1002');
  const [call] = await rig.calls();
  const added = await rig.post(`/api/v1/calls/${call!.id}/parties`, { actor: 'test', number: '1003' });
  assert.equal(added.status, 200, await added.clone().text());
  assert.equal((await rig.calls())[0]!.parties.length, 3);
  for (const dn of ['1001', '1002', '1003']) {
    const party = rig.party(dn);
    const before = party.heard.length;
    await until(`${dn} to hear the others`, () => party.heard.length >= before + 5);
  }
  await rig.party('1003').session!.bye();
  await until('two to be left', async () => (await rig.calls())[0]!.parties.length === 2);
  await rig.talk('1001', '1002', 5, 0);
  await rig.party('1001').session!.bye();
});

test('who supervises listens in without a trace, and only who may', async (t) => {
  const extensions = { ...RECORDED, '1003': { supervises: ['1002'] } };
  const rig = await SwitchRig.start(t, { firstPort: FIRST_PORT, extensions });
  await rig.call('1001', '1002');
  const ask = (targetDn: string) =>
    rig.post('/api/v1/supervise', { actor: 'test', supervisorDn: '1003', targetDn, mode: 'listen' });
  assert.equal((await ask('1001')).status, 409);
  const begun = await ask('1002');
  assert.equal(begun.status, 200, await begun.clone().text());
  const supervisor = rig.party('1003');
  assert.equal(supervisor.lastOffer!.media[0]!.direction, 'sendonly');
  await until('the supervisor to hear', () => supervisor.heard.length >= 5);
  await rig.talk('1001', '1002', 10, 0);
  assert.equal((await rig.calls())[0]!.parties.length, 2);
  await rig.party('1001').session!.bye();
  await until('the supervisor to be told', () => supervisor.ended);
  const [recording] = await rig.recordings(1);
  assert.deepEqual(received(recording!), [10, 10]);
});

test('a number that leads nowhere is 404, a phone that is not there 480, a busy one is forwarded', async (t) => {
  const extensions = { '1001': {}, '1002': { forward: { busy: '1003' } }, '1003': {} };
  const rig = await SwitchRig.start(t, { firstPort: FIRST_PORT, recorders: 0, extensions });
  await assert.rejects(rig.call('1001', '999'), (error: SipFailure) => error.status === 404);
  rig.party('1002').onInvite = (invite) => invite.reject({ status: 486 });
  await rig.call('1001', '1002');
  await rig.talk('1001', '1003', 3, 0);
  await rig.party('1001').session!.bye();
  await until('the call to be over', async () => (await rig.calls()).length === 0);
  rig.party('1003').onInvite = (invite) => invite.reject({ status: 480 });
  await assert.rejects(rig.call('1001', '1003'), (error: SipFailure) => error.status === 480);
});

test('RFC 3261 21.3: a phone that names another number is followed there, but not in circles', async (t) => {
  const extensions = { '1001': {}, '1002': {}, '1003': {} };
  const rig = await SwitchRig.start(t, { firstPort: FIRST_PORT, recorders: 0, extensions });
  const moved = (to: string) => ({
    status: 302,
    headers: [['Contact', `<sip:${to}@192.0.2.1>`]] as [string, string][],
  });
  rig.party('1002').onInvite = (invite) => invite.reject(moved('1003'));
  await rig.call('1001', '1002');
  await rig.talk('1001', '1003', 3, 0);
  await rig.party('1001').session!.bye();
  await until('the call to be over', async () => (await rig.calls()).length === 0);
  rig.party('1003').onInvite = (invite) => invite.reject(moved('1002'));
  await assert.rejects(rig.call('1001', '1002'), (error: SipFailure) => error.status === 480);
  assert.equal((await rig.calls()).length, 0);
});

test('who does not know the password calls nobody', async (t) => {
  const rig = await SwitchRig.start(t, { firstPort: FIRST_PORT, recorders: 0, extensions: TWO });
  const wrong = { username: '1001', password: 'not it' };
  await assert.rejects(rig.call('1001', '1002', { credentials: wrong }), (error: SipFailure) => error.status === 403);
  assert.equal(rig.party('1002').session, null);
});

test('a call that must be recorded is refused while no recorder is up', async (t) => {
  const config = {
    recorders: [{ id: 'r', uri: 'sip:127.0.0.1:9' }],
    groups: [{ name: 'main', recorders: ['r'], heartbeatSec: 1 }],
  };
  const rig = await SwitchRig.start(t, {
    ...{ firstPort: FIRST_PORT, recorders: 0, extensions: RECORDED },
    config: { ...config, recording: { group: 'main', mandatory: true } },
  });
  await until('the recorder to be down', async () => {
    const { items } = (await (await fetch(`${rig.client.httpUrl}/api/v1/recorders`)).json()) as {
      items: { state: string }[];
    };
    return items[0]!.state === 'down';
  });
  await assert.rejects(rig.call('1001', '1002'), (error: SipFailure) => error.status === 503);
});
