/** A disk that fills up: new calls are refused, what was accepted is kept, and with room again everything goes on. */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { test } from 'node:test';
import { parseRecorderLoad } from '../../src/siprec/index.ts';
import { eatRoom, MIB, mountSmallDisk, unmount } from '../store/small-disk.ts';
import {
  Client,
  finished,
  Leg,
  metric,
  newFolder,
  OFFER,
  packetCount,
  packetsSeen,
  recordingsOf,
  sdpOnly,
  sdpText,
  startServer,
  undoing,
  until,
} from './rig.ts';

/** Holds one segment (64 MiB), the reserve (16 MiB) and a little more. */
const DISK_BYTES = 96 * MIB;

test('disk full: 503 for new calls, the running one is finished and kept, with room calls are taken again', async (t) => {
  const undo = undoing(t);
  const data = newFolder();
  undo(() => rmSync(data, { recursive: true, force: true }));
  const reason = mountSmallDisk(data, DISK_BYTES);
  if (reason) return t.skip(reason);
  undo(() => unmount(data));
  const server = await startServer('43800-43999', { data, minFreeBytes: 4 * MIB });
  undo(() => server.server.drain(0));
  const client = await Client.start(server);
  undo(() => client.close());
  const leg = await Leg.open(0x7001);
  undo(() => leg.close());

  const { session, answer } = await client.call(sdpOnly(sdpText([{ port: leg.port, label: '1' }])));
  const { port } = answer.media[0]!;
  leg.send(port, 50);
  await packetsSeen(server, 'received', 50);
  let giveBack = eatRoom(data);
  undo(() => giveBack());
  const state = async () =>
    parseRecorderLoad((await session.request('OPTIONS')).header('X-Doubletrack-Load') ?? '')?.state;
  await until('the disk to be full', async () => (await state()) === 'disk-full');
  const refused = await client.refused(sdpOnly(OFFER));
  assert.equal(refused.status, 503);
  assert.ok(refused.response!.header('Retry-After'));
  assert.equal((await fetch(`${server.http}/readyz`)).status, 503);

  leg.send(port, 50);
  await packetsSeen(server, 'received', 100);
  assert.equal(
    (await session.request('INVITE', { body: sdpOnly(sdpText([{ port: leg.port, label: '1' }])) })).status,
    200,
  );
  await session.bye();
  await until('the recording to wait', () =>
    recordingsOf(server, session.callId).some((one) => one.state === 'finalising'),
  );
  assert.equal((await fetch(`${server.http}/healthz`)).status, 200);
  assert.equal((await client.refused(sdpOnly(OFFER))).status, 503);

  giveBack();
  giveBack = () => {};
  const { recording } = await finished(server, session.callId);
  assert.equal(recording.state, 'complete');
  const { expected, received, lost, dropped } = recording.streams[0]!.packets;
  assert.deepEqual({ expected, received, lost, dropped }, { expected: 100, received: 100, lost: 0, dropped: 0 });

  const again = await until('calls to be taken again', () =>
    client.call(sdpOnly(sdpText([{ port: leg.port, label: '1' }]))).catch(() => null),
  );
  const seen = await packetCount(server, 'received');
  leg.send(again.answer.media[0]!.port, 10);
  await packetsSeen(server, 'received', seen + 10);
  await again.session.bye();
  const second = (await finished(server, again.session.callId)).recording;
  assert.equal(second.streams[0]!.packets.received, 10);
  assert.ok((await metric(server, 'doubletrack_finalise_seconds_count{result="complete"}')) >= 2);
});
