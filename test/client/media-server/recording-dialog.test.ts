/** RFC 7866 within the dialog: what the recorder is told, in which requests, and what it may ask for. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { inspect } from 'node:util';
import type { PartyView } from '../../../src/client/conversation.ts';
import { type RecordingEnd, RecordingSession } from '../../../src/client/media-server/recording-session.ts';
import type { SipEndpointOptions, SipRequest } from '../../../src/sip/index.ts';
import {
  applyMetadata,
  METADATA_CONTENT_TYPE,
  type RsMetadata,
  readBodies,
  requestSnapshot,
  splitMultipart,
} from '../../../src/siprec/index.ts';
import { until } from '../../media/loopback.ts';
import { assertValid, withoutXmllint } from '../../siprec/schema.ts';
import { offerOf, TestRecorder } from './recorder.ts';
import { ConversationRig, partyView } from './rig.ts';

/** More than a sink that is removed waits for what is under way. */
const LAST_PACKETS_MS = 250;

async function start(t: TestContext, options: Partial<SipEndpointOptions> = {}, more: object = {}) {
  const rig = await ConversationRig.start(t);
  const recorder = await TestRecorder.start(t, options);
  const session = await RecordingSession.start(rig.options({ uri: recorder.uri, ...more }));
  return { rig, recorder, session, parties: rig.view.parties as [PartyView, PartyView] };
}

const metadataOf = (request: SipRequest) => readBodies(request.contentType, request.body).metadata;

/** All that a recorder knows which takes one request after the other. */
function known(requests: SipRequest[]): RsMetadata {
  return requests.reduce<RsMetadata | null>((before, request) => {
    const update = metadataOf(request);
    return update === null ? before : applyMetadata(before, update);
  }, null)!;
}

function xmlOf(request: SipRequest): Uint8Array {
  const { contentType = '', body } = request;
  if (!contentType.startsWith('multipart/')) return body;
  return splitMultipart(contentType, body).find((part) => part.contentType === METADATA_CONTENT_TYPE)!.content;
}

test('RFC 7866 section 6.1.1: every request of a recording session is marked as one, and says what it has to', {
  skip: withoutXmllint,
}, async (t) => {
  const { rig, recorder, session, parties } = await start(t);
  const [a, b] = parties;
  session.update({ ...rig.view, parties: [{ ...a, isHeld: true }, b] });
  const held = await recorder.request('UPDATE');
  await rig.join();
  session.update({ ...rig.view, parties: [a, b, partyView(3)] });
  const joined = await recorder.request('INVITE', 1);
  await session.pause();
  await session.resume();
  await session.stop('normal');
  const bye = await recorder.request('BYE');
  const first = await recorder.request('INVITE');

  assert.ok(first.lists('require', 'siprec'));
  for (const request of recorder.requests.filter(({ method }) => method !== 'BYE')) {
    assert.match(request.header('contact') ?? '', /;\+sip\.src/, request.method);
  }
  assert.match(first.contentType!, /^multipart\/mixed;/);
  assert.equal(metadataOf(first)!.dataMode, 'complete');
  assert.deepEqual(
    offerOf(first)!.media.map(({ direction, label }) => [direction, label]),
    [
      ['sendonly', '1'],
      ['sendonly', '2'],
    ],
  );
  assert.equal(held.header('content-disposition'), 'recording-session');
  assert.deepEqual([metadataOf(held)!.dataMode, offerOf(held)], ['partial', null]);
  assert.deepEqual(
    offerOf(joined)!.media.map(({ label }) => label),
    ['1', '2', '3'],
  );
  assert.equal(metadataOf(joined)!.streams[0]!.label, '3');
  const directions = async (n: number) =>
    offerOf(await recorder.request('INVITE', n))!.media.map(({ direction }) => direction);
  assert.deepEqual(await directions(2), ['inactive', 'inactive', 'inactive']);
  assert.deepEqual(await directions(3), ['sendonly', 'sendonly', 'sendonly']);
  assert.ok(metadataOf(bye)!.sessions[0]!.stopTime);
  const documents = recorder.requests.filter((request) => metadataOf(request) !== null).map(xmlOf);
  assert.ok(documents.length >= 4);
  assertValid(documents);
});

