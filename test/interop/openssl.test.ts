/** OpenSSL's own client and server as peers: what they negotiate with us, and how either side refuses the other. */
import assert from 'node:assert/strict';
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { issue, makeAuthority } from '../../src/certificates/certificate.ts';
import { SipEndpoint, type TlsSettings } from '../../src/sip/index.ts';

const AUTHORITY = makeAuthority('authority of the tests');
const SERVER = issue(AUTHORITY, { names: ['recorder.example.com', '127.0.0.1'] });
const CLIENT = issue(AUTHORITY, { names: ['sip:client.example.com'] });
const folder = mkdtempSync(path.join(tmpdir(), 'doubletrack-openssl-'));
after(() => rmSync(folder, { recursive: true }));
const file = (name: string, text: string) => {
  writeFileSync(path.join(folder, name), text);
  return path.join(folder, name);
};
const CA = file('ca.pem', AUTHORITY.cert);
const OWN = ['-cert', file('client.pem', CLIENT.cert), '-key', file('client-key.pem', CLIENT.key)];

const REQUEST = [
  'OPTIONS sips:127.0.0.1 SIP/2.0',
  'Via: SIP/2.0/TLS client.example.com;branch=z9hG4bKopenssl',
  'From: <sips:a@client.example.com>;tag=1',
  'To: <sips:127.0.0.1>',
  'Call-ID: openssl',
  'CSeq: 1 OPTIONS',
  'Content-Length: 0',
  '',
  '',
].join('\r\n');

const installed = spawnSync('openssl', ['version']).status === 0;

async function recorder(clientCertificate: TlsSettings['clientCertificate']): Promise<SipEndpoint> {
  const endpoint = new SipEndpoint({
    listen: [{ transport: 'tls', host: '127.0.0.1', port: 0 }],
    userAgent: 'doubletrack',
    tls: { ...SERVER, ca: AUTHORITY.cert, clientCertificate },
  });
  endpoint.onInvite = (invite) => invite.accept();
  await endpoint.start();
  after(() => endpoint.close());
  return endpoint;
}

/** Everything that the process writes until it has written this, or ended. */
async function output(child: ChildProcessWithoutNullStreams, pattern: RegExp): Promise<string> {
  let text = '';
  return await new Promise((resolve) => {
    const take = (chunk: Buffer) => {
      text += chunk;
      if (pattern.test(text)) resolve(text);
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.once('close', () => resolve(text));
  });
}

async function ask(endpoint: SipEndpoint, ...more: string[]): Promise<string> {
  const { port } = endpoint.addresses[0]!;
  const verify = ['-CAfile', CA, '-verify_return_error', '-verify_hostname', 'recorder.example.com'];
  const args = ['s_client', '-connect', `127.0.0.1:${port}`, ...verify, ...more];
  const child = spawn('openssl', [...args, '-servername', 'recorder.example.com', '-ign_eof']);
  child.stdin.on('error', () => {});
  child.stdin.write(REQUEST);
  const text = await output(child, /Content-Length: 0\r\n\r\n/);
  child.kill();
  return text;
}

describe('OpenSSL as peer', { skip: installed ? false : 'openssl is not installed: apt-get install openssl' }, () => {
  test('s_client trusts the server, and its request is answered, over TLS 1.2 and 1.3', async () => {
    const endpoint = await recorder('none');
    for (const [flag, version] of [
      ['-tls1_2', 'TLSv1.2'],
      ['-tls1_3', 'TLSv1.3'],
    ] as const) {
      const text = await ask(endpoint, flag);
      assert.match(text, new RegExp(`New, ${version.replace('.', '\\.')}|Protocol *: ${version.replace('.', '\\.')}`));
      assert.match(text, /Verify return code: 0 \(ok\)|Verification: OK/);
      assert.match(text, /SIP\/2\.0 200 OK/);
    }
    assert.doesNotMatch(await ask(endpoint, '-tls1_1', '-cipher', 'DEFAULT@SECLEVEL=0'), /SIP\/2\.0/);
  });

  test('RFC 7866 12.2: with its certificate s_client is answered, without it is not', async () => {
    const endpoint = await recorder('require');
    assert.match(await ask(endpoint, ...OWN), /SIP\/2\.0 200 OK/);
    const refused = await ask(endpoint);
    assert.doesNotMatch(refused, /SIP\/2\.0/);
    assert.match(refused, /alert certificate required|handshake failure/);
  });

  test('our client shows s_server its certificate, and what arrives there is TLS and sips', async () => {
    const free = net.createServer().listen(0, '127.0.0.1');
    await once(free, 'listening');
    const { port } = free.address() as net.AddressInfo;
    free.close();
    await once(free, 'close');
    const keys = ['-cert', file('server.pem', SERVER.cert), '-key', file('server-key.pem', SERVER.key)];
    const child = spawn('openssl', [
      's_server',
      '-accept',
      `127.0.0.1:${port}`,
      ...keys,
      '-CAfile',
      CA,
      '-Verify',
      '1',
    ]);
    await output(child, /ACCEPT/);
    const client = new SipEndpoint({
      listen: [],
      connect: ['tls'],
      userAgent: 'test',
      tls: { ...CLIENT, ca: AUTHORITY.cert },
    });
    await client.start();
    const invite = client.invite({ to: `sips:recorder@127.0.0.1:${port}` });
    const text = await output(child, /INVITE[\s\S]*\r?\n\r?\n/);
    child.kill();
    await assert.rejects(invite.answered);
    await client.close();
    assert.match(text, /CN ?= ?sip:client.example.com|Client certificate/);
    assert.match(text, /INVITE sips:recorder@127\.0\.0\.1:\d+ SIP\/2\.0\s+Via: SIP\/2\.0\/TLS 127\.0\.0\.1;branch=/);
    assert.match(text, /Contact: <sips:127\.0\.0\.1>/);
  });
});
