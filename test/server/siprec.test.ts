/** RFC 7866 as the recording server keeps it: what is answered, and what becomes of it in the recording. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { stopMetadata } from '../../src/client/caller/metadata.ts';
import { parseSdp, type Sdp } from '../../src/sdp/index.ts';
import { buildMetadata, emptyMetadata, parseSnapshotRequest } from '../../src/siprec/index.ts';
import {
  Client,
  finished,
  fullMetadata,
  Leg,
  type Line,
  metadataOnly,
  newIds,
  PARTIES,
  packetCount,
  packetsSeen,
  requestsOf,
  type Server,
  sdpOnly,
  sdpText,
  sessionOf,
  startServer,
  stopServer,
  until,
  withMetadata,
} from './rig.ts';

let server: Server;
let client: Client;
let legs: [Leg, Leg];

before(async () => {
  server = await startServer('41000-41399');
  client = await Client.start(server);
  legs = [await Leg.open(0x1001), await Leg.open(0x1002)];
});
after(async () => {
  for (const leg of legs) leg.close();
  await client.close();
  await stopServer(server);
});

const lines = (changes: Partial<Line>[] = []): Line[] =>
  ['1', '2'].map((label, i) => ({ port: legs[i]!.port, label, ...changes[i] }));

/** Sends on both legs and waits until the lane has it. */
async function talk(answer: Sdp, packets: number): Promise<void> {
  const before = await packetCount(server, 'received');
  let sent = 0;
  for (const [i, media] of answer.media.entries()) {
    if (media.port === 0 || !legs[i]) continue;
    legs[i].send(media.port, packets);
    sent += packets;
  }
  await packetsSeen(server, 'received', before + sent);
}

const directions = (sdp: Sdp) => sdp.media.map((media) => (media.port === 0 ? 'off' : media.direction));

test('RFC 7866 6.1.2, 7.2: +sip.srs in Contact, recvonly, labels kept, participants on their channels', async () => {
  const { session, response, answer } = await client.call(
    withMetadata(sdpText(lines()), buildMetadata(fullMetadata(newIds()))),
  );
  assert.equal(response.contact?.params.has('+sip.srs'), true);
  assert.deepEqual(directions(answer), ['recvonly', 'recvonly']);
  assert.deepEqual(
    answer.media.map((media) => media.label),
    ['1', '2'],
  );
  await talk(answer, 20);
  await session.bye();
  const { recording } = await finished(server, session.callId);
  assert.deepEqual(recording.warnings, []);
  assert.deepEqual(
    recording.participants.map(({ aor, channel }) => [aor, channel]),
    [
      [PARTIES[0].aor, 0],
      [PARTIES[1].aor, 1],
    ],
  );
  assert.deepEqual(
    recording.streams.map(({ label, channel, codec, ssrcs, packets }) => [
      label,
      channel,
      codec,
      ssrcs,
      packets.received,
    ]),
    [
      ['1', 0, 'PCMA', [0x1001], 20],
      ['2', 1, 'PCMA', [0x1002], 20],
    ],
  );
});

for (const [how, hold] of [
  ['inactive', { direction: 'inactive' }],
  ['c=0.0.0.0', { address: '0.0.0.0' }],
] as const) {
  test(`RFC 7866 7.1.1.1: hold by ${how}, and resumed on the same ports`, async () => {
    const { session, answer } = await client.call(sdpOnly(sdpText(lines())));
    await talk(answer, 10);
    const held = parseSdp((await session.request('INVITE', { body: sdpOnly(sdpText(lines([hold, hold]))) })).body);
    assert.deepEqual(directions(held), ['inactive', 'inactive']);
    const stranger = await Leg.open(0x6666);
    stranger.send(held.media[0]!.port, 5, 0x11);
    stranger.close();
    for (const leg of legs) leg.sequence += 50; // the recording client goes on counting, and sends nothing
    const back = parseSdp((await session.request('INVITE', { body: sdpOnly(sdpText(lines())) })).body);
    assert.deepEqual(directions(back), ['recvonly', 'recvonly']);
    assert.deepEqual(
      back.media.map((media) => media.port),
      answer.media.map((media) => media.port),
    );
    await talk(back, 10);
    await session.bye();
    const { recording, manifest } = await finished(server, session.callId);
    for (const { packets, ssrcs } of recording.streams) {
      assert.equal(ssrcs.length, 1, 'a stranger must not become the source of a stream on hold');
      const { expected, received, lost, paused } = packets;
      assert.deepEqual({ expected, received, lost, paused }, { expected: 70, received: 20, lost: 0, paused: 50 });
    }
    const pauses = manifest.pauses.map(({ type, scope, stream }) => [type, scope, stream]);
    assert.deepEqual(pauses, [
      ['pause', 'signalling', 0],
      ['pause', 'signalling', 1],
      ['resume', 'signalling', 0],
      ['resume', 'signalling', 1],
    ]);
  });
}

