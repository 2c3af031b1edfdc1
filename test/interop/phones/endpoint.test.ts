/** A phone and our own endpoint: it registers with digest, calls, is put through hold and transfer, and takes our requests. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { DigestServer, type SipAnswer, SipEndpoint, type SipRequest, type SipSession } from '../../../src/sip/index.ts';
import { undoing, until } from '../../server/rig.ts';
import { newDataFolder, removeFolder } from '../recorder.ts';
import { Phone, type PhoneOptions, withoutBaresip } from './phone.ts';
import { writeNoise } from './sound.ts';

const FIRST_PORT = 15_400;
const PORTS_PER_TEST = 20;
/** libre 1.1 gives up at a challenge with another algorithm, wherever it stands. */
const MD5 = ['MD5'] as const;
const PASSWORD = 'secret-of-101';

let tests = 0;

async function rig(t: TestContext, options: Partial<PhoneOptions> = {}) {
  const undo = undoing(t);
  const folder = newDataFolder();
  undo(() => removeFolder(folder));
  const endpoint = new SipEndpoint({
    listen: [
      { transport: 'udp', host: '127.0.0.1', port: 0 },
      { transport: 'tcp', host: '127.0.0.1', port: 0 },
    ],
    userAgent: 'doubletrack',
    allow: ['INVITE', 'ACK', 'CANCEL', 'BYE', 'OPTIONS', 'UPDATE', 'REGISTER', 'REFER', 'NOTIFY'],
  });
  await endpoint.start();
  undo(() => endpoint.close({ graceMs: 100 }));
  const audioFile = path.join(folder, 'a.wav');
  writeNoise(audioFile, 20, 1);
  const { port } = endpoint.addresses.find(({ transport }) => transport === (options.transport ?? 'udp'))!;
  const phone = await Phone.start({
    ...{ dn: '101', password: PASSWORD, registrar: `127.0.0.1:${port}`, audioFile },
    ...{ port: FIRST_PORT + tests++ * PORTS_PER_TEST, ...options },
  });
  undo(() => phone.stop());
  return { endpoint, phone };
}

/** The simplest answer to its offer: nobody listens. */
function answerTo(request: SipRequest): Buffer {
  const direction = /a=sendonly/.test(String(request.body)) ? 'recvonly' : 'sendrecv';
  const lines = String(request.body)
    .replace(/^m=audio \d+/m, 'm=audio 9')
    .replace(/^a=(sendrecv|sendonly)/m, `a=${direction}`);
  return Buffer.from(lines);
}

/** Null: the request has the right password. */
function refusalOf(digest: DigestServer, request: SipRequest): SipAnswer | null {
  const { result } = digest.verify(request, 401, (name) => (name === '101' ? PASSWORD : null), Date.now(), MD5);
  if (result === 'ok') return null;
  if (result === 'wrong') return { status: 403 };
  return { status: 401, headers: digest.challenge(401, Date.now(), result === 'stale', MD5) };
}

const sdp = (content: Buffer) => ({ contentType: 'application/sdp', content });

async function called(endpoint: SipEndpoint, phone: Phone): Promise<SipSession> {
  const session = new Promise<SipSession>((resolve) => {
    endpoint.onInvite = (invite) => resolve(invite.accept({ body: sdp(answerTo(invite.request)) }));
  });
  await phone.dial('102');
  await phone.event('CALL_ESTABLISHED');
  return await session;
}

describe('a phone and our endpoint', { skip: withoutBaresip, concurrency: true }, () => {
  for (const transport of ['udp', 'tcp'] as const) {
    test(`RFC 3261 22: it registers with its password, over ${transport}`, async (t) => {
      const { endpoint, phone } = await rig(t, { transport });
      const digest = new DigestServer({ realm: 'example.com' });
      const contacts: string[] = [];
      endpoint.onRequest = (request) => {
        const refusal = refusalOf(digest, request);
        if (refusal !== null) return refusal;
        contacts.push(request.header('contact')!);
        return { status: 200, headers: [['Contact', request.header('contact')!]] };
      };
      await phone.register();
      assert.match(contacts[0]!, /^<sip:101/);
    });
  }

  test('RFC 3261 22: a wrong password registers nothing', async (t) => {
    const { endpoint, phone } = await rig(t, { password: 'wrong' });
    const digest = new DigestServer({ realm: 'example.com' });
    endpoint.onRequest = (request) => refusalOf(digest, request) ?? { status: 200 };
    await phone.tryToRegister();
    assert.match((await phone.event('REGISTER_FAIL')).param!, /^40[13] /);
  });

  test('RFC 3264 8.4: hold and resume are offers; RFC 3515: its REFER, and what we notify it of', async (t) => {
    const { endpoint, phone } = await rig(t);
    await phone.standAlone();
    const session = await called(endpoint, phone);
    const directions: string[] = [];
    session.onReInvite = (request) => {
      directions.push(/a=(send\w+)/.exec(String(request.body))![1]!);
      return { status: 200, body: sdp(answerTo(request)) };
    };
    await phone.hold();
    await phone.event('CALL_REMOTE_SDP');
    await phone.resume();
    await phone.event('CALL_REMOTE_SDP');
    assert.deepEqual(directions, ['sendonly', 'sendrecv']);

    const referred: string[] = [];
    session.onOther = (request) => {
      referred.push(request.header('refer-to')!);
      return { status: 202 };
    };
    await phone.transferTo({ uri: 'sip:103@127.0.0.1', callId: 'a@b', toTag: 'x', fromTag: 'y' });
    await until('a REFER', () => referred.length === 1);
    assert.deepEqual(referred, ['<sip:103@127.0.0.1?Replaces=a%40b%3Bto-tag%3Dx%3Bfrom-tag%3Dy>']);
    const headers: [string, string][] = [
      ['Event', 'refer'],
      ['Subscription-State', 'terminated;reason=noresource'],
    ];
    const body = { contentType: 'message/sipfrag', content: Buffer.from('SIP/2.0 200 OK\r\n') };
    assert.equal((await session.request('NOTIFY', { headers, body })).status, 200);
    assert.equal((await phone.event('CALL_CLOSED')).param, 'Call transfered');
    await until('its BYE', () => session.over);
  });

  test('RFC 3261 12.2: our re-INVITE and BYE are taken', async (t) => {
    const { endpoint, phone } = await rig(t);
    await phone.standAlone();
    const session = await called(endpoint, phone);
    const offer = Buffer.from(
      'v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\na=inactive\r\n',
    );
    const answered = await session.request('INVITE', { body: sdp(offer) });
    assert.match(String(answered.body), /a=inactive/);
    assert.equal((await session.request('BYE')).status, 200);
    await phone.event('CALL_CLOSED');
  });
});
