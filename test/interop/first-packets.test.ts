/** A recording client in a process of its own may send media the moment it has the answer. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client, Leg, sdpOnly, sdpText, undoing } from '../server/rig.ts';
import { completeRecordings, newDataFolder, removeFolder, startRecorder, stopRecorder } from './recorder.ts';

const CALLS = 30;
const PACKETS = 10;

test('the first packets behind the answer are known for what they are', async (t) => {
  const undo = undoing(t);
  const data = newDataFolder();
  undo(() => removeFolder(data));
  const recorder = await startRecorder(data, ['--media-ports', '44400-44599']);
  undo(() => stopRecorder(recorder));
  const client = await Client.start(recorder);
  undo(() => client.close());
  const leg = await Leg.open(0x8001);
  undo(() => leg.close());

  // A dynamic payload type: only the offer says what it is.
  const offer = sdpText([{ port: leg.port, label: '1', formats: ['97 L16/16000'] }]);
  for (let call = 0; call < CALLS; call++) {
    const { session, answer } = await client.call(sdpOnly(offer));
    leg.send(answer.media[0]!.port, PACKETS, 0, 97);
    await session.bye();
  }
  for (const { streams, warnings } of await completeRecordings(recorder, CALLS)) {
    assert.equal(streams[0]!.packets.received, PACKETS);
    assert.deepEqual(warnings, ['recording session without recording metadata']);
  }
});
