/** Heartbeats and fail-over over real sockets: sipp as recorders of others, a recording server as one of ours, a DNS with SRV records. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { performance } from 'node:perf_hooks';
import { type TestContext, test } from 'node:test';
import { Registry } from 'prom-client';
import type { GroupConfig, RecorderConfig } from '../../../src/client/config/types.ts';
import {
  optionsProbe,
  ResourceManager,
  recorderMetrics,
  retryAfterOf,
  srvResolver,
} from '../../../src/client/resource-manager/index.ts';
import { SipEndpoint, type SipFailure, type SipSession } from '../../../src/sip/index.ts';
import { Client, OFFER, sdpOnly, startServer, stopServer, undoing, until } from '../../server/rig.ts';
import { a, dnsServer, srv } from '../../sip/dns-server.ts';
import { freeUdpPort, SippRecorder } from './sipp-recorder.ts';
import { group, recorder } from './virtual-cluster.ts';

const RETRY_AFTER_SEC = 3;
const noSipp = !existsSync('/usr/bin/sipp') && 'install sip-tester (Debian) to run this';

interface Rig {
  endpoint: SipEndpoint;
  manager: ResourceManager;
  events: string[];
}

async function start(
  undo: (undo: () => unknown) => void,
  recorders: RecorderConfig[],
  groups: GroupConfig[],
  dnsServers: string[] = [],
): Promise<Rig> {
  const endpoint = new SipEndpoint({
    listen: [{ transport: 'udp', host: '127.0.0.1', port: 0 }],
    userAgent: 'test client',
    contactParams: ['+sip.src'],
    dnsServers,
  });
  await endpoint.start();
  undo(() => endpoint.close());
  const silent = { info: () => {}, warn: () => {}, error: () => {} };
  const manager = new ResourceManager({
    ...{ recorders, groups, log: silent },
    probe: optionsProbe({ endpoint, timeoutMs: 400 }),
    resolve: srvResolver(['udp'], dnsServers),
    now: () => performance.now(),
    random: Math.random,
  });
  const events: string[] = [];
  manager.onDown = ({ id }) => events.push(`${id} down`);
  manager.onUp = ({ id }) => events.push(`${id} up`);
  manager.start();
  undo(() => manager.close());
  return { endpoint, manager, events };
}

const at = (id: string, port: number, more: Partial<RecorderConfig> = {}) =>
  recorder(id, { uri: `sip:recorder@127.0.0.1:${port}`, ...more });

/** Tries candidates in their order, as who records does; returns what became of each. */
async function record(
  { endpoint, manager }: Rig,
  name: string,
): Promise<{ tried: string[]; session: SipSession | null }> {
  const tried: string[] = [];
  for (const { id, uri } of manager.candidates(name)) {
    manager.taken(id);
    try {
      const { session } = await endpoint.invite({ to: uri, body: sdpOnly(OFFER) }).answered;
      tried.push(`${id} took it`);
      return { tried, session };
    } catch (error) {
      manager.released(id);
      const { status, response } = error as SipFailure;
      if (response) manager.refused(id, status, retryAfterOf(response));
      else manager.failed(id, String(error));
      tried.push(`${id} ${status}`);
    }
  }
  return { tried, session: null };
}

function state(manager: ResourceManager, id: string): string | undefined {
  return manager.view().find((one) => one.id === id)?.state;
}

async function sippRecorders(t: TestContext) {
  const undo = undoing(t);
  const folder = mkdtempSync(path.join(tmpdir(), 'doubletrack-recorders-'));
  undo(() => rmSync(folder, { recursive: true, force: true }));
  const started = async (name: string, answers: Parameters<typeof SippRecorder.start>[3]) => {
    const one = SippRecorder.start(folder, name, await freeUdpPort(), answers);
    undo(() => one.kill());
    return one;
  };
  return { undo, started };
}

