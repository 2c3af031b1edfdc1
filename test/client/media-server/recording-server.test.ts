/** Recording sessions with the recording server of this project: what it keeps is what the parties said, and who they are. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, beforeEach, test } from 'node:test';
import { RecordingSession } from '../../../src/client/media-server/recording-session.ts';
import type { Recording } from '../../../src/store/recording.ts';
import { readKept } from '../../faults/kept-packets.ts';
import {
  packetCount,
  packetsSeen,
  recordingsOf,
  type Server,
  sessions,
  startServer,
  stopServer,
  until,
} from '../../server/rig.ts';
import { ConversationRig, partyView, type Voice } from './rig.ts';

let server: Server;

before(async () => {
  server = await startServer('48000-48399', { sip: ['udp:127.0.0.1:0', 'tcp:127.0.0.1:0'] });
});
after(async () => {
  await stopServer(server);
});

const uri = () => `sip:127.0.0.1:${server.udpPort}`;
/** Packets that the recorder has had so far, and recordings that it has made before this test. */
let kept = 0;
let older = new Set<string>();

beforeEach(async () => {
  kept = await packetCount(server, 'received');
  older = new Set(server.server.catalogue.search({}).items.map(({ id }) => id));
});

/** Until the recorder has all that was sent. */
async function arrived(packets: number): Promise<void> {
  kept += packets;
  await packetsSeen(server, 'received', kept);
}

/** The one that this test has made, when it is finished. */
function theRecording(): Promise<Recording> {
  return until('the finished recording', () => {
    const [recording, ...others] = server.server.catalogue.search({}).items.filter(({ id }) => !older.has(id));
    assert.deepEqual(others, []);
    return recording?.state === 'complete' || recording?.state === 'failed' ? recording : null;
  });
}

const payloads = (packets: Uint8Array[] | undefined) =>
  (packets ?? []).map((packet) => Buffer.from(packet.subarray(12)));

function assertSaid(packets: Uint8Array[] | undefined, voice: Voice, from = 0, to = voice.sent.length): void {
  assert.deepEqual(payloads(packets), voice.sent.slice(from, to));
}

test('RFC 7866: both parties are recorded packet by packet, and told by the metadata', async (t) => {
  const rig = await ConversationRig.start(t);
  const session = await RecordingSession.start(rig.options({ uri: uri() }));
  assert.equal(session.state, 'recording');
  await rig.talk(50);
  await arrived(100);
  await session.stop('the call has ended');
  assert.equal(session.state, 'ended');
  assert.equal(session.view().packetsSent, 100);
  const recording = await theRecording();
  const { packets } = readKept(server.server.recordingFolder(recording.id));
  assertSaid(packets.get('1'), rig.voices[0]!);
  assertSaid(packets.get('2'), rig.voices[1]!);
  assert.deepEqual(recording.warnings, []);
  assert.deepEqual(
    recording.participants.map(({ aor, name, channel }) => [aor, name, channel]),
    [
      ['sip:5001@example.com', 'Party 1', 0],
      ['sip:5002@example.com', 'Party 2', 1],
    ],
  );
});

test('RFC 4568: each stream is sent under a key of its own when the recorder wants SRTP', async (t) => {
  const rig = await ConversationRig.start(t);
  const session = await RecordingSession.start(rig.options({ uri: uri(), srtp: 'AEAD_AES_256_GCM' }));
  await rig.talk(20);
  await arrived(40);
  await session.stop('over');
  const recording = await theRecording();
  const { packets } = readKept(server.server.recordingFolder(recording.id));
  for (const [i, voice] of rig.voices.entries()) assertSaid(packets.get(String(i + 1)), voice);
  assert.equal(recording.streams.length, 2);
});

test('RFC 7866 section 7.1.1.1: a pause keeps packets back before the recorder is told, and they are not made up for', async (t) => {
  const rig = await ConversationRig.start(t);
  const session = await RecordingSession.start(rig.options({ uri: uri() }));
  await rig.talk(10);
  await arrived(20);
  await session.pause();
  assert.equal(session.view().state, 'paused');
  await rig.talk(10);
  await session.resume();
  assert.equal(session.state, 'recording');
  await rig.talk(10);
  await arrived(20);
  await session.stop('over');
  const { packets } = readKept(server.server.recordingFolder((await theRecording()).id));
  for (const [i, voice] of rig.voices.entries()) {
    assert.deepEqual(payloads(packets.get(String(i + 1))), [...voice.sent.slice(0, 10), ...voice.sent.slice(20)]);
  }
});