test('RFC 3264 8.3.1: a new port of the recording client in a re-INVITE becomes the source', async () => {
  const { session, answer } = await client.call(sdpOnly(sdpText(lines())));
  await talk(answer, 10);
  const moved = await Leg.open(0x1003);
  const body = sdpOnly(sdpText(lines([{ port: moved.port }])));
  const again = parseSdp((await session.request('INVITE', { body })).body);
  assert.equal(again.media[0]!.port, answer.media[0]!.port);
  const seen = await packetCount(server, 'received');
  moved.send(again.media[0]!.port, 15);
  await packetsSeen(server, 'received', seen + 15);
  moved.close();
  await session.bye();
  const { recording } = await finished(server, session.callId);
  assert.deepEqual(
    recording.streams.map(({ ssrcs, packets }) => [ssrcs, packets.received]),
    [
      [[0x1001, 0x1003], 25],
      [[0x1002], 10],
    ],
  );
});

test('RFC 3264 8.1, 8.2: a stream is removed with port 0, and another is added', async () => {
  const { session, answer } = await client.call(sdpOnly(sdpText(lines())));
  await talk(answer, 10);
  const without = sdpOnly(sdpText(lines([{}, { port: 0 }])));
  const less = parseSdp((await session.request('INVITE', { body: without })).body);
  assert.deepEqual(directions(less), ['recvonly', 'off']);
  assert.equal((await sessionOf(server, session.callId)).streams.length, 1);
  const third = await Leg.open(0x1004);
  const more = [...lines([{}, { port: 0 }]), { port: third.port, label: '3' }];
  const added = parseSdp((await session.request('INVITE', { body: sdpOnly(sdpText(more)) })).body);
  assert.deepEqual(directions(added), ['recvonly', 'off', 'recvonly']);
  const seen = await packetCount(server, 'received');
  third.send(added.media[2]!.port, 12);
  await packetsSeen(server, 'received', seen + 12);
  third.close();
  await session.bye();
  const { recording } = await finished(server, session.callId);
  assert.deepEqual(
    recording.streams.map(({ label, channel, packets }) => [label, channel, packets.received]),
    [
      ['1', 0, 10],
      ['2', 1, 10],
      ['3', 1, 12],
    ],
  );
});

test('RFC 3264 8.3.2: another codec in a re-INVITE', async () => {
  const { session, answer } = await client.call(sdpOnly(sdpText(lines())));
  await talk(answer, 5);
  const mu = { formats: ['0 PCMU/8000'] };
  const changed = parseSdp((await session.request('INVITE', { body: sdpOnly(sdpText(lines([mu, mu]))) })).body);
  assert.deepEqual(
    changed.media.map((media) => media.formats),
    [['0'], ['0']],
  );
  const seen = await packetCount(server, 'received');
  for (const [i, leg] of legs.entries()) leg.send(changed.media[i]!.port, 25, 0xff, 0);
  await packetsSeen(server, 'received', seen + 50);
  await session.bye();
  const { recording } = await finished(server, session.callId);
  assert.deepEqual(
    recording.streams.map(({ codec, packets }) => [codec, packets.received, packets.lost]),
    [
      ['PCMU', 30, 0],
      ['PCMU', 30, 0],
    ],
  );
});

test('a stream without packets is of the codec that was offered first', async () => {
  const { session } = await client.call(
    sdpOnly(
      sdpText(lines([{ formats: ['8 PCMA/8000', '0 PCMU/8000'] }, { formats: ['18 G729/8000', '8 PCMA/8000'] }])),
    ),
  );
  await session.bye();
  const { recording } = await finished(server, session.callId);
  assert.deepEqual(
    recording.streams.map(({ codec }) => codec),
    ['PCMA', 'PCMA'],
  );
});

test('RFC 7866 9.1: metadata alone in an UPDATE, partial, changes what is known', async () => {
  const ids = newIds();
  const { session } = await client.call(withMetadata(sdpText(lines()), buildMetadata(fullMetadata(ids))));
  const update = emptyMetadata('partial');
  const id = ids.participants[1];
  update.participants.push({
    id,
    aor: 'sip:second-agent@example.com',
    name: 'Second',
    nameIds: [{ aor: 'sip:second-agent@example.com', name: 'Second' }],
    sessions: [],
    extensions: '',
  });
  const response = await session.request('UPDATE', { body: metadataOnly(buildMetadata(update)) });
  assert.equal(response.status, 200);
  assert.equal(response.body.length, 0);
  const live = await sessionOf(server, session.callId);
  assert.deepEqual(
    live.participants.map(({ aor, channel }) => [aor, channel]),
    [
      [PARTIES[0].aor, 0],
      ['sip:second-agent@example.com', 1],
    ],
  );
  await session.bye();
  const { recording } = await finished(server, session.callId);
  assert.equal(recording.participants[1]!.aor, 'sip:second-agent@example.com');
});

