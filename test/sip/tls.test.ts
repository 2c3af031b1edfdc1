/** SIP over TLS on real sockets: who is accepted, who is refused, and what is said (RFC 3261 26.3, RFC 5922, RFC 7866 12.2). */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import tls from 'node:tls';
import { issue } from '../../src/certificates/certificate.ts';
import type { SipEndpoint, TlsSettings } from '../../src/sip/index.ts';
import {
  AUTHORITY,
  connectTcp,
  handshake,
  LOOPBACK,
  optionsRequest,
  PAST,
  reply,
  rig,
  STRANGER,
  settings,
  TestLog,
  TRUST,
  tlsPort,
} from './tls-rig.ts';

/** Calls, hangs up, and gives the status: 200, or that of the failure with its text. */
async function callStatus(client: SipEndpoint, to: string): Promise<string> {
  try {
    const { session } = await client.invite({ to }).answered;
    await session.bye();
    return '200';
  } catch (error) {
    return (error as Error).message;
  }
}

test('RFC 5922 7.3: a call to a name and one to an address that the certificate has', async (context) => {
  const { server, client } = rig(context);
  const port = tlsPort(await server());
  const caller = await client();
  assert.equal(await callStatus(caller, `sips:localhost:${port}`), '200');
  assert.equal(await callStatus(caller, `sips:127.0.0.1:${port}`), '200');
  assert.equal(await callStatus(caller, `sip:127.0.0.1:${port};transport=tls`), '200');
});

