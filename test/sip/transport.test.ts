/** RFC 3261 18 on real sockets of this machine. */
import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { once } from 'node:events';
import net from 'node:net';
import { after, test } from 'node:test';
import { SipEndpoint, type SipEndpointOptions, type SipSession } from '../../src/sip/index.ts';

const UDP = { transport: 'udp', host: '127.0.0.1', port: 0 } as const;
/** Makes a request too large for a datagram. */
const LARGE = { contentType: 'application/sdp', content: Buffer.alloc(2_000, 120) };

const open: SipEndpoint[] = [];
after(async () => {
  await Promise.all(open.map((endpoint) => endpoint.close({ graceMs: 50 })));
});

async function endpoint(options: Partial<SipEndpointOptions> = {}): Promise<SipEndpoint> {
  const one = new SipEndpoint({ listen: [UDP, { ...UDP, transport: 'tcp' }], userAgent: 'test', ...options });
  open.push(one);
  await one.start();
  return one;
}

const portOf = (one: SipEndpoint, transport: 'udp' | 'tcp') =>
  one.addresses.find((a) => a.transport === transport)!.port;

const options = (transport: string, via: string, body = '') =>
  [
    'OPTIONS sip:127.0.0.1 SIP/2.0',
    `Via: SIP/2.0/${transport} ${via};branch=z9hG4bK${via.length}${body.length}`,
    'From: <sip:a@b>;tag=1',
    'To: <sip:127.0.0.1>',
    'Call-ID: x',
    'CSeq: 1 OPTIONS',
    `Content-Length: ${body.length}`,
    '',
    body,
  ].join('\r\n');

async function udp(): Promise<{ socket: dgram.Socket; port: number; next: () => Promise<string> }> {
  const socket = dgram.createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const next = async () => String((await once(socket, 'message'))[0]);
  return { socket, port: socket.address().port, next };
}

test('RFC 3581 4, RFC 3261 18.2.2: a response goes to the source port with rport or a foreign sent-by, else to the sent-by port', async () => {
  const server = await endpoint();
  const [source, other] = [await udp(), await udp()];
  source.socket.send(options('UDP', 'client.invalid:9;rport'), portOf(server, 'udp'), '127.0.0.1');
  assert.match(await source.next(), new RegExp(`received=127.0.0.1;rport=${source.port}`));
  source.socket.send(options('UDP', `127.0.0.1:${other.port}`), portOf(server, 'udp'), '127.0.0.1');
  assert.match(await other.next(), /^SIP\/2.0 200 /);
  source.socket.send(options('UDP', 'client.invalid:9'), portOf(server, 'udp'), '127.0.0.1');
  assert.match(await source.next(), /received=127.0.0.1\r/);
  source.socket.close();
  other.socket.close();
});

test('RFC 3261 18.3, RFC 5626 3.5.1: TCP: split and joined messages, keep-alives, a broken frame', async () => {
  const server = await endpoint();
  const socket = net.connect(portOf(server, 'tcp'), '127.0.0.1');
  socket.setNoDelay(true);
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk;
  });
  const until = async (pattern: RegExp) => {
    while (!pattern.test(text)) await once(socket, 'data');
    text = text.replace(pattern, '');
  };
  const one = options('TCP', 'one.invalid');
  socket.write(one.slice(0, 40));
  await new Promise((resolve) => setImmediate(resolve));
  socket.write(`${one.slice(40)}${options('TCP', 'second.invalid')}\r\n\r\n`);
  await until(/one.invalid.*200 OK.*second.invalid.*\r\n\r\n\r\n/s);
  socket.write(options('TCP', 'third.invalid').replace('Content-Length: 0', 'Content-Length: abc'));
  await until(/400 Malformed Content-Length.*third.invalid/s);
  await once(socket, 'close');
});

test('RFC 3261 18.2.2: over TCP in-dialog requests use the connection that the INVITE came by', async () => {
  const [server, client] = [await endpoint(), await endpoint()];
  let session!: SipSession;
  server.onInvite = (invite) => {
    session = invite.accept();
  };
  const answered = await client.invite({ to: `sip:127.0.0.1:${portOf(server, 'tcp')};transport=tcp` }).answered;
  answered.session.onInfo = () => ({ status: 200 });
  await answered.session.request('OPTIONS');
  assert.equal((await session.request('INFO')).status, 200);
  assert.equal(server.stats().connections, 1);
  assert.equal(client.stats().connections, 1);
  await answered.session.bye();
});

test('RFC 3261 18.1.1: a large INVITE goes over TCP, or over UDP where TCP is refused', async () => {
  const [client, both, only] = [await endpoint(), await endpoint(), await endpoint({ listen: [UDP] })];
  for (const [server, expected] of [
    [both, 'tcp'],
    [only, 'udp'],
  ] as const) {
    let transport = '';
    server.onInvite = (invite) => {
      transport = invite.source.transport;
      assert.equal(invite.request.body.length, 2_000);
      invite.accept();
    };
    const { session } = await client.invite({ to: `sip:127.0.0.1:${portOf(server, 'udp')}`, body: LARGE }).answered;
    assert.equal(transport, expected);
    await session.bye();
  }
});

