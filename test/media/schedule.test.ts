/** What a lane does at intervals: by a clock of the test's own. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Schedule } from '../../src/media/schedule.ts';

test('a task runs once an interval, and the schedule tells when the next one is due', () => {
  const schedule = new Schedule();
  const ran: string[] = [];
  schedule.add(20, 0, () => ran.push('flush'));
  schedule.add(50, 0, () => ran.push('report'));
  assert.equal(schedule.runDue(0), 20);
  assert.equal(schedule.runDue(20), 20);
  assert.equal(schedule.runDue(40), 10);
  assert.equal(schedule.runDue(50), 10);
  assert.deepEqual(ran, ['flush', 'flush', 'report']);
});

test('what was missed is not made up for', () => {
  const schedule = new Schedule();
  let runs = 0;
  schedule.add(20, 0, () => runs++);
  assert.equal(schedule.runDue(1_000), 10, 'half an interval at least');
  assert.equal(runs, 1);
  schedule.runDue(1_010);
  assert.equal(runs, 2);
});

test('nobody is woken for what is not needed, and it is due at once when it is', () => {
  const schedule = new Schedule();
  let isNeeded = false;
  let runs = 0;
  schedule.add(
    20,
    0,
    () => runs++,
    () => isNeeded,
  );
  assert.equal(schedule.runDue(100), Number.POSITIVE_INFINITY);
  isNeeded = true;
  schedule.runDue(101);
  assert.equal(runs, 1);
});

test('a task that was ended does not run', () => {
  const schedule = new Schedule();
  let runs = 0;
  const end = schedule.add(20, 0, () => runs++);
  end();
  assert.equal(schedule.runDue(100), Number.POSITIVE_INFINITY);
  assert.equal(runs, 0);
});
