/** Genesys Media Stream Replication: plain INVITEs, the facts of which stand in the Request-URI and in X-Genesys-* headers. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { parseSdp, type Sdp } from '../../src/sdp/index.ts';
import type { SipSession } from '../../src/sip/index.ts';
import { buildMetadata } from '../../src/siprec/index.ts';
import {
  type Body,
  Client,
  finished,
  fullMetadata,
  Leg,
  newIds,
  PARTIES,
  packetCount,
  packetsSeen,
  recordingsOf,
  type Server,
  sdpOnly,
  sdpText,
  sessions,
  startServer,
  stopServer,
  withMetadata,
} from './rig.ts';

let server: Server;
let client: Client;
let recorderClient: Client;
let legs: [Leg, Leg];

before(async () => {
  server = await startServer('41400-41799');
  client = await Client.start(server, []);
  recorderClient = await Client.start(server);
  legs = [await Leg.open(0x2001), await Leg.open(0x2002)];
});
after(async () => {
  for (const leg of legs) leg.close();
  await client.close();
  await recorderClient.close();
  await stopServer(server);
});

const GVP = '3A1CB0F6-6D42-4B41-A2B0-1C2D3E4F5A6B;gvp.rm.datanodes=2|1;gvp.rm.tenant-id=1.102_MSML_PROFILE';
const HEADERS: [string, string][] = [
  ['X-Genesys-GVP-Session-ID', GVP],
  ['X-Genesys-RM-Application-dbid', '105'],
  ['X-Genesys-Some-New-Header', 'kept too'],
];

interface Invited {
  session: SipSession;
  answer: Sdp;
}

async function invite(params: string, id: string, body?: Body, answer?: (sdp: Sdp) => Body): Promise<Invited> {
  const { session, response } = await client.endpoint.invite({
    to: `sip:record=${id}@127.0.0.1:${server.udpPort};${params}`,
    from: '<sip:Genesys@127.0.0.1:7090>',
    headers: HEADERS,
    ...(body ? { body } : {}),
    ...(answer ? { answer: (ok) => answer(parseSdp(ok.body)) } : {}),
  }).answered;
  return { session, answer: parseSdp(response.body) };
}

async function send(leg: Leg, port: number, packets: number): Promise<void> {
  const seen = await packetCount(server, 'received');
  leg.send(port, packets);
  await packetsSeen(server, 'received', seen + packets);
}

const line = (leg: Leg) => sdpOnly(sdpText([{ port: leg.port }]));

const onChannels = (participants: { aor: string | null; channel: number | null }[]) =>
  participants.map(({ aor, channel }) => [aor, channel]).sort();

test('one dialog with two m-lines: dn on the first channel, otherDN on the second, everything said kept', async () => {
  const params = 'calluuid=00VLU5QO68CAJ7N6;dn=1001;otherDN=5551234;recordDN=1001';
  const body = sdpOnly(sdpText(legs.map((leg) => ({ port: leg.port }))));
  const { session, answer } = await invite(params, '2018-02-21:20-14-33', body);
  assert.deepEqual(
    answer.media.map((media) => media.direction),
    ['recvonly', 'recvonly'],
  );
  await send(legs[0], answer.media[0]!.port, 10);
  await send(legs[1], answer.media[1]!.port, 11);
  await session.bye();
  const { recording, manifest } = await finished(server, session.callId);
  assert.equal(recording.communicationSessionId, '00VLU5QO68CAJ7N6');
  assert.deepEqual(onChannels(recording.participants), [
    ['1001', 0],
    ['5551234', 1],
  ]);
  assert.deepEqual(
    recording.streams.map(({ channel, packets }) => [channel, packets.received]),
    [
      [0, 10],
      [1, 11],
    ],
  );
  const origin = manifest.origin as { kind: string; genesys: Record<string, unknown> };
  assert.equal(origin.kind, 'genesys-one-dialog');
  const { recordId, callUuid, dn, otherDn, recordDn, headers } = origin.genesys;
  assert.deepEqual(
    { recordId, callUuid, dn, otherDn, recordDn },
    { recordId: '2018-02-21:20-14-33', callUuid: '00VLU5QO68CAJ7N6', dn: '1001', otherDn: '5551234', recordDn: '1001' },
  );
  assert.deepEqual(headers, {
    'x-genesys-gvp-session-id': GVP,
    'x-genesys-rm-application-dbid': '105',
    'x-genesys-some-new-header': 'kept too',
  });
});

for (const [which, order] of [
  ['the recorded party first', [0, 1]],
  ['the other party first', [1, 0]],
] as const) {
  test(`two dialogs are one recording, each party on its channel: ${which}`, async () => {
    const uuid = `0UUID${order.join('')}`;
    const dns = ['1001', '2002'];
    const dialogs: Invited[] = [];
    for (const side of order) {
      dialogs[side] = await invite(`calluuid=${uuid};dn=${dns[side]};recordDN=1001`, `id-${uuid}`, line(legs[side]));
    }
    const [a, b] = dialogs as [Invited, Invited];
    assert.equal((await sessions(server)).length, 1);
    await send(legs[0], a.answer.media[0]!.port, 10);
    await send(legs[1], b.answer.media[0]!.port, 12);
    await a.session.bye();
    await send(legs[1], b.answer.media[0]!.port, 5); // the recording goes on with the dialog that is left
    await b.session.bye();
    const first = dialogs[order[0]]!.session;
    const second = dialogs[order[1]]!.session;
    const { recording, manifest } = await finished(server, first.callId);
    assert.deepEqual(recordingsOf(server, second.callId), []);
    assert.deepEqual(onChannels(recording.participants), [
      ['1001', 0],
      ['2002', 1],
    ]);
    const received = recording.streams.map(({ channel, packets }) => [channel, packets.received]).sort();
    assert.deepEqual(received, [
      [0, 10],
      [1, 17],
    ]);
    const joined = manifest.events.find(({ name }) => name === 'session-joined')!;
    assert.equal(joined.sipCallId, second.callId);
    assert.equal((joined.genesys as { dn: string }).dn, dns[order[1]]);
  });
}

test('two dialogs at the same moment are one recording', async () => {
  const both = await Promise.all(
    [0, 1].map((side) => invite(`calluuid=0SAME;dn=${side};recordDN=0`, 'same', line(legs[side]!))),
  );
  const found = await sessions(server);
  assert.deepEqual(
    found.map(({ streams }) => streams.map(({ channel }) => channel).sort()),
    [[0, 1]],
  );
  await Promise.all(both.map(({ session }) => session.bye()));
});

test('two dialogs that do not say which side they are: as they come, the party where its voice is', async () => {
  const first = await invite('calluuid=0NOSIDE;dn=7001', 'noside', line(legs[0]));
  const second = await invite('calluuid=0NOSIDE;dn=7002', 'noside', line(legs[1]));
  const [session] = (await sessions(server)).filter(({ sipCallId }) => sipCallId === first.session.callId);
  assert.deepEqual(onChannels(session!.participants), [
    ['7001', 0],
    ['7002', 1],
  ]);
  await first.session.bye();
  await second.session.bye();
});

test('calls with other ids are recordings of their own', async () => {
  const one = await invite('calluuid=0A;dn=1;recordDN=1', 'x', line(legs[0]));
  const other = await invite('calluuid=0B;dn=1;recordDN=1', 'x', line(legs[1]));
  const ids = (await sessions(server)).map(({ sipCallId }) => sipCallId);
  assert.ok(ids.includes(one.session.callId) && ids.includes(other.session.callId));
  await one.session.bye();
  await other.session.bye();
});

test('RFC 3261 13.2.1: an INVITE without an offer gets ours in the 200, its answer is in the ACK', async () => {
  const body = () => line(legs[0]);
  const { session, answer: offer } = await invite('calluuid=0LATE;dn=1001;recordDN=1001', 'late', undefined, body);
  assert.equal(offer.media.length, 1);
  assert.equal(offer.media[0]!.direction, 'recvonly');
  const stranger = await Leg.open(0x6666);
  const unauthorised = await packetCount(server, 'unauthorised');
  await send(legs[0], offer.media[0]!.port, 10);
  stranger.send(offer.media[0]!.port, 3);
  await packetsSeen(server, 'unauthorised', unauthorised + 3);
  stranger.close();
  await session.bye();
  const { recording } = await finished(server, session.callId);
  assert.deepEqual(
    recording.streams.map(({ channel, codec, packets }) => [channel, codec, packets.received]),
    [[0, 'PCMA', 10]],
  );
});

test('RFC 3261 13.2.1: without an offer, a recording of both parties is offered two streams', async () => {
  const body = () => sdpOnly(sdpText(legs.map((leg, i) => ({ port: leg.port, label: String(i + 1) }))));
  const { session, answer: offer } = await invite(
    'calluuid=0LATE2;dn=1001;otherDN=1002;recordDN=1001',
    'late2',
    undefined,
    body,
  );
  assert.equal(offer.media.length, 2);
  await send(legs[0], offer.media[0]!.port, 3);
  await send(legs[1], offer.media[1]!.port, 4);
  await session.bye();
  const { recording } = await finished(server, session.callId);
  assert.deepEqual(
    recording.streams.map(({ channel, packets }) => [channel, packets.received]),
    [
      [0, 3],
      [1, 4],
    ],
  );
  assert.deepEqual(onChannels(recording.participants), [
    ['1001', 0],
    ['1002', 1],
  ]);
});

test('one m-line with both parties mixed: both are on its channel', async () => {
  const metadata = fullMetadata(newIds());
  const [stream] = metadata.streams;
  metadata.streams = [stream!];
  for (const association of metadata.participantStreams) association.send = [stream!.id];
  const body = withMetadata(sdpText([{ port: legs[0].port, label: '1' }]), buildMetadata(metadata));
  const { session, answer } = await recorderClient.call(body);
  await send(legs[0], answer.media[0]!.port, 9);
  await session.bye();
  const { recording, manifest } = await finished(server, session.callId);
  assert.equal((manifest.origin as { kind: string }).kind, 'mixed');
  assert.deepEqual(onChannels(recording.participants), [
    [PARTIES[1].aor, 0],
    [PARTIES[0].aor, 0],
  ]);
  assert.deepEqual(
    recording.streams.map(({ channel, packets }) => [channel, packets.received]),
    [[0, 9]],
  );
});
