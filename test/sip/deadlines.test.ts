/** The heap of deadlines against a sorted list. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Alarm, DeadlineHeap } from '../../src/sip/transaction/index.ts';

test('deadlines fire in order, each once, whatever was moved or cleared before', () => {
  const step = fc.record({ item: fc.nat(19), at: fc.oneof(fc.nat(1_000), fc.constant(Infinity)) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const heap = new DeadlineHeap();
      const fired: number[] = [];
      const alarms = Array.from({ length: 20 }, () => new Alarm((now) => fired.push(now)));
      const model = new Map<number, number>();
      for (const { item, at } of steps) {
        heap.set(alarms[item]!, at);
        if (at === Infinity) model.delete(item);
        else model.set(item, at);
        assert.equal(heap.next, Math.min(Infinity, ...model.values()));
        assert.equal(heap.size, model.size);
      }
      const expected = [...model.values()].sort((a, b) => a - b);
      while (heap.next < Infinity) heap.run(heap.next);
      assert.deepEqual(fired, expected);
    }),
  );
});

test('an alarm may set itself and others again while the heap runs', () => {
  const heap = new DeadlineHeap();
  const times: number[] = [];
  const again = new Alarm((now) => {
    times.push(now);
    if (now < 30) heap.set(again, now + 10);
  });
  heap.set(again, 10);
  heap.run(10);
  heap.run(25);
  heap.run(100);
  assert.deepEqual(times, [10, 25, 100]);
  assert.equal(heap.next, Infinity);
});

test('the keeper of the timer hears of an earlier deadline only', () => {
  const heap = new DeadlineHeap();
  let calls = 0;
  heap.onEarlier = () => calls++;
  const [a, b] = [new Alarm(() => {}), new Alarm(() => {})];
  heap.set(a, 100);
  heap.set(b, 200);
  heap.set(b, 50);
  heap.set(b, 60);
  assert.equal(calls, 2);
});
