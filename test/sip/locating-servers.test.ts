/** RFC 3263 over real sockets, with a DNS server of the test's own. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import type { SipFailure } from '../../src/sip/index.ts';
import { DnsLookups } from '../../src/sip/transport/dns-lookups.ts';
import type { Answer } from '../../src/sip/transport/locating.ts';
import { a, dnsServer, naptr, srv } from './dns-server.ts';
import { optionsRequest, rig, settings, tlsPort } from './tls-rig.ts';

/** A port where nobody listens. */
async function deadPort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

test('RFC 3263 4: sips by NAPTR and SRV: the certificate is that of the domain, not of the SRV target', async (context) => {
  const { server, client } = rig(context);
  const one = await server({ tls: settings({ names: ['sip:example.com'] }) });
  const dns = await dnsServer(context, {
    'example.com': [
      naptr('example.com', 'SIP+D2U', '_sip._udp.example.com'),
      naptr('example.com', 'SIPS+D2T', '_sips._tcp.example.com', 9),
    ],
    '_sips._tcp.example.com': [srv('_sips._tcp.example.com', 'host.provider.net', tlsPort(one))],
    'host.provider.net': [a('host.provider.net', '127.0.0.1')],
  });
  const caller = await client({ dnsServers: [dns.address] });
  const { session } = await caller.invite({ to: 'sips:recorder@example.com' }).answered;
  // In the dialog the Contact names the address, which is where the domain was found.
  assert.equal((await session.request('OPTIONS')).status, 200);
  await session.bye();
  assert.deepEqual(dns.asked, [
    'NAPTR example.com',
    'SRV _sips._tcp.example.com',
    'A host.provider.net',
    'AAAA host.provider.net',
  ]);
  assert.equal(one.stats().connections, 1);
});

test('RFC 3263 4: a server whose certificate names the SRV target only is refused', async (context) => {
  const { server, client } = rig(context);
  const one = await server({ tls: settings({ names: ['host.provider.net'] }) });
  const dns = await dnsServer(context, {
    '_sips._tcp.example.com': [srv('_sips._tcp.example.com', 'host.provider.net', tlsPort(one))],
    'host.provider.net': [a('host.provider.net', '127.0.0.1')],
  });
  const caller = await client({ dnsServers: [dns.address] });
  await assert.rejects(
    caller.invite({ to: 'sips:example.com' }).answered,
    /is for host.provider.net, not for example.com/,
  );
});

test('RFC 3263 4.3: the next target is tried when nobody is there, and after a 503; not after a 486', async (context) => {
  const { server, client } = rig(context);
  const tls = settings({ names: ['example.com'] });
  const [busy, good] = [await server({ tls }), await server({ tls })];
  busy.onInvite = (invite) => invite.reject({ status: 503 });
  const name = '_sips._tcp.example.com';
  const dns = await dnsServer(context, {
    [name]: [
      srv(name, 'h.example.com', await deadPort(), 1),
      srv(name, 'h.example.com', tlsPort(busy), 2),
      srv(name, 'h.example.com', tlsPort(good), 3),
    ],
    'h.example.com': [a('h.example.com', '127.0.0.1')],
  });
  const caller = await client({ dnsServers: [dns.address] });
  const { session, response } = await caller.invite({ to: 'sips:example.com' }).answered;
  assert.equal(response.contact?.uri, `sips:127.0.0.1:${tlsPort(good)}`);
  await session.bye();
  assert.equal(busy.stats().invitesReceived, 1);
  busy.onInvite = (invite) => invite.reject({ status: 486 });
  await assert.rejects(caller.invite({ to: 'sips:example.com' }).answered, { status: 486 });
});

test('RFC 3263 4.3: when all are busy, the last 503 is the answer', async (context) => {
  const { server, client } = rig(context);
  const one = await server({ tls: settings({ names: ['example.com'] }) });
  one.onInvite = (invite) => invite.reject({ status: 503, headers: [['Retry-After', '7']] });
  const name = '_sips._tcp.example.com';
  const dns = await dnsServer(context, {
    [name]: [srv(name, 'h.example.com', tlsPort(one), 1), srv(name, 'h.example.com', await deadPort(), 0)],
    'h.example.com': [a('h.example.com', '127.0.0.1')],
  });
  const caller = await client({ dnsServers: [dns.address] });
  await assert.rejects(caller.invite({ to: 'sips:example.com' }).answered, (failure: SipFailure) => {
    assert.equal(failure.status, 503);
    assert.equal(failure.response?.header('retry-after'), '7');
    return true;
  });
});