const REFUSALS: [what: string, server: TlsSettings, client: TlsSettings, message: RegExp][] = [
  [
    'a name that it does not have',
    settings({ names: ['example.com'] }),
    TRUST,
    /is for example.com, not for localhost: call it by/,
  ],
  ['a wildcard', settings({ names: ['*'], commonName: 'localhost' }), TRUST, /is for no SIP domain, not for localhost/],
  [
    'CN beside a subjectAltName',
    settings({ names: ['example.com'], commonName: 'localhost' }),
    TRUST,
    /is for example.com, not/,
  ],
  [
    'an authority that nobody trusts',
    settings({}, issue(STRANGER, { names: LOOPBACK })),
    TRUST,
    /no trusted authority .*tls.ca \(--tls-ca/,
  ],
  ['no authority of ours', settings(), {}, /no trusted authority/],
];

for (const [what, ofServer, ofClient, message] of REFUSALS) {
  test(`RFC 5922 7.3, RFC 3261 26.3.1: the certificate of a server is refused: ${what}`, async (context) => {
    const { server, client } = rig(context);
    const port = tlsPort(await server({ tls: ofServer }));
    assert.match(await callStatus(await client({ tls: ofClient }), `sips:localhost:${port}`), message);
  });
}

test('RFC 5280 6.1.3: an expired certificate is refused by the client', async (context) => {
  const { client } = rig(context);
  const { cert, key } = issue(AUTHORITY, { names: LOOPBACK, ...PAST });
  const server = tls.createServer({ cert, key }, (socket) => socket.on('error', () => {}));
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  context.after(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  assert.match(await callStatus(await client(), `sips:localhost:${port}`), /has expired: the server needs a new one/);
});

test('RFC 5922 7.1: CN serves where there is no subjectAltName; a sip: URI comes before DNS names', async (context) => {
  const { server, client } = rig(context);
  const [common, uri] = [
    await server({ tls: settings({ names: [], commonName: 'localhost' }) }),
    await server({ tls: settings({ names: ['sip:recorder.example.com', 'localhost'] }) }),
  ];
  const caller = await client();
  assert.equal(await callStatus(caller, `sips:localhost:${tlsPort(common)}`), '200');
  assert.match(
    await callStatus(caller, `sips:localhost:${tlsPort(uri)}`),
    /is for recorder.example.com, not for localhost/,
  );
});

test('a connection to one name does not stand in for another at the same address', async (context) => {
  const { server, client } = rig(context);
  const port = tlsPort(await server({ tls: settings({ names: ['localhost'] }), tlsHost: 'localhost' }));
  const caller = await client();
  const first = await caller.invite({ to: `sips:localhost:${port}` }).answered;
  assert.match(await callStatus(caller, `sips:127.0.0.1:${port}`), /not for 127.0.0.1/);
  await first.session.bye();
});

test('RFC 6066 3: the client names the domain of the URI, and no address', async (context) => {
  const { client } = rig(context);
  const asked: string[] = [];
  const { cert, key } = settings();
  const SNICallback = (name: string, done: (error: Error | null) => void) => {
    asked.push(name);
    done(new Error('seen'));
  };
  const server = tls.createServer({ cert: cert!, key: key!, SNICallback }, (socket) => socket.destroy());
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  context.after(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const caller = await client();
  await callStatus(caller, `sips:localhost:${port}`);
  await callStatus(caller, `sips:127.0.0.1:${port}`);
  assert.deepEqual(asked, ['localhost']);
});

test('RFC 7866 12.2: mutual TLS: a good certificate is taken and its names are told, no or a bad one is refused', async (context) => {
  const { server, client } = rig(context);
  const log = new TestLog();
  const one = await server({ tls: settings({}, { clientCertificate: 'require' }), log });
  const to = `sips:localhost:${tlsPort(one)}`;
  let identities: readonly string[] = [];
  one.onInvite = (invite) => {
    identities = invite.source.identities;
    invite.accept();
  };
  const good = issue(AUTHORITY, { names: ['sip:client.example.com', 'client.example.org'] });
  assert.equal(await callStatus(await client({ tls: { ...TRUST, ...good } }), to), '200');
  assert.deepEqual(identities, ['client.example.com']);
  assert.match(await callStatus(await client(), to), /wants a certificate of ours: give one as tls.cert/);
  const bad = issue(STRANGER, { names: ['client.example.com'] });
  assert.match(await callStatus(await client({ tls: { ...TRUST, ...bad } }), to), /^503 /);
  assert.equal(one.stats().handshakesFailed, 2);
  assert.match(log.lines[0]!.message, /handshake failed/);
});

test('a certificate that is asked for but not needed: none will do, a bad one will not', async (context) => {
  const { server, client } = rig(context);
  const one = await server({ tls: settings({}, { clientCertificate: 'request' }) });
  const to = `sips:localhost:${tlsPort(one)}`;
  assert.equal(await callStatus(await client(), to), '200');
  const bad = issue(STRANGER, { names: ['client.example.com'] });
  assert.match(await callStatus(await client({ tls: { ...TRUST, ...bad } }), to), /^503 /);
});

test('TLS 1.2 and 1.3 are spoken, 1.0 and 1.1 are refused in both roles', async (context) => {
  const { server, client } = rig(context);
  const port = tlsPort(await server());
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const socket = await handshake(port, { minVersion: version, maxVersion: version });
    assert.equal(socket.getProtocol(), version);
    socket.write(optionsRequest('sips:127.0.0.1', `v${version.at(-1)}`));
    assert.match(await reply(socket), /^SIP\/2.0 200 OK\r\nVia: SIP\/2.0\/TLS 127.0.0.1/);
    socket.destroy();
  }
  // Level 0, or OpenSSL itself would not even try.
  const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
  await assert.rejects(handshake(port, old), /protocol version|no protocols available|unsupported protocol/);
  const { cert, key } = settings();
  const ancient = tls.createServer({ cert: cert!, key: key!, ...old });
  ancient.on('tlsClientError', () => {});
  ancient.listen(0, '127.0.0.1');
  context.after(() => ancient.close());
  await once(ancient, 'listening');
  const at = (ancient.address() as { port: number }).port;
  assert.match(await callStatus(await client(), `sips:localhost:${at}`), /offers neither TLS 1.2 nor TLS 1.3/);
});

test('what is no TLS: plain SIP to the TLS port, TLS to a plain port', async (context) => {
  const { server, client } = rig(context);
  const one = await server({
    listen: [
      { transport: 'tls', host: '127.0.0.1', port: 0 },
      { transport: 'tcp', host: '127.0.0.1', port: 0 },
    ],
  });
  const socket = await connectTcp(tlsPort(one));
  socket.write(optionsRequest('sip:127.0.0.1', 'plain', 'SIP/2.0/TCP 127.0.0.1'));
  assert.doesNotMatch(await reply(socket), /SIP\/2.0/);
  assert.equal(one.stats().requestsReceived, 0);
  const tcpPort = one.addresses.find(({ transport }) => transport === 'tcp')!.port;
  assert.match(
    await callStatus(await client(), `sips:localhost:${tcpPort}`),
    /^503 .*closed the connection during the TLS/,
  );
});

test('RFC 3261 18.3, RFC 5626 3.5.1: TLS is framed as TCP is: split messages, keep-alives', async (context) => {
  const { server } = rig(context);
  const socket = await handshake(tlsPort(await server()));
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk;
  });
  const request = optionsRequest('sips:127.0.0.1', 'split');
  socket.write(request.slice(0, 50));
  socket.write(`${request.slice(50)}\r\n\r\n`);
  while (!/200 OK[\s\S]*\r\n\r\n\r\n$/.test(text)) await once(socket, 'data');
  socket.destroy();
});

