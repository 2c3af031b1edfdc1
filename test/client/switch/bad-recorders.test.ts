/** What recorders do wrong, beside the conversation that they are to record: its parties hear each other all the while. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { CallView } from '../../../src/client/switch/call-control.ts';
import { METADATA_CONTENT_TYPE, requestSnapshot } from '../../../src/siprec/index.ts';
import { until } from '../../server/rig.ts';
import { TestRecorder } from '../media-server/recorder.ts';
import { responseLines } from './bare-sip.ts';
import { LOOPBACK } from './party.ts';
import { SwitchRig } from './switch-rig.ts';

/** One after another, all use the same. */
const FIRST_PORT = 46_000;
const CALLER = '1001';

interface RawRequest {
  method: string;
  /** User of the request-URI. */
  user: string;
  /** A response to it with these first line and body. */
  response: (status: string, body?: Buffer | string) => Buffer;
}

/** A recorder that writes what a test wants to the TCP connection on which it is asked. It is up: it answers every OPTIONS. */
async function rawRecorder(t: TestContext, onInvite: (invite: RawRequest, socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}));
    socket.on('data', (bytes) => {
      for (const request of requestsIn(bytes)) {
        if (request.method === 'INVITE') onInvite(request, socket);
        else if (request.method !== 'ACK') socket.write(request.response('200 OK'));
      }
    });
  });
  server.listen(0, LOOPBACK);
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

function requestsIn(bytes: Buffer): RawRequest[] {
  const text = bytes.toString('latin1');
  return [...text.matchAll(/([A-Z]+) sip:([^@ ]+)@\S+ SIP\/2\.0\r\n([\s\S]*?)\r\n\r\n/g)].map(
    ([, method, user, head]) => {
      const headers = responseLines(head!, 'raw');
      const contact = `Contact: <sip:${user}@${LOOPBACK}:9;transport=tcp>;+sip.srs`;
      const response = (status: string, body: Buffer | string = '') => {
        const content = Buffer.from(body);
        const about = ['Content-Type: application/sdp', `Content-Length: ${content.length}`];
        return Buffer.concat([
          Buffer.from(`${[`SIP/2.0 ${status}`, ...headers, contact, ...about].join('\r\n')}\r\n\r\n`, 'latin1'),
          content,
        ]);
      };
      return { method: method!, user: user!, response };
    },
  );
}

const NOWHERE = `v=0\r\no=- 1 1 IN IP4 ${LOOPBACK}\r\ns=-\r\nc=IN IP4 ${LOOPBACK}\r\nt=0 0\r\n`;

const ANSWERS: [what: string, answer: (invite: RawRequest, socket: Socket) => void][] = [
  ['describes nothing', ({ response }, socket) => socket.write(response('200 OK'))],
  [
    'describes a megabyte',
    ({ response }, socket) => socket.write(response('200 OK', Buffer.alloc(2 ** 20, 'a=x\r\n'))),
  ],
  ['describes garbage', ({ response }, socket) => socket.write(response('200 OK', Buffer.alloc(999, 'v=\0\xff=')))],
  ['describes no media', ({ response }, socket) => socket.write(response('200 OK', NOWHERE))],
  [
    'describes more than it was offered',
    ({ response }, socket) =>
      socket.write(response('200 OK', NOWHERE + 'm=audio 9 RTP/AVP 0\r\na=recvonly\r\n'.repeat(99))),
  ],
  ['answers in no SIP', (_, socket) => socket.write(Buffer.alloc(100_000, 'SIP/2.0 200 OK\r\n\0'))],
  ['answers with a status that there is not', ({ response }, socket) => socket.write(response('999 Whatever'))],
  ['rings for ever', ({ response }, socket) => socket.write(response('180 Ringing'))],
  ['says nothing', () => {}],
  ['hangs up the connection', (_, socket) => socket.destroy()],
  [
    'answers without end',
    ({ response }, socket) => {
      for (let n = 0; n < 500; n++) socket.write(response('200 OK', NOWHERE));
    },
  ],
];

