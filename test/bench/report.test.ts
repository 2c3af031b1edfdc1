/** What a report shows: ratios to ours, what a goal is against, and what fell short or was not done. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type BenchReport, type Goal, isReached, table } from '../../bench/report.ts';
import { slopePerHour } from '../../bench/system/soak.ts';

const EMPTY: BenchReport = {
  machine: { cpu: 'a CPU', cores: 2, memoryBytes: 1, kernel: '6.1', node: 'v24', versions: { rtpengine: '10.5' } },
  ...{ results: [], figures: [], goals: [], notes: [] },
};
const GOAL: Goal = { name: 'receive', unit: 'us', better: 'less', goal: 3, stretch: 2.4, seen: 2.9 };

function lineWith(report: Partial<BenchReport>, text: string): string {
  const found = table({ ...EMPTY, ...report })
    .split('\n')
    .find((line) => line.includes(text));
  return found ?? '';
}

test('a peer is shown as a multiple of ours, a contender that did not do the work with the reason', () => {
  const rows = [
    { name: 'ours', value: 2 },
    { name: 'peer', value: 5 },
    { name: 'liar', value: null, remark: '10 packets sent, 9 received by a sink' },
  ];
  const report = { figures: [{ name: 'Forward', unit: 'us', rows }] };
  assert.match(lineWith(report, 'peer'), /5\.00 +2\.50 times ours/);
  assert.match(lineWith(report, 'liar'), /failed +10 packets sent, 9 received/);
});

test('a goal is reached, gone beyond, or said to fall short with both numbers', () => {
  const verdict = (goal: Goal) => lineWith({ goals: [goal] }, 'receive, us');
  assert.match(verdict(GOAL), /reached/);
  assert.match(verdict({ ...GOAL, seen: 2 }), /beyond the stretch/);
  assert.match(verdict({ ...GOAL, seen: 3.4 }), /goal 3\.00, seen 3\.40/);
  assert.match(verdict({ ...GOAL, seen: null, remark: 'no koffi' }), /not measured; no koffi/);
  assert.equal(isReached({ ...GOAL, better: 'more', seen: 3.4 }), true);
});

test('the machine and the versions of the peers stand at the top', () => {
  assert.equal(table(EMPTY).split('\n')[0], 'a CPU, 2 cores, Linux 6.1, Node v24, rtpengine 10.5');
});

test('the slope of memory is that of what goes on growing, evenly or in steps, not of what grew once', () => {
  const slope = (bytesAt: (minute: number) => number) =>
    slopePerHour(Array.from({ length: 24 }, (_, minute) => ({ atMs: minute * 60_000, bytes: bytesAt(minute) })));
  assert.equal(Math.round(slope((minute) => 1_000 + 50 * minute)!), 3_000);
  assert.ok(slope((minute) => 1_200 * Math.floor(minute / 6))! > 6_000, '12,000 an hour, in four steps');
  assert.equal(
    slope((minute) => (minute < 3 ? 0 : 1_200)),
    0,
  );
  assert.equal(slopePerHour([{ atMs: 0, bytes: 1_000 }]), null);
});