test('RFC 3261 21.5.4, 11: of a recorder that refuses, one that is silent and one that takes calls, the last gets them', {
  skip: noSipp,
}, async (t) => {
  const { undo, started } = await sippRecorders(t);
  const inviteHeaders = [`Retry-After: ${RETRY_AFTER_SEC} (licence)`];
  const busy = await started('busy', { options: '405 No', invite: '503 Service Unavailable', inviteHeaders });
  const silent = await started('silent', { options: null, invite: '' });
  const good = await started('good', { options: '200 OK', invite: '200 OK' });
  const recorders = [at('busy', busy.port), at('silent', silent.port), at('good', good.port)];
  const rig = await start(undo, recorders, [group('g', ['silent', 'busy', 'good'], { heartbeatSec: 1 })]);
  const { manager, events } = rig;

  await until(
    'what each is',
    () => state(manager, 'good') === 'up' && state(manager, 'busy') === 'up' && state(manager, 'silent') === 'down',
  );
  assert.ok(silent.isRunning);
  assert.match(manager.view().find(({ id }) => id === 'silent')!.cause!, /OPTIONS/);

  const first = await record(rig, 'g');
  assert.deepEqual(first.tried, ['busy 503', 'good took it']);
  const refusedAtMs = performance.now();
  assert.equal(state(manager, 'busy'), 'resting');
  assert.deepEqual(
    manager.candidates('g').map(({ id }) => id),
    ['good'],
  );
  await until('the rest to be over', () => manager.candidates('g').length === 2);
  assert.ok(performance.now() - refusedAtMs > RETRY_AFTER_SEC * 1_000 - 50);

  const registry = new Registry();
  recorderMetrics(registry, manager);
  const text = await registry.metrics();
  for (const line of [
    'doubletrack_recorder_state{recorder="good",state="up"} 1',
    'doubletrack_recorder_state{recorder="silent",state="down"} 1',
    'doubletrack_recorder_sessions{recorder="good"} 1',
    'doubletrack_recorder_refusals_total{recorder="busy"} 1',
    'doubletrack_recorder_group_usable{group="g"} 2',
  ]) {
    assert.ok(text.includes(`${line}\n`), line);
  }

  await first.session!.bye();
  manager.released('good');
  await good.kill();
  await until('the death of a recorder', () => events.includes('good down'));
  assert.deepEqual(
    manager.candidates('g').map(({ id }) => id),
    ['busy'],
  );
  assert.deepEqual(events.slice().sort(), ['busy up', 'good down', 'good up', 'silent down']);
});

test('a recorder that is started anew is up again; a reload takes one away while its session goes on', {
  skip: noSipp,
}, async (t) => {
  const { undo, started } = await sippRecorders(t);
  const one = await started('one', { options: '200 OK', invite: '200 OK' });
  const port = await freeUdpPort();
  const config = [at('one', one.port), at('late', port)];
  const rig = await start(undo, config, [group('g', ['late', 'one'], { heartbeatSec: 1 })]);
  const { manager, events } = rig;
  await until('the late one to be missed', () => events.includes('late down') && events.includes('one up'));
  const { tried, session } = await record(rig, 'g');
  assert.deepEqual(tried, ['one took it']);

  const folder = mkdtempSync(path.join(tmpdir(), 'doubletrack-recorders-'));
  undo(() => rmSync(folder, { recursive: true, force: true }));
  const late = SippRecorder.start(folder, 'late', port, { options: '200 OK', invite: '200 OK' });
  undo(() => late.kill());
  await until('it to be up', () => events.includes('late up'));
  assert.deepEqual(
    manager.candidates('g').map(({ id }) => id),
    ['late', 'one'],
  );

  manager.reload([at('late', port)], [group('g', ['late'], { heartbeatSec: 1 })]);
  assert.deepEqual(
    manager.candidates('g').map(({ id }) => id),
    ['late'],
  );
  assert.deepEqual(
    manager
      .view()
      .map(({ id, state, sessions }) => `${id} ${state} ${sessions}`)
      .sort(),
    ['late up 0', 'one up 1'],
  );
  await session!.bye();
  manager.released('one');
  assert.deepEqual(
    manager.view().map(({ id }) => id),
    ['late'],
  );
});