test('whatever a recorder answers, nobody is kept from talking, and the call ends when it is ended', async (t) => {
  const asked: string[] = [];
  const port = await rawRecorder(t, (invite, socket) => {
    asked.push(invite.user);
    ANSWERS[Number(invite.user.slice(3))]![1](invite, socket);
  });
  const called = (n: number) => String(2000 + n);
  const rig = await SwitchRig.start(t, {
    ...{ firstPort: FIRST_PORT, recorders: 0 },
    extensions: Object.fromEntries([CALLER, ...ANSWERS.map((_, n) => called(n))].map((dn) => [dn, {}])),
    config: {
      recorders: ANSWERS.map((_, n) => ({ id: `r${n}`, uri: `sip:bad${n}@${LOOPBACK}:${port};transport=tcp` })),
      groups: ANSWERS.map((_, n) => ({ name: `g${n}`, recorders: [`r${n}`] })),
      recording: { rules: ANSWERS.map((_, n) => ({ to: called(n), record: 'source', group: `g${n}` })) },
    },
  });
  for (const [n, [what]] of ANSWERS.entries()) {
    await t.test(what, async () => {
      await rig.call(CALLER, called(n));
      await until('the recorder to be asked', () => asked.includes(`bad${n}`));
      for (let round = 0; round < 5; round++) await rig.talk(CALLER, called(n), 10, 10 * round);
      await rig.party(CALLER).session!.bye();
      await until('the other party to be told', () => rig.party(called(n)).ended);
      await until('the call to be over', async () => (await rig.calls()).length === 0);
    });
  }
});

/** A recorded call of two, and the recorder that has it. */
async function recorded(t: TestContext): Promise<{ rig: SwitchRig; recorder: TestRecorder }> {
  const recorder = await TestRecorder.start(t);
  const rig = await SwitchRig.start(t, {
    ...{ firstPort: FIRST_PORT, recorders: 0, extensions: { [CALLER]: { record: true }, '1002': {} } },
    config: {
      recorders: [{ id: 'r', uri: recorder.uri }],
      groups: [{ name: 'g', recorders: ['r'] }],
      recording: { group: 'g' },
    },
  });
  await rig.call(CALLER, '1002');
  await rig.callWith('that is recorded', ({ recordings }) => recordings.length === 1);
  return { rig, recorder };
}

/** They talk until it is done; each hears all that the other says. @returns how many packets each has said. */
async function talkWhile(rig: SwitchRig, doing: () => Promise<void>): Promise<number> {
  let isDone = false;
  const done = doing().finally(() => {
    isDone = true;
  });
  let said = 0;
  for (; !isDone || said < 50; said += 10) await rig.talk(CALLER, '1002', 10, said);
  await done;
  return said;
}

test('RFC 3261 14.1: a recorder that offers without end, in the middle of our offers too', async (t) => {
  const { rig, recorder } = await recorded(t);
  const statuses = new Set<number>();
  let asked = 0;
  const said = await talkWhile(rig, async () => {
    const offering = (async () => {
      for (; asked < 40; asked++) {
        const { response } = await recorder.offer('INVITE', [{}, {}]);
        statuses.add(response.status);
      }
    })();
    const [{ id }] = (await rig.calls()) as [CallView];
    for (let n = 0; n < 10; n++) {
      const body = { actor: 'an agent', reason: 'a card number' };
      const response = await rig.post(`/api/v1/calls/${id}/recording/${n % 2 === 0 ? 'pause' : 'resume'}`, body);
      assert.equal(response.status, 200);
    }
    await offering;
  });
  assert.ok(
    statuses.has(200) && [...statuses].every((status) => [200, 491, 500].includes(status)),
    [...statuses].join(),
  );
  assert.ok(said >= 50);
  const [call] = await rig.calls();
  assert.deepEqual(
    call!.recordings.map(({ state }) => state),
    ['recording'],
  );
  const before = recorder.receivers[0]!.packets.length;
  await rig.talk(CALLER, '1002', 10, said);
  await until('the recorder to get what is said', () => recorder.receivers[0]!.packets.length >= before + 10);
});

test('a recorder that asks for snapshots without end', async (t) => {
  const { rig, recorder } = await recorded(t);
  const body = { contentType: METADATA_CONTENT_TYPE, content: Buffer.from(requestSnapshot('more')) };
  const statuses = new Set<number>();
  const said = await talkWhile(rig, async () => {
    for (let n = 0; n < 200; n++) {
      const { status } = await recorder.session!.request('UPDATE', { body });
      statuses.add(status);
    }
  });
  assert.ok(statuses.has(200), [...statuses].join());
  const snapshots = recorder.requests.filter(({ method }) => method === 'UPDATE');
  assert.ok(snapshots.length > 0, 'nothing has come before the last request');
  await until('the recorder to have heard both', () =>
    [0, 1].every((line) => recorder.receivers[line]!.packets.length >= said),
  );
  await rig.party(CALLER).session!.bye();
  await until('the call to be over', async () => (await rig.calls()).length === 0);
});
