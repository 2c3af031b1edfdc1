/** Leases of media ports. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { NoPortLeft, PORT_REST_MS, PortLeases } from '../../src/media/ports.ts';

test('RFC 3550 section 11: RTP on an even port, with its odd neighbour inside the range', () => {
  const leases = new PortLeases(10_001, 10_006);
  assert.deepEqual([leases.lease(0), leases.lease(0)], [10_002, 10_004]);
  assert.throws(() => leases.lease(0), NoPortLeft);
});

test('a range without a pair is refused', () => {
  assert.throws(() => new PortLeases(10_000, 10_000), RangeError);
  assert.throws(() => new PortLeases(10_001, 10_002), RangeError);
  assert.throws(() => new PortLeases(10_006, 10_000), RangeError);
});

test('a port rests before it is leased again, as long as there are others', () => {
  const leases = new PortLeases(10_000, 10_001);
  leases.giveBack(leases.lease(0), 5_000);
  assert.throws(() => leases.lease(5_000 + PORT_REST_MS - 1), NoPortLeft);
  assert.equal(leases.lease(5_000 + PORT_REST_MS), 10_000);
  const wider = new PortLeases(10_000, 10_003);
  wider.giveBack(wider.lease(0), 0);
  assert.deepEqual([wider.lease(PORT_REST_MS), wider.lease(PORT_REST_MS)], [10_002, 10_000]);
});

test('no port is leased twice or before its rest, over any course of events', () => {
  const step = fc.record({ lease: fc.boolean(), ms: fc.integer({ min: 0, max: 2_000 }), which: fc.nat() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 3_000, size: 'max' }), (steps) => {
      const leases = new PortLeases(20_000, 20_199);
      const held: number[] = [];
      const restUntil = new Map<number, number>();
      let nowMs = 0;
      for (const { lease, ms, which } of steps) {
        nowMs += ms;
        if (!lease && held.length > 0) {
          const [port] = held.splice(which % held.length, 1);
          leases.giveBack(port!, nowMs);
          restUntil.set(port!, nowMs + PORT_REST_MS);
        } else if (lease) {
          const resting = [...restUntil.values()].filter((until) => until > nowMs).length;
          if (held.length + resting === 100) {
            assert.throws(() => leases.lease(nowMs), NoPortLeft);
            continue;
          }
          const port = leases.lease(nowMs);
          assert.equal(held.includes(port), false);
          assert.ok((restUntil.get(port) ?? 0) <= nowMs);
          held.push(port);
        }
      }
    }),
    { numRuns: 50, seed: 11 },
  );
});