test('RFC 7866 section 8.2.2: a snapshot comes within 200 ms, in a request of its own, with the description of its labels', async (t) => {
  const { rig, recorder, session, parties } = await start(t);
  const [a, b] = parties;
  session.update({ ...rig.view, parties: [{ ...a, isHeld: true }, b] });
  await recorder.request('UPDATE');
  const before = performance.now();
  const body = { contentType: METADATA_CONTENT_TYPE, content: Buffer.from(requestSnapshot('lost')) };
  const headers: [string, string][] = [['Content-Disposition', 'recording-session']];
  const { status, body: said } = await recorder.session!.request('UPDATE', { body, headers });
  assert.deepEqual([status, said.length], [200, 0]);
  const snapshot = await recorder.request('UPDATE', 1);
  const tookMs = performance.now() - before;
  assert.ok(tookMs < 200, `${tookMs} ms`);
  assert.equal(metadataOf(snapshot)!.dataMode, 'complete');
  assert.equal(offerOf(snapshot)!.media.length, 2);
  const earlier = recorder.requests.filter((request) => request !== snapshot);
  const plain = (metadata: RsMetadata) => new Set(metadata.participantStreams.map((one) => JSON.stringify(one)));
  assert.deepEqual(plain(metadataOf(snapshot)!), plain(known(earlier)));
  await session.stop('over');
});

test('a recorder that asks for snapshots without end gets ten in a second', async (t) => {
  const { recorder, session } = await start(t);
  const body = { contentType: METADATA_CONTENT_TYPE, content: Buffer.from(requestSnapshot('more')) };
  const end = performance.now() + 1_000;
  let asked = 0;
  while (performance.now() < end) {
    const { status } = await recorder.session!.request('UPDATE', { body });
    if (status === 200) asked += 1;
  }
  const given = recorder.requests.filter(({ method }) => method === 'UPDATE').length;
  assert.ok(asked > 20 && given >= 5 && given <= 12, `${given} of ${asked}`);
  await session.stop('over');
});

test('RFC 3264 section 8: a recorder that moves gets the rest where it has moved to; one that asks too much is refused', async (t) => {
  const { rig, recorder, session } = await start(t);
  await rig.talk(5);
  await until(() => recorder.receivers[0]!.packets.length === 5, 'the first packets');
  const moved = recorder.receivers[2]!;
  const { response } = await recorder.offer('UPDATE', [{ port: moved.port }, { direction: 'inactive' }]);
  assert.equal(response.status, 200);
  await rig.talk(5);
  await until(() => moved.packets.length === 5, 'the packets after the move');
  // Where it was before still gets what was under way, and then nothing.
  const before = recorder.receivers[0]!.packets.length;
  await delay(LAST_PACKETS_MS);
  await rig.talk(5);
  await until(() => moved.packets.length === 10, 'more packets');
  assert.equal(recorder.receivers[0]!.packets.length, before);
  const refused = await recorder.offer('INVITE', [{}]);
  assert.equal(refused.response.status, 488);
  const added = await recorder.offer('INVITE', [{}, {}, {}]);
  assert.deepEqual(
    added.sdp!.media.map(({ port }) => port > 0),
    [true, true, false],
  );
  await session.stop('over');
});

test('RFC 3261 section 14.2: a re-INVITE without an offer gets ours, and its ACK is the answer', async (t) => {
  const { rig, recorder, session } = await start(t);
  const { status, contentType, body } = await recorder.session!.request('INVITE');
  assert.equal(status, 200);
  const { offer, metadata } = readBodies(contentType, body);
  assert.equal(offer!.media.length, 2);
  assert.equal(metadata!.dataMode, 'complete');
  // The stack's own ACK has no answer: that is a recorder that has broken off.
  await until(() => session.state === 'ended', 'the end');
  assert.ok(rig.log.some(({ facts }) => inspect(facts).includes('its ACK has no answer')));
});

