/** The CTI link's server over real WebSockets: what clients are told and may do, and what becomes of those that misbehave. */
import assert from 'node:assert/strict';
import { connect as connectTcp } from 'node:net';
import { describe, test } from 'node:test';
import { issue, makeAuthority } from '../../../src/certificates/certificate.ts';
import { CtiServer } from '../../../src/client/cti/index.ts';
import { FakeSwitch } from './fake-switch.ts';
import { type CtiPeer, type Message, PRIVATE_MESSAGES, type Rig, startRig, TOKEN } from './rig.ts';

const register = (ThisDN: string) => ({ message: 'RequestRegisterAddress', ThisDN });
const MONITOR = { message: 'RequestStartCallMonitoring' };

async function monitoring(rig: Rig): Promise<CtiPeer> {
  const peer = await rig.connect();
  assert.equal((await peer.ask(MONITOR)).message, 'EventACK');
  return peer;
}

const names = (messages: Message[]) => messages.map(({ message, ThisDN }) => [message, ThisDN]);
const errorOf = ({ message, Error: error, ErrorCode }: Message) => [message, error, ErrorCode];

describe('what a client is told', () => {
  test('a DN that is registered: its events and nobody else’s, in order, with the attributes of the call', async (t) => {
    const rig = await startRig(t);
    const peer = await rig.connect();
    const hello = await peer.next();
    assert.equal(hello.message, 'EventLinkConnected');
    assert.deepEqual(hello.PrivateMessages, PRIVATE_MESSAGES);
    assert.equal((await peer.ask(register('5002'))).message, 'EventRegistered');
    const call = rig.switch.newCall({ from: '5001', to: '5002', agents: { 5002: 'anna' } });
    rig.switch.establish(call.id);
    const other = rig.switch.newCall({ from: '5003', to: '5004' });
    rig.switch.establish(other.id);
    rig.switch.happens('held', call.id, '5002');
    rig.switch.happens('retrieved', call.id, '5002');
    rig.switch.release(call.id);
    const events = await peer.take(5);
    assert.deepEqual(
      names(events),
      ['EventRinging', 'EventEstablished', 'EventHeld', 'EventRetrieved', 'EventReleased'].map((name) => [
        name,
        '5002',
      ]),
    );
    const [ringing] = events as [Message];
    assert.deepEqual(ringing, {
      ...{ message: 'EventRinging', EventSequenceNumber: 2, TimeinSecs: 1769851800, TimeinuSecs: 250_000 },
      ...{ ThisDN: '5002', OtherDN: '5001', ConnID: call.connId, CallUUID: call.id.replaceAll('-', '') },
      ...{ CallType: 'Internal', CallState: 'ringing', ANI: '5001', DNIS: '5002', AgentID: 'anna', UserData: {} },
      SIPCallIDs: call.sipCallIds,
    });
    assert.deepEqual(events.at(-1)?.Reasons, { cause: 'BYE' });
    const seqs = events.map((event) => event.EventSequenceNumber as number);
    assert.deepEqual(
      seqs,
      [...seqs].sort((a, b) => a - b),
    );
  });

  test('transfer and conference: third party and the ConnID of the consultation call', async (t) => {
    const rig = await startRig(t);
    const peer = await monitoring(rig);
    const call = rig.switch.newCall({ from: '021', to: '5002', outside: ['021'] });
    const joined = { thirdDn: '5003', previousConnId: '00000000000000ff' };
    rig.switch.happens('party-changed', call.id, '5002', joined);
    rig.switch.happens('party-added', call.id, '5002', joined);
    rig.switch.happens('party-deleted', call.id, '5002', { thirdDn: '5003' });
    rig.switch.happens('abandoned', call.id, '5002');
    const [changed, added, deleted, abandoned] = (await peer.take(4)) as [Message, Message, Message, Message];
    assert.deepEqual(
      [changed.message, changed.ThirdPartyDN, changed.PreviousConnID, changed.CallType, changed.OtherDN],
      ['EventPartyChanged', '5003', '00000000000000ff', 'Inbound', 'sip:021@example.com'],
    );
    assert.deepEqual(
      [added, deleted, abandoned].map(({ message }) => message),
      ['EventPartyAdded', 'EventPartyDeleted', 'EventAbandoned'],
    );
    assert.ok(!('PreviousConnID' in deleted));
  });

  test('who begins to monitor is told of the calls that run, before the answer; what follows has higher numbers', async (t) => {
    const rig = await startRig(t);
    const call = rig.switch.newCall({ from: '5001', to: '5002', agents: { 5001: 'bert' } });
    rig.switch.establish(call.id);
    const ended = rig.switch.newCall({ from: '5003', to: '5004' });
    rig.switch.release(ended.id);
    const peer = await rig.connect();
    await peer.next();
    peer.send({ ...MONITOR, ReferenceID: 7 });
    const [first, second, ack] = (await peer.take(3)) as [Message, Message, Message];
    assert.deepEqual(names([first, second]), [
      ['EventPartyInfo', '5001'],
      ['EventPartyInfo', '5002'],
    ]);
    assert.deepEqual([first.AgentID, first.CallState, first.ReferenceID], ['bert', 'established', 7]);
    assert.deepEqual(ack, { message: 'EventACK', ReferenceID: 7, EventSequenceNumber: 6 });
    rig.switch.release(call.id);
    assert.equal((await peer.next()).EventSequenceNumber, 7);
    const own = await rig.connect();
    rig.switch.newCall({ from: '5001', to: '5005' });
    await own.next();
    own.send({ ...register('5001'), ReferenceID: 9 });
    assert.deepEqual(names(await own.take(2)), [
      ['EventPartyInfo', '5001'],
      ['EventRegistered', '5001'],
    ]);
  });

  test('unregistered, no more events come; what was missed in between is not made up for', async (t) => {
    const rig = await startRig(t);
    const peer = await rig.connect();
    await peer.ask(register('5001'));
    const call = rig.switch.newCall({ from: '5001', to: '5002' });
    rig.switch.happens('dialing', call.id, '5001');
    assert.equal((await peer.next()).message, 'EventDialing');
    assert.equal(
      (await peer.ask({ message: 'RequestUnregisterAddress', ThisDN: '5001' })).message,
      'EventUnregistered',
    );
    rig.switch.happens('established', call.id, '5001');
    await peer.ask(register('5001'));
    rig.switch.happens('held', call.id, '5001');
    assert.equal((await peer.next()).message, 'EventHeld');
    assert.equal((await peer.ask(MONITOR)).message, 'EventACK');
    assert.equal((await peer.ask({ message: 'RequestStopCallMonitoring' })).message, 'EventACK');
    rig.switch.happens('held', call.id, '5002');
    rig.switch.happens('retrieved', call.id, '5001');
    assert.deepEqual(names([await peer.next()]), [['EventRetrieved', '5001']]);
  });
});

