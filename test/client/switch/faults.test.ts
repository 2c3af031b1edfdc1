/** What phones and trunks do wrong, beside a call that runs: its packets go on arriving, and it ends when a party ends it. */
import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import type { CallView } from '../../../src/client/switch/call-control.ts';
import type { SipFailure } from '../../../src/sip/index.ts';
import { until } from '../../server/rig.ts';
import { responseLines } from './bare-sip.ts';
import { Party } from './party.ts';
import { received, SwitchRig } from './switch-rig.ts';

/** One after another, all use the same. */
const FIRST_PORT = 47_000;
const SIP_PORT = 47_790;
const REGISTRATIONS = 200;
/** 64 T1, in which an ACK is waited for, and some more. */
const GIVEN_UP_WITHIN_MS = 45_000;
const isRecorded = ({ recordings }: CallView) => recordings.some(({ state }) => state === 'recording');
const PHONES = { '1001': { record: true }, '1002': {}, '1003': {}, '1004': {} };

test('RFC 3261 16.3: a call that a trunk brings back again and again is over when its hops are, another goes on', async (t) => {
  const rig = await SwitchRig.start(t, {
    ...{ firstPort: FIRST_PORT, extensions: PHONES },
    config: {
      sip: [`udp:127.0.0.1:${SIP_PORT}`],
      trunks: [{ name: 'back', targets: [`sip:localhost:${SIP_PORT}`], sources: ['127.0.0.1'] }],
      dialPlan: [{ match: '9', trunk: 'back' }],
    },
  });
  await rig.call('1001', '1002');
  await rig.callWith('that is recorded', isRecorded);
  const outside = await Party.open('555');
  t.after(() => outside.close());
  const looping = assert.rejects(
    outside.call(rig.uri('9'), { from: '<sip:555@127.0.0.1>' }),
    (error: SipFailure) => error.status === 483,
  );
  await rig.talk('1001', '1002', 10, 0);
  await looping;
  await rig.talk('1001', '1002', 10, 10);
  await until('one call to be left', async () => (await rig.calls()).length === 1);
  await rig.party('1001').session!.bye();
  const [recording] = await rig.recordings(1);
  assert.deepEqual(received(recording!), [20, 20]);
});

test('a flood of registrations with wrong passwords neither delays a call nor ends it, nor keeps phones from theirs', async (t) => {
  const rig = await SwitchRig.start(t, { firstPort: FIRST_PORT, extensions: PHONES });
  await rig.call('1001', '1002');
  await rig.callWith('that is recorded', isRecorded);
  const stranger = await Party.open('1003');
  t.after(() => stranger.close());
  const flood = Array.from({ length: REGISTRATIONS }, async (_, n) => {
    const response = await stranger.endpoint.request({
      ...{ method: 'REGISTER', uri: rig.uri(''), to: rig.uri('1003'), from: rig.uri('1003') },
      headers: [['Contact', `<sip:1003@127.0.0.1:${stranger.port}>`]],
      credentials: { username: '1003', password: `guess ${n}` },
    });
    return response.status;
  });
  const answered = Promise.allSettled(flood);
  for (let said = 0; said < 200; said += 50) await rig.talk('1001', '1002', 50, said);
  const statuses = new Set((await answered).map((one) => (one.status === 'fulfilled' ? one.value : 'no answer')));
  assert.ok(!statuses.has(200) && statuses.has(403), [...statuses].join());
  await rig.register('1004');
  const contacts = (await rig.registrations()).get('1003');
  assert.deepEqual(contacts, [`sip:1003@127.0.0.1:${rig.party('1003').port}`]);
  await rig.party('1001').session!.bye();
  const [recording] = await rig.recordings(1);
  assert.deepEqual(received(recording!), [200, 200]);
});

