/** The real 32 seconds of 64*T1 are waited for, so this file runs beside the others. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { test } from 'node:test';
import { finished, metric, rawInvite, recordingsOf, sessions, startServer, stopServer, until } from './rig.ts';

test('RFC 3261 13.3.1.4: an INVITE whose 200 is never acknowledged ends after 64*T1 and gives everything back', async (t) => {
  const server = await startServer('42800-42899');
  t.after(() => stopServer(server));
  const socket = createSocket('udp4');
  const answers = new Set<string>();
  socket.on('message', (message) => answers.add(message.toString('latin1').split('\r\n', 1)[0]!));
  socket.send(rawInvite(server, 1), server.udpPort, '127.0.0.1');
  await until('the 200', () => answers.has('SIP/2.0 200 OK'));
  assert.equal(await metric(server, 'doubletrack_lane_streams'), 2);
  await until('the session to end', async () => (await sessions(server)).length === 0, 40_000);
  await until('the streams to be closed', async () => (await metric(server, 'doubletrack_lane_streams')) === 0);
  socket.close();
  await finished(server, 'raw-1');
  assert.equal(recordingsOf(server, 'raw-1')[0]!.state, 'complete');
});