test('RFC 7866 8.2.2, 9.2: a partial update without a full one before is answered by a snapshot request in an UPDATE', async () => {
  const { session } = await client.call(sdpOnly(sdpText(lines())), [
    ['Accept', 'application/sdp, application/rs-metadata-request'],
  ]);
  const requests = requestsOf(session);
  const ids = newIds();
  const partial = { ...fullMetadata(ids), dataMode: 'partial' as const };
  partial.participants.pop();
  assert.equal((await session.request('UPDATE', { body: metadataOnly(buildMetadata(partial)) })).status, 200);
  const request = await until('the snapshot request', () => requests[0]);
  assert.equal(request.method, 'UPDATE');
  assert.equal(request.header('Content-Disposition'), 'recording-session');
  assert.ok(parseSnapshotRequest(request.body) !== null);
  assert.equal((await session.request('UPDATE', { body: metadataOnly(buildMetadata(fullMetadata(ids))) })).status, 200);
  assert.equal((await sessionOf(server, session.callId)).participants.length, 2);
  await session.bye();
  assert.equal(requests.length, 1);
});

test('RFC 8068: metadata in the BYE ends up in the manifest', async () => {
  const ids = newIds();
  const { session } = await client.call(withMetadata(sdpText(lines()), buildMetadata(fullMetadata(ids))));
  await session.bye({ body: metadataOnly(buildMetadata(stopMetadata(ids, '2024-01-01T00:05:00Z'))) });
  const { manifest, recording } = await finished(server, session.callId);
  const metadata = manifest.metadata as ReturnType<typeof emptyMetadata>;
  assert.equal(metadata.sessions[0]!.stopTime, '2024-01-01T00:05:00Z');
  assert.equal(recording.participants.length, 2);
  assert.deepEqual(manifest.end?.by, 'remote');
});

test('RFC 3261 21.4.26: 488 to an offer with nothing that can be recorded, and a session survives such a re-INVITE', async () => {
  const video: Line[] = [{ kind: 'video', port: 5004, formats: ['96 H264/90000'] }];
  assert.equal((await client.refused(sdpOnly(sdpText(video)))).status, 488);
  const secure = lines().map((line) => ({ ...line, protocol: 'RTP/SAVP' }));
  assert.equal((await client.refused(sdpOnly(sdpText(secure)))).status, 488);
  const { session, answer } = await client.call(sdpOnly(sdpText(lines())));
  await talk(answer, 5);
  for (const offer of [sdpText(secure), sdpText([]), 'v=0\r\nm=audio\r\n']) {
    assert.equal((await session.request('INVITE', { body: sdpOnly(offer) })).status, 488, offer);
  }
  await talk(answer, 5);
  const again = await session.request('INVITE', { body: sdpOnly(sdpText(lines())) });
  assert.deepEqual(directions(parseSdp(again.body)), ['recvonly', 'recvonly']);
  await session.bye();
  const { recording } = await finished(server, session.callId);
  assert.deepEqual(
    recording.streams.map(({ packets }) => packets.received),
    [10, 10],
  );
});

test('RFC 7866 7.1.1: labels are those of the message; a changed one keeps its channel', async () => {
  const ids = newIds();
  const { session } = await client.call(withMetadata(sdpText(lines()), buildMetadata(fullMetadata(ids))));
  const metadata = fullMetadata(ids);
  metadata.streams[0]!.label = 'a';
  metadata.streams[1]!.label = 'b';
  const body = withMetadata(sdpText(lines([{ label: 'a' }, { label: 'b' }])), buildMetadata(metadata));
  const again = parseSdp((await session.request('INVITE', { body })).body);
  assert.deepEqual(
    again.media.map((media) => media.label),
    ['a', 'b'],
  );
  await session.bye();
  const { recording } = await finished(server, session.callId);
  assert.deepEqual(
    recording.participants.map(({ channel }) => channel),
    [0, 1],
  );
  assert.deepEqual(
    recording.warnings.filter((text) => text.includes('label')),
    [],
  );
});

test('RFC 3261 14.2: a re-INVITE without an offer is offered what is agreed, and the ACK may move a stream', async () => {
  const { session, answer } = await client.call(sdpOnly(sdpText(lines([{ direction: 'inactive' }]))));
  const response = await session.request('INVITE');
  const offer = parseSdp(response.body);
  assert.deepEqual(directions(offer), ['recvonly', 'recvonly']);
  assert.deepEqual(
    offer.media.map((media) => media.port),
    answer.media.map((media) => media.port),
  );
  await session.bye();
});

test('packets of another source than the signalled one are not recorded, and the recording says so', async () => {
  const { session, answer } = await client.call(sdpOnly(sdpText(lines([{ address: '127.0.0.9' }]))));
  const seen = await packetCount(server, 'unauthorised');
  legs[0].send(answer.media[0]!.port, 7);
  await packetsSeen(server, 'unauthorised', seen + 7);
  await session.bye();
  const { recording } = await finished(server, session.callId);
  assert.equal(recording.streams[0]!.packets.received, 0);
  const [warning] = recording.warnings.filter((text) => text.includes('learnSource'));
  assert.ok(warning?.startsWith('stream 1: 7 packets from another source than the signalled 127.0.0.9:'), warning);
});
