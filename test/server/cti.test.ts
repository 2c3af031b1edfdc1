/** What a CTI link tells stands in the recordings and is found there; pauses go both ways; a lost link loses nothing. */
import assert from 'node:assert/strict';
import { cpSync, globSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import type { CallView } from '../../src/client/switch/call-control.ts';
import { parseSdp } from '../../src/sdp/index.ts';
import type { SipSession } from '../../src/sip/index.ts';
import { buildMetadata, callExtension } from '../../src/siprec/index.ts';
import type { Recording, RecordingCti } from '../../src/store/recording.ts';
import { type Linked, linked, recordUri } from './cti-rig.ts';
import {
  finished,
  fullMetadata,
  Leg,
  metric,
  newFolder,
  newIds,
  packetsSeen,
  recordingsOf,
  sdpOnly,
  sdpText,
  sessionOf,
  startServer,
  stopServer,
  undoing,
  until,
  withMetadata,
} from './rig.ts';

interface Recorded {
  session: SipSession;
  port: number;
  leg: Leg;
}

/** The recording client records a call of the switch, as Genesys' does. */
async function record({ server, client }: Linked, call: CallView, recordId = `rec-${call.connId}`): Promise<Recorded> {
  const leg = await Leg.open(0x6001);
  const body = sdpOnly(sdpText([{ port: leg.port }, { port: leg.port }]));
  const { session, response } = await client.endpoint.invite({ to: recordUri(server, call, recordId), body }).answered;
  return { session, port: parseSdp(response.body).media[0]!.port, leg };
}

async function found({ server }: Linked, text: string): Promise<Recording[]> {
  const answer = await fetch(`${server.http}/api/v1/recordings?text=${encodeURIComponent(text)}`);
  return ((await answer.json()) as { items: Recording[] }).items;
}

function ctiOf({ server }: Linked, { session }: Recorded): RecordingCti | undefined {
  return recordingsOf(server, session.callId)[0]?.cti;
}

function control({ server }: Linked, id: string, action: 'pause' | 'resume') {
  return fetch(`${server.http}/api/v1/sessions/${id}/${action}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ actor: 'supervisor 12', reason: 'card number' }),
  });
}

test('agents, numbers and attached data: in the row while it runs, in the manifest, and found by text', async (t) => {
  const rig = await linked(t, '46000-46049');
  const { fake } = rig;
  const call = fake.newCall({ from: '5001', to: '5002', agents: { 5002: 'anna-k' } });
  fake.establish(call.id);
  fake.attach(call.id, { order: 'A-4711' });
  await rig.told(6);
  const recorded = await record(rig, call);
  assert.deepEqual(ctiOf(rig, recorded)?.userData, { order: 'A-4711' }, 'known before the recording began');
  recorded.leg.send(recorded.port, 10);
  await packetsSeen(rig.server, 'received', 10);
  fake.attach(call.id, { campaign: 'Frühjahr', order: null });
  await rig.told(8);
  const [running] = await found(rig, 'fruhjahr anna');
  assert.equal(running?.state, 'recording');
  const view = (await sessionOf(rig.server, recorded.session.callId)) as unknown as { cti: RecordingCti };
  assert.equal(view.cti.callUuid, call.id.replaceAll('-', ''));
  await recorded.session.bye();
  recorded.leg.close();
  const { recording, manifest } = await finished(rig.server, recorded.session.callId);
  assert.deepEqual(recording.cti, {
    ...{ connId: call.connId, callUuid: call.id.replaceAll('-', ''), ani: '5001', dnis: '5002' },
    agents: [{ agentId: 'anna-k', dn: '5002' }],
    userData: { campaign: 'Frühjahr' },
    updatedAt: '2026-01-31T09:30:00.250Z',
  });
  assert.deepEqual(manifest.recording.cti, recording.cti);
  for (const text of ['anna', 'campaign', 'FRÜH', call.connId]) assert.equal((await found(rig, text)).length, 1, text);
  assert.deepEqual(await found(rig, '4711'), []);
});

test('RFC 7865: joined by the session’s id, by ids in extensions, a recording id, and a Call-ID; first the INVITE, then the events', async (t) => {
  const rig = await linked(t, '46050-46099', {}, ['+sip.src']);
  const { fake, client } = rig;
  const leg = await Leg.open(0x6002);
  t.after(() => leg.close());
  const sdp = () => sdpText([{ port: leg.port, label: '1' }]);
  const byId = fake.newCall({ from: '5001', to: '5002' });
  const ids = newIds();
  ids.session = Buffer.from(byId.id.replaceAll('-', ''), 'hex').toString('base64');
  const byExtension = fake.newCall({ from: '5003', to: '5004' });
  const metadata = fullMetadata(newIds());
  metadata.sessions[0]!.extensions = `<ac:GenesysUUID xmlns:ac="x">${byExtension.id}</ac:GenesysUUID>`;
  const byRecording = fake.newCall({ from: '5005', to: '5006' });
  const other = fullMetadata(newIds());
  other.extensions = '<d:recordingId xmlns:d="y">rec-of-mine</d:recordingId>';
  const bySipCallId = fake.newCall({ from: '5007', to: '5008', sipCallIds: ['of-a-dialog@switch.example.com'] });
  const own = fullMetadata(newIds());
  own.sessions[0]!.extensions = callExtension({
    ...{ callUuid: '', connId: '', ani: '', dnis: '', recordedDn: null, recordingId: '', purpose: '' },
    ...{ sipCallIds: bySipCallId.sipCallIds, params: new Map(), userData: new Map() },
  });
  const calls: [CallView, string][] = [];
  for (const [call, xml] of [
    [byId, buildMetadata(fullMetadata(ids))],
    [byExtension, buildMetadata(metadata)],
    [byRecording, buildMetadata(other)],
    [bySipCallId, buildMetadata(own)],
  ] as const) {
    const { session } = await client.call(withMetadata(sdp(), xml));
    calls.push([call, session.callId]);
  }
  for (const [call] of calls) fake.establish(call.id);
  await fake.startRecording(byRecording.id, { record: 'source', id: 'rec-of-mine', actor: 'test' });
  for (const [call, callId] of calls) {
    const { connId } = await until(`call ${call.ani}`, () => recordingsOf(rig.server, callId)[0]?.cti);
    assert.equal(connId, call.connId);
  }
});

test('a link that is lost and back again: what happened meanwhile is stored, even of a recording that has ended', async (t) => {
  const rig = await linked(t, '46100-46149');
  const { fake, way, server } = rig;
  const call = fake.newCall({ from: '5001', to: '5002', agents: { 5002: 'anna' } });
  fake.establish(call.id);
  await rig.told(4);
  const recorded = await record(rig, call);
  recorded.leg.send(recorded.port, 5);
  await packetsSeen(server, 'received', 5);
  way.cut();
  await until('the loss', async () => (await metric(server, 'doubletrack_cti_up')) === 0);
  fake.attach(call.id, { outcome: 'sold' });
  await recorded.session.bye();
  recorded.leg.close();
  const { recording } = await finished(server, recorded.session.callId);
  assert.deepEqual(recording.cti?.userData, {});
  fake.attach(call.id, { rating: '5' });
  fake.release(call.id);
  way.mend();
  const later = await until('data of the lost time', () => {
    const cti = ctiOf(rig, recorded);
    return cti?.userData.rating ? cti : null;
  });
  assert.deepEqual(later.userData, { outcome: 'sold', rating: '5' });
  assert.equal((await found(rig, 'sold')).length, 1);
  await rig.told(10);
  assert.deepEqual(
    [await metric(server, 'doubletrack_cti_losses_total'), await metric(server, 'doubletrack_cti_gaps_total')],
    [1, 0],
  );
  assert.equal(await metric(server, 'doubletrack_cti_events_total'), 10, 'each once');
});

test('followPause: what the switch pauses is paused here, by GSIP_RECORD and of one recording session alone', async (t) => {
  const rig = await linked(t, '46150-46199', { ctiFollowPause: true });
  const { fake, server } = rig;
  const call = fake.newCall({ from: '5001', to: '5002' });
  fake.establish(call.id);
  const own = await fake.startRecording(call.id, { record: 'source', id: 'own', actor: 'test' });
  await fake.startRecording(call.id, { record: 'source', id: 'others', actor: 'test' });
  const recorded = await record(rig, call, own[0]!.id);
  const { id } = await sessionOf(server, recorded.session.callId);
  const isPaused = (paused: boolean) =>
    until(`paused: ${paused}`, async () => (await sessionOf(server, recorded.session.callId)).paused === paused);
  const ask = { actor: 'agent', reason: 'test' };
  recorded.leg.send(recorded.port, 10);
  await packetsSeen(server, 'received', 10);
  await fake.pauseRecording(call.id, { ...ask, recording: 'own' });
  await isPaused(true);
  recorded.leg.send(recorded.port, 7);
  await packetsSeen(server, 'paused', 7);
  await fake.resumeRecording(call.id, { ...ask, recording: 'own' });
  await isPaused(false);
  await fake.pauseRecording(call.id, { ...ask, recording: 'others' });
  fake.attach(call.id, { mark: '1' });
  await until('the mark', () => ctiOf(rig, recorded)?.userData.mark);
  assert.equal((await sessionOf(server, recorded.session.callId)).paused, false, 'another one is paused, not this');
  await fake.pauseRecording(call.id, { ...ask, recording: 'own' });
  await isPaused(true);
  await fake.resumeRecording(call.id, ask);
  await isPaused(false);
  // Paused by an operator here, it is not the switch's to resume.
  assert.equal((await control(rig, id, 'pause')).status, 200);
  await fake.pauseRecording(call.id, ask);
  await fake.resumeRecording(call.id, ask);
  fake.attach(call.id, { mark: '2' });
  await until('the mark', () => ctiOf(rig, recorded)?.userData.mark === '2');
  assert.equal((await sessionOf(server, recorded.session.callId)).paused, true);
  await recorded.session.bye();
  recorded.leg.close();
  const { manifest } = await finished(server, recorded.session.callId);
  const said = manifest.pauses.map(({ type, actor }) => [type, actor]);
  assert.deepEqual(said.slice(0, 2), [
    ['pause', 'CTI link'],
    ['resume', 'CTI link'],
  ]);
  assert.deepEqual(said.at(-1), ['pause', 'supervisor 12']);
  assert.equal(manifest.recording.streams[0]!.packets.paused, 7);
});

test('askPause: an operator’s pause here is asked of the switch too; when it cannot be, the recording says so', async (t) => {
  const rig = await linked(t, '46200-46249', { ctiAskPause: true });
  const { fake, server, way } = rig;
  const call = fake.newCall({ from: '5001', to: '5002' });
  fake.establish(call.id);
  await fake.startRecording(call.id, { record: 'source', id: 'own', actor: 'test' });
  await rig.told(5);
  const recorded = await record(rig, call, 'own');
  const { id } = await sessionOf(server, recorded.session.callId);
  assert.equal((await control(rig, id, 'pause')).status, 200);
  const asked = await until('the request', () => fake.done.find(({ what }) => what === 'pause'));
  const { actor, ...rest } = asked.request as { actor: string; reason: string };
  assert.match(actor, /^CTI client/);
  assert.deepEqual(rest, { recording: 'own', reason: 'actor=supervisor 12; reason=card number' });
  assert.equal((await control(rig, id, 'resume')).status, 200);
  await until('the request', () => fake.done.find(({ what }) => what === 'resume'));
  way.cut();
  await until('the loss', async () => (await metric(server, 'doubletrack_cti_up')) === 0);
  assert.equal((await control(rig, id, 'pause')).status, 200);
  await recorded.session.bye();
  recorded.leg.close();
  const { recording } = await finished(server, recorded.session.callId);
  assert.ok(recording.warnings.includes('the switch was not told to pause: the CTI link is down'));
});

test('dynamic recording: HTTP here has the switch record a call; what it refuses is told', async (t) => {
  const rig = await linked(t, '46350-46399');
  const { fake, server, way } = rig;
  const call = fake.newCall({ from: '5001', to: '5002' });
  const ask = async (more: object) => {
    const answer = await fetch(`${server.http}/api/v1/cti/record`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ actor: 'supervisor 12', reason: 'complaint', ...more }),
    });
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  };
  const started = await ask({ call: call.id.replaceAll('-', ''), record: 'destination', id: 'of-mine' });
  assert.deepEqual([started.status, started.body], [200, { sessions: [{ id: 'of-mine', recorder: 'first' }] }]);
  const { actor: _, ...request } = fake.done[0]!.request as { actor: string };
  assert.deepEqual(request, { record: 'destination', id: 'of-mine' });
  assert.equal((await ask({ call: call.connId })).status, 200);
  assert.equal((await ask({ call: 'f'.repeat(16) })).status, 404);
  assert.equal((await ask({ call: 'f'.repeat(17) })).status, 400);
  fake.hasRecorder = false;
  assert.equal((await ask({ call: call.connId })).status, 503);
  way.cut();
  await until('the loss', async () => (await metric(server, 'doubletrack_cti_up')) === 0);
  assert.deepEqual((await ask({ call: call.connId })).body.detail, 'the CTI link is down');
});

test('after a crash: what was told stands in the journal, and the recovered recording has it', async (t) => {
  const rig = await linked(t, '46250-46299');
  const undo = undoing(t);
  const { fake, server } = rig;
  const call = fake.newCall({ from: '5001', to: '5002', agents: { 5001: 'bert' } });
  fake.establish(call.id);
  await rig.told(4);
  const recorded = await record(rig, call);
  recorded.leg.send(recorded.port, 20);
  await packetsSeen(server, 'received', 20);
  fake.attach(call.id, { order: 'in-the-journal' });
  const journal = () => globSync(path.join(server.data, 'journal', '**', '*'), { withFileTypes: true });
  await until('the note on disk', () => {
    const files = journal().filter((entry) => entry.isFile());
    return files.some((entry) => readFileSync(path.join(entry.parentPath, entry.name)).includes('in-the-journal'));
  });
  // What a server that is killed now leaves behind, without the catalogue.
  const data = newFolder();
  undo(() => rmSync(data, { recursive: true, force: true }));
  cpSync(server.data, data, { recursive: true });
  for (const file of globSync(path.join(data, 'catalogue*'))) rmSync(file);
  const again = await startServer('46300-46349', { data });
  undo(() => stopServer(again));
  const { recording } = await finished(again, recorded.session.callId);
  assert.deepEqual([recording.recovered, recording.cti?.userData], [true, { order: 'in-the-journal' }]);
  assert.deepEqual(recording.cti?.agents, [{ agentId: 'bert', dn: '5001' }]);
  assert.equal(again.server.catalogue.search({ text: 'journal bert' }).items.length, 1);
  await recorded.session.bye();
  recorded.leg.close();
});
