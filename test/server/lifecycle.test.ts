/** Start, stop, and start again. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { type TestContext, test } from 'node:test';
import { RecordingServer } from '../../src/server/recording-server.ts';
import {
  Client,
  finished,
  Leg,
  newFolder,
  OFFER,
  packetsSeen,
  rawInvite,
  recordingsOf,
  sdpOnly,
  sdpText,
  sessions,
  startServer,
  stopServer,
  undoing,
  until,
} from './rig.ts';

/** Starts servers that end with the test, however that ends. */
function starter(t: TestContext): typeof startServer {
  const undo = undoing(t);
  return async (ports, options) => {
    const server = await startServer(ports, options);
    undo(() => stopServer(server));
    return server;
  };
}

test('drain: running calls are finished and finalised; started again on the folder, all is there', async (t) => {
  const start = starter(t);
  const first = await start('43100-43199');
  const client = await Client.start(first);
  const leg = await Leg.open(0x5001);
  const { session, answer } = await client.call(sdpOnly(sdpText([{ port: leg.port, label: '1' }])));
  let isDrained = false;
  const drained = first.server.drain(60_000).then(() => {
    isDrained = true;
  });
  leg.send(answer.media[0]!.port, 20);
  await packetsSeen(first, 'received', 20);
  assert.equal(isDrained, false);
  await session.bye();
  await drained;
  leg.close();
  await client.close();
  const again = await start('43100-43199', { data: first.data });
  const { recording } = await finished(again, session.callId);
  assert.equal(recording.state, 'complete');
  assert.equal(recording.recovered, false);
  assert.equal(recording.streams[0]!.packets.received, 20);
  const newClient = await Client.start(again);
  await (await newClient.call(sdpOnly(OFFER))).session.bye();
  await newClient.close();
});

test('a drain that takes too long ends the calls; asked twice, the shorter time counts', async (t) => {
  const start = starter(t);
  const server = await start('43200-43299');
  const client = await Client.start(server);
  const { session } = await client.call(sdpOnly(OFFER));
  const ended = new Promise<string>((resolve) => {
    session.onEnded = ({ by }) => resolve(by);
  });
  const long = server.server.drain(3_600_000);
  await Promise.all([server.server.drain(0), long]);
  assert.equal(await ended, 'remote');
  await client.close();
  const again = await start('43200-43299', { data: server.data });
  const { recording, manifest } = await finished(again, session.callId);
  assert.equal(recording.recovered, false);
  assert.deepEqual([manifest.end?.by, manifest.end?.reason], ['local', 'the server is being stopped']);
});

test('a call whose 200 is not acknowledged does not hold up the end of the server', async (t) => {
  const start = starter(t);
  const server = await start('43300-43399');
  const socket = createSocket('udp4');
  socket.send(rawInvite(server, 7), server.udpPort, '127.0.0.1');
  await until('the session', async () => (await sessions(server)).length === 1);
  const startedMs = performance.now();
  await server.server.drain(0);
  assert.ok(performance.now() - startedMs < 10_000);
  socket.close();
  const again = await start('43300-43399', { data: server.data });
  assert.equal((await finished(again, 'raw-7')).recording.recovered, false);
});

test('a second server on the same folder is refused, and says what to do', async (t) => {
  const start = starter(t);
  const server = await start('43400-43499');
  const second = start('43500-43599', { data: server.data });
  await assert.rejects(second, { name: 'DataFolderInUse', message: /in use by another server.*--data/ });
  const client = await Client.start(server);
  const { session } = await client.call(sdpOnly(OFFER));
  await session.bye();
  assert.equal(recordingsOf(server, session.callId).length, 1, 'the first one goes on');
  await client.close();
});

test('a SIP port that is taken: the error names it, and the folder is free again', async (t) => {
  const start = starter(t);
  const server = await start('43600-43699');
  const data = newFolder();
  const taken = `udp:127.0.0.1:${server.udpPort}`;
  await assert.rejects(start('43700-43799', { data, sip: [taken] }), new RegExp(String(server.udpPort)));
  const other = await start('43700-43799', { data });
  assert.ok(other.server instanceof RecordingServer);
});