test('RFC 3263 4.2: two targets of one name, each with a heartbeat; the one that dies is the one that is left out', {
  skip: noSipp,
}, async (t) => {
  const { undo, started } = await sippRecorders(t);
  const x = await started('x', { options: '200 OK', invite: '200 OK' });
  const y = await started('y', { options: '200 OK', invite: '200 OK' });
  const dns = await dnsServer(t, {
    '_sip._udp.rec.example.com': [
      srv('_sip._udp.rec.example.com', 'x.example.com', x.port, 10),
      srv('_sip._udp.rec.example.com', 'y.example.com', y.port, 20),
    ],
    'x.example.com': [a('x.example.com', '127.0.0.1')],
    'y.example.com': [a('y.example.com', '127.0.0.1')],
  });
  const config = [recorder('rec', { uri: 'sip:srs@rec.example.com' })];
  const rig = await start(undo, config, [group('g', ['rec'], { heartbeatSec: 1 })], [dns.address]);
  const ids = [`rec/x.example.com:${x.port}`, `rec/y.example.com:${y.port}`];
  await until('both to be up', () => ids.every((id) => state(rig.manager, id) === 'up'));
  assert.deepEqual(
    rig.manager.candidates('g').map(({ id }) => id),
    ids,
  );
  const { tried, session } = await record(rig, 'g');
  assert.deepEqual(tried, [`${ids[0]} took it`]);
  await session!.bye();
  await x.kill();
  await until('its death', () => rig.events.includes(`${ids[0]} down`));
  assert.deepEqual((await record(rig, 'g')).tried, [`${ids[1]} took it`]);
});

test('a recording server tells load and drain in answer to OPTIONS outside of any dialog, and that it was started again', async (t) => {
  const undo = undoing(t);
  const server = await startServer('47800-47899', { maxSessions: 4 });
  undo(() => stopServer(server));
  const { manager, endpoint, events } = await start(
    undo,
    [at('ours', server.udpPort)],
    [group('g', ['ours'], { heartbeatSec: 1, strategy: 'least-used' })],
  );
  const client = await Client.start(server);
  undo(() => client.close());
  const view = () => manager.view()[0]!;
  await until('it to be up', () => view().state === 'up');
  assert.deepEqual(view().reported, { sessions: 0, capacity: 4 });

  const { session } = await client.call(sdpOnly(OFFER));
  await until('the session to count', () => view().reported?.sessions === 1);
  assert.ok(view().load! >= 0.25);
  const more = await Promise.all([1, 2, 3].map(() => client.call(sdpOnly(OFFER))));
  await until('it to be full', () => view().state === 'resting');
  assert.match(view().cause!, /full/);
  assert.deepEqual(manager.candidates('g'), []);
  await Promise.all(more.map((call) => call.session.bye()));
  await until('room', () => view().state === 'up');

  const probed = await endpoint.request({ method: 'OPTIONS', to: `sip:recorder@127.0.0.1:${server.udpPort}` });
  assert.match(probed.header('X-Doubletrack-Load')!, /^sessions=1;max=4;cpu=[01]\.\d\d;state=taking;start=\d{13}$/);

  const drained = server.server.drain(60_000);
  const refused = await endpoint.request({ method: 'OPTIONS', to: `sip:recorder@127.0.0.1:${server.udpPort}` });
  assert.equal(refused.status, 503);
  assert.ok(Number(refused.header('Retry-After')) > 0);
  assert.match(refused.header('X-Doubletrack-Load')!, /state=draining/);
  await until('it to drain', () => view().state === 'draining');
  assert.deepEqual(manager.candidates('g'), []);
  assert.deepEqual(events, ['ours up'], 'neither full nor draining is down');
  await session.bye();
  await drained;

  const next = await startServer('47900-47999', { maxSessions: 4, sip: [`udp:127.0.0.1:${server.udpPort}`] });
  undo(() => stopServer(next));
  await until('the next server to be up', () => view().state === 'up');
  assert.ok(view().failures > 0, 'a server that was started again has no sessions of before');
});
