/** The load of the client's benchmarks with real sockets: what does the work is measured, what does not is found out. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { conversations } from '../../bench/client/conversation.ts';
import type { Dialled, DialPlan } from '../../bench/client/dialler.ts';
import { CALLED_PORT, CLIENT_PORT } from '../../bench/client/places.ts';
import { readCounts, Sipp } from '../../bench/client/sipp.ts';
import { DIRECT, TestedClient } from '../../bench/client/tested-client.ts';
import { coresToMeasureOn } from '../../bench/pin.ts';
import { NotDone } from '../../bench/system/contender.ts';
import { Remote } from '../../bench/system/remote.ts';
import { search } from '../../bench/system/search.ts';

const cores = coresToMeasureOn();
const hasKoffi = spawnSync(process.execPath, ['-e', "require('koffi')"]).status === 0;
const hasSipp = spawnSync('sipp', ['-v']).error === undefined;
const skip = cores && hasKoffi ? false : 'needs Linux, taskset and koffi';
const skipSipp = cores && hasSipp ? false : 'needs Linux, taskset and sipp';

const DIALLER = new URL('../../bench/client/dialler.ts', import.meta.url);

const COUNTS = [
  'StartTime;TargetRate;CallRate(P);CallRate(C);TotalCallCreated;SuccessfulCall(P);SuccessfulCall(C);FailedCall(P);FailedCall(C);Retransmissions(P);Retransmissions(C);',
  '2026-01-01\t00:00:00.000000\t1767225600.000000;100;0;0;0;0;0;0;0;0;0;',
  '2026-01-01\t00:00:00.000000\t1767225600.000000;100;0;99.6512;200;1;197;2;3;4;5;',
  '',
].join('\n');

test('of what sipp tells, the whole run counts, as its last line has it', () => {
  const seen = { created: 200, successful: 197, failed: 3, retransmissions: 5, perSecond: 99.6512 };
  assert.deepEqual(readCounts(COUNTS), seen);
});

test('sipp that has ended before it told anything has not done the work', () => {
  assert.throws(() => readCounts(''), NotDone);
  assert.throws(() => readCounts(COUNTS.split('\n')[0]!), NotDone);
  assert.throws(() => readCounts(COUNTS.replaceAll('FailedCall(C)', 'Other')), NotDone);
});

test('the limit is found to one in twenty, from below and from above, and is said', async () => {
  for (const guess of [100, 700, 2_000]) {
    const attempt = async (count: number) => {
      if (count > 640) throw new NotDone('too many');
      return 'well';
    };
    const { most, limit } = await search({ guess, unit: 'calls', attempt, progress: () => {} });
    assert.ok(most <= 640 && most >= 640 / 1.05 - 1, `${most} from ${guess}`);
    assert.match(limit, /^\d+ calls: too many$/);
  }
});

test('nothing is tried above the ceiling, and what is broken is no limit', async () => {
  const tried: number[] = [];
  const attempt = async (count: number) => String(tried.push(count));
  const found = await search({ guess: 90, ceiling: 100, unit: 'calls', attempt, progress: () => {} });
  assert.deepEqual([found.most, tried], [100, [90, 100]]);
  const broken = search({
    ...{ guess: 9, unit: 'calls', progress: () => {} },
    attempt: () => Promise.reject(new TypeError('broken')),
  });
  await assert.rejects(broken, TypeError);
});

test('every packet of conversations reaches the other party and the recorder under SRTP', { skip }, async () => {
  const { share } = await conversations(3, { cores: cores!, warmUpMs: 100, measureMs: 300 });
  assert.ok(share > 0);
});

test('calls go through the client from sipp to sipp, and are timed', { skip: skipSipp }, async (t) => {
  const sipp = new Sipp(cores!.load);
  t.after(() => sipp.close());
  await sipp.answer();
  const client = await TestedClient.start(cores!.tested, DIRECT);
  t.after(() => client.close());
  const { successful, failed } = await sipp.call({ toPort: CLIENT_PORT, rate: 20, calls: 10 });
  assert.deepEqual([successful, failed], [10, 0]);
  const dialler = Remote.start(DIALLER, null);
  t.after(() => dialler.close());
  for (const toPort of [CLIENT_PORT, CALLED_PORT]) {
    const plan: DialPlan = { toPort, rate: 20, calls: 10, warmUpCalls: 2 };
    const dialled = await dialler.call<Dialled>('dial', plan);
    assert.equal(dialled.failed, 0);
    assert.equal(dialled.ringingMs.length, 10);
  }
});

test('calls that nobody answers have failed', { skip: skipSipp }, async (t) => {
  const dialler = Remote.start(DIALLER, null);
  t.after(() => dialler.close());
  const plan: DialPlan = { toPort: CALLED_PORT, rate: 50, calls: 5, warmUpCalls: 0 };
  const dialled = await dialler.call<Dialled>('dial', plan);
  assert.deepEqual(dialled, { ringingMs: [], failed: 5 });
});