test('RFC 7865: hold, transfer and a third party are told while the recording runs', async (t) => {
  const rig = await ConversationRig.start(t);
  const session = await RecordingSession.start(rig.options({ uri: uri() }));
  const [a, b] = rig.view.parties as [ReturnType<typeof partyView>, ReturnType<typeof partyView>];
  session.update({ ...rig.view, parties: [{ ...a, isHeld: true }, b] });
  session.update({ ...rig.view, parties: [a, b] });
  const c = partyView(3, { stream: 1 });
  session.update({ ...rig.view, parties: [a, c] });
  await rig.join();
  const d = partyView(4, { stream: 2 });
  session.update({ ...rig.view, parties: [a, c, d] });
  await until('the third stream', async () => (await sessions(server))[0]?.streams.length === 3);
  await rig.talk(10);
  await arrived(30);
  session.update({ ...rig.view, parties: [a, c] });
  await until('the third stream to be gone', async () => (await sessions(server))[0]?.streams.length === 2);
  await session.stop('over');
  assert.deepEqual(
    rig.log.filter(({ level }) => level === 'warn'),
    [],
  );
  const recording = await theRecording();
  const { packets } = readKept(server.server.recordingFolder(recording.id));
  for (const [i, voice] of rig.voices.entries()) assertSaid(packets.get(String(i + 1)), voice);
  assert.deepEqual(recording.warnings, [
    'more than 2 streams at once: the further ones are mixed into the last channel',
    'the metadata has 2 participants send the stream of channel 1',
  ]);
  assert.deepEqual(recording.participants.map(({ aor, channel }) => [aor, channel]).toSorted(), [
    ['sip:5001@example.com', 0],
    ['sip:5002@example.com', 1],
    ['sip:5003@example.com', 1],
    ['sip:5004@example.com', 1],
  ]);
});

test('a recording that looks back begins with what was said before it, without a gap', async (t) => {
  const rig = await ConversationRig.start(t);
  await rig.talk(30);
  const session = await RecordingSession.start(rig.options({ uri: uri() }, { lookBackSec: 10 }));
  await rig.talk(10);
  await arrived(80);
  await session.stop('over');
  const { packets } = readKept(server.server.recordingFolder((await theRecording()).id));
  for (const [i, voice] of rig.voices.entries()) assertSaid(packets.get(String(i + 1)), voice);
});

for (const form of ['one-dialog', 'two-dialogs'] as const) {
  test(`Genesys' ${form} replication makes one recording of both parties, named by the Request-URI`, async (t) => {
    const rig = await ConversationRig.start(t);
    const id = `2026-01-02:03-04-05 ${randomUUID()}`;
    const params = { tenant: 'a/b;c', transport: 'tls' };
    const session = await RecordingSession.start(rig.options({ uri: uri(), form }, { id, params }));
    await rig.talk(20);
    await arrived(40);
    await session.pause();
    await rig.talk(5);
    await session.resume();
    await rig.talk(5);
    await arrived(10);
    await session.stop('over');
    const recording = await theRecording();
    assert.equal(recordingsOf(server, recording.sipCallId).length, 1);
    const { packets } = readKept(server.server.recordingFolder(recording.id));
    // The recorded side first: that is what two dialogs say, and one does not.
    const order = form === 'one-dialog' ? [0, 1] : [1, 0];
    const streams = [...packets.values()];
    assert.equal(streams.length, 2);
    for (const [i, voice] of rig.voices.entries()) {
      const kept = streams.find((one) => Buffer.from(one[0]!.subarray(12)).equals(voice.sent[0]!));
      assert.deepEqual(payloads(kept), [...voice.sent.slice(0, 20), ...voice.sent.slice(25)], `party ${i + 1}`);
    }
    assert.deepEqual(recording.participants.map(({ aor, channel }) => [aor, channel]).toSorted(), [
      ['5001', order[0]],
      ['5002', order[1]],
    ]);
  });
}
