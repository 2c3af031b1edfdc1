/** The completeness certificate against the sender's own account: what was withheld is lost, what was sent is received. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { placeCalls } from '../../src/client/caller/index.ts';
import type { Recording } from '../../src/store/recording.ts';
import { assertEqualsReport } from './certificate-report.ts';
import {
  completeRecordings,
  newDataFolder,
  type Recorder,
  removeFolder,
  run,
  startRecorder,
  stopRecorder,
} from './recorder.ts';

const COMMAND = path.resolve(import.meta.dirname, '../../bin/doubletrack.mjs');

let recorder: Recorder;
const data = newDataFolder();
before(async () => {
  recorder = await startRecorder(data);
});
after(async () => {
  await stopRecorder(recorder);
  removeFolder(data);
});

test('20 calls with loss, reordering and duplicates: every certificate equals the sender’s report', async () => {
  const impairment = { lossPercent: 3, reorderPercent: 2, duplicatePercent: 1, seed: 7 };
  const { calls } = await placeCalls({
    to: `sip:127.0.0.1:${recorder.udpPort}`,
    calls: 20,
    rate: 20,
    durationMs: 6_000,
    ...impairment,
  });
  const recordings = new Map((await completeRecordings(recorder, 20)).map((one) => [one.sipCallId, one]));
  for (const call of calls) {
    assertEqualsReport(recordings.get(call.callId)!, call);
  }
  assert.ok(calls.some((call) => call.streams.some(({ packets }) => packets.withheld > 0 && packets.duplicated > 0)));
});

test('a recording verifies', async () => {
  await placeCalls({ to: `sip:127.0.0.1:${recorder.tcpPort}`, transport: 'tcp', durationMs: 1_000 });
  const [recording] = (await completeRecordings(recorder, 21)) as [Recording];
  const folder = path.join(data, 'recordings', recording.id);
  const verified = JSON.parse((await run(process.execPath, [COMMAND, 'verify', folder, '--json'])).toString());
  assert.equal(verified.ok, true);
});
