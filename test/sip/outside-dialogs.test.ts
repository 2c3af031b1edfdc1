/** Requests outside dialogs (RFC 3261 8), in both roles, and what peers may send within them beside offers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DigestServer, SipFailure, type SipRequest, type SipSession, type SipSource } from '../../src/sip/index.ts';
import { Agent, NOTHING_HELD, Peer, requestLines, SDP, VirtualNetwork } from './virtual-network.ts';

const A = '192.0.2.1';
const P = '192.0.2.9';
const ALLOW = 'INVITE ACK CANCEL BYE OPTIONS UPDATE INFO PRACK REGISTER MESSAGE REFER NOTIFY SUBSCRIBE'.split(' ');
const ALICE = { username: 'alice', password: 'secret' };

function setUp(options: ConstructorParameters<typeof Agent>[2] = {}) {
  const network = new VirtualNetwork();
  const agent = new Agent(network, A, { allow: ALLOW, ...options });
  const peer = new Peer(network, P, A);
  return { network, agent, peer };
}

const line = (method: string, branch: string, more: Partial<Parameters<typeof requestLines>[1]> = {}) =>
  requestLines(method, { from: P, to: A, branch: `z9hG4bK${branch}`, ...more });

test('RFC 3261 8.2: a REGISTER goes to the application once, with where it came from', () => {
  const { agent, peer, network } = setUp();
  const heard: [SipRequest, SipSource][] = [];
  agent.onRequest = (request, source) => {
    heard.push([request, source]);
    return { status: 200, headers: [['Contact', '<sip:a@b>;expires=60']] };
  };
  peer.send(line('REGISTER', 'r'));
  peer.send(line('REGISTER', 'r'));
  const ok = peer.takeResponse(200);
  assert.equal(ok.header('contact'), '<sip:a@b>;expires=60');
  assert.ok(ok.toTag);
  peer.takeResponse(200);
  assert.equal(heard.length, 1);
  assert.deepEqual(heard[0]![1], { address: P, port: 5060, transport: 'udp', connection: 0, identities: [] });
  network.advance(64_000);
  assert.deepEqual(agent.held, NOTHING_HELD);
});

test('RFC 3261 8.2: an answer may come later; what the application throws is a 500', async () => {
  const { agent, peer, network } = setUp();
  agent.onRequest = async () => ({ status: 202 });
  peer.send(line('MESSAGE', 'm'));
  await Promise.resolve();
  await Promise.resolve();
  network.settle();
  peer.takeResponse(202);
  agent.onRequest = () => {
    throw new Error('broken');
  };
  peer.send(line('MESSAGE', 'n'));
  peer.takeResponse(500);
  agent.onRequest = () => Promise.reject(new Error('broken later'));
  peer.send(line('MESSAGE', 'o'));
  await new Promise((resolve) => setImmediate(resolve));
  network.settle();
  peer.takeResponse(500);
});

test('RFC 3261 8.2.1, 12.2.2: what is not allowed gets 405, what belongs into a dialog 481, without a transaction', () => {
  const { agent, peer } = setUp({ allow: ['INVITE', 'ACK', 'BYE', 'INFO'] });
  agent.onRequest = () => assert.fail('not allowed');
  peer.send(line('REGISTER', 'r'));
  assert.equal(peer.takeResponse(405).header('allow'), 'INVITE, ACK, BYE, INFO');
  peer.send(line('BYE', 'b'));
  peer.takeResponse(481);
  peer.send(line('INFO', 'i'));
  peer.takeResponse(481);
  assert.equal(agent.held.serverTransactions, 0);
});

test('RFC 3261 21.5.4: a flood of REGISTERs is refused before anything is kept', () => {
  const { agent, peer } = setUp();
  agent.onRequest = () => assert.fail('not admitted');
  agent.admit = () => ({ retryAfterSec: 9 });
  peer.send(line('REGISTER', 'r'));
  assert.equal(peer.takeResponse(503).header('retry-after'), '9');
  assert.equal(agent.held.serverTransactions, 0);
});

test('RFC 3261 16.3: with no hops left an INVITE is refused with 483 by who forwards, and by nobody else', () => {
  for (const forwards of [true, false]) {
    const { agent, peer } = setUp({ forwards });
    let hops = -1;
    agent.onInvite = (invite) => {
      hops = invite.request.maxForwards;
      invite.reject({ status: 486 });
    };
    const lines = line('INVITE', 'i').map((one) => one.replace('Max-Forwards: 70', 'Max-Forwards: 0'));
    peer.send(lines);
    peer.takeResponse(forwards ? 483 : 486);
    assert.equal(hops, forwards ? -1 : 0);
    peer.send(line('OPTIONS', 'o').map((one) => one.replace('Max-Forwards: 70', 'Max-Forwards: 0')));
    peer.takeResponse(200);
  }
});

test('RFC 3261 8.1: a request of ours gives its final response, whatever the status', async () => {
  const { agent, peer, network } = setUp();
  for (const status of [200, 404]) {
    const { answered } = agent.request('OPTIONS', `sip:peer@${P}`);
    network.settle();
    const options = peer.takeRequest('OPTIONS');
    assert.equal(options.contact?.uri, `sip:user@${A}:5060`);
    peer.answer(options, 100);
    peer.answer(options, status, { tag: 'x' });
    assert.equal((await answered).status, status);
  }
  network.advance(64_000);
  assert.deepEqual(agent.held, NOTHING_HELD);
});

test('RFC 3261 10.2, RFC 3428 4: REGISTER and MESSAGE carry no Contact of their own', () => {
  const { agent, peer, network } = setUp();
  for (const method of ['REGISTER', 'MESSAGE']) {
    agent.request(method, `sip:peer@${P}`).answered.catch(() => {});
    network.settle();
    assert.equal(peer.takeRequest(method).contact, undefined);
  }
});

test('RFC 3261 17.1.2: no answer is a 408 after 64*T1, or earlier when less is waited for; nobody there is a 503', async () => {
  const { agent, network } = setUp();
  const failure = (promise: Promise<unknown>) =>
    promise.then(
      () => assert.fail('answered'),
      (error: SipFailure) => error,
    );
  const slow = failure(agent.request('OPTIONS', `sip:peer@${P}`).answered);
  const short = failure(agent.request('OPTIONS', `sip:peer@${P}`, { timeoutMs: 2_000 }).answered);
  network.advance(2_000);
  assert.match((await short).message, /^408 .*2000 ms/);
  network.advance(30_000);
  assert.equal((await slow).status, 408);
  const gone = failure(agent.request('OPTIONS', 'sip:peer@192.0.2.77').answered);
  network.advance(10);
  assert.equal((await gone).status, 503);
  assert.ok((await gone) instanceof SipFailure);
  network.advance(64_000);
  assert.deepEqual(agent.held, NOTHING_HELD);
});

test('RFC 3261 22.2: a challenged request goes again with credentials, a higher CSeq and the same Call-ID', async () => {
  const { agent, peer, network } = setUp();
  const digest = new DigestServer({ realm: 'r' });
  const { answered } = agent.request('REGISTER', `sip:${P}`, { credentials: ALICE });
  network.settle();
  const first = peer.takeRequest('REGISTER');
  peer.answer(first, 401, { headers: digest.challenge(401, 0).map((one) => one.join(': ')) });
  const second = peer.takeRequest('REGISTER');
  assert.equal(second.cseq.number, first.cseq.number + 1);
  assert.equal(second.callId, first.callId);
  assert.equal(second.fromTag, first.fromTag);
  assert.equal(digest.verify(second, 401, () => ALICE.password, 0).result, 'ok');
  peer.answer(second, 200);
  assert.equal((await answered).status, 200);
});

function inCall() {
  const kit = setUp();
  let session!: SipSession;
  kit.agent.onInvite = (invite) => {
    session = invite.accept({ body: SDP });
  };
  kit.peer.send(line('INVITE', 'i'));
  const { toTag } = kit.peer.takeResponse(200);
  const inDialog = (method: string, cseq: number, headers: string[] = []) =>
    line(method, `${method}${cseq}`, { cseq, toTag, headers });
  kit.peer.send(inDialog('ACK', 1));
  return { ...kit, session, inDialog };
}

test('RFC 3515 2.4.2: a REFER within a dialog reaches the application; its 202 has a Contact', () => {
  const { session, peer, inDialog } = inCall();
  const heard: string[] = [];
  session.onOther = (request) => {
    heard.push(`${request.method} ${request.header('refer-to')}`);
    return { status: 202 };
  };
  peer.send(inDialog('REFER', 2, ['Refer-To: <sip:c@example.com>']));
  assert.equal(peer.takeResponse(202).contact?.uri, `sip:user@${A}:5060`);
  assert.deepEqual(heard, ['REFER <sip:c@example.com>']);
});

test('RFC 3261 21.4.6: who does not take REFER answers 405; INFO and OPTIONS go where they always went', () => {
  const { session, peer, inDialog } = inCall();
  peer.send(inDialog('REFER', 2));
  assert.equal(peer.takeResponse(405).header('allow'), ALLOW.join(', '));
  session.onOther = () => assert.fail('not for this');
  peer.send(inDialog('INFO', 3));
  peer.takeResponse(200);
  peer.send(inDialog('OPTIONS', 4));
  peer.takeResponse(200);
  peer.send(inDialog('REGISTER', 5));
  peer.takeResponse(481);
});

test('RFC 3515 2.4.4, RFC 6665 4.2.2: a NOTIFY of ours goes within the dialog, with a Contact', async () => {
  const { session, peer, network } = inCall();
  const body = { contentType: 'message/sipfrag;version=2.0', content: Buffer.from('SIP/2.0 200 OK\r\n') };
  const headers: [string, string][] = [
    ['Event', 'refer'],
    ['Subscription-State', 'terminated;reason=noresource'],
  ];
  const answered = session.request('NOTIFY', { headers, body });
  network.settle();
  const notify = peer.takeRequest('NOTIFY');
  assert.ok(notify.contact);
  assert.equal(notify.toTag, 'peer');
  peer.answer(notify, 200);
  assert.equal((await answered).status, 200);
});

test('an application that answers a REFER after the call has ended harms nobody', async () => {
  const { session, peer, inDialog, network, agent } = inCall();
  session.onOther = async () => ({ status: 202 });
  peer.send(inDialog('REFER', 2));
  peer.send(inDialog('BYE', 3));
  await new Promise((resolve) => setImmediate(resolve));
  network.settle();
  assert.equal(peer.takeResponse(200).cseq.method, 'BYE');
  peer.takeResponse(202);
  network.advance(64_000);
  assert.deepEqual(agent.held, NOTHING_HELD);
});