describe('recording and attached data', () => {
  test('start, pause, resume, stop with their extensions; GSIP_RECORD and GSIP_REC_FN follow', async (t) => {
    const rig = await startRig(t);
    const peer = await rig.connect();
    await peer.ask(register('5002'));
    const call = rig.switch.newCall({ from: '5001', to: '5002' });
    rig.switch.establish(call.id);
    const service = (PrivateMsgID: number, more: object = {}) =>
      peer.ask({ message: 'RequestPrivateService', PrivateMsgID, ThisDN: '5002', ConnID: call.connId, ...more });
    const Extensions = { record: 'destination', id: 'rec-1', dest: 'first', dest2: 'second', params: { tenant: 'a' } };
    const started = await service(3013, { Extensions });
    assert.deepEqual(
      [started.message, started.ConnID, started.ThisDN, started.Extensions],
      ['EventACK', call.connId, '5002', [{ id: 'rec-1', recorder: 'first' }]],
    );
    assert.match(
      String((rig.switch.done[0]!.request as { actor: string }).actor),
      /^DN 5002 \(CTI client 127\.0\.0\.1/,
    );
    const { actor: _, ...request } = rig.switch.done[0]!.request as { actor: string };
    assert.deepEqual(request, Extensions);
    await service(3015, { Reasons: { why: 'card number' } });
    assert.equal((rig.switch.done[1]!.request as { reason: string }).reason, 'why=card number');
    await service(3016, { Extensions: { id: 'rec-1' } });
    assert.equal((rig.switch.done[2]!.request as { recording: string }).recording, 'rec-1');
    await service(3014);
    rig.switch.release(call.id);
    await peer.nextOf('EventReleased');
    const told = peer.received.filter(({ message }) => /EventPrivateInfo|EventAttachedDataChanged/.test(message));
    const states = told.map((event) => {
      const { GSIP_RECORD } = event.UserData as Record<string, string>;
      const { GSIP_RECORD: own } = (event.Extensions ?? {}) as Record<string, string>;
      return event.message === 'EventPrivateInfo' ? [event.PrivateMsgID, own] : ['data', GSIP_RECORD];
    });
    assert.deepEqual(states, [
      [3013, 'ON'],
      ['data', 'ON'],
      [3015, 'PAUSED'],
      ['data', 'PAUSED'],
      [3013, 'ON'],
      ['data', 'ON'],
      [3014, 'OFF'],
      ['data', 'OFF'],
    ]);
    const name = (told.at(-1)!.UserData as Record<string, string>).GSIP_REC_FN;
    assert.equal(name, `${call.id.replaceAll('-', '')}_5001_5002_5002_2026-01-31_09-30-00_switch1`);
  });

  test('the numbers of private messages are the site’s', async (t) => {
    const rig = await startRig(t, { config: { privateMessages: { start: 1, stop: 2, pause: 3, resume: 4 } } });
    const peer = await monitoring(rig);
    const call = rig.switch.newCall({ from: '5001', to: '5002' });
    const ask = { message: 'RequestPrivateService', CallUUID: call.id.replaceAll('-', '').toUpperCase() };
    const answer = await peer.ask({ ...ask, PrivateMsgID: 3013 });
    assert.deepEqual(errorOf(answer), ['EventError', 'unsupported', 51]);
    assert.match(String(answer.ErrorMessage), /1 start, 2 stop, 3 pause, 4 resume/);
    assert.equal((await peer.ask({ ...ask, PrivateMsgID: 1 })).message, 'EventACK');
  });

  test('attached data is set, deleted by pair and as a whole; what the switch sets stays', async (t) => {
    const rig = await startRig(t);
    const peer = await rig.connect();
    await peer.ask(register('5001'));
    const call = rig.switch.newCall({ from: '5001', to: '5002' });
    const about = { ThisDN: '5001', ConnID: call.connId };
    const data = () => rig.switch.call(call.id)!.userData;
    await peer.ask({ message: 'RequestPrivateService', PrivateMsgID: 3013, ...about });
    await peer.nextOf('EventAttachedDataChanged');
    await peer.ask({ message: 'RequestAttachUserData', ...about, UserData: { order: '77', queue: 'sales' } });
    await peer.ask({ message: 'RequestUpdateUserData', ...about, UserData: { order: '78' } });
    assert.deepEqual([data().order, data().queue, data().GSIP_RECORD], ['78', 'sales', 'ON']);
    await peer.ask({ message: 'RequestDeletePair', ...about, DataKey: 'order' });
    assert.ok(!('order' in data()));
    const nothing = await peer.ask({ message: 'RequestDeletePair', ...about, DataKey: 'order' });
    assert.equal(nothing.Error, 'invalid-attribute');
    await peer.ask({ message: 'RequestDeleteUserData', ...about });
    assert.deepEqual(Object.keys(data()).sort(), ['GSIP_RECORD', 'GSIP_REC_FN'].sort());
    for (const key of ['GSIP_RECORD', 'GSIP_REC_FN']) {
      const forged = await peer.ask({ message: 'RequestAttachUserData', ...about, UserData: { [key]: 'OFF' } });
      assert.equal(forged.Error, 'invalid-attribute');
    }
    const value = 'x'.repeat(4000);
    const many = Object.fromEntries(Array.from({ length: 15 }, (_, i) => [`k${i}`, value]));
    await peer.ask({ message: 'RequestAttachUserData', ...about, UserData: many });
    const more = Object.fromEntries(Array.from({ length: 15 }, (_, i) => [`m${i}`, value]));
    assert.deepEqual(errorOf(await peer.ask({ message: 'RequestAttachUserData', ...about, UserData: more })), [
      ...['EventError', 'too-many', 1004],
    ]);
  });
});

describe('lies', () => {
  test('unknown DNs and calls, calls of others, addresses of others, states that are not', async (t) => {
    const rig = await startRig(t, { limits: { requestTimeoutMs: 100 } });
    const peer = await rig.connect();
    assert.deepEqual(errorOf(await peer.ask(register('7777'))), ['EventError', 'unknown-dn', 59]);
    await peer.ask(register('5001'));
    await peer.ask(register('5900'));
    assert.deepEqual(errorOf(await peer.ask(register('5001'))), ['EventError', 'wrong-state', 43]);
    const call = rig.switch.newCall({ from: '5002', to: '5003' });
    const pause = { message: 'RequestPrivateService', PrivateMsgID: 3015 };
    const ask = async (more: object) => (await peer.ask({ ...pause, ...more })).Error ?? 'ok';
    assert.equal(await ask({ ThisDN: '5001', ConnID: 'ffffffffffffffff' }), 'unknown-call');
    assert.equal(await ask({ ThisDN: '5001', ConnID: call.connId }), 'not-your-call');
    assert.equal(await ask({ ThisDN: '5002', ConnID: call.connId }), 'not-registered');
    assert.equal(await ask({ ConnID: call.connId }), 'not-registered');
    assert.deepEqual(rig.switch.done, []);
    // A supervisor of that phone need not be in the call.
    assert.equal(await ask({ ThisDN: '5900', ConnID: call.connId }), 'wrong-state');
    rig.switch.hasRecorder = false;
    assert.equal(await ask({ ThisDN: '5900', ConnID: call.connId, PrivateMsgID: 3013 }), 'no-recorder');
    rig.switch.gate = new Promise(() => {});
    assert.equal(await ask({ ThisDN: '5900', ConnID: call.connId, PrivateMsgID: 3013 }), 'timeout');
    const own = rig.switch.newCall({ from: '5001', to: '5003' });
    rig.switch.release(own.id);
    rig.switch.forget(own.id);
    assert.equal(await ask({ ThisDN: '5001', ConnID: own.connId }), 'unknown-call');
  });

  test('what is no request gets an EventError, and the connection lives on', async (t) => {
    const rig = await startRig(t);
    const peer = await rig.connect();
    await peer.next();
    const wrong: [string, string][] = [
      ['', 'invalid-attribute'],
      ['[]', 'invalid-attribute'],
      ['null', 'invalid-attribute'],
      ['{"message":"RequestMakeCall","ReferenceID":5}', 'unsupported'],
      ['{"message":"__proto__","ReferenceID":5}', 'unsupported'],
      ['{"message":"RequestRegisterAddress","ReferenceID":5}', 'invalid-attribute'],
      ['{"message":"RequestRegisterAddress","ReferenceID":5,"ThisDN":5001}', 'invalid-attribute'],
      ['{"message":"RequestDeleteUserData","ReferenceID":5}', 'invalid-attribute'],
      ['{"message":"RequestStartCallMonitoring","ReferenceID":5,"More":1}', 'invalid-attribute'],
      ['{"message":"RequestStartCallMonitoring","ReferenceID":5.5}', 'invalid-attribute'],
    ];
    for (const [text, error] of wrong) {
      peer.send(text);
      const answer = await peer.next();
      assert.deepEqual([answer.message, answer.Error], ['EventError', error], text);
      assert.equal(answer.ReferenceID, text.includes('"ReferenceID":5,') || text.includes(':5}') ? 5 : null, text);
    }
    peer.socket.send(Buffer.from([1, 2, 3]));
    assert.match(String((await peer.next()).ErrorMessage), /not binary/);
    assert.equal((await peer.ask(register('5001'))).message, 'EventRegistered');
  });

  test('a message that is too long ends the connection (RFC 6455 7.4.1: 1009)', async (t) => {
    const rig = await startRig(t);
    const peer = await rig.connect();
    peer.send(`"${'x'.repeat(70_000)}"`);
    assert.equal((await peer.closed).code, 1009);
  });
});

describe('reconnection', () => {
  test('resumed: all that came meanwhile, each once and in order, for the addresses that were registered', async (t) => {
    const rig = await startRig(t);
    const peer = await rig.connect();
    const { LinkID } = await peer.next();
    await peer.ask(register('5001'));
    await peer.ask(register('5004'));
    const call = rig.switch.newCall({ from: '5001', to: '5002' });
    rig.switch.establish(call.id);
    const seen = await peer.take(2);
    const last = seen.at(-1)!.EventSequenceNumber as number;
    peer.drop();
    rig.switch.attach(call.id, { order: '12' });
    rig.switch.release(call.id);
    const again = await rig.connect();
    const resume = { message: 'RequestResume', LinkID, EventSequenceNumber: last, Addresses: ['5001', '5004'] };
    const ack = await again.ask(resume);
    assert.equal(ack.message, 'EventACK');
    const missed = await again.take(2);
    assert.deepEqual(names(missed), [
      ['EventAttachedDataChanged', '5001'],
      ['EventReleased', '5001'],
    ]);
    assert.deepEqual(missed[1]!.UserData, { order: '12' });
    const live = rig.switch.newCall({ from: '5004', to: '5005' });
    rig.switch.happens('dialing', live.id, '5004');
    assert.deepEqual(names([await again.next()]), [['EventDialing', '5004']]);
    assert.equal((await again.ask(resume)).Error, 'wrong-state');
  });

  test('too old, of another life of the link, or of the future: gap', async (t) => {
    const rig = await startRig(t, { limits: { keptEvents: 4 } });
    const peer = await monitoring(rig);
    const { LinkID } = peer.received[0]!;
    const call = rig.switch.newCall({ from: '5001', to: '5002' });
    for (let i = 0; i < 10; i++) rig.switch.happens('held', call.id, '5001');
    const resume = { message: 'RequestResume', CallMonitoring: true };
    for (const [link, seq] of [
      [LinkID, 5],
      [LinkID, 11],
      ['00000000-0000-0000-0000-000000000000', 10],
    ]) {
      const again = await rig.connect();
      const answer = await again.ask({ ...resume, LinkID: link, EventSequenceNumber: seq });
      assert.deepEqual(errorOf(answer), ['EventError', 'gap', 1001]);
      // It begins anew, on the same connection.
      assert.equal((await again.ask(MONITOR)).message, 'EventACK');
    }
    const again = await rig.connect();
    assert.equal((await again.ask({ ...resume, LinkID, EventSequenceNumber: 6 })).message, 'EventACK');
    assert.deepEqual(
      (await again.take(4)).map((event) => event.EventSequenceNumber),
      [7, 8, 9, 10],
    );
    const empty = await (await rig.connect()).ask({ message: 'RequestResume', LinkID, EventSequenceNumber: 10 });
    assert.equal(empty.Error, 'invalid-attribute');
  });
});

describe('access', () => {
  test('a token, by its header alone; without one 401', async (t) => {
    const rig = await startRig(t, { config: { tokens: ['another-token', TOKEN] } });
    for (const authorization of [
      '',
      'Bearer',
      'Bearer wrong',
      `Basic ${TOKEN}`,
      `Bearer ${TOKEN} x`,
      `Bearer ${TOKEN}x`,
    ]) {
      await assert.rejects(
        rig.connect({ headers: { authorization } }),
        /Unexpected server response: 401/,
        authorization,
      );
    }
    const peer = await rig.connect({ headers: { authorization: `bearer ${TOKEN}` } });
    assert.equal((await peer.next()).message, 'EventLinkConnected');
    assert.ok(!JSON.stringify(rig.logged).includes(TOKEN));
  });

  test('mutual TLS: a certificate of the authority that is trusted, and no other', async (t) => {
    const [authority, stranger] = [makeAuthority('trusted'), makeAuthority('not trusted')];
    const server = issue(authority, { names: ['127.0.0.1'] });
    const tls = { ...server, ca: authority.cert, clientCertificate: 'request' as const };
    const rig = await startRig(t, { config: { tokens: [], tls } });
    assert.match(rig.server.url, /^wss:/);
    const mine = issue(authority, { names: ['recorder.example.com'] });
    const peer = await rig.connect({ ca: authority.cert, ...mine });
    assert.equal((await peer.ask(MONITOR)).message, 'EventACK');
    const forged = issue(stranger, { names: ['recorder.example.com'] });
    await assert.rejects(rig.connect({ ca: authority.cert, ...forged }), /response: 403/);
    await assert.rejects(rig.connect({ ca: authority.cert }), /response: 403/);
    const page = { ca: authority.cert, ...mine, origin: 'https://elsewhere.example.com' };
    await assert.rejects(rig.connect(page), /response: 403/);
  });

  test('a link that would let anybody in does not start', () => {
    const config = { host: '127.0.0.1', port: 0, tokens: [], tls: null, privateMessages: PRIVATE_MESSAGES };
    const none = () => {};
    const log = { debug: none, info: none, warn: none, error: none };
    const options = { config, calls: new FakeSwitch(), knowsDn: () => true, supervises: () => false, log };
    assert.throws(() => new CtiServer(options), /cti\.tokens, or cti\.tls/);
  });

  test('more clients than allowed get 503, and the first go on', async (t) => {
    const rig = await startRig(t, { limits: { maxClients: 2 } });
    const first = await rig.connect();
    const second = await rig.connect();
    await assert.rejects(rig.connect(), /response: 503/);
    second.drop();
    await second.closed;
    while (rig.server.clients > 1) await first.ask({ message: 'RequestUnregisterAddress', ThisDN: '5001' });
    await rig.connect();
  });
});

describe('clients that misbehave', () => {
  test('one that does not read is cut off when the log has outrun it; the others miss nothing, memory stays bounded', async (t) => {
    const limits = { keptEvents: 200, highWaterBytes: 64 * 1024 };
    const rig = await startRig(t, { limits });
    const good = await monitoring(rig);
    const slow = await monitoring(rig);
    slow.socket.pause();
    const call = rig.switch.newCall({ from: '5001', to: '5002' });
    rig.switch.attach(call.id, { note: 'x'.repeat(4000) });
    let sent = 2;
    // Some 4 kB each: what the kernel takes for a connection that nobody reads is some MB.
    while (rig.server.clients === 2 && sent < 100_000) {
      for (let i = 0; i < 50; i++) rig.switch.happens('held', call.id, '5001');
      sent += 50;
      while (good.received.filter(({ message }) => message.startsWith('Event')).length < sent + 2) await good.next();
    }
    assert.equal(rig.server.clients, 1, `not cut off after ${sent} events`);
    const seqs = good.received.flatMap(({ EventSequenceNumber: n, message }) => (message === 'EventHeld' ? [n] : []));
    assert.deepEqual(
      seqs,
      Array.from(seqs, (_, i) => i + 3),
    );
    assert.ok(
      rig.logged.some(({ message, fields }) => /cut off/.test(message) && /faster/.test(String(fields.reason))),
    );
  });

  test('a flood of requests is refused, then ended; others are served meanwhile', async (t) => {
    const rig = await startRig(t, { limits: { requestsPerSec: 1, burst: 5, floodAfter: 50 } });
    const good = await rig.connect();
    const flood = await rig.connect();
    for (let i = 0; i < 200; i++) flood.send({ message: 'RequestStopCallMonitoring', ReferenceID: i });
    assert.equal((await flood.closed).code, 1008);
    const answers = flood.received.slice(1);
    assert.deepEqual(
      answers.slice(0, 6).map(({ Error: error, ReferenceID }) => [error, ReferenceID]),
      [0, 1, 2, 3, 4].map((id) => ['wrong-state', id] as unknown[]).concat([['too-fast', 5]]),
    );
    assert.ok(answers.length < 60);
    assert.equal((await good.ask(register('5001'))).message, 'EventRegistered');
  });

  test('a client that is gone without a word is noticed by the ping that it does not answer', async (t) => {
    const rig = await startRig(t, { limits: { keepAliveMs: 30 } });
    const { hostname, port } = new URL(rig.server.url);
    const dead = connectTcp(Number(port), hostname);
    t.after(() => dead.destroy());
    const alive = await monitoring(rig);
    let pings = 0;
    const three = new Promise<void>((resolve) => alive.socket.on('ping', () => ++pings === 5 && resolve()));
    dead.write(
      `GET /cti HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n` +
        `Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nAuthorization: Bearer ${TOKEN}\r\n\r\n`,
    );
    dead.resume();
    await new Promise((resolve) => dead.once('close', resolve));
    await three;
    assert.equal(rig.server.clients, 1);
    assert.equal((await alive.ask(register('5001'))).message, 'EventRegistered');
  });

  test('closed: a client that does not read is not waited for', { timeout: 15_000 }, async (t) => {
    const rig = await startRig(t);
    const deaf = await rig.connect();
    deaf.socket.pause();
    await rig.server.close();
    assert.equal(deaf.socket.readyState, deaf.socket.OPEN, 'it has not answered');
  });

  test('closed: clients are told so (1001), the switch is left alone', async (t) => {
    const rig = await startRig(t);
    const peer = await monitoring(rig);
    await rig.server.close();
    assert.equal((await peer.closed).code, 1001);
    assert.equal(rig.switch.listeners, 0);
  });
});
