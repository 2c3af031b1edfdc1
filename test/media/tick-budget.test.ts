/** The tick budget against the sorted list of all ticks. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TickBudget } from '../../src/media/tick-budget.ts';
import { randomNumbers } from './rig.ts';

test('99 % of the ticks are within what it says, and it says no more than twice of what they need', () => {
  const next = randomNumbers(5);
  const budget = new TickBudget();
  for (let round = 0; round < 50; round++) {
    const ticks = Array.from({ length: 1 + Math.floor(next() * 500) }, () => 0.07 * 2 ** (next() * 13));
    for (const ms of ticks) budget.tick(ms);
    const needed = ticks.toSorted((a, b) => a - b)[Math.ceil(ticks.length * 0.99) - 1]!;
    const said = budget.takeP99Ms();
    assert.ok(said >= needed && said < 2 * needed, `${said} ms for ${needed} ms`);
  }
  assert.equal(budget.takeP99Ms(), 0, 'each is told of once');
});