test('RFC 3261 section 14.1: offers of both that cross are both made good', async (t) => {
  const { rig, recorder, session, parties } = await start(t);
  await rig.join();
  for (let round = 0; round < 3; round++) {
    const isJoined = round % 2 === 0;
    session.update({ ...rig.view, parties: isJoined ? [...parties, partyView(3)] : [...parties] });
    const lines = Array.from({ length: round === 0 ? 2 : 3 }, () => ({}));
    await recorder.offer('INVITE', lines).catch(() => {});
  }
  await until(() => known(recorder.requests).participants.length === 4, 'all updates', 20_000);
  await rig.talk(5);
  await until(() => recorder.receivers[2]!.packets.length > 0, 'the third stream', 10_000);
  assert.equal(session.state, 'recording');
  await session.stop('over');
});

test('RFC 3311 section 4: a recorder that does not allow UPDATE is told by re-INVITE', async (t) => {
  const allow = ['INVITE', 'ACK', 'CANCEL', 'BYE', 'OPTIONS'];
  const { rig, recorder, session, parties } = await start(t, { allow });
  session.update({ ...rig.view, parties: [{ ...parties[0], isHeld: true }, parties[1]] });
  const told = await recorder.request('INVITE', 1);
  assert.equal(metadataOf(told)!.dataMode, 'partial');
  assert.equal(offerOf(told)!.origin!.version, offerOf(await recorder.request('INVITE'))!.origin!.version);
  await session.stop('over');
});

test('RFC 7866 section 8.1: a recorder that refuses an update is told everything after it', async (t) => {
  const { rig, recorder, session, parties } = await start(t);
  const answer = recorder.session!.onReInvite;
  recorder.session!.onReInvite = () => ({ status: 500 });
  session.update({ ...rig.view, parties: [{ ...parties[0], isHeld: true }, parties[1]] });
  await until(() => rig.log.some(({ message }) => message === 'the recorder has refused a change'), 'the refusal');
  recorder.session!.onReInvite = answer;
  session.update({ ...rig.view, userData: { a: 'b' } });
  assert.equal(metadataOf(await recorder.request('UPDATE'))!.dataMode, 'complete');
  await session.stop('over');
});

test("a recorder's BYE ends the recording, and nothing is sent any more", async (t) => {
  const { rig, recorder, session } = await start(t);
  const ends: RecordingEnd[] = [];
  session.onEnded = (end) => ends.push(end);
  await rig.talk(5);
  await until(() => recorder.receivers[0]!.packets.length === 5, 'the first packets');
  await recorder.session!.bye();
  await until(() => ends.length > 0, 'the end');
  assert.deepEqual(
    ends.map(({ by }) => by),
    ['recorder'],
  );
  await until(() => session.view().state === 'ended', 'the state');
  await delay(LAST_PACKETS_MS);
  await rig.talk(5);
  session.update(rig.view);
  await session.pause();
  await session.stop('again');
  assert.equal(recorder.receivers[0]!.packets.length, 5);
  assert.equal(ends.length, 1);
});

test('RFC 4568: no log and no view has a key, or what it is made of', async (t) => {
  const rig = await ConversationRig.start(t);
  const recorder = await TestRecorder.start(t);
  const keys: string[] = [];
  recorder.take = (invite) => {
    for (const media of offerOf(invite.request)!.media) {
      keys.push(/inline:([A-Za-z0-9+/=]+)/.exec(media.attribute('crypto')!)![1]!);
    }
    recorder.line = (_, i) => ({ attributes: [`crypto:1 AES_CM_128_HMAC_SHA1_80 inline:${keys[i]}`] });
    recorder.accept(invite);
  };
  const srtp = 'AES_CM_128_HMAC_SHA1_80';
  const session = await RecordingSession.start(rig.options({ uri: recorder.uri, srtp }));
  assert.equal(new Set(keys).size, 2);
  recorder.mend = () => 'v=0\r\nm=audio 9 RTP/SAVP 8\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:bad\r\n';
  await session.pause();
  await until(() => session.state === 'ended', 'the end');
  const shown = [rig.log, session, session.view()].map((one) => inspect(one, { depth: 20, showHidden: true })).join();
  for (const key of keys) {
    assert.ok(!shown.includes(key));
    assert.ok(!shown.includes(Buffer.from(key, 'base64').toString('hex')));
  }
});