test('RFC 3261 13.3.1.4: a caller that neither acknowledges nor answers is given up; another call goes on', async (t) => {
  const phone = await BarePhone.open(t);
  const rig = await SwitchRig.start(t, {
    ...{ firstPort: FIRST_PORT, extensions: PHONES },
    config: { trunks: [{ name: 'outside', targets: [phone.uri], sources: ['127.0.0.1'] }] },
  });
  await rig.call('1001', '1002');
  await rig.callWith('that is recorded', isRecorded);

  phone.call(rig.uri('1003'), rig.port, { maxForwards: 0 });
  await phone.hears('SIP/2.0 483 ');
  assert.equal(rig.party('1003').session, null);

  phone.call(rig.uri('1003'), rig.port, { maxForwards: 70 });
  await phone.hears('SIP/2.0 200 ');
  await rig.talk('1001', '1002', 10, 0);
  await until('the called one to be let go', () => rig.party('1003').ended, GIVEN_UP_WITHIN_MS);
  await rig.talk('1001', '1002', 10, 10);
  await until('one call to be left', async () => (await rig.calls()).length === 1);
  await phone.hears('BYE ');
  await rig.party('1001').session!.bye();
  const [recording] = await rig.recordings(1);
  assert.deepEqual(received(recording!), [20, 20]);
});

for (const [who, end] of [
  ['the other party', (rig: SwitchRig) => rig.party('1001').session!.bye()],
  ['somebody over HTTP', hangUpOverHttp],
] as const) {
  test(`RFC 3261 15.1.1: a phone that is gone without a word: ${who} hangs up, and the recording is complete`, async (t) => {
    const phone = await BarePhone.open(t);
    const rig = await SwitchRig.start(t, {
      ...{ firstPort: FIRST_PORT, extensions: PHONES },
      config: {
        trunks: [{ name: 'outside', targets: [phone.uri], sources: ['127.0.0.9'] }],
        dialPlan: [{ match: '9', trunk: 'outside' }],
      },
    });
    await rig.call('1001', '9');
    await rig.callWith('that is recorded', isRecorded);
    for (let n = 0; n < 10; n++) rig.party('1001').send(n);
    await end(rig);
    await until('the one that is there to be let go', () => rig.party('1001').ended);
    await phone.hears('BYE ');
    await until('no call to be left', async () => (await rig.calls()).length === 0);
    const [recording] = await rig.recordings(1);
    assert.deepEqual(received(recording!), [10, 0]);
    await rig.call('1001', '1002');
    await rig.talk('1001', '1002', 10, 10);
  });
}

async function hangUpOverHttp(rig: SwitchRig): Promise<void> {
  const [{ id }] = (await rig.calls()) as [CallView];
  const response = await rig.post(`/api/v1/calls/${id}/hangup`, { actor: 'a supervisor', reason: 'nobody is there' });
  assert.equal(response.status, 200);
}

/** Behind a trunk: it calls, or takes a call, says what it must for that, and nothing more to whatever comes. */
class BarePhone {
  readonly #socket: Socket;
  readonly #heard: string[] = [];

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('message', (bytes, { port }) => {
      const message = bytes.toString('latin1');
      this.#heard.push(message);
      if (message.startsWith('INVITE ')) this.#answer(message, port);
    });
  }

  static async open(t: TestContext): Promise<BarePhone> {
    const socket = createSocket('udp4');
    t.after(() => socket.close());
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    return new BarePhone(socket);
  }

  get uri(): string {
    return `sip:127.0.0.1:${this.#socket.address().port}`;
  }

  async hears(start: string): Promise<void> {
    await until(start, () => this.#heard.some((message) => message.startsWith(start)));
  }

  call(to: string, port: number, { maxForwards }: { maxForwards: number }): void {
    const id = `call-${maxForwards}`;
    this.#send(
      [
        `INVITE ${to} SIP/2.0`,
        `Via: SIP/2.0/UDP ${this.uri.slice(4)};branch=z9hG4bK-${id}`,
        `From: <sip:555@127.0.0.1>;tag=${id}`,
        `To: <${to}>`,
        `Call-ID: ${id}@127.0.0.1`,
        'CSeq: 1 INVITE',
        `Max-Forwards: ${maxForwards}`,
      ],
      port,
    );
  }

  #answer(invite: string, port: number): void {
    this.#send(['SIP/2.0 200 OK', ...responseLines(invite, 'bare')], port);
  }

  #send(head: string[], port: number): void {
    const body = 'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n';
    const about = [`Contact: <${this.uri}>`, 'Content-Type: application/sdp', `Content-Length: ${body.length}`];
    this.#socket.send([...head, ...about, '', body].join('\r\n'), port, '127.0.0.1');
  }
}
