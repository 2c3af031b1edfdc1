/** Master keys of SRTP leave no trace: not in logs, answers, notes, files, or errors, in whatever form they might. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { inspect } from 'node:util';
import pino from 'pino';
import { parseSdp } from '../../src/sdp/index.ts';
import { loadServerConfig } from '../../src/server/config.ts';
import { RecordingServer } from '../../src/server/recording-server.ts';
import { Client, finished, Leg, newFolder, type Server, sdpOnly, sdpText, undoing } from './rig.ts';
import { answered, clientCrypto, sendWith } from './srtp-rig.ts';

/** As text, in hexadecimal either way, and as bytes in JSON; the bytes themselves are looked for in files. */
function forms(key: Buffer): string[] {
  const base64 = key.toString('base64').replace(/=+$/, '');
  const hex = key.toString('hex');
  return [base64, hex, hex.toUpperCase(), [...key].join(','), key.toString('base64url'), key.toString('latin1')];
}

function* filesBelow(folder: string): Generator<string> {
  for (const name of readdirSync(folder)) {
    const at = path.join(folder, name);
    if (statSync(at).isDirectory()) yield* filesBelow(at);
    else yield at;
  }
}

test('RFC 4568 9: no key in logs at trace, HTTP answers, journal, catalogue, manifest, responses or errors', async (t) => {
  const undo = undoing(t);
  const data = newFolder();
  undo(() => rmSync(data, { recursive: true, force: true }));
  const said: string[] = [];
  const log = pino(
    { level: 'trace' },
    new Writable({ write: (chunk, _, done) => done(void said.push(String(chunk))) }),
  );
  const own = { sip: ['udp:127.0.0.1:0'], http: '127.0.0.1:0', lanes: 1, mediaPorts: '47860-47899', data };
  const server = await RecordingServer.start(loadServerConfig({ ...own, logLevel: 'trace', minFreeBytes: 0 }, {}), log);
  const rig: Server = { server, data, udpPort: server.sipAddresses[0]!.port, http: server.httpUrl };
  undo(() => server.drain(0));
  const client = await Client.start(rig);
  undo(() => client.close());
  const leg = await Leg.open(0x4000);
  undo(() => leg.close());
  const keys: Buffer[] = [];
  const newCrypto = (...o: Parameters<typeof clientCrypto>) => {
    const crypto = clientCrypto(...o);
    keys.push(crypto.keyAndSalt);
    return crypto;
  };
  const get = async (at: string) => said.push(await (await fetch(`${rig.http}${at}`)).text());
  const offer = (...attributes: string[]) =>
    sdpOnly(sdpText([{ port: leg.port, label: '1', protocol: 'RTP/SAVP', attributes }]));

  const crypto = newCrypto('AES_CM_128_HMAC_SHA1_80');
  const { session, response, answer } = await client.call(offer(crypto.attribute));
  keys.push(Buffer.from(answered(answer).base64, 'base64'));
  sendWith(leg, crypto);
  leg.send(answer.media[0]!.port, 20);
  // Refused, unreadable and out of order: what is said of them must not repeat them.
  const bad = newCrypto('AES_CM_128_HMAC_SHA1_80');
  const base64 = bad.keyAndSalt.toString('base64');
  for (const attribute of [
    bad.attribute.replace('inline:', 'uri:'),
    `${bad.attribute}|`,
    `${bad.attribute} KDR=3`,
    `${bad.attribute} FEC_KEY=inline:${base64}`,
    `${bad.attribute} ${base64}`,
    `crypto:1 ${bad.keyAndSalt.toString('hex')} inline:${base64}`,
    `crypto:1 inline:${base64} AES_CM_128_HMAC_SHA1_80`,
    `crypto:${base64}`,
    `crypto:1 F8_128_HMAC_SHA1_80 inline:${base64}`,
  ]) {
    const refused = await client.refused(offer(attribute));
    said.push(String(refused.response?.head));
    said.push(String((await session.request('INVITE', { body: offer(attribute) })).head));
  }
  const rekeyed = newCrypto('AEAD_AES_256_GCM', { tag: 2 });
  await session.request('INVITE', { body: offer(rekeyed.attribute) });
  for (const at of ['/api/v1/sessions', '/api/v1/recordings', '/metrics']) await get(at);
  await new Promise((resolve) => setTimeout(resolve, 300));
  // While it runs the journal has all the notes; afterwards the packet file does.
  const journal = [...filesBelow(data)].map((file) => readFileSync(file));
  await session.bye();
  const { recording } = await finished(rig, session.callId);
  for (const part of ['', '/manifest']) await get(`/api/v1/recordings/${recording.id}${part}`);
  said.push(inspect(response, { depth: 20, showHidden: true }), JSON.stringify(response));
  said.push(inspect(parseSdp(response.body), { depth: 20, showHidden: true }), JSON.stringify({ answer }));
  await server.drain(0);

  assert.ok(said.join('').includes('AEAD_AES_256_GCM'), 'the suite is shown');
  const files = [...journal, ...[...filesBelow(data)].map((file) => readFileSync(file))];
  assert.ok(files.length > 5);
  for (const key of keys) {
    for (const form of forms(key)) {
      assert.ok(!said.join('\n').includes(form), `${form} was said`);
      for (const file of files) assert.ok(!file.includes(form), `${form} was written`);
    }
    for (const file of files) assert.ok(!file.includes(key) && !file.includes(key.subarray(0, 16)), 'written as bytes');
  }
});
