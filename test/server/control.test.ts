/** What an operator does with a call that runs. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import {
  Client,
  finished,
  Leg,
  packetsSeen,
  type Server,
  sdpOnly,
  sdpText,
  sessionOf,
  sessions,
  startServer,
  stopServer,
} from './rig.ts';

let server: Server;
let client: Client;

before(async () => {
  server = await startServer('43000-43099');
  client = await Client.start(server);
});
after(async () => {
  await client.close();
  await stopServer(server);
});

function control(id: string, action: string, body: unknown = { actor: 'supervisor 12', reason: 'card number' }) {
  return fetch(`${server.http}/api/v1/sessions/${id}/${action}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
}

/** A packet file goes when its recording is done, maybe between being listed and being read. */
function contentOf(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0);
    throw error;
  }
}

/** Every file of the data folder that holds the octets. */
function filesWith(octets: Buffer): string[] {
  const found = readdirSync(server.data, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const files = found.map((entry) => path.join(entry.parentPath, entry.name));
  return files.filter((file) => contentOf(file).includes(octets));
}

const SECRET = 0x5e;
const OPEN = 0xa7;

test('paused: nothing of the payload reaches the disk, every packet is counted, actor and reason are in the manifest', async () => {
  const leg = await Leg.open(0x4001);
  const { session, answer } = await client.call(sdpOnly(sdpText([{ port: leg.port, label: '1' }])));
  const { id } = await sessionOf(server, session.callId);
  const { port } = answer.media[0]!;
  leg.send(port, 10, OPEN);
  await packetsSeen(server, 'received', 10);
  assert.equal((await control(id, 'pause')).status, 200);
  assert.equal((await sessionOf(server, session.callId)).paused, true);
  leg.send(port, 40, SECRET);
  await packetsSeen(server, 'paused', 40);
  assert.equal((await control(id, 'resume', { actor: 'supervisor 12', reason: 'paid' })).status, 200);
  leg.send(port, 15, OPEN);
  await packetsSeen(server, 'received', 25);
  leg.close();
  assert.notEqual(filesWith(Buffer.alloc(100, OPEN)).length, 0, 'what was said in the open must be found');
  assert.deepEqual(filesWith(Buffer.alloc(8, SECRET)), []);
  await session.bye();
  const { recording, manifest } = await finished(server, session.callId);
  assert.notEqual(filesWith(Buffer.alloc(100, OPEN)).length, 0);
  assert.deepEqual(filesWith(Buffer.alloc(8, SECRET)), []);
  const { expected, received, lost, dropped, paused } = recording.streams[0]!.packets;
  const counts = { expected, received, lost, dropped, paused };
  assert.deepEqual(counts, { expected: 65, received: 25, lost: 0, dropped: 0, paused: 40 });
  const pauses = manifest.pauses.map(({ type, scope, actor, reason }) => ({ type, scope, actor, reason }));
  assert.deepEqual(pauses, [
    { type: 'pause', scope: 'operator', actor: 'supervisor 12', reason: 'card number' },
    { type: 'resume', scope: 'operator', actor: 'supervisor 12', reason: 'paid' },
  ]);
  assert.ok(manifest.pauses.every(({ atMs }) => atMs !== null && Math.abs(atMs - Date.now()) < 60_000));
});

test('what does not fit the state is a 409, an unknown session a 404, both RFC 9457 problems', async () => {
  const { session } = await client.call(sdpOnly(sdpText([{ port: 30_000, label: '1' }])));
  const { id } = await sessionOf(server, session.callId);
  for (const action of ['keep', 'discard', 'resume']) {
    const response = await control(id, action);
    assert.equal(response.status, 409, action);
    assert.ok(response.headers.get('content-type')?.startsWith('application/problem+json'));
    assert.equal(((await response.json()) as { status: number }).status, 409);
  }
  assert.equal((await control(id, 'pause')).status, 200);
  assert.equal((await control(id, 'pause')).status, 409);
  assert.equal((await control(crypto.randomUUID(), 'pause')).status, 404);
  await session.bye();
  await finished(server, session.callId);
  assert.equal((await control(id, 'resume')).status, 404);
  assert.deepEqual(await sessions(server), []);
});

test('a call that is paused at its end is complete; its packets are all accounted for', async () => {
  const leg = await Leg.open(0x4002);
  const { session, answer } = await client.call(sdpOnly(sdpText([{ port: leg.port, label: '1' }])));
  const { id } = await sessionOf(server, session.callId);
  await control(id, 'pause');
  leg.send(answer.media[0]!.port, 30, SECRET);
  await packetsSeen(server, 'paused', 70);
  leg.close();
  await session.bye();
  const { recording } = await finished(server, session.callId);
  assert.equal(recording.state, 'complete');
  assert.equal(recording.streams[0]!.packets.paused, 30);
  assert.equal(recording.streams[0]!.packets.expected, 30);
});
