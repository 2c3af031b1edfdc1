/** RFC 3262: reliable provisional responses in both roles. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { IncomingInvite } from '../../src/sip/session/index.ts';
import { Agent, NOTHING_HELD, Peer, requestLines, SDP, VirtualNetwork } from './virtual-network.ts';

const A = '192.0.2.1';
const P = '192.0.2.9';

function server(headers: string[]) {
  const network = new VirtualNetwork();
  const agent = new Agent(network, A);
  const peer = new Peer(network, P, A);
  let invite!: IncomingInvite;
  agent.onInvite = (one) => {
    invite = one;
    invite.ringing();
  };
  const line = (method: string, cseq: number, more: string[] = [], toTag = '') =>
    requestLines(method, { from: P, to: A, branch: `z9hG4bK${method}${cseq}`, cseq, toTag, headers: more });
  peer.send(line('INVITE', 1, headers));
  return { network, agent, peer, line, invite };
}

test('RFC 3262 3: without 100rel the 180 is not reliable', () => {
  const { network, peer } = server([]);
  const ringing = peer.takeResponse(180);
  assert.equal(ringing.header('rseq'), undefined);
  network.advance(10_000);
  assert.equal(peer.describe(), '');
});

test('RFC 3262 3: a reliable 180 is repeated from T1 doubling until its PRACK', () => {
  const { network, peer, line, invite } = server(['Require: 100rel']);
  const ringing = peer.takeResponse(180);
  assert.ok(ringing.lists('require', '100rel'));
  assert.ok(ringing.header('contact'));
  network.advance(8_000);
  assert.deepEqual(network.times(A, '180 INVITE', 1_000), [0, 500, 1_500, 3_500, 7_500]);
  const rack = (rseq: number, cseq = 1) => [`RAck: ${rseq} ${cseq} INVITE`];
  const rseq = Number(ringing.header('rseq'));
  assert.ok(rseq >= 1 && rseq < 2 ** 31);
  peer.take();
  peer.send(line('PRACK', 2, rack(rseq + 1), ringing.toTag));
  peer.takeResponse(481);
  peer.send(line('PRACK', 3, rack(rseq), ringing.toTag));
  peer.takeResponse(200);
  network.advance(60_000);
  assert.equal(peer.describe(), '');
  peer.send(line('PRACK', 4, rack(rseq), ringing.toTag));
  peer.takeResponse(481);
  invite.accept();
  network.settle();
  assert.equal(peer.takeResponse(200).toTag, ringing.toTag);
});

test('RFC 3262 3: the next reliable response waits for the PRACK and counts one up', () => {
  const { network, peer, line, invite } = server(['Supported: 100rel']);
  const first = peer.takeResponse(180);
  invite.ringing({ status: 183 });
  network.settle();
  assert.equal(peer.describe(), '');
  const rseq = Number(first.header('rseq'));
  peer.send(line('PRACK', 2, [`RAck: ${rseq} 1 INVITE`], first.toTag));
  peer.takeResponse(200);
  assert.equal(Number(peer.takeResponse(183).header('rseq')), rseq + 1);
});

test('RFC 3262 3: the PRACK of a 180 may come behind the 200, and is answered once', () => {
  const { network, peer, line, invite } = server(['Supported: 100rel']);
  const ringing = peer.takeResponse(180);
  invite.accept();
  network.settle();
  peer.takeResponse(200);
  peer.send(line('ACK', 1, [], ringing.toTag));
  const rack = [`RAck: ${ringing.header('rseq')} 1 INVITE`];
  peer.send(line('PRACK', 2, rack, ringing.toTag));
  assert.equal(peer.takeResponse(200).cseq.method, 'PRACK');
  peer.send(line('PRACK', 3, rack, ringing.toTag));
  peer.takeResponse(481);
  assert.equal(invite.session.over, false);
});

test('RFC 3262 3: no PRACK within 64*T1 refuses the INVITE with 504', () => {
  const { network, agent, peer, invite } = server(['Require: 100rel']);
  let cancelled = 0;
  invite.onCancel = () => cancelled++;
  network.advance(32_000);
  assert.deepEqual(network.times(A, '504 INVITE', 1_000), [32_000]);
  assert.equal(cancelled, 1);
  peer.take();
  network.advance(64_000);
  assert.deepEqual(agent.held, NOTHING_HELD);
});

test('RFC 3262 3: a final response ends the repetition', () => {
  const { network, peer, invite } = server(['Require: 100rel']);
  invite.reject({ status: 486 });
  network.advance(20_000);
  assert.equal(network.times(A, '180 INVITE').length, 1);
  peer.take();
});

test('RFC 3261 15.1.2: BYE in the early dialog ends it and its INVITE', () => {
  const { network, agent, peer, line, invite } = server([]);
  let cancelled = 0;
  invite.onCancel = () => cancelled++;
  const ringing = peer.takeResponse(180);
  peer.send(line('BYE', 2, [], ringing.toTag));
  assert.equal(peer.takeResponse(200).cseq.method, 'BYE');
  peer.takeResponse(487);
  assert.equal(cancelled, 1);
  network.advance(64_000);
  assert.deepEqual(agent.held, NOTHING_HELD);
});

function client(body = true) {
  const network = new VirtualNetwork();
  const agent = new Agent(network, A);
  const peer = new Peer(network, P, A);
  const invite = agent.invite(`sip:peer@${P}`, {
    ...(body ? { body: SDP } : {}),
    answer: () => ({ contentType: 'application/sdp', content: Buffer.from('v=answer') }),
  });
  network.settle();
  const request = peer.takeRequest('INVITE');
  const progress = (rseq: number, tag = 'c', content = '') =>
    peer.answer(request, 183, {
      tag,
      headers: ['Require: 100rel', `RSeq: ${rseq}`, `Contact: <sip:peer@${P}>`, 'Content-Type: application/sdp'],
      body: content,
    });
  return { network, agent, peer, invite, request, progress };
}

test('RFC 3262 4: each reliable response in order gets one PRACK', async () => {
  const { peer, progress, invite, request } = client();
  progress(10);
  const prack = peer.takeRequest('PRACK');
  assert.equal(prack.header('rack'), '10 1 INVITE');
  assert.equal(prack.cseq.number, 2);
  assert.equal(prack.toTag, 'c');
  peer.answer(prack, 200);
  progress(10);
  progress(12);
  assert.equal(peer.describe(), '', 'repeated and skipped ones are left alone');
  progress(11);
  assert.equal(peer.takeRequest('PRACK').header('rack'), '11 1 INVITE');
  peer.answer(request, 200, { tag: 'c', headers: [`Contact: <sip:peer@${P}>`] });
  assert.equal(peer.takeRequest('ACK').cseq.number, 1);
  const { session } = await invite.answered;
  assert.equal(session.remoteTag, 'c');
});

test('RFC 3262 3: a PRACK that came too late for its peer (481) ends no call', async () => {
  const { peer, progress, invite, request } = client();
  progress(10);
  const prack = peer.takeRequest('PRACK');
  peer.answer(request, 200, { tag: 'c', headers: [`Contact: <sip:peer@${P}>`] });
  peer.answer(prack, 481);
  const { session } = await invite.answered;
  assert.equal(session.over, false);
});

test('RFC 3262 4, 5: forks have their own order; an offer in a 183 is answered in the PRACK', () => {
  const { peer, progress } = client(false);
  progress(5, 'one', 'v=offer');
  assert.equal(peer.takeRequest('PRACK').body.toString(), 'v=answer');
  progress(900, 'two', 'v=offer');
  assert.equal(peer.takeRequest('PRACK').header('rack'), '900 1 INVITE');
});

test('RFC 3262 4: early dialogs of a refused INVITE leave nothing', async () => {
  const { network, agent, peer, progress, invite, request } = client();
  progress(1, 'one');
  progress(1, 'two');
  for (const prack of [peer.takeRequest('PRACK'), peer.takeRequest('PRACK')]) peer.answer(prack, 200);
  peer.answer(request, 486, { tag: 'one' });
  await assert.rejects(invite.answered, { status: 486 });
  network.advance(64_000);
  assert.deepEqual(agent.held, NOTHING_HELD);
});

test('RFC 3261 13.2.2.4: early dialogs of forks that never answer are dropped after 64*T1', async () => {
  const { network, agent, peer, progress, invite, request } = client();
  progress(1, 'one');
  progress(1, 'two');
  for (const prack of [peer.takeRequest('PRACK'), peer.takeRequest('PRACK')]) peer.answer(prack, 200);
  peer.answer(request, 200, { tag: 'one', headers: [`Contact: <sip:peer@${P}>`] });
  await invite.answered;
  assert.equal(agent.held.sessions, 2);
  network.advance(64_000);
  assert.equal(agent.held.sessions, 1);
});
