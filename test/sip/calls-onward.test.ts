/** What a back-to-back user agent needs of the stack: where and as whom calls go on, challenges of trunks, early media. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DigestServer, flowUri, type SessionEnd, type SipRequest, type SipSession } from '../../src/sip/index.ts';
import type { IncomingInvite } from '../../src/sip/session/index.ts';
import { namedHop, nextHop } from '../../src/sip/transport/index.ts';
import { Agent, NOTHING_HELD, Peer, requestLines, SDP, VirtualNetwork } from './virtual-network.ts';

const A = '192.0.2.1';
const P = '192.0.2.9';
const CONTACT = `Contact: <sip:peer@${P}:5060>`;
const TRUNK = { username: 'trunk', password: 'secret' };

function setUp(options: ConstructorParameters<typeof Agent>[2] = {}) {
  const network = new VirtualNetwork();
  const agent = new Agent(network, A, options);
  const peer = new Peer(network, P, A);
  return { network, agent, peer };
}

test('RFC 3261 8.1.1: Request-URI, next hop, Call-ID, hops and Contact as the application says', () => {
  const { agent, peer, network } = setUp();
  const invite = agent.invite('"Bob" <sip:bob@example.com>', {
    uri: 'sip:bob@10.9.9.9:5062;line=3',
    nextHop: `sip:${P}`,
    callId: 'known-before@x',
    maxForwards: 41,
    contactUser: 'b2b',
    contactParams: ['+sip.src'],
  });
  network.settle();
  const request = peer.takeRequest('INVITE');
  assert.equal(request.uri, 'sip:bob@10.9.9.9:5062;line=3');
  assert.equal(request.header('to'), '"Bob" <sip:bob@example.com>');
  assert.equal(request.callId, 'known-before@x');
  assert.equal(invite.callId, 'known-before@x');
  assert.equal(request.maxForwards, 41);
  assert.equal(request.header('contact'), `<sip:b2b@${A}:5060>;+sip.src`);
});

test('a value that would break the message is refused before anything is sent', () => {
  const { agent, network } = setUp();
  const to = `sip:peer@${P}`;
  for (const more of [
    { uri: 'tel:1' },
    { uri: 'sip:a b@c' },
    { callId: 'a b' },
    { callId: '' },
    { contactUser: 'a\r\nb' },
  ]) {
    assert.throws(() => agent.invite(to, more), TypeError);
  }
  assert.equal(network.trace.length, 0);
});

test('RFC 3261 12.1: the Contact of a dialog stays the same for its life', async () => {
  const { agent, peer, network } = setUp();
  const invite = agent.invite(`sip:peer@${P}`, { contactUser: 'b2b', contactParams: ['x=1'], body: SDP });
  network.settle();
  peer.answer(peer.takeRequest('INVITE'), 200, { tag: 'c', headers: [CONTACT] });
  const { session } = await invite.answered;
  session.request('INVITE', { body: SDP }).catch(() => {});
  network.settle();
  assert.equal(peer.takeRequest('INVITE').header('contact'), `<sip:b2b@${A}:5060>;x=1`);
});

test('RFC 3581 4: the dialog stays where the phone registered from, whatever its Contact says', async () => {
  const { agent, peer, network } = setUp();
  const nextHop = flowUri({ transport: 'udp', address: P, port: 5060, connection: 0 });
  const invite = agent.invite('sip:201@10.0.0.5:5060', { nextHop, body: SDP });
  network.settle();
  const request = peer.takeRequest('INVITE');
  assert.equal(request.uri, 'sip:201@10.0.0.5:5060');
  peer.answer(request, 200, { tag: 'c', headers: ['Contact: <sip:201@10.0.0.5:5060>'] });
  assert.equal(peer.takeRequest('ACK').uri, 'sip:201@10.0.0.5:5060');
  const { session } = await invite.answered;
  session.bye();
  network.settle();
  peer.takeRequest('BYE');
});

test('RFC 3581 4: the same for a call from such a phone, when the application asks for it', () => {
  const { agent, peer, network } = setUp();
  let session!: SipSession;
  agent.onInvite = (invite) => {
    session = invite.accept({ body: SDP });
    session.stayOnFlow();
  };
  const lines = (method: string, more: object = {}) =>
    requestLines(method, { from: P, to: A, branch: `z9hG4bK${method}`, ...more }).map((one) =>
      one.startsWith('Contact') ? 'Contact: <sip:201@10.0.0.5:5060>' : one,
    );
  peer.send(lines('INVITE'));
  peer.send(lines('ACK', { toTag: peer.takeResponse(200).toTag }));
  session.bye();
  network.settle();
  assert.equal(peer.takeRequest('BYE').uri, 'sip:201@10.0.0.5:5060');
});

test('a large INVITE to a registered flow does not try another transport', () => {
  const { agent, peer, network } = setUp();
  const body = { contentType: 'application/sdp', content: Buffer.alloc(3_000, 'a') };
  const nextHop = flowUri({ transport: 'udp', address: P, port: 5060, connection: 0 });
  network.refused.add(`${P}|tcp`);
  agent.invite('sip:201@10.0.0.5', { nextHop, body });
  network.settle();
  peer.takeRequest('INVITE');
  assert.deepEqual(network.lines(), [`${A} INVITE`]);
});

test('only the application can name a connection: a URI of a message cannot', () => {
  const uri = 'sip:192.0.2.5:40000;transport=tcp;flow=17';
  assert.equal(namedHop(uri, null).connection, 17);
  assert.equal(nextHop(uri, null).connection, 0);
  assert.equal(
    flowUri({ transport: 'tls', address: '2001:db8::1', port: 5, connection: 3 }),
    'sip:[2001:db8::1]:5;transport=tls;flow=3',
  );
  assert.deepEqual(namedHop('sip:[2001:db8::1]:5;transport=tls;flow=3', null), {
    host: '2001:db8::1',
    port: 5,
    transport: 'tls',
    onlyTls: true,
    domain: '',
    connection: 3,
    isFlow: true,
  });
});

function challenged() {
  const kit = setUp();
  const proxy = new DigestServer({ realm: 'proxy', algorithms: ['MD5'] });
  const server = new DigestServer({ realm: 'server' });
  const invite = kit.agent.invite(`sip:peer@${P}`, { body: SDP, credentials: TRUNK, maxForwards: 9 });
  kit.network.settle();
  const challenge = (status: 401 | 407, stale = false) =>
    (status === 407 ? proxy : server).challenge(status, 0, { stale }).map((one) => one.join(': '));
  const isRight = (request: SipRequest, status: 401 | 407) =>
    (status === 407 ? proxy : server).verify(request, status, () => TRUNK.password, 0).result;
  return { ...kit, invite, challenge, isRight };
}

test('RFC 3261 22.2, 22.3: an INVITE passes a proxy (407) and a server (401), each acknowledged, and its ACK has the credentials', async () => {
  const { peer, invite, challenge, isRight } = challenged();
  const first = peer.takeRequest('INVITE');
  peer.answer(first, 407, { tag: 'a', headers: challenge(407) });
  assert.equal(peer.takeRequest('ACK').cseq.number, 1);
  const second = peer.takeRequest('INVITE');
  assert.equal(isRight(second, 407), 'ok');
  peer.answer(second, 401, { tag: 'b', headers: challenge(401) });
  peer.takeRequest('ACK');
  const third = peer.takeRequest('INVITE');
  assert.deepEqual([isRight(third, 407), isRight(third, 401)], ['ok', 'ok']);
  assert.deepEqual([third.callId, third.fromTag, third.toTag], [first.callId, first.fromTag, '']);
  assert.deepEqual(
    [first, second, third].map((one) => one.cseq.number),
    [1, 2, 3],
  );
  assert.deepEqual(
    [first, second, third].map((one) => one.maxForwards),
    [9, 9, 9],
  );
  peer.answer(third, 200, { tag: 'c', headers: [CONTACT] });
  const ack = peer.takeRequest('ACK');
  assert.equal(ack.header('authorization'), third.header('authorization'));
  assert.equal(ack.header('proxy-authorization'), third.header('proxy-authorization'));
  assert.equal((await invite.answered).session.remoteTag, 'c');
});

test('RFC 3261 22.2: without credentials a challenge is the refusal that the application gets', async () => {
  const { agent, peer, network } = setUp();
  const invite = agent.invite(`sip:peer@${P}`);
  network.settle();
  const challenge = new DigestServer({ realm: 'r' }).challenge(401, 0);
  peer.answer(peer.takeRequest('INVITE'), 401, { tag: 'a', headers: challenge.map((one) => one.join(': ')) });
  await assert.rejects(invite.answered, { status: 401 });
});

test('RFC 3261 22.2: credentials that are refused without stale are not tried again', async () => {
  const { peer, invite, challenge } = challenged();
  peer.answer(peer.takeRequest('INVITE'), 401, { tag: 'a', headers: challenge(401) });
  peer.answer(peer.takeRequest('INVITE'), 401, { tag: 'b', headers: challenge(401) });
  await assert.rejects(invite.answered, { status: 401 });
});

test('RFC 7616 3.3: a stale nonce is answered once more', async () => {
  const { peer, invite, challenge } = challenged();
  peer.answer(peer.takeRequest('INVITE'), 401, { tag: 'a', headers: challenge(401) });
  peer.answer(peer.takeRequest('INVITE'), 401, { tag: 'b', headers: challenge(401, true) });
  peer.answer(peer.takeRequest('INVITE'), 200, { tag: 'c', headers: [CONTACT] });
  await invite.answered;
});

test('RFC 3261 9.1: an INVITE that was cancelled does not go again when it is challenged', async () => {
  const { peer, invite, challenge, network } = challenged();
  const request = peer.takeRequest('INVITE');
  peer.answer(request, 100);
  invite.cancel();
  network.settle();
  peer.takeRequest('CANCEL');
  peer.answer(request, 401, { tag: 'a', headers: challenge(401) });
  await assert.rejects(invite.answered, { status: 487 });
  assert.equal(network.times(A, 'INVITE').length, 1);
});

test('RFC 3261 22.2: a challenge within the dialog is answered, too; the BYE brings what is known already', async () => {
  const { peer, invite, challenge, isRight, network } = challenged();
  peer.answer(peer.takeRequest('INVITE'), 401, { tag: 'a', headers: challenge(401) });
  peer.answer(peer.takeRequest('INVITE'), 200, { tag: 'c', headers: [CONTACT] });
  peer.take();
  const { session } = await invite.answered;
  const again = session.request('INVITE', { body: SDP });
  network.settle();
  const reInvite = peer.takeRequest('INVITE');
  assert.equal(isRight(reInvite, 401), 'ok');
  peer.answer(reInvite, 401, { headers: challenge(401) });
  const second = peer.takeRequest('INVITE');
  assert.equal(isRight(second, 401), 'ok');
  peer.answer(second, 200, { headers: [CONTACT] });
  assert.equal((await again).status, 200);
  const ended = session.bye();
  network.settle();
  const bye = peer.takeRequest('BYE');
  assert.equal(isRight(bye, 401), 'ok');
  peer.answer(bye, 200);
  await ended;
});

// Early media

function called(headers: string[], body = 'v=0\r\n') {
  const { network, agent, peer } = setUp();
  let invite!: IncomingInvite;
  agent.onInvite = (one) => {
    invite = one;
  };
  const line = (method: string, cseq: number, more: string[] = [], toTag = '') =>
    requestLines(method, { from: P, to: A, branch: `z9hG4bK${method}${cseq}`, cseq, toTag, headers: more });
  peer.send([...line('INVITE', 1, headers), 'Content-Type: application/sdp'], body);
  const prack = (rseq: string | undefined, toTag: string, cseq = 2) =>
    line('PRACK', cseq, [`RAck: ${rseq} 1 INVITE`], toTag);
  return { network, agent, peer, invite, line, prack };
}

test('RFC 3261 13.2.1: a 183 may carry a session description, and a Contact of the dialog', () => {
  const { network, peer, invite } = called([]);
  invite.ringing({ status: 183, body: SDP, contactParams: ['+sip.src'] });
  network.settle();
  const progress = peer.takeResponse(183);
  assert.equal(progress.body.toString(), 'v=0\r\n');
  assert.equal(progress.header('contact'), `<sip:user@${A}:5060>;+sip.src`);
  invite.accept({ body: SDP });
  network.settle();
  assert.equal(peer.takeResponse(200).header('contact'), `<sip:user@${A}:5060>;+sip.src`);
});

test('RFC 3262 3: the 200 waits for the PRACK of a 183 with a session description', () => {
  const { network, peer, invite, prack, agent, line } = called(['Require: 100rel']);
  invite.ringing({ status: 183, body: SDP });
  network.settle();
  const progress = peer.takeResponse(183);
  assert.equal(progress.body.toString(), 'v=0\r\n');
  const session = invite.accept({ body: SDP });
  assert.equal(invite.answered, true);
  assert.throws(() => invite.accept(), /already/);
  network.advance(5_000);
  assert.equal(network.times(A, '200 INVITE').length, 0);
  peer.take();
  peer.send(prack(progress.header('rseq'), progress.toTag));
  const oks = peer.take().map((one) => one.cseq.method);
  assert.deepEqual(oks, ['PRACK', 'INVITE']);
  peer.send(line('ACK', 1, [], progress.toTag));
  assert.equal(session.state, 'confirmed');
  assert.equal(agent.held.unansweredInvites, 0);
});

test('RFC 3262 3: without a PRACK the waiting call ends with 504, once', () => {
  const { network, peer, invite, agent } = called(['Supported: 100rel']);
  invite.ringing({ status: 183, body: SDP });
  const ends: SessionEnd[] = [];
  invite.accept().onEnded = (end) => ends.push(end);
  network.advance(32_000);
  assert.equal(network.times(A, '504 INVITE').length, 1);
  assert.deepEqual(
    ends.map((end) => end.by),
    ['remote'],
  );
  peer.take();
  network.advance(100_000);
  assert.deepEqual(agent.held, NOTHING_HELD);
});

test('RFC 3261 9.2, 15: a call that waits for the PRACK may be cancelled, ended by its caller, and ended by us', async () => {
  for (const end of ['cancel', 'their bye', 'our bye'] as const) {
    const { network, peer, invite, agent, line } = called(['Supported: 100rel']);
    invite.ringing({ status: 183, body: SDP });
    network.settle();
    const { toTag } = peer.takeResponse(183);
    const session = invite.accept({ body: SDP });
    let ended = 0;
    session.onEnded = () => ended++;
    if (end === 'cancel')
      peer.send(line('INVITE', 1).map((one) => one.replace(/^INVITE/, 'CANCEL').replace('1 INVITE', '1 CANCEL')));
    else if (end === 'their bye') peer.send(line('BYE', 2, [], toTag));
    else await session.bye();
    network.settle();
    const final = peer.take().filter((one) => 'status' in one && one.cseq.method === 'INVITE');
    assert.deepEqual(
      final.map((one) => 'status' in one && one.status),
      [end === 'our bye' ? 480 : 487],
      end,
    );
    assert.equal(ended, 1, end);
    network.advance(100_000);
    assert.deepEqual(agent.held, NOTHING_HELD, end);
  }
});

test('RFC 3262 5: an offer in a reliable 183 is answered by the PRACK, and an offer in a PRACK by its 200', () => {
  const { network, peer, invite, prack, agent } = called(['Require: 100rel'], '');
  const bodies: string[] = [];
  invite.onPrackBody = (body) => {
    bodies.push(Buffer.from(body.content).toString());
    return bodies.length === 2 ? SDP : null;
  };
  invite.ringing({ status: 183, body: SDP });
  network.settle();
  const first = peer.takeResponse(183);
  peer.send([...prack(first.header('rseq'), first.toTag), 'Content-Type: application/sdp'], 'v=answer');
  assert.equal(peer.takeResponse(200).body.length, 0);
  invite.ringing({ status: 180 });
  network.settle();
  const second = peer.takeResponse(180);
  peer.send([...prack(second.header('rseq'), second.toTag, 3), 'Content-Type: application/sdp'], 'v=offer');
  assert.equal(peer.takeResponse(200).body.toString(), 'v=0\r\n');
  assert.deepEqual(bodies, ['v=answer', 'v=offer']);
  invite.reject({ status: 486 });
  network.advance(100_000);
  peer.take();
  assert.deepEqual(agent.held, NOTHING_HELD);
});

test('RFC 3262 3: without a session description the 200 does not wait', () => {
  const { network, peer, invite } = called(['Require: 100rel']);
  invite.ringing();
  invite.accept({ body: SDP });
  network.settle();
  peer.takeResponse(200);
});
