/** What the engine takes for too much, from what its lanes tell of themselves. */
import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { LaneMemory, type WorkerState } from '../../src/media/memory.ts';
import { TestEngine } from './loopback.ts';

const CALM: WorkerState = { queuedBytes: 0, writtenBytes: 0, lagMs: 150, loopLoad: 0.6, tickP99Ms: 2 };
const MIB = 1024 * 1024;

test('a lane without time, with long ticks, or with a disk that lags is overloaded', async () => {
  const tested = await TestEngine.start();
  let state = CALM;
  mock.getter(LaneMemory.prototype, 'workerState', () => state);
  const overload = (trouble: Partial<WorkerState>) => {
    state = { ...CALM, ...trouble };
    return tested.engine.overload();
  };
  assert.equal(overload({}), null);
  assert.equal(overload({ loopLoad: 0.96 }), 'processor');
  assert.equal(overload({ tickP99Ms: 512 }), 'processor');
  assert.equal(overload({ lagMs: 6_000 }), 'disk');
  assert.equal(overload({ queuedBytes: 30 * MIB }), 'disk');
  mock.restoreAll();
  await tested.close();
});

test('a lane tells how busy it is: an idle one is not', async () => {
  const tested = await TestEngine.start();
  assert.equal(tested.engine.overload(), null);
  const [lane] = tested.engine.stats().lanes;
  assert.ok(lane!.loopLoad < 0.5, `${lane!.loopLoad}`);
  await tested.close();
});
