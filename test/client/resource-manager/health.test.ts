/** When a recorder is up, down, draining or resting, by virtual time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ProbeResult } from '../../../src/client/resource-manager/recorder.ts';
import { GOOD, group, MISSED, randomFrom, recorder, VirtualCluster } from './virtual-cluster.ts';

const one = (heartbeatSec = 10) => new VirtualCluster([recorder('a')], [group('g', ['a'], { heartbeatSec })]);
const busy = (retryAfterSec: number | null): ProbeResult =>
  ({ ...GOOD, busy: { cause: '503', retryAfterSec } }) as ProbeResult;

test('a recorder is unknown and may be tried until its first heartbeat, then up', () => {
  const cluster = one();
  assert.equal(cluster.state('a'), 'unknown');
  assert.deepEqual(cluster.ids('g'), ['a']);
  cluster.run(1_100);
  assert.equal(cluster.state('a'), 'up');
  assert.deepEqual(cluster.events, ['a up']);
});

test('one missed heartbeat is none, two in a row are the end, one good answer is a new beginning', () => {
  const cluster = one();
  cluster.run(5_000);
  cluster.answers.set('a', MISSED);
  const missedFrom = cluster.asked.length;
  while (cluster.asked.length === missedFrom) cluster.run(100);
  cluster.run(2_100);
  assert.equal(cluster.state('a'), 'up', 'one miss');
  cluster.answers.set('a', GOOD);
  cluster.run(12_000);
  cluster.answers.set('a', MISSED);
  cluster.run(17_000);
  assert.equal(cluster.state('a'), 'down');
  assert.deepEqual(cluster.ids('g'), []);
  assert.equal(cluster.pool.view(cluster.nowMs, 0)[0]!.cause, 'no answer');
  cluster.answers.set('a', GOOD);
  cluster.run(13_200);
  assert.equal(cluster.state('a'), 'up');
  assert.deepEqual(cluster.events, ['a up', 'a down', 'a up']);
});

test('a recorder that dies is known to be down 6 s after its next heartbeat: what was missed is asked again soon', () => {
  const cluster = one(60);
  cluster.run(5_000);
  cluster.answers.set('a', MISSED);
  const before = cluster.asked.length;
  while (cluster.asked.length === before) cluster.run(100);
  const nextHeartbeatMs = cluster.asked.at(-1)!.atMs;
  while (cluster.state('a') === 'up') cluster.run(10);
  assert.ok(cluster.nowMs - nextHeartbeatMs <= 6_000, `${cluster.nowMs - nextHeartbeatMs} ms`);
  assert.equal(cluster.asked.length - before, 2);
});

test('two misses with a good answer between them are never two in a row', () => {
  const cluster = one();
  cluster.run(5_000);
  for (let i = 0; i < 5; i++) {
    cluster.answers.set('a', MISSED);
    const before = cluster.asked.length;
    while (cluster.asked.length === before) cluster.run(100);
    cluster.run(2_100);
    cluster.answers.set('a', GOOD);
    cluster.run(3_000);
  }
  assert.equal(cluster.pool.view(cluster.nowMs, 0)[0]!.probes.missed, 5);
  assert.deepEqual(cluster.events, ['a up']);
});

test('a probe that never comes back counts as missed, and is no end of the heartbeat', () => {
  const cluster = one();
  cluster.answers.set('a', null);
  cluster.run(30_000);
  assert.equal(cluster.state('a'), 'down');
  cluster.answers.set('a', GOOD);
  cluster.run(30_000);
  assert.equal(cluster.state('a'), 'up');
});

test('a failure in mid-call is the end at once, once, and an answer to what was asked before it is no life', () => {
  const cluster = one();
  cluster.run(1_100);
  while (cluster.asked.length < 2) cluster.run(1);
  cluster.note(cluster.pool.failed('a', 'BYE was not answered', cluster.nowMs + 1));
  cluster.note(cluster.pool.failed('a', 'BYE was not answered', cluster.nowMs + 1));
  cluster.run(500);
  assert.equal(cluster.state('a'), 'down', 'the OPTIONS that was under way has been answered');
  cluster.run(1_000);
  assert.equal(cluster.state('a'), 'up', 'asked again after a second');
  assert.deepEqual(cluster.events, ['a up', 'a down', 'a up']);
});

test('who answers OPTIONS well and fails again and again has to wait longer each time, a minute at most', () => {
  const cluster = one(1);
  cluster.run(2_000);
  const waits: number[] = [];
  for (let i = 0; i < 7; i++) {
    const failedAtMs = cluster.nowMs;
    cluster.note(cluster.pool.failed('a', 'no answer to INVITE', failedAtMs));
    while (cluster.state('a') === 'down') cluster.run(100);
    waits.push((cluster.nowMs - failedAtMs) / 1_000);
  }
  for (const [i, least] of [0, 5, 10, 20, 40, 60, 60].entries()) {
    assert.ok(waits[i]! >= least && waits[i]! <= least + 2.5, `wait ${i}: ${waits[i]} s`);
  }
  cluster.run(130_000);
  cluster.note(cluster.pool.failed('a', 'no answer to INVITE', cluster.nowMs));
  cluster.run(2_500);
  assert.equal(cluster.state('a'), 'up', 'forgotten');
});

test('RFC 3261 21.5.4: after a 503 with Retry-After no call until then, whatever OPTIONS says', () => {
  const cluster = one(1);
  cluster.run(2_000);
  cluster.pool.refused('a', 503, 30, cluster.nowMs);
  assert.equal(cluster.state('a'), 'resting');
  cluster.run(29_990);
  assert.deepEqual(cluster.ids('g'), []);
  cluster.run(10);
  assert.deepEqual(cluster.ids('g'), ['a']);
  assert.equal(cluster.state('a'), 'up');
  assert.deepEqual(cluster.events, ['a up'], 'resting is not down');
});

test('without Retry-After the rests double from 5 s to a minute; refusals of calls that were under way change nothing', () => {
  const cluster = one();
  cluster.run(2_000);
  for (const restSec of [5, 10, 20, 40, 60, 60]) {
    for (let i = 0; i < 20; i++) cluster.pool.refused('a', 503, null, cluster.nowMs);
    cluster.run(restSec * 1_000 - 1);
    assert.equal(cluster.state('a'), 'resting', `${restSec} s`);
    cluster.run(1);
    assert.equal(cluster.state('a'), 'up', `${restSec} s`);
  }
  cluster.run(61_000);
  cluster.pool.refused('a', 500, null, cluster.nowMs);
  cluster.run(5_000);
  assert.equal(cluster.state('a'), 'up', 'forgotten after a minute');
});

test('what a refusal says of the call alone is no reason to rest; a Retry-After of a year is an hour', () => {
  const cluster = one(0);
  for (const status of [400, 403, 404, 415, 480, 486, 488, 501, 505, 513, 603]) {
    cluster.pool.refused('a', status, null, cluster.nowMs);
    assert.equal(cluster.state('a'), 'unknown', String(status));
  }
  cluster.pool.refused('a', 480, 7, cluster.nowMs);
  assert.equal(cluster.state('a'), 'resting');
  cluster.run(7_000);
  assert.equal(cluster.state('a'), 'unknown');
  cluster.pool.refused('a', 503, 31_536_000, cluster.nowMs);
  cluster.run(3_600_000);
  assert.equal(cluster.state('a'), 'unknown');
  assert.equal(cluster.pool.view(cluster.nowMs, 0)[0]!.refusals, 13);
});

test('an OPTIONS that is answered by 503 lets it rest until one is answered well, asked for when Retry-After has passed', () => {
  const cluster = one(60);
  cluster.answers.set('a', busy(5));
  cluster.run(1_100);
  assert.equal(cluster.state('a'), 'resting');
  assert.deepEqual(cluster.events, ['a up'], 'it lives');
  cluster.answers.set('a', GOOD);
  const asked = cluster.asked.length;
  cluster.run(3_800);
  assert.equal(cluster.asked.length, asked, 'not before');
  cluster.run(2_000);
  assert.equal(cluster.state('a'), 'up');
});

test('a draining recorder gets nothing new, is not down, and is back when it says so', () => {
  const cluster = one();
  cluster.answers.set('a', { ...GOOD, draining: true } as ProbeResult);
  cluster.run(1_100);
  assert.equal(cluster.state('a'), 'draining');
  assert.deepEqual(cluster.ids('g'), []);
  cluster.answers.set('a', GOOD);
  cluster.run(12_000);
  assert.deepEqual(cluster.ids('g'), ['a']);
  assert.deepEqual(cluster.events, ['a up']);
});

test('a recorder that was started again between two heartbeats has lost its sessions', () => {
  const cluster = one();
  const startedAt = (startMs: number) => ({ ...GOOD, startMs }) as ProbeResult;
  cluster.answers.set('a', startedAt(1_000));
  cluster.run(30_000);
  cluster.answers.set('a', startedAt(2_000));
  cluster.run(30_000);
  assert.deepEqual(cluster.events, ['a up', 'a restarted']);
  assert.deepEqual(cluster.ids('g'), ['a']);
});

test('what media suspects is asked at once, but not at the rate of packets', () => {
  const cluster = one(60);
  cluster.run(5_000);
  const before = cluster.asked.length;
  cluster.answers.set('a', MISSED);
  const suspectFor10Sec = () => {
    for (let i = 0; i < 500; i++) {
      cluster.pool.suspect('a', cluster.nowMs);
      cluster.run(20);
    }
  };
  suspectFor10Sec();
  assert.equal(cluster.state('a'), 'down');
  assert.ok(cluster.asked.length - before <= 6, `${cluster.asked.length - before} probes in 10 s`);
  cluster.answers.set('a', GOOD);
  const asked = cluster.asked.length;
  suspectFor10Sec();
  assert.ok(cluster.asked.length - asked <= 21, `${cluster.asked.length - asked} good probes in 10 s`);
  assert.ok(cluster.asked[before]!.atMs - 5_000 < 20);
});

test('heartbeat 0: never asked; after a failure it is tried again by and by', () => {
  const cluster = one(0);
  cluster.run(3_600_000);
  assert.deepEqual(cluster.asked, []);
  assert.deepEqual(cluster.ids('g'), ['a']);
  cluster.note(cluster.pool.failed('a', 'no answer', cluster.nowMs));
  assert.deepEqual(cluster.ids('g'), []);
  cluster.run(10_000);
  assert.deepEqual(cluster.ids('g'), ['a']);
});

test('heartbeats do not come at once: 50 recorders are asked at 50 times, and are so after an hour', () => {
  const recorders = Array.from({ length: 50 }, (_, i) => recorder(`r${i}`));
  const cluster = new VirtualCluster(
    recorders,
    [
      group(
        'g',
        recorders.map(({ id }) => id),
      ),
    ],
    { random: randomFrom(7) },
  );
  cluster.run(3_600_000);
  const counts = new Map<string, number>();
  for (const { id } of cluster.asked) counts.set(id, (counts.get(id) ?? 0) + 1);
  for (const count of counts.values()) assert.ok(count > 340 && count < 380, `${count} heartbeats in an hour`);
  for (const fromMs of [0, 1_800_000, 3_590_000]) {
    const times = cluster.asked.filter(({ atMs }) => atMs >= fromMs && atMs < fromMs + 9_000).map(({ atMs }) => atMs);
    assert.ok(new Set(times.map((atMs) => Math.floor(atMs / 10))).size > 30, `spread from ${fromMs}`);
  }
});

test('heartbeats of recorders that began at once drift apart', () => {
  const cluster = new VirtualCluster([recorder('a'), recorder('b')], [group('g', ['a', 'b'])]);
  cluster.run(3_600_000);
  const times = cluster.asked.filter(({ id }) => id === 'a').map(({ atMs }) => atMs);
  const gaps = times.slice(1).map((atMs, i) => Math.round(atMs - times[i]!));
  assert.ok(Math.min(...gaps) >= 9_000 && Math.max(...gaps) <= 11_100, `${Math.min(...gaps)} to ${Math.max(...gaps)}`);
  assert.ok(new Set(gaps).size > 100, 'no two are the same');
});