test('handshakes that go nowhere are bounded for each source, and leave when they close', async (context) => {
  const { server } = rig(context);
  const log = new TestLog();
  const one = await server({ log });
  const idle = await Promise.all(Array.from({ length: 128 }, () => connectTcp(tlsPort(one))));
  const surplus = await connectTcp(tlsPort(one));
  assert.equal(await reply(surplus), '');
  assert.match(JSON.stringify(log.lines), /too many handshakes at a time/);
  for (const socket of idle) socket.destroy();
  while (Number(one.stats().handshakesFailed) < 129) await new Promise((resolve) => setImmediate(resolve));
  const socket = await handshake(tlsPort(one));
  socket.write(optionsRequest('sips:127.0.0.1', 'after'));
  assert.match(await reply(socket), /200 OK/);
  socket.destroy();
});

test('settings that can not be used are refused at the start, in words', async (context) => {
  const { server } = rig(context);
  const good = settings();
  const other = settings();
  const cases: [TlsSettings, RegExp][] = [
    [{}, /cannot listen on tls:127.0.0.1:0: listening for TLS needs a certificate/],
    [{ cert: good.cert }, /needs a certificate \(tls.cert\) and its private key/],
    [{ ...good, key: other.key }, /tls.key is not the key of the certificate in tls.cert/],
    [{ ...good, cert: 'nonsense' }, /tls.cert holds no certificate in PEM form/],
    [{ ...good, key: 'nonsense' }, /tls.key holds no private key in PEM form/],
    [settings(PAST), /the certificate in tls.cert has expired/],
    [{ ...good, ca: undefined, clientCertificate: 'require' }, /needs those of their authorities \(tls.ca\)/],
  ];
  for (const [bad, message] of cases) await assert.rejects(server({ tls: bad }), { message });
});

test('RFC 3261 26.3.2: a client that begins no handshake, or stops in it, is let go', async (context) => {
  const { server } = rig(context);
  const one = await server();
  const [silent, halted] = [await connectTcp(tlsPort(one)), await connectTcp(tlsPort(one))];
  // The first bytes of a ClientHello record that never comes.
  halted.write(Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]));
  const began = performance.now();
  assert.deepEqual(await Promise.all([reply(silent), reply(halted)]), ['', '']);
  assert.ok(performance.now() - began < 15_000);
  while (one.stats().handshakesFailed !== 2) await new Promise((resolve) => setImmediate(resolve));
});
