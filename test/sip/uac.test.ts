/** The user agent client on a virtual clock, against scripted peers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SessionEnd, SipFailure, SipSession } from '../../src/sip/index.ts';
import { Agent, NOTHING_HELD, Peer, requestLines, SDP, VirtualNetwork } from './virtual-network.ts';

const A = '192.0.2.1';
const P = '192.0.2.9';
const CONTACT = `Contact: <sip:peer@${P}:5060>`;

function setUp(options: ConstructorParameters<typeof Agent>[2] = {}) {
  const network = new VirtualNetwork();
  const agent = new Agent(network, A, options);
  const peer = new Peer(network, P, A);
  return { network, agent, peer };
}

function calling(options: ConstructorParameters<typeof Agent>[2] = {}, to = `sip:peer@${P}`) {
  const kit = setUp(options);
  const invite = kit.agent.invite(to, { body: SDP });
  let failure: SipFailure | null = null;
  let session: SipSession | null = null;
  const outcome = invite.answered.then(
    (answered) => {
      session = answered.session;
    },
    (error: SipFailure) => {
      failure = error;
    },
  );
  kit.network.settle();
  return {
    ...kit,
    invite,
    request: kit.peer.takeRequest('INVITE'),
    async result(): Promise<{ failure: SipFailure | null; session: SipSession | null }> {
      await outcome;
      return { failure, session };
    },
  };
}

async function inCall(options: ConstructorParameters<typeof Agent>[2] = {}, headers: string[] = []) {
  const kit = calling(options);
  kit.peer.answer(kit.request, 200, { tag: 'callee', headers: [CONTACT, ...headers] });
  kit.peer.takeRequest('ACK');
  const { session } = await kit.result();
  const ends: SessionEnd[] = [];
  session!.onEnded = (end) => ends.push(end);
  const line = (method: string, cseq: number, more: string[] = []) =>
    requestLines(method, {
      from: P,
      to: A,
      branch: `z9hG4bK${method}${cseq}`,
      cseq,
      callId: session!.callId,
      fromTag: 'callee',
      toTag: session!.localTag,
      headers: more,
    });
  return { ...kit, session: session!, ends, line };
}

test('RFC 3261 8.1.1: an INVITE has what it must have', () => {
  const { request, agent } = calling();
  for (const name of ['via', 'from', 'to', 'call-id', 'cseq', 'max-forwards', 'contact', 'allow', 'supported']) {
    assert.ok(request.header(name), name);
  }
  assert.equal(request.toTag, '');
  assert.match(request.topVia?.branch ?? '', /^z9hG4bK[0-9a-f]{24}$/);
  assert.equal(request.topVia?.params.has('rport'), true);
  assert.equal(agent.held.clientTransactions, 1);
});

test('RFC 3261 13.2.2.4: the first 2xx makes the session; each further one gets the ACK again', async () => {
  const { network, peer, request, result } = calling();
  peer.answer(request, 180, { tag: 'callee' });
  for (let i = 0; i < 3; i++) {
    peer.answer(request, 200, { tag: 'callee', headers: [CONTACT] });
    const ack = peer.takeRequest('ACK');
    assert.equal(ack.cseq.number, request.cseq.number);
    assert.equal(ack.uri, `sip:peer@${P}:5060`);
    assert.notEqual(ack.topVia?.branch, request.topVia?.branch);
  }
  assert.equal((await result()).session?.remoteTag, 'callee');
  network.advance(40_000);
  peer.answer(request, 200, { tag: 'callee', headers: [CONTACT] });
  peer.takeRequest('ACK');
});

test('RFC 3261 13.2.2.4: a 2xx of another fork is acknowledged and ended', async () => {
  const { network, agent, peer, request, result } = calling();
  peer.answer(request, 200, { tag: 'first', headers: [CONTACT] });
  peer.answer(request, 200, { tag: 'second', headers: [CONTACT] });
  assert.deepEqual(
    peer.take().map((one) => `${'method' in one ? one.method : ''} ${one.toTag}`),
    ['ACK first', 'ACK second', 'BYE second'],
  );
  const { session } = await result();
  assert.equal(session?.remoteTag, 'first');
  network.drop = (message) => 'method' in message && message.method === 'BYE';
  network.advance(64_000);
  assert.equal(agent.held.sessions, 1);
});

test('RFC 3261 17.1.1.3: the ACK of a refusal has the Request-URI, branch and To of what it acknowledges', async () => {
  const { peer, request, result, agent, network } = calling();
  peer.answer(request, 486, { tag: 'busy' });
  const ack = peer.takeRequest('ACK');
  assert.equal(ack.uri, request.uri);
  assert.equal(ack.topVia?.branch, request.topVia?.branch);
  assert.equal(ack.toTag, 'busy');
  assert.equal(ack.header('cseq'), '1 ACK');
  peer.answer(request, 486, { tag: 'busy' });
  peer.takeRequest('ACK');
  assert.equal((await result()).failure?.status, 486);
  network.advance(64_000);
  assert.deepEqual(agent.held, NOTHING_HELD);
});

test('RFC 3261 17.1.1.2: no answer at all is 408 after 64*T1', async () => {
  const { network, agent, result } = calling();
  network.drop = () => true;
  network.advance(32_000);
  assert.equal((await result()).failure?.status, 408);
  assert.deepEqual(agent.held, NOTHING_HELD);
});

test('RFC 3261 18.4: a transport error is 503', async () => {
  const { agent, network } = setUp();
  const invite = agent.invite('sip:nobody@192.0.2.200', { body: SDP });
  network.settle();
  await assert.rejects(invite.answered, { name: 'SipFailure', status: 503 });
  assert.deepEqual(agent.held, NOTHING_HELD);
});

test('RFC 3261 9.1: CANCEL waits for a provisional response and has the branch of its INVITE', async () => {
  const { network, agent, peer, invite, request, result } = calling();
  invite.cancel();
  network.settle();
  assert.equal(peer.describe(), '');
  peer.answer(request, 100);
  const cancel = peer.takeRequest('CANCEL');
  assert.equal(cancel.topVia?.branch, request.topVia?.branch);
  assert.equal(cancel.header('cseq'), '1 CANCEL');
  assert.equal(cancel.header('to'), request.header('to'));
  peer.answer(request, 180, { tag: 'x' });
  peer.answer(cancel, 200);
  peer.answer(request, 487, { tag: 'x' });
  peer.takeRequest('ACK');
  assert.equal(peer.describe(), '', 'one CANCEL is enough');
  assert.equal((await result()).failure?.status, 487);
  network.advance(64_000);
  assert.deepEqual(agent.held, NOTHING_HELD);
});

test('RFC 3261 9.1: a 200 that wins the race against CANCEL is acknowledged and ended', async () => {
  const { peer, invite, request, result, network, agent } = calling();
  peer.answer(request, 180, { tag: 'x' });
  invite.cancel();
  network.settle();
  const cancel = peer.takeRequest('CANCEL');
  peer.answer(request, 200, { tag: 'x', headers: [CONTACT] });
  peer.answer(cancel, 200);
  peer.takeRequest('ACK');
  peer.answer(peer.takeRequest('BYE'), 200);
  assert.equal((await result()).failure?.status, 487);
  network.advance(64_000);
  assert.deepEqual(agent.held, NOTHING_HELD);
});

test('RFC 3261 9.1: a 487 that never comes', async () => {
  const { peer, invite, request, result, network, agent } = calling();
  peer.answer(request, 180, { tag: 'x' });
  invite.cancel();
  network.settle();
  peer.answer(peer.takeRequest('CANCEL'), 200);
  network.advance(32_000);
  assert.equal((await result()).failure?.status, 487);
  network.advance(32_000);
  assert.deepEqual(agent.held, NOTHING_HELD);
});

test('a callee that rings for three minutes is cancelled', async () => {
  const { peer, request, result, network } = calling();
  peer.answer(request, 180, { tag: 'x' });
  network.advance(180_000);
  peer.takeRequest('CANCEL');
  peer.answer(request, 487, { tag: 'x' });
  assert.equal((await result()).failure?.status, 487);
});

test('RFC 3261 12.1.2: the route set of a caller is the reversed Record-Route of the 2xx', async () => {
  const kit = calling();
  const headers = [CONTACT, 'Record-Route: <sip:far.example.net;lr>', `Record-Route: <sip:${P};lr>`];
  kit.peer.answer(kit.request, 200, { tag: 'callee', headers });
  const ack = kit.peer.takeRequest('ACK');
  assert.deepEqual(ack.list('route'), [`<sip:${P};lr>`, '<sip:far.example.net;lr>']);
});

test('RFC 3261 13.2.1: a delayed offer is answered in the ACK', async () => {
  const { network, agent, peer } = setUp();
  agent.invite(`sip:peer@${P}`, { answer: (response) => ({ contentType: 'application/sdp', content: response.body }) });
  network.settle();
  const request = peer.takeRequest('INVITE');
  assert.equal(request.body.length, 0);
  peer.answer(request, 200, { tag: 'callee', headers: [CONTACT, 'Content-Type: application/sdp'], body: 'v=offer' });
  assert.equal(peer.takeRequest('ACK').body.toString(), 'v=offer');
  peer.answer(request, 200, { tag: 'callee', headers: [CONTACT, 'Content-Type: application/sdp'], body: 'v=offer' });
  assert.equal(peer.takeRequest('ACK').body.toString(), 'v=offer');
});

test('RFC 3261 14.1: the caller owns the Call-ID and waits 2.1 to 4 s after a 491', async () => {
  const { network, peer, session } = await inCall();
  const answered = session.request('INVITE', { body: SDP });
  network.settle();
  peer.answer(peer.takeRequest('INVITE'), 491);
  peer.takeRequest('ACK');
  network.advance(2_099);
  assert.equal(peer.describe(), '');
  network.advance(1_901);
  const again = peer.takeRequest('INVITE');
  peer.answer(again, 200, { headers: [CONTACT] });
  assert.equal((await answered).status, 200);
});

test('RFC 3261 14.1: a second re-INVITE waits for the first', async () => {
  const { network, peer, session } = await inCall();
  const first = session.request('INVITE', { body: SDP });
  const second = session.request('UPDATE', { body: SDP });
  network.settle();
  const invite = peer.takeRequest('INVITE');
  assert.equal(peer.describe(), '');
  peer.answer(invite, 488);
  assert.equal((await first).status, 488);
  peer.takeRequest('ACK');
  peer.answer(peer.takeRequest('UPDATE'), 200);
  assert.equal((await second).status, 200);
  assert.equal(session.state, 'confirmed');
});

test('RFC 3261 14.1: a re-INVITE that times out ends the session', async () => {
  const { network, agent, session, ends } = await inCall();
  const answered = session.request('INVITE', { body: SDP });
  network.drop = () => true;
  network.advance(32_000);
  await assert.rejects(answered, { status: 408 });
  assert.deepEqual(
    ends.map((end) => end.by),
    ['timeout'],
  );
  network.advance(64_000);
  assert.deepEqual(agent.held, NOTHING_HELD);
});

test('the session ends once, and what waits for its turn is told', async () => {
  const { network, peer, session, ends, line } = await inCall();
  const first = session.request('INVITE', { body: SDP });
  const second = session.request('INVITE', { body: SDP });
  network.settle();
  const invite = peer.takeRequest('INVITE');
  peer.send(line('BYE', 7));
  await assert.rejects(second, { status: 481 });
  peer.answer(invite, 487);
  assert.equal((await first).status, 487);
  await session.bye();
  await assert.rejects(session.request('INFO'), { status: 481 });
  assert.equal(ends.length, 1);
});

test('RFC 3261 18.1.1: a large request goes over TCP', () => {
  const { network, agent, peer } = setUp();
  const flows: string[] = [];
  network.drop = (message, from) => {
    if ('method' in message) flows.push(`${message.method} ${from.transport} ${message.topVia?.transport}`);
    return false;
  };
  agent.invite(`sip:peer@${P}`, { body: { contentType: 'application/sdp', content: Buffer.alloc(1_200, 120) } });
  network.settle();
  peer.takeRequest('INVITE');
  assert.deepEqual(flows, ['INVITE tcp TCP']);
});

test('RFC 3261 18.1.1: … and over UDP when TCP is refused, at once the next time', async () => {
  const { network, agent, peer } = setUp();
  network.refused.add(`${P}|tcp`);
  const large = { body: { contentType: 'application/sdp', content: Buffer.alloc(1_200, 120) } };
  const flows: string[] = [];
  network.drop = (message, from) => {
    flows.push(`${'method' in message ? message.method : ''} ${from.transport}`);
    return false;
  };
  const first = agent.invite(`sip:peer@${P}`, large);
  network.settle();
  const request = peer.takeRequest('INVITE');
  assert.equal(request.topVia?.transport, 'UDP');
  agent.invite(`sip:peer@${P}`, large);
  network.settle();
  assert.deepEqual(flows, ['INVITE tcp', 'INVITE udp', 'INVITE udp']);
  first.cancel();
  peer.answer(request, 180, { tag: 'x' });
  assert.equal(peer.takeRequest('CANCEL').topVia?.branch, request.topVia?.branch);
});

test('a header value that breaks its line is a TypeError before anything is sent', async () => {
  const { agent } = setUp();
  assert.throws(() => agent.invite(`sip:peer@${P}`, { headers: [['X-A', 'a\r\nB: c']] }), TypeError);
  assert.throws(() => agent.invite(`sip:peer@${P}`, { headers: [['X A', 'a']] }), TypeError);
  assert.throws(() => agent.invite(`sip:peer@${P}\r\nX: y`), TypeError);
  assert.throws(() => agent.invite('http://example.com'), TypeError);
  assert.deepEqual(agent.held, NOTHING_HELD);
  const { session } = await inCall();
  await assert.rejects(session.request('INFO', { headers: [['X', 'a\nb']] }), TypeError);
});

test('responses that belong to nothing, or lie about themselves, are dropped', async () => {
  const { agent, peer, network } = setUp();
  const lines = (via: string, cseq: string) => [
    'SIP/2.0 200 OK',
    `Via: ${via}`,
    `From: <sip:user@${A}>;tag=1`,
    `To: <sip:peer@${P}>;tag=2`,
    'Call-ID: x',
    `CSeq: ${cseq}`,
  ];
  peer.send(lines(`SIP/2.0/UDP ${A};branch=z9hG4bKunknown`, '1 INVITE'));
  peer.send(lines(`SIP/2.0/UDP ${A}`, '1 INVITE'));
  peer.send(lines('garbage', '1 INVITE'));
  peer.send(lines(`SIP/2.0/UDP ${A};branch=z9hG4bKunknown`, '99999999999999999999 INVITE'));
  network.advance(1_000);
  assert.equal(peer.describe(), '');
  assert.deepEqual(agent.held, NOTHING_HELD);
});
