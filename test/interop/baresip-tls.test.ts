/** baresip as a client over TLS: it calls, and is hung up on over its own connection. This version checks no certificates. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { globSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { issue, makeAuthority } from '../../src/certificates/certificate.ts';
import { SipEndpoint, type SipSession } from '../../src/sip/index.ts';

const MODULES = globSync('/usr/{lib,lib64,lib/*}/baresip/modules/g711.so')[0];
/** It takes no other for its media, even to call this machine. */
const outside = Object.values(networkInterfaces()).some((all) => all?.some(({ internal }) => !internal));
const installed = MODULES !== undefined && spawnSync('baresip', ['-h']).error === undefined;
const skip = !installed
  ? 'baresip is not installed: apt-get install baresip-core'
  : !outside && 'baresip wants another network interface than loopback';
const folder = mkdtempSync(path.join(tmpdir(), 'doubletrack-baresip-'));
const WAIT_MS = 15_000;

/** A second of silence, 8 kHz mono. */
function silence(): Buffer {
  const samples = Buffer.alloc(16_000);
  const head = Buffer.from(
    'RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\0\0\0\0\0\0\0\0\x02\0\x10\0data\0\0\0\0',
    'latin1',
  );
  head.writeUInt32LE(36 + samples.length, 4);
  head.writeUInt32LE(8_000, 24);
  head.writeUInt32LE(16_000, 28);
  head.writeUInt32LE(samples.length, 40);
  return Buffer.concat([head, samples]);
}

/** baresip with a configuration of its own. */
function baresip(home: string, uri: string): ChildProcess {
  writeFileSync(path.join(home, 'x.wav'), silence());
  writeFileSync(path.join(home, 'contacts'), '');
  writeFileSync(path.join(home, 'accounts'), '<sip:alice@127.0.0.1;transport=tls>;regint=0;audio_codecs=PCMU\n');
  const config = [
    'sip_listen 127.0.0.1:0',
    `audio_source aufile,${home}/x.wav`,
    `audio_alert aufile,${home}/x.wav`,
    `module_path ${path.dirname(MODULES!)}`,
    ...['stdio', 'g711', 'aufile'].map((one) => `module ${one}.so`),
    'module_tmp account.so',
    'module_app menu.so',
  ];
  writeFileSync(path.join(home, 'config'), `${config.join('\n')}\n`);
  return spawn('baresip', ['-f', home, '-e', `/dial ${uri}`, '-t', '4'], { stdio: 'ignore' });
}

async function within<T>(promise: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${WAIT_MS} ms for ${what}`)), WAIT_MS);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

describe('baresip over TLS', { skip }, () => {
  const children: ChildProcess[] = [];
  let server: SipEndpoint;
  let uri: string;

  before(async () => {
    server = new SipEndpoint({
      listen: [{ transport: 'tls', host: '127.0.0.1', port: 0 }],
      userAgent: 'doubletrack',
      tls: issue(makeAuthority(), { names: ['127.0.0.1'] }),
    });
    await server.start();
    uri = `sip:recorder@127.0.0.1:${server.addresses[0]!.port}`;
  });

  after(async () => {
    for (const child of children) if (child.exitCode === null) child.kill('SIGKILL');
    await server.close({ graceMs: 100 });
    rmSync(folder, { recursive: true, force: true });
  });

  test('it calls, and our BYE comes by its connection', async () => {
    const called = new Promise<SipSession>((resolve) => {
      server.onInvite = (invite) => {
        // The answer to its offer, the simplest that there is.
        const answer = String(invite.request.body).replace(/^m=audio \d+/m, 'm=audio 9');
        const session = invite.accept({ body: { contentType: 'application/sdp', content: Buffer.from(answer) } });
        session.onAck = () => resolve(session);
      };
    });
    const child = baresip(folder, uri);
    children.push(child);
    const session = await within(called, 'a call');
    assert.match(session.remoteUri, /transport=tls/);
    assert.equal((await within(session.request('BYE'), 'the answer to BYE')).status, 200);
    assert.equal(server.stats().connections, 1);
    child.kill('SIGTERM');
    await within(once(child, 'exit'), 'baresip to end');
  });
});
