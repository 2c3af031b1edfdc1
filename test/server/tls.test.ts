/** The recording server over TLS: certificates from files, their renewal, `secure: required`, and a call by our own client. */
import assert from 'node:assert/strict';
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import tls from 'node:tls';
import { issue, makeAuthority } from '../../src/certificates/certificate.ts';
import { placeCalls } from '../../src/client/caller/index.ts';
import { SipEndpoint, SipFailure } from '../../src/sip/index.ts';
import {
  finished,
  newFolder,
  OFFER,
  type Server,
  sdpOnly,
  sdpText,
  startServer,
  stopServer,
  undoing,
  until,
} from './rig.ts';
import { clientCrypto } from './srtp-rig.ts';

const AUTHORITY = makeAuthority('authority of the tests');
const NAMES = ['127.0.0.1', 'localhost'];

interface Secured {
  server: Server;
  port: number;
  /** Puts another certificate where the server has it from, as a renewal does. */
  renew(commonName: string): void;
  certificateFile: string;
}

async function secured(t: TestContext, mediaPorts: string, options: Record<string, unknown> = {}): Promise<Secured> {
  const undo = undoing(t);
  const folder = newFolder();
  const file = (name: string) => path.join(folder, name);
  const put = (name: string, text: string) => {
    writeFileSync(file(`${name}.new`), text);
    renameSync(file(`${name}.new`), file(name));
  };
  const renew = (commonName: string) => {
    const { cert, key } = issue(AUTHORITY, { names: NAMES, commonName });
    put('key.pem', key);
    put('cert.pem', cert);
  };
  renew('first');
  writeFileSync(file('ca.pem'), AUTHORITY.cert);
  const files = { tlsCert: file('cert.pem'), tlsKey: file('key.pem'), tlsCa: file('ca.pem') };
  const server = await startServer(mediaPorts, { sip: ['udp:127.0.0.1:0', 'tls:127.0.0.1:0'], ...files, ...options });
  undo(() => rmSync(folder, { recursive: true }));
  undo(() => stopServer(server));
  const { port } = server.server.sipAddresses.find(({ transport }) => transport === 'tls')!;
  return { server, port, renew, certificateFile: files.tlsCert };
}

async function client(t: TestContext, transport: 'udp' | 'tls'): Promise<SipEndpoint> {
  const endpoint = new SipEndpoint({
    listen: transport === 'udp' ? [{ transport, host: '127.0.0.1', port: 0 }] : [],
    connect: [transport],
    userAgent: 'test',
    contactParams: ['+sip.src'],
    supported: ['siprec'],
    tls: { ca: AUTHORITY.cert },
  });
  t.after(() => endpoint.close());
  await endpoint.start();
  return endpoint;
}

const BODY = { contentType: 'application/sdp', content: Buffer.from(OFFER) };

/** The subject of the certificate that a new connection gets. */
function certificateOf(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({ host: '127.0.0.1', port, ca: AUTHORITY.cert, checkServerIdentity: () => undefined });
    socket.once('error', reject);
    socket.once('secureConnect', () => {
      const { CN } = socket.getPeerCertificate().subject;
      socket.destroy();
      resolve(String(CN));
    });
  });
}

test('a call over sips is recorded whole, and says where it came from', async (t) => {
  const { server, port } = await secured(t, '41000-41039');
  const tlsOptions = {
    to: `sips:localhost:${port}`,
    tls: { ca: AUTHORITY.cert },
    mediaPorts: { lo: 41_040, hi: 41_059 },
  };
  const { calls } = await placeCalls({ ...tlsOptions, durationMs: 400 });
  assert.deepEqual([calls[0]!.status, calls[0]!.error], [200, null]);
  const { recording, manifest } = await finished(server, calls[0]!.callId);
  assert.equal(recording.state, 'complete');
  assert.ok(recording.streams.every(({ packets }) => packets.received === 20 && packets.expected === 20));
  assert.match(JSON.stringify(manifest), /"tls:127.0.0.1:\d+"/);
});

test('RFC 5630 5.1.2: secure: required refuses what does not come over TLS with 480 and warn-code 381', async (t) => {
  const { server, port } = await secured(t, '41060-41099', { secure: 'required' });
  const plain = await client(t, 'udp');
  const to = `sip:127.0.0.1:${server.udpPort}`;
  await assert.rejects(plain.invite({ to, body: BODY, require: ['siprec'] }).answered, (error: SipFailure) => {
    assert.ok(error instanceof SipFailure);
    assert.equal(error.message, '480 SIPS Required');
    assert.match(error.response?.header('warning') ?? '', /^381 doubletrack "SIPS Required/);
    return true;
  });
  const safe = await client(t, 'tls');
  const crypto = clientCrypto('AES_CM_128_HMAC_SHA1_80');
  const line = { port: 30_000, label: '1', protocol: 'RTP/SAVP', attributes: [crypto.attribute] };
  const body = sdpOnly(sdpText([line]));
  const { session } = await safe.invite({ to: `sips:localhost:${port}`, body, require: ['siprec'] }).answered;
  await session.bye();
});

test('a renewed certificate is taken from its file; a broken one is not; the call goes on', async (t) => {
  const { server, port, renew, certificateFile } = await secured(t, '41100-41139');
  const caller = await client(t, 'tls');
  const { session } = await caller.invite({ to: `sips:localhost:${port}`, body: BODY, require: ['siprec'] }).answered;
  assert.equal(await certificateOf(port), 'first');
  renew('second');
  server.server.reloadCertificates();
  assert.equal(await certificateOf(port), 'second');
  writeFileSync(certificateFile, 'not a certificate');
  server.server.reloadCertificates();
  assert.equal(await certificateOf(port), 'second');
  assert.equal((await session.request('INVITE', { body: BODY })).status, 200);
  renew('third');
  await until('the changed file to be seen', async () => (await certificateOf(port)) === 'third');
  assert.equal((await session.request('BYE')).status, 200);
});