/** Linux may give a connection to a port of this machine where nobody listens that port as its own: it is then connected to itself. */
test('RFC 3261 18.1.1: a TCP connection to itself is a refused one', async (t) => {
  const connect = net.connect.bind(net) as (options: net.TcpNetConnectOpts, onReady: () => void) => net.Socket;
  const connections: net.Socket[] = [];
  t.mock.method(net, 'connect', (options: net.TcpNetConnectOpts, onReady: () => void) => {
    const socket = connect({ ...options, localPort: options.port }, onReady);
    socket.once('connect', () => connections.push(socket));
    return socket;
  });
  const [client, server] = [await endpoint(), await endpoint({ listen: [UDP] })];
  server.onInvite = (invite) => invite.accept();
  const to = `sip:127.0.0.1:${portOf(server, 'udp')}`;
  const { session } = await client.invite({ to, body: LARGE }).answered;
  assert.equal(connections.length, 1);
  assert.equal(server.stats().sessions, 1);
  await session.bye();
  await assert.rejects(client.invite({ to: `${to};transport=tcp` }).answered, { status: 503, message: /refused/ });
});

test('RFC 3261 18.4: nobody there: TCP reset and ICMP become 503', async () => {
  const client = await endpoint();
  const probe = await udp();
  probe.socket.close();
  await assert.rejects(client.invite({ to: `sip:127.0.0.1:${probe.port};transport=tcp` }).answered, { status: 503 });
  await assert.rejects(client.invite({ to: `sip:127.0.0.1:${probe.port}` }).answered, { status: 503 });
});

test('a server that goes away while it rings is a 503 over TCP', async () => {
  const client = await endpoint();
  const server = net.createServer((socket) => socket.once('data', () => socket.destroy()));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  await assert.rejects(client.invite({ to: `sip:127.0.0.1:${port};transport=tcp` }).answered, { status: 503 });
  server.close();
});

test('IPv6: brackets in Via and Contact, and a call over it', async (context) => {
  const listen = [{ transport: 'udp', host: '::1', port: 0 }] as SipEndpointOptions['listen'];
  let server: SipEndpoint;
  try {
    server = await endpoint({ listen });
  } catch (error) {
    if (!/EADDRNOTAVAIL|EAFNOSUPPORT/.test(String(error))) throw error;
    context.skip('this machine has no IPv6 loopback');
    return;
  }
  const client = await endpoint({ listen });
  let via = '';
  server.onInvite = (invite) => {
    via = invite.request.header('via') ?? '';
    invite.accept();
  };
  const { session } = await client.invite({ to: `sip:[::1]:${server.addresses[0]!.port}` }).answered;
  assert.match(via, /^SIP\/2.0\/UDP \[::1\]:\d+/);
  assert.match(session.remoteUri, /^sip:\[::1\]:\d+/);
  await session.bye();
});

test('RFC 3261 18.2.1: a port that the system chooses is one for UDP and TCP, even if the first of them are taken for one', async (t) => {
  const { listen } = net.Server.prototype;
  const others: net.Server[] = [];
  t.after(() => {
    for (const other of others) other.close();
  });
  t.mock.method(net.Server.prototype, 'listen', function (this: net.Server, address: net.ListenOptions) {
    if (others.length < 3) others.push(Reflect.apply(listen, net.createServer(), [{ ...address }]));
    return Reflect.apply(listen, this, [address]);
  });
  const one = await endpoint();
  assert.equal(portOf(one, 'udp'), portOf(one, 'tcp'));
  assert.deepEqual(
    others.filter((other) => (other.address() as net.AddressInfo).port === portOf(one, 'udp')),
    [],
  );
  assert.equal(others.length, 3);
  const [alone, another] = [await endpoint({ listen: [UDP] }), await endpoint({ listen: [UDP, UDP] })];
  assert.equal(alone.addresses.length, 1);
  assert.notEqual(another.addresses[0]!.port, another.addresses[1]!.port);
});

test('an address in use is named, and what was bound before it is free again', async () => {
  const [first, { socket, port: free }] = [await endpoint(), await udp()];
  socket.close();
  const port = portOf(first, 'tcp');
  const listen = [
    { ...UDP, port: free },
    { ...UDP, transport: 'tcp', port },
  ] as const;
  const second = new SipEndpoint({ listen: [...listen], userAgent: 'test' });
  await assert.rejects(second.start(), { message: `cannot listen on tcp:127.0.0.1:${port}: the address is in use` });
  const third = await endpoint({ listen: [listen[0]] });
  assert.equal(portOf(third, 'udp'), free);
});

test('close says BYE and frees the ports', async () => {
  const [server, client] = [await endpoint(), await endpoint()];
  server.onInvite = (invite) => invite.accept();
  const { session } = await client.invite({ to: `sip:127.0.0.1:${portOf(server, 'udp')}` }).answered;
  const ended = new Promise<string>((resolve) => {
    session.onEnded = (end) => resolve(end.by);
  });
  await session.request('INFO');
  const port = portOf(server, 'udp');
  await server.close();
  assert.equal(await ended, 'remote');
  const again = await endpoint({ listen: [{ transport: 'udp', host: '127.0.0.1', port }] });
  assert.equal(again.addresses[0]?.port, port);
});
