/** The order of packets for decoders with a memory, against a simple model. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MAX_WAITING_PACKETS, PacketOrder } from '../../src/recording/packet-order.ts';
import { random } from './journal-builder.ts';
import { range } from './make.ts';

/** Numbers in the order in which they are taken out, and those that were late, when they come in this order. */
function taken(first: number, arrivals: number[]): { taken: number[]; late: number[]; waited: number } {
  const toCome = new Set(arrivals);
  const order = new PacketOrder<{ n: number }>(first, (n) => toCome.has(n));
  const result = { taken: [] as number[], late: [] as number[], waited: 0 };
  let waiting = 0;
  const takeAll = (isAtEnd: boolean) => {
    for (let p = order.take(isAtEnd); p; p = order.take(isAtEnd)) {
      result.taken.push(p.n);
      waiting--;
    }
    result.waited = Math.max(result.waited, waiting);
  };
  for (const n of arrivals) {
    toCome.delete(n);
    if (order.isLate(n)) {
      result.late.push(n);
      continue;
    }
    order.add(n, { n });
    waiting++;
    takeAll(false);
  }
  takeAll(true);
  assert.equal(waiting, 0);
  return result;
}

const ascending = (numbers: number[]) => numbers.toSorted((a, b) => a - b);

test('reordered by less than what may wait: all in their order, whatever is lost', () => {
  for (let seed = 1; seed <= 40; seed++) {
    const next = random(seed);
    const reach = 1 + next() * (MAX_WAITING_PACKETS - 2);
    const sent = range(500, 1500).filter(() => next() > 0.1);
    const arrivals = sent
      .map((n) => ({ n, at: n + next() * reach }))
      .sort((a, b) => a.at - b.at)
      .map(({ n }) => n);
    assert.deepEqual(taken(500, arrivals), { taken: sent, late: [], waited: taken(500, arrivals).waited });
  }
});

test('in any order: each packet once, taken in ascending order or late, and no more wait than may', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const next = random(seed);
    const sent = range(0, 900).filter(() => next() > 0.1);
    const arrivals = sent
      .map((n) => ({ n, at: next() }))
      .sort((a, b) => a.at - b.at)
      .map(({ n }) => n);
    const result = taken(0, arrivals);
    assert.deepEqual(result.taken, ascending(result.taken));
    assert.deepEqual(ascending([...result.taken, ...result.late]), sent);
    assert.ok(result.waited <= MAX_WAITING_PACKETS);
  }
});

test('nothing waits for what is lost, or for what has been read already', () => {
  const order = new PacketOrder<string>(10, (n) => n === 13);
  order.add(12, 'after two losses');
  assert.equal(order.take(), 'after two losses');
  order.add(14, 'before its turn');
  assert.equal(order.take(), undefined);
  order.add(13, 'its turn');
  assert.deepEqual([order.take(), order.take(), order.take()], ['its turn', 'before its turn', undefined]);
  assert.equal(order.isLate(11), true);
  assert.equal(order.isLate(15), false);
});
