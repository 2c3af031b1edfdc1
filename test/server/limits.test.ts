/** What is taken for a call is given back under every ending, and no more is taken than there is. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { after, test } from 'node:test';
import { parseSdp } from '../../src/sdp/index.ts';
import { parseRecorderLoad } from '../../src/siprec/index.ts';
import {
  Client,
  finished,
  Leg,
  metric,
  OFFER,
  rawInvite,
  refusal,
  type Server,
  sdpOnly,
  sdpText,
  sessions,
  startServer,
  stopServer,
  until,
} from './rig.ts';

const closers: (() => Promise<void>)[] = [];
after(async () => {
  for (const close of closers.reverse()) await close();
});

async function serverAndClient(ports: string, options: Record<string, unknown> = {}): Promise<[Server, Client]> {
  const server = await startServer(ports, options);
  closers.push(() => stopServer(server));
  const client = await Client.start(server);
  closers.push(() => client.close());
  return [server, client];
}

const streams = (server: Server) => metric(server, 'doubletrack_lane_streams');

test('RFC 3261 9.2: CANCEL before the answer leaves nothing behind, not even a recording', async () => {
  const [server] = await serverAndClient('41800-41999');
  const socket = createSocket('udp4');
  const statuses: string[] = [];
  socket.on('message', (message) => statuses.push(message.toString('latin1').split('\r\n', 1)[0]!));
  for (let number = 0; number < 50; number++) {
    const invite = rawInvite(server, number);
    const cancel = invite.toString().replaceAll('INVITE sip:', 'CANCEL sip:').replace('1 INVITE', '1 CANCEL');
    const bare = `${cancel.split('Content-Type')[0]}Content-Length: 0\r\n\r\n`.replace('Require: siprec\r\n', '');
    socket.send(invite, server.udpPort, '127.0.0.1');
    socket.send(Buffer.from(bare), server.udpPort, '127.0.0.1');
  }
  await until('all to be cancelled', () => statuses.filter((line) => line.includes(' 487 ')).length >= 50);
  socket.close();
  // A call counts when everything that was taken for it has been given back; the 487 went out long before.
  const cancelled = () => metric(server, 'doubletrack_calls_total{outcome="cancelled"}');
  await until('all to be counted', async () => (await cancelled()) === 50);
  assert.equal(await streams(server), 0);
  assert.deepEqual(await sessions(server), []);
  assert.equal(server.server.catalogue.search({}).items.length, 0);
});

test('2,000 INVITEs and no BYE: as many sessions as allowed, 503 with Retry-After for the others', async () => {
  const [server, client] = await serverAndClient('42000-42399', { maxSessions: 50 });
  const invites = Array.from(
    { length: 2000 },
    () => client.endpoint.invite({ to: client.to, body: sdpOnly(OFFER), require: ['siprec'] }).answered,
  );
  const results = await Promise.allSettled(invites);
  assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 50);
  const refused = await refusal(invites.find((_, i) => results[i]!.status === 'rejected')!);
  assert.equal(refused.status, 503);
  assert.ok(Number(refused.response!.header('Retry-After')) > 0);
  assert.equal((await sessions(server)).length, 50);
  assert.equal(await streams(server), 100);
  const sessionsOpen = results.flatMap((one) => (one.status === 'fulfilled' ? [one.value.session] : []));
  await Promise.all(sessionsOpen.map((session) => session.bye()));
  await until('the streams to be closed', async () => (await streams(server)) === 0);
  const { session } = await until('a call to be taken again', () => client.call(sdpOnly(OFFER)).catch(() => null));
  await session.bye();
});

test('OPTIONS tells load and state, and a server that drains takes no call', async () => {
  const [server, client] = await serverAndClient('42400-42599', { maxSessions: 4 });
  const { session } = await client.call(sdpOnly(OFFER));
  const ask = async () => {
    const response = await session.request('OPTIONS');
    const { sessions, max, state } = parseRecorderLoad(response.header('X-Doubletrack-Load') ?? '')!;
    return [response.status, `${sessions} of ${max}, ${state}`];
  };
  assert.deepEqual(await ask(), [200, '1 of 4, taking']);
  const more = await Promise.all([1, 2, 3].map(() => client.call(sdpOnly(OFFER))));
  assert.deepEqual(await ask(), [503, '4 of 4, full']);
  await Promise.all(more.map((call) => call.session.bye()));
  // The 200 of a BYE goes out before everything is given back.
  await until('room', async () => (await ask())[1] === '1 of 4, taking');
  const drained = server.server.drain(60_000);
  assert.deepEqual(await ask(), [503, '1 of 4, draining']);
  assert.equal((await fetch(`${server.http}/readyz`)).status, 503);
  const refused = await client.refused(sdpOnly(OFFER));
  assert.equal(refused.status, 503);
  assert.ok(refused.response!.header('Retry-After'));
  await session.bye();
  await drained;
});

test('all ports in use: 503 for a new call, a re-INVITE gets what there is, and the calls go on', async () => {
  const [server, client] = await serverAndClient('42600-42607');
  const one = await client.call(sdpOnly(OFFER));
  const single = sdpText([{ port: 30_010, label: '1' }]);
  const two = await client.call(sdpOnly(single));
  const refused = await client.refused(sdpOnly(OFFER));
  assert.equal(refused.status, 503);
  assert.ok(refused.response!.header('Retry-After'));
  assert.equal(await streams(server), 3);
  const more = sdpText([1, 2, 3].map((n) => ({ port: 30_010 + 2 * n, label: String(n) })));
  const again = parseSdp((await two.session.request('INVITE', { body: sdpOnly(more) })).body);
  assert.deepEqual(
    again.media.map((media) => media.port !== 0),
    [true, false, false],
  );
  assert.equal((await sessions(server)).length, 2);
  await one.session.bye();
  await two.session.bye();
  const { recording } = await finished(server, two.session.callId);
  assert.ok(
    recording.warnings.some((text) => text.includes('media ports')),
    recording.warnings.join(),
  );
});

test('media timeout: a recording client that vanished gets a BYE, one on hold does not', async () => {
  const [server, client] = await serverAndClient('42700-42799', { mediaTimeoutSec: 1 });
  const leg = await Leg.open(0x3001);
  const held = await client.call(sdpOnly(sdpText([{ port: 30_000, direction: 'inactive' }])));
  const gone = await client.call(sdpOnly(sdpText([{ port: leg.port }])));
  leg.send(gone.answer.media[0]!.port, 3);
  leg.close();
  const ended = await new Promise<string>((resolve) => {
    gone.session.onEnded = ({ by }) => resolve(by);
  });
  assert.equal(ended, 'remote');
  const { recording, manifest } = await finished(server, gone.session.callId);
  assert.ok(recording.warnings.includes('ended after 1 s without media'), recording.warnings.join());
  assert.deepEqual([manifest.end?.by, manifest.end?.reason], ['local', 'media timeout']);
  assert.equal(held.session.state, 'confirmed');
  // Off hold, it has the whole time again.
  const startedMs = performance.now();
  await held.session.request('INVITE', { body: sdpOnly(sdpText([{ port: 30_000 }])) });
  await new Promise<void>((resolve) => {
    held.session.onEnded = () => resolve();
  });
  assert.ok(performance.now() - startedMs >= 950, `${performance.now() - startedMs} ms after the hold`);
});
