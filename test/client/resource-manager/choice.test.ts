/** Who is tried first: the four strategies, location, limits; as properties over clusters in any state. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { GroupStrategy } from '../../../src/client/config/types.ts';
import { type Candidate, inOrderOfChoice } from '../../../src/client/resource-manager/choice.ts';
import type { ProbeResult } from '../../../src/client/resource-manager/recorder.ts';
import { GOOD, group, MISSED, randomFrom, recorder, VirtualCluster } from './virtual-cluster.ts';

const STRATEGIES: GroupStrategy[] = ['hunt', 'round-robin', 'least-used', 'weighted'];
const IDS = ['a', 'b', 'c', 'd', 'e'];

const candidate = (id: string, more: Partial<Candidate> = {}): Candidate => ({
  ...{ id, configured: id, place: 0, isNear: true, isKnown: true, seemsFull: false, used: 0, capacity: null },
  ...{ weight: 1, srvPriority: 0, srvWeight: 0, lastOffered: 0 },
  ...more,
});

function clusterOf(ids: string[], strategy: GroupStrategy, simultaneous = 1): VirtualCluster {
  const cluster = new VirtualCluster(
    ids.map((id) => recorder(id)),
    [group('g', ids, { strategy, simultaneous })],
  );
  cluster.run(2_000);
  return cluster;
}

test('hunt: in the order of the group, whatever they have to do', () => {
  const cluster = new VirtualCluster(
    IDS.map((id) => recorder(id)),
    [group('g', ['c', 'a', 'e'])],
  );
  cluster.run(2_000);
  for (let i = 0; i < 10; i++) {
    assert.deepEqual(cluster.ids('g'), ['c', 'a', 'e']);
    cluster.pool.taken('c');
  }
  assert.deepEqual(cluster.ids('g', { exclude: new Set(['c']) }), ['a', 'e']);
});

test('round robin: each in its turn, with two at a time, too', () => {
  const cluster = clusterOf(['a', 'b', 'c'], 'round-robin');
  const first = Array.from({ length: 6 }, () => cluster.ids('g')[0]);
  assert.deepEqual(first, ['a', 'b', 'c', 'a', 'b', 'c']);
  const pairs = clusterOf(['a', 'b', 'c'], 'round-robin', 2);
  const both = Array.from({ length: 3 }, () => pairs.ids('g').slice(0, 2).join(''));
  assert.deepEqual(both, ['ab', 'ca', 'bc']);
});

test('round robin under churn: of any two that could be used all the time, neither gets more than one call more', () => {
  const steps = fc.array(fc.tuple(fc.constantFrom('rest', 'wake', 'call'), fc.constantFrom('c', 'd', 'e')), {
    maxLength: 200,
  });
  fc.assert(
    fc.property(steps, (all) => {
      const cluster = clusterOf(IDS, 'round-robin');
      const got = new Map(IDS.map((id) => [id, 0]));
      for (const [step, id] of all) {
        if (step === 'rest') cluster.pool.refused(id, 503, 3_600, cluster.nowMs);
        else if (step === 'wake') cluster.run(1_000);
        else {
          const [chosen] = cluster.ids('g');
          got.set(chosen!, got.get(chosen!)! + 1);
        }
        assert.ok(Math.abs(got.get('a')! - got.get('b')!) <= 1);
        for (const other of ['c', 'd', 'e']) assert.ok(got.get(other)! <= got.get('a')! + 1, 'none is flooded');
      }
    }),
    { numRuns: 50 },
  );
});

test('least used: no other that could be used has fewer sessions than the first', () => {
  const step = fc.tuple(fc.constantFrom('call', 'call', 'end', 'end'), fc.nat(IDS.length - 1));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
      const cluster = clusterOf(IDS, 'least-used');
      const sessions = new Map(IDS.map((id) => [id, 0]));
      for (const [what, at] of steps) {
        if (what === 'call') {
          const [chosen] = cluster.ids('g');
          assert.equal(sessions.get(chosen!), Math.min(...sessions.values()));
          cluster.pool.taken(chosen!);
          sessions.set(chosen!, sessions.get(chosen!)! + 1);
        } else if (sessions.get(IDS[at]!)! > 0) {
          cluster.pool.released(IDS[at]!);
          sessions.set(IDS[at]!, sessions.get(IDS[at]!)! - 1);
        }
      }
    }),
    { numRuns: 50 },
  );
});

test('least used: sessions of other clients count, as the recorder told them, and shares where all tell their capacity', () => {
  const says = (sessions: number, capacity: number) => ({ ...GOOD, load: 0, sessions, capacity }) as ProbeResult;
  const cluster = new VirtualCluster(
    ['a', 'b'].map((id) => recorder(id)),
    [group('g', ['a', 'b'], { strategy: 'least-used' })],
  );
  cluster.answers.set('a', says(50, 1_000));
  cluster.answers.set('b', says(20, 100));
  cluster.run(2_000);
  assert.deepEqual(cluster.ids('g'), ['a', 'b'], '5 % before 20 %');
  for (let i = 0; i < 160; i++) cluster.pool.taken('a');
  assert.deepEqual(cluster.ids('g'), ['b', 'a'], '50 and 160 since: 21 %');
  cluster.answers.set('b', says(100, 100));
  cluster.run(12_000);
  assert.deepEqual(cluster.ids('g'), ['a', 'b'], 'what seems full comes last, for it may have room by now');
});

test('hunt: a first one that is full by its own word comes last, and is no less usable', () => {
  const cluster = clusterOf(['a', 'b', 'c'], 'hunt');
  cluster.answers.set('a', { ...GOOD, load: 1, sessions: 100, capacity: 100 } as ProbeResult);
  cluster.run(12_000);
  assert.deepEqual(cluster.ids('g'), ['b', 'c', 'a']);
});

test('weighted: shares of the calls are those of the weights', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 2, maxLength: 5 }),
      fc.integer(),
      (all, seed) => {
        const random = randomFrom(seed);
        const candidates = all.map((weight, i) => candidate(IDS[i]!, { weight, place: i }));
        const sum = all.reduce((total, weight) => total + weight, 0);
        const calls = 4_000;
        const got = new Map<string, number>();
        for (let i = 0; i < calls; i++) {
          const { id } = inOrderOfChoice(candidates, 'weighted', random)[0]!;
          got.set(id, (got.get(id) ?? 0) + 1);
        }
        for (const [i, weight] of all.entries()) {
          const share = weight / sum;
          const deviation = Math.sqrt(calls * share * (1 - share));
          assert.ok(
            Math.abs((got.get(IDS[i]!) ?? 0) - calls * share) < 6 * deviation,
            `${got.get(IDS[i]!)} of ${share}`,
          );
        }
      },
    ),
    { numRuns: 25 },
  );
});

test('weighted: a weight of 0 is a stand-by', () => {
  const candidates = [candidate('a', { weight: 0 }), candidate('b'), candidate('c', { weight: 5 })];
  const random = randomFrom(3);
  for (let i = 0; i < 200; i++) assert.equal(inOrderOfChoice(candidates, 'weighted', random)[2]!.id, 'a');
});

test('location: those of the group or of the call first, the others behind them', () => {
  const places: Record<string, string | null> = { a: 'west', b: 'east', c: null, d: 'east' };
  const recorders = Object.entries(places).map(([id, location]) => recorder(id, { location }));
  for (const strategy of STRATEGIES) {
    const cluster = new VirtualCluster(recorders, [group('g', ['a', 'b', 'c', 'd'], { strategy, location: 'west' })]);
    cluster.run(2_000);
    for (let i = 0; i < 8; i++) assert.equal(cluster.ids('g')[0], 'a', strategy);
    assert.deepEqual(cluster.ids('g', { location: 'east' }).slice(0, 2).sort(), ['b', 'd'], strategy);
    assert.equal(cluster.ids('g', { location: 'east' }).length, 4, strategy);
    assert.equal(cluster.ids('g', { location: 'nowhere' }).length, 4, strategy);
  }
});

test('those of which nothing is known yet come behind those that are up', () => {
  const cluster = new VirtualCluster([recorder('a')], [group('g', ['a'])]);
  cluster.run(2_000);
  cluster.pool.configure([recorder('new'), recorder('a')], [group('g', ['new', 'a'])], cluster.nowMs);
  assert.deepEqual(cluster.ids('g'), ['a', 'new']);
  cluster.run(2_000);
  assert.deepEqual(cluster.ids('g'), ['new', 'a']);
});

test('never one that is down, draining, resting or full; always all others, each once', () => {
  const state = fc.constantFrom('up', 'down', 'failed', 'draining', 'resting', 'refused', 'full', 'excluded');
  const states = fc.tuple(state, state, state, state, state);
  fc.assert(
    fc.property(
      states,
      fc.constantFrom(...STRATEGIES),
      fc.integer({ min: 1, max: 3 }),
      (all, strategy, simultaneous) => {
        const cluster = new VirtualCluster(
          IDS.map((id) => recorder(id, { maxSessions: 2 })),
          [group('g', IDS, { strategy, simultaneous })],
        );
        const exclude = new Set<string>();
        for (const [i, id] of IDS.entries()) {
          if (all[i] === 'down') cluster.answers.set(id, MISSED);
          if (all[i] === 'draining') cluster.answers.set(id, { ...GOOD, draining: true } as ProbeResult);
          if (all[i] === 'resting') {
            cluster.answers.set(id, { ...GOOD, busy: { cause: '503', retryAfterSec: null } } as ProbeResult);
          }
        }
        cluster.run(40_000);
        for (const [i, id] of IDS.entries()) {
          if (all[i] === 'failed') cluster.pool.failed(id, 'no answer', cluster.nowMs);
          if (all[i] === 'refused') cluster.pool.refused(id, 503, 10, cluster.nowMs);
          if (all[i] === 'excluded') exclude.add(id);
          for (let k = 0; k < 2 && all[i] === 'full'; k++) cluster.pool.taken(id);
        }
        const wanted = IDS.filter((_, i) => all[i] === 'up');
        assert.deepEqual(cluster.ids('g', { exclude }).sort(), wanted);
        assert.equal(cluster.pool.groups(cluster.nowMs)[0]!.usable, wanted.length + exclude.size);
      },
    ),
    { numRuns: 150 },
  );
});

test('maxSessions: full at that number, usable again with one less', () => {
  const cluster = new VirtualCluster([recorder('a', { maxSessions: 2 }), recorder('b')], [group('g', ['a', 'b'])]);
  cluster.run(2_000);
  cluster.pool.taken('a');
  assert.deepEqual(cluster.ids('g'), ['a', 'b']);
  cluster.pool.taken('a');
  assert.deepEqual(cluster.ids('g'), ['b']);
  cluster.pool.released('a');
  assert.deepEqual(cluster.ids('g'), ['a', 'b']);
  for (let i = 0; i < 5; i++) cluster.pool.released('a');
  assert.equal(cluster.pool.view(cluster.nowMs, 0)[0]!.sessions, 0, 'never below none');
});

test('calls at the same moment are spread, though none is answered yet', () => {
  for (const strategy of ['round-robin', 'least-used'] as const) {
    const cluster = clusterOf(IDS, strategy);
    const got = Array.from({ length: 50 }, () => {
      const [chosen] = cluster.ids('g');
      cluster.pool.taken(chosen!);
      return chosen!;
    });
    for (const id of IDS) assert.equal(got.filter((one) => one === id).length, 10, strategy);
  }
});
