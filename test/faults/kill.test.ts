/**
 * kill -9 of a recording server under load, at a moment that a seed decides, and sometimes again while it recovers. Every
 * call comes back as a recording; what is missing of it left the sender within the last moment and is declared.
 *
 * DOUBLETRACK_KILL_SEEDS says how many seeds are tried.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { seededRandom } from '../../src/client/caller/random.ts';
import { AUDIO_NAME, MANIFEST_NAME, type Manifest, verify } from '../../src/recording/index.ts';
import type { Recording } from '../../src/store/recording.ts';
import {
  getJson,
  killRecorder,
  newDataFolder,
  type Recorder,
  removeFolder,
  run,
  startRecorder,
  stopRecorder,
} from '../interop/recorder.ts';
import { undoing, until } from '../server/rig.ts';
import { readKept } from './kept-packets.ts';
import { type MarkedCall, MarkedCalls, type MarkedLeg } from './marked-calls.ts';

const COMMAND = path.resolve(import.meta.dirname, '../../bin/doubletrack.mjs');
const SEEDS = Number(process.env.DOUBLETRACK_KILL_SEEDS ?? 3);
const CONCURRENT = 20;
/** What was sent so long before the kill must be there. */
const BOUND_MS = 250;
/** The kill comes this long after the calls run, at most. */
const LATEST_KILL_MS = 3_000;
/** A time before the kill in which the sender kept its schedule: without it, no time says anything of the recorder. */
const STEADY_MS = 500;
const RECORDER_OPTIONS = ['--media-ports', '44000-44399'];

interface Found {
  running: number;
  recovered: number;
  /** Calls set up within the last moment, of which the journal had nothing yet. */
  tooYoung: number;
  packets: number;
  /** Age at the kill of the oldest packet that is missing. */
  lossMs: number;
}

for (let seed = 1; seed <= SEEDS; seed++) {
  test(`kill -9 under load, seed ${seed}: every call is a recording, what is missing is recent and declared`, async (t) => {
    const undo = undoing(t);
    const data = newDataFolder();
    undo(() => removeFolder(data));
    const random = seededRandom(seed);
    const recorder = await startRecorder(data, RECORDER_OPTIONS);
    undo(() => stopRecorder(recorder));
    const { calls, killedAtMs } = await killUnderLoad(t, recorder, seed, random);
    const again = await recovered(data, random);
    undo(() => stopRecorder(again));

    const found = await check(again, calls, killedAtMs);
    await assertReplays(data);
    t.diagnostic(
      `${found.running} calls ran: ${found.recovered} recovered, ${found.tooYoung} set up in the last ${BOUND_MS} ms; ` +
        `${found.packets} packets kept; lost: the last ${found.lossMs.toFixed(1)} ms`,
    );
  });
}

async function killUnderLoad(t: TestContext, recorder: Recorder, seed: number, random: () => number) {
  const load = { concurrent: CONCURRENT, comeAndGo: seed % 2 === 0 };
  const sender = await MarkedCalls.start(recorder.udpPort, seed, load);
  t.after(() => sender.stop());
  // Some while calls are being set up, most while calls come and go.
  const running = random() < 0.2 ? 1 : CONCURRENT;
  await until('calls to run', () => sender.running.length >= running);
  await delay(random() * LATEST_KILL_MS);
  await until('the machine to keep up', () => performance.now() - sender.overdueAtMs > STEADY_MS, 30_000);
  const killedAtMs = performance.now();
  const killed = killRecorder(recorder);
  await sender.stop();
  await killed;
  return { calls: sender.calls, killedAtMs };
}

/** Started again; every other time it is killed once more on the way. */
async function recovered(data: string, random: () => number): Promise<Recorder> {
  if (random() < 0.5) {
    const kill = new AbortController();
    const started = startRecorder(data, RECORDER_OPTIONS, kill.signal);
    const failed = assert.rejects(started);
    await delay(200 + random() * 500);
    kill.abort();
    await failed;
  }
  return await startRecorder(data, RECORDER_OPTIONS);
}

