/** The recording server's connection to a CTI link: servers that refuse, say nothing, or talk nonsense; requests and their answers. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { WebSocketServer } from 'ws';
import { issue, makeAuthority } from '../../src/certificates/certificate.ts';
import type { CallEvent, PartyInfo } from '../../src/cti/index.ts';
import { Secret } from '../../src/secret.ts';
import { CtiClient, type CtiClientOptions } from '../../src/server/cti-client.ts';
import { startRig, TOKEN } from '../client/cti/rig.ts';
import { until } from './rig.ts';

interface Started {
  client: CtiClient;
  events: (CallEvent | PartyInfo)[];
  said: Record<string, unknown>[];
}

function start(t: TestContext, url: string, options: Partial<CtiClientOptions> = {}): Started {
  const events: (CallEvent | PartyInfo)[] = [];
  const said: Record<string, unknown>[] = [];
  const say = (fields: object, message: string) => void said.push({ ...fields, message });
  const client = new CtiClient({
    ...{ url, token: new Secret(Buffer.from(TOKEN)), ca: null, cert: null, key: null },
    onEvent: (event) => events.push(event),
    log: { info: say, warn: say, error: say },
    backOff: { firstMs: 5, maxMs: 20 },
    ...options,
  });
  t.after(() => client.close());
  client.start();
  return { client, events, said };
}

/** A server of WebSockets that does as it is told with each connection. */
async function odd(
  t: TestContext,
  onConnection: (send: (text: string) => void, count: number) => void,
): Promise<string> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  let count = 0;
  server.on('connection', (socket) => onConnection((text) => socket.send(text), ++count));
  t.after(() => {
    for (const socket of server.clients) socket.terminate();
    server.close();
  });
  return `ws://127.0.0.1:${(server.address() as { port: number }).port}`;
}

const HELLO = {
  ...{ message: 'EventLinkConnected', LinkID: '6f8c9c52-4d55-4c0c-9e8b-2b1d0a3c4d5e', EventSequenceNumber: 0 },
  ...{ OldestSequenceNumber: 0, PrivateMessages: { start: 1, stop: 2, pause: 3, resume: 4 } },
};

test('a wrong token: tried again for ever, said once, with what to do, and without the token', async (t) => {
  const rig = await startRig(t);
  const { client, said } = start(t, rig.server.url, { token: new Secret(Buffer.from('a-wrong-token')) });
  await until('several attempts', () => rig.logged.some(({ fields }) => Number(fields.refused) > 2));
  assert.equal(said.length, 1);
  assert.match(String(said[0]!.reason), /401: check cti\.token/);
  assert.ok(!JSON.stringify([said, rig.logged, client]).includes('a-wrong-token'));
  assert.deepEqual(client.state, { isUp: false, events: 0, losses: 0, gaps: 0 });
  await assert.rejects(client.request({ message: 'RequestStopCallMonitoring' }), /the CTI link is down/);
});

test('mutual TLS: files are read again for each connection, so that one which is missing may come', async (t) => {
  const authority = makeAuthority('link');
  const tls = {
    ...issue(authority, { names: ['127.0.0.1'] }),
    ca: authority.cert,
    clientCertificate: 'require' as const,
  };
  const rig = await startRig(t, { config: { tokens: [], tls } });
  const folder = mkdtempSync(path.join(tmpdir(), 'doubletrack-cti-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = (name: string) => path.join(folder, name);
  const mine = issue(authority, { names: ['recorder.example.com'] });
  writeFileSync(file('ca.pem'), authority.cert);
  writeFileSync(file('key.pem'), mine.key);
  const files = { token: null, ca: file('ca.pem'), cert: file('cert.pem'), key: file('key.pem') };
  const { client, said } = start(t, rig.server.url, files);
  await until('the complaint', () => said.some(({ reason }) => /cert\.pem/.test(String(reason))));
  writeFileSync(file('cert.pem'), mine.cert);
  await until('the link', () => client.state.isUp);
});

test('requests: the answer, the switch’s refusal, and none at all', async (t) => {
  const rig = await startRig(t);
  const { client } = start(t, rig.server.url);
  await until('the link', () => client.state.isUp);
  const call = rig.switch.newCall({ from: '5001', to: '5002' });
  const { start: PrivateMsgID, pause } = client.privateMessages!;
  const request = { message: 'RequestPrivateService' as const, PrivateMsgID, ConnID: call.connId };
  assert.equal((await client.request({ ...request, Extensions: { id: 'r' } })).Extensions?.[0]?.id, 'r');
  rig.switch.hasRecorder = false;
  await assert.rejects(client.request(request), { name: 'CtiRequestFailed', error: 'no-recorder' });
  rig.switch.gate = new Promise(() => {});
  const ask = { ...request, PrivateMsgID: pause };
  await assert.rejects(client.request(ask, 20), { name: 'CtiRequestFailed', error: 'timeout' });
  const lost = assert.rejects(client.request(ask), { name: 'CtiRequestFailed', error: 'link-down' });
  await until('the request', () => rig.switch.done.length === 4);
  await rig.server.close();
  await lost;
  assert.equal(client.state.losses, 1);
});

test('a link that begins anew is a gap: what runs is asked for, and nothing of the old numbers is believed', async (t) => {
  const rig = await startRig(t);
  const first = new URL(rig.server.url);
  const { client, events } = start(t, rig.server.url);
  const call = rig.switch.newCall({ from: '5001', to: '5002' });
  await until('the link', () => client.state.isUp);
  rig.switch.establish(call.id);
  await until('events', () => events.length >= 4);
  await rig.server.close();
  const again = await startRig(t, { fake: rig.switch, config: { port: Number(first.port) } });
  await until('the new link', () => client.state.isUp && again.server.clients === 1);
  assert.equal(client.state.gaps, 1);
  assert.deepEqual(
    events.slice(-2).map(({ message }) => message),
    ['EventPartyInfo', 'EventPartyInfo'],
  );
  rig.switch.release(call.id);
  await until('live events', () => events.at(-1)?.message === 'EventReleased');
});

test('a server that talks nonsense, or falls silent, is left and tried again', async (t) => {
  const nonsense = await odd(t, (send, count) => {
    send(count % 2 === 0 ? '{"message":"EventRinging"}' : 'HTTP/1.1 200 OK');
  });
  const first = start(t, nonsense);
  await until('complaints', () => first.said.length >= 4);
  assert.ok(first.said.some(({ reason }) => /no JSON/.test(String(reason))));
  assert.deepEqual([first.events, first.client.state.isUp], [[], false]);
  let connections = 0;
  const silent = await odd(t, (send, count) => {
    connections = count;
    send(JSON.stringify({ ...HELLO, KeepAliveMs: 10 }));
  });
  const second = start(t, silent);
  await until('new attempts', () => connections >= 3);
  assert.match(String(second.said[0]!.reason), /nothing was heard/);
});