test('a name that does not exist is a 503, and no downgrade: sips without a TLS server is not tried elsewhere', async (context) => {
  const { server, client } = rig(context);
  const plain = await server({ tls: {}, listen: [{ transport: 'tcp', host: '127.0.0.1', port: 0 }] });
  const name = '_sip._tcp.example.com';
  const dns = await dnsServer(context, {
    [name]: [srv(name, 'h.example.com', plain.addresses[0]!.port)],
    'h.example.com': [a('h.example.com', '127.0.0.1')],
  });
  const caller = await client({ dnsServers: [dns.address], connect: ['tls', 'tcp'] });
  await assert.rejects(caller.invite({ to: 'sips:example.com' }).answered, /503 INVITE: no address was found/);
  assert.equal(plain.stats().requestsReceived, 0);
  const { session } = await caller.invite({ to: 'sip:example.com' }).answered;
  await session.bye();
});

test('RFC 3263 5: a response whose connection is gone goes where sent-by leads by SRV', async (context) => {
  const { server } = rig(context);
  const receiver = net.createServer().listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  context.after(() => receiver.close());
  const name = '_sip._tcp.client.example.com';
  const dns = await dnsServer(context, {
    [name]: [srv(name, 'h.example.com', (receiver.address() as net.AddressInfo).port)],
    'h.example.com': [a('h.example.com', '127.0.0.1')],
  });
  const one = await server({ listen: [{ transport: 'tcp', host: '127.0.0.1', port: 0 }], dnsServers: [dns.address] });
  let answer = () => {};
  const arrived = new Promise<void>((resolve) => {
    one.onInvite = (invite) => {
      answer = () => invite.reject({ status: 486 });
      resolve();
    };
  });
  const client = net.connect(one.addresses[0]!.port, '127.0.0.1');
  const request = optionsRequest('sip:127.0.0.1', 'gone', 'SIP/2.0/TCP client.example.com');
  client.write(request.replaceAll('OPTIONS', 'INVITE'));
  await arrived;
  client.destroy();
  while (Number(one.stats().connections) > 0) await new Promise((resolve) => setImmediate(resolve));
  answer();
  const [connection] = (await once(receiver, 'connection')) as [net.Socket];
  assert.match(String((await once(connection, 'data'))[0]), /^SIP\/2.0 486 /);
  connection.destroy();
});

test('answers are remembered for their TTL, within bounds, and a question under way is not asked twice', async (context) => {
  const dns = await dnsServer(context, { 'h.example.com': [a('h.example.com', '192.0.2.1', 2)] });
  let now = 0;
  const lookups = new DnsLookups(() => now, [dns.address]);
  const ask = (name: string) =>
    new Promise<Answer>((resolve) => lookups.ask({ type: 'ADDRESS', name }, resolve)).then(
      ({ addresses }) => addresses,
    );
  assert.deepEqual(await Promise.all([ask('h.example.com'), ask('H.example.com.')]), [['192.0.2.1'], ['192.0.2.1']]);
  assert.equal(dns.asked.length, 2); // A and AAAA
  now = 1_999;
  dns.zone['h.example.com'] = [a('h.example.com', '192.0.2.2', 0)];
  assert.deepEqual(await ask('h.example.com'), ['192.0.2.1']);
  now = 2_000;
  assert.deepEqual(await ask('h.example.com'), ['192.0.2.2']);
  dns.zone['h.example.com'] = [];
  assert.deepEqual(await ask('h.example.com'), []);
  assert.equal(dns.asked.length, 6);
  assert.deepEqual(await ask('x'.repeat(64)), []);
  assert.deepEqual(await ask('a..b'), []);
  lookups.close();
});