async function check(recorder: Recorder, calls: MarkedCall[], killedAtMs: number): Promise<Found> {
  const { items } = await getJson<{ items: Recording[] }>(`${recorder.http}/api/v1/recordings?limit=500`);
  const recordings = new Map(items.map((recording) => [recording.sipCallId, recording]));
  assert.equal(recordings.size, items.length, 'no call has two recordings');
  const found: Found = { running: 0, recovered: 0, tooYoung: 0, packets: 0, lossMs: 0 };
  for (const call of calls) {
    const isRunning = call.byeAtMs === null;
    if (isRunning) found.running++;
    const recording = recordings.get(call.callId);
    if (recording?.state !== 'complete') {
      assert.ok(killedAtMs - call.answeredAtMs < BOUND_MS, `${call.callId} is ${recording?.state ?? 'nowhere'}`);
      found.tooYoung++;
      continue;
    }
    if (isRunning) {
      assert.equal(recording.recovered, true);
      found.recovered++;
    } else if (call.endedAtMs !== null && killedAtMs - call.endedAtMs > BOUND_MS) {
      assert.equal(recording.recovered, false);
    }
    await checkRecording(path.join(recorder.data, 'recordings', recording.id), recording, call, killedAtMs, found);
  }
  return found;
}

async function checkRecording(
  folder: string,
  recording: Recording,
  call: MarkedCall,
  killedAtMs: number,
  found: Found,
): Promise<void> {
  assert.deepEqual(await verify(folder), { ok: true });
  const { manifest, packets } = readKept(folder);
  assert.deepEqual(manifest.recording, recording);
  const gaps = manifest.gaps.map(({ reason, toMs }) => ({ reason, toMs }));
  assert.deepEqual(gaps, recording.recovered ? [{ reason: 'recovered', toMs: null }] : []);
  const { fromMs } = manifest.gaps[0] ?? { fromMs: manifest.audio.durationMs };
  assert.ok(Math.abs(fromMs - manifest.audio.durationMs) < BOUND_MS, 'the declared gap begins where the audio ends');
  for (const leg of call.legs) {
    const kept = keptNumbers(leg, packets.get(leg.label) ?? []);
    found.packets += kept.size;
    const missing = leg.sentAtMs.flatMap((atMs, number) => (atMs === null || kept.has(number) ? [] : [atMs]));
    const lossMs = missing.length > 0 ? killedAtMs - missing[0]! : 0;
    assert.ok(lossMs < BOUND_MS, `a packet is missing that was sent ${lossMs} ms before the kill`);
    found.lossMs = Math.max(found.lossMs, lossMs);
    assertCertified(manifest, leg, kept);
  }
}

/** Each once, and as it was sent. */
function keptNumbers(leg: MarkedLeg, packets: Uint8Array[]): Set<number> {
  const kept = new Set<number>();
  for (const packet of packets) {
    const number = leg.numberOf(Buffer.from(packet).readUInt16BE(2));
    assert.ok(!kept.has(number), `packet ${number} is kept twice`);
    assert.deepEqual(Buffer.from(packet), leg.packet(number));
    assert.notEqual(leg.sentAtMs[number] ?? null, null);
    kept.add(number);
  }
  return kept;
}

/** What the certificate says is lost is what was withheld, by number. */
function assertCertified(manifest: Manifest, leg: MarkedLeg, kept: Set<number>): void {
  const stream = manifest.recording.streams.find(({ label }) => label === leg.label);
  if (kept.size === 0) return assert.equal(stream?.packets.received ?? 0, 0);
  const last = Math.max(...kept);
  const withheld = leg.sentAtMs.flatMap((atMs, number) => (atMs === null && number < last ? [number] : []));
  const { expected, received, lost, dropped, paused } = stream!.packets;
  assert.deepEqual(
    { expected, received, lost, dropped, paused },
    { expected: last + 1, received: kept.size, lost: withheld.length, dropped: 0, paused: 0 },
  );
  const [source, ...others] = manifest.streams.find(({ label }) => label === leg.label)!.sources;
  assert.equal(others.length, 0);
  assert.equal(source!.ssrc, leg.ssrc);
  const declared = source!.lost.ranges.flatMap(([from, to]) =>
    Array.from({ length: to - from + 1 }, (_, i) => from + i - source!.firstSeq!),
  );
  assert.deepEqual(declared, withheld);
}

async function assertReplays(data: string): Promise<void> {
  const out = newDataFolder();
  try {
    const recordings = path.join(data, 'recordings');
    const made = await run(process.execPath, [COMMAND, 'replay', recordings, '--out', out, '--json']);
    const { recordings: replayed } = JSON.parse(made.toString()) as { recordings: Recording[] };
    assert.ok(replayed.length > 0);
    for (const { id } of replayed) {
      for (const name of [AUDIO_NAME, MANIFEST_NAME]) {
        const [first, second] = [path.join(recordings, id, name), path.join(out, id, name)];
        assert.ok(readFileSync(first).equals(readFileSync(second)), `${name} of ${id}`);
      }
    }
  } finally {
    removeFolder(out);
  }
}
