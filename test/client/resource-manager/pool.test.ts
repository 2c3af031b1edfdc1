/** What reloads, and the DNS, make of a pool that is in use. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ServiceTarget } from '../../../src/client/resource-manager/recorder.ts';
import { mayBeSeveral, uriOfTarget } from '../../../src/client/resource-manager/srv-members.ts';
import { group, MISSED, recorder, VirtualCluster } from './virtual-cluster.ts';

const target = (host: string, priority = 0, weight = 0): ServiceTarget => ({
  ...{ uri: `sip:${host}.example.com:5070`, name: `${host}.example.com:5070`, priority, weight },
});
const REC = 'sip:rec.example.com';

function behindDns(targets: ServiceTarget[], more: Parameters<typeof group>[2] = {}): VirtualCluster {
  const recorders = [recorder('rec', { uri: REC, weight: 3 }), recorder('b', { weight: 1 })];
  const cluster = new VirtualCluster(recorders, [group('g', ['rec', 'b'], more)], { looksUp: true });
  cluster.zone.set(REC, targets);
  cluster.run(2_000);
  return cluster;
}

test('reload: recorders that stay keep state and sessions, new ones are asked, removed ones get nothing more', () => {
  const cluster = new VirtualCluster(
    ['a', 'b', 'c'].map((id) => recorder(id)),
    [group('g', ['a', 'b', 'c'])],
  );
  cluster.answers.set('b', MISSED);
  cluster.run(30_000);
  cluster.pool.taken('a');
  cluster.pool.taken('c');
  cluster.pool.refused('a', 503, 100, cluster.nowMs);
  const again = [recorder('a', { weight: 7 }), recorder('b'), recorder('d')];
  cluster.pool.configure(again, [group('g', ['b', 'a', 'd'], { strategy: 'round-robin' })], cluster.nowMs);
  assert.deepEqual(
    ['a', 'b', 'c', 'd'].map((id) => cluster.state(id)),
    ['resting', 'down', 'up', 'unknown'],
  );
  assert.deepEqual(cluster.ids('g'), ['d']);
  assert.equal(cluster.pool.recorder('a')!.weight, 7);
  const view = cluster.pool.view(cluster.nowMs, 0);
  assert.deepEqual(
    view.map(({ id, sessions, groups }) => [id, sessions, groups.join()]),
    [
      ['a', 1, 'g'],
      ['b', 0, 'g'],
      ['c', 1, ''],
      ['d', 0, 'g'],
    ],
  );
  cluster.run(2_000);
  assert.equal(cluster.state('d'), 'up');
});

test('reload: a removed recorder is watched until its last session has ended', () => {
  const cluster = new VirtualCluster([recorder('a'), recorder('b')], [group('g', ['a', 'b'])]);
  cluster.run(2_000);
  cluster.pool.taken('a');
  cluster.pool.configure([recorder('b')], [group('g', ['b'])], cluster.nowMs);
  cluster.answers.set('a', MISSED);
  cluster.run(30_000);
  assert.deepEqual(
    cluster.events.filter((event) => event.startsWith('a')),
    ['a up', 'a down'],
  );
  cluster.pool.released('a');
  assert.equal(cluster.pool.recorder('a'), null);
  const asked = cluster.asked.length;
  cluster.run(5_000);
  assert.equal(cluster.asked.slice(asked).filter(({ id }) => id === 'a').length, 0);
});

test('reload: another URI is another recorder, but sessions at the old one are given back by the id', () => {
  const cluster = new VirtualCluster([recorder('a')], [group('g', ['a'])]);
  cluster.answers.set('a', MISSED);
  cluster.run(30_000);
  cluster.pool.taken('a');
  cluster.pool.configure([recorder('a', { uri: 'sip:other.example.com:5060' })], [group('g', ['a'])], cluster.nowMs);
  assert.equal(cluster.state('a'), 'unknown');
  assert.equal(cluster.pool.view(cluster.nowMs, 0)[0]!.sessions, 1);
  cluster.pool.released('a');
  assert.equal(cluster.pool.view(cluster.nowMs, 0)[0]!.sessions, 0);
});

test('reload: the heartbeat is the shortest of the groups, and a shorter one begins soon', () => {
  const groups = [group('g', ['a'], { heartbeatSec: 300 }), group('h', ['a'], { heartbeatSec: 0 })];
  const cluster = new VirtualCluster([recorder('a')], groups);
  cluster.run(10_000);
  assert.equal(cluster.asked.length, 1);
  cluster.pool.configure([recorder('a')], [...groups, group('i', ['a'], { heartbeatSec: 2 })], cluster.nowMs);
  cluster.run(20_000);
  assert.ok(cluster.asked.length >= 9 && cluster.asked.length <= 13, String(cluster.asked.length));
  cluster.pool.configure([recorder('a')], [group('h', ['a'], { heartbeatSec: 0 })], cluster.nowMs);
  const asked = cluster.asked.length;
  cluster.run(600_000);
  assert.equal(cluster.asked.length, asked);
});

test('a recorder is a group of its own by its id; what is neither has no candidates', () => {
  const cluster = new VirtualCluster([recorder('a'), recorder('alone')], [group('g', ['a'], { simultaneous: 2 })]);
  cluster.run(2_000);
  assert.deepEqual(cluster.ids('alone'), ['alone']);
  assert.equal(cluster.state('alone'), 'up', 'it has a heartbeat, too');
  assert.deepEqual(cluster.ids('nobody'), []);
  assert.deepEqual([cluster.pool.simultaneous('g'), cluster.pool.simultaneous('alone')], [2, 1]);
});

test('a group that had fewer than it wants says how often', () => {
  const cluster = new VirtualCluster([recorder('a'), recorder('b')], [group('g', ['a', 'b'], { simultaneous: 2 })]);
  cluster.run(2_000);
  cluster.ids('g');
  cluster.ids('g', { exclude: new Set(['a']) });
  cluster.pool.refused('a', 503, 60, cluster.nowMs);
  cluster.ids('g');
  cluster.ids('g', { exclude: new Set(['b']) });
  const { usable, shortages } = cluster.pool.groups(cluster.nowMs)[0]!;
  assert.deepEqual({ usable, shortages }, { usable: 1, shortages: 2 });
});

test('RFC 3263 4.2: a URI with a name is as many recorders as its SRV records name, each with a state of its own', () => {
  const cluster = behindDns([target('x'), target('y')], { strategy: 'round-robin' });
  const x = 'rec/x.example.com:5070';
  const y = 'rec/y.example.com:5070';
  assert.deepEqual(cluster.ids('g').sort(), ['b', x, y]);
  assert.deepEqual(cluster.pool.recorder(x), {
    ...recorder('rec', { uri: 'sip:x.example.com:5070', weight: 3 }),
    ...{ id: x, configured: 'rec' },
  });
  assert.deepEqual(cluster.ids('rec').sort(), [x, y], 'by its configured id, too');
  cluster.answers.set(x, MISSED);
  cluster.run(30_000);
  assert.deepEqual(cluster.ids('g').sort(), ['b', y]);
});

test('RFC 2782: targets of a higher priority number only when none of a lower one can be used', () => {
  const targets = [target('spare', 20), target('x', 10), target('y', 10)];
  for (const strategy of ['round-robin', 'least-used', 'weighted'] as const) {
    const cluster = behindDns(targets, { strategy });
    for (let i = 0; i < 20; i++) assert.equal(cluster.ids('g')[3], 'rec/spare.example.com:5070', strategy);
    cluster.pool.refused('rec/x.example.com:5070', 503, 600, cluster.nowMs);
    cluster.pool.refused('rec/y.example.com:5070', 503, 600, cluster.nowMs);
    const first = new Set(
      Array.from({ length: 40 }, () => {
        const [chosen] = cluster.ids('g');
        cluster.pool.taken(chosen!);
        return chosen!;
      }),
    );
    assert.deepEqual([...first].sort(), ['b', 'rec/spare.example.com:5070'], strategy);
  }
  const hunt = behindDns(targets);
  assert.deepEqual(hunt.ids('g').slice(2), ['rec/spare.example.com:5070', 'b'], 'hunt: all of rec before b');
});

test('weighted: targets share the weight of their recorder by their SRV weights', () => {
  const cluster = behindDns([target('x', 0, 1), target('y', 0, 2)], { strategy: 'weighted' });
  const got = new Map<string, number>();
  for (let i = 0; i < 4_000; i++) {
    const [chosen] = cluster.ids('g');
    got.set(chosen!, (got.get(chosen!) ?? 0) + 1);
  }
  for (const [id, share] of [
    ['rec/x.example.com:5070', 0.25],
    ['rec/y.example.com:5070', 0.5],
    ['b', 0.25],
  ] as const) {
    assert.ok(Math.abs(got.get(id)! / 4_000 - share) < 0.04, `${id}: ${got.get(id)}`);
  }
});

test('the DNS changes: what stays keeps its state, what goes is watched while it has sessions, silence changes nothing', () => {
  const cluster = behindDns([target('x'), target('y')]);
  cluster.pool.refused('rec/x.example.com:5070', 503, 3_000, cluster.nowMs);
  cluster.pool.taken('rec/y.example.com:5070');
  cluster.zone.set(REC, [target('x'), target('z')]);
  cluster.run(40_000);
  assert.equal(cluster.state('rec/x.example.com:5070'), 'resting');
  assert.deepEqual(cluster.ids('g'), ['rec/z.example.com:5070', 'b']);
  assert.equal(cluster.state('rec/y.example.com:5070'), 'up');
  cluster.pool.released('rec/y.example.com:5070');
  assert.equal(cluster.state('rec/y.example.com:5070'), undefined);
  cluster.zone.set(REC, []);
  cluster.run(100_000);
  assert.deepEqual(cluster.ids('g'), ['rec/z.example.com:5070', 'b'], 'a DNS that fails takes no recorder away');
});

test('without SRV records the URI is one recorder, and the DNS is asked again', () => {
  const cluster = behindDns([]);
  assert.deepEqual(cluster.ids('g'), ['rec', 'b']);
  cluster.zone.set(REC, [target('x')]);
  cluster.run(40_000);
  assert.deepEqual(cluster.ids('g'), ['rec/x.example.com:5070', 'b']);
});

test('RFC 3263 4.2: a port, an address, maddr or TLS leaves nothing to look up', () => {
  assert.ok(mayBeSeveral('sip:rec.example.com'));
  assert.ok(mayBeSeveral('sip:srs@rec.example.com;transport=tcp'));
  for (const uri of [
    'sip:rec.example.com:5060',
    'sip:192.0.2.1',
    'sip:[2001:db8::1]',
    'sip:localhost',
    'sip:rec.example.com;maddr=192.0.2.1',
    'sips:rec.example.com',
    'sip:rec.example.com;transport=TLS',
    'tel:+123',
    'sip:',
  ]) {
    assert.ok(!mayBeSeveral(uri), uri);
  }
});

test('the URI of a target has its name and port, and keeps user part and parameters', () => {
  const of = (uri: string, transport: 'udp' | 'tcp') => uriOfTarget(uri, 'x.example.com', 5070, transport);
  assert.equal(of('sip:rec.example.com', 'udp'), 'sip:x.example.com:5070');
  assert.equal(of('sip:rec.example.com', 'tcp'), 'sip:x.example.com:5070;transport=tcp');
  assert.equal(of('sip:record=a:b@rec.example.com;lr;x=1', 'udp'), 'sip:record=a:b@x.example.com:5070;lr;x=1');
  assert.equal(of('sip:rec.example.com;transport=tcp', 'tcp'), 'sip:x.example.com:5070;transport=tcp');
});
