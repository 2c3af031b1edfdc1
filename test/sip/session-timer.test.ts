/** RFC 4028: session timers in both roles. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SessionEnd, SipFailure, SipSession } from '../../src/sip/index.ts';
import { Agent, NOTHING_HELD, Peer, requestLines, SDP, VirtualNetwork } from './virtual-network.ts';

const A = '192.0.2.1';
const P = '192.0.2.9';
const TIMER = { sessionExpiresSec: 1_800, minSeSec: 90 };

function server(headers: string[], options = TIMER) {
  const network = new VirtualNetwork();
  const agent = new Agent(network, A, options);
  const peer = new Peer(network, P, A);
  const ends: SessionEnd[] = [];
  let session: SipSession | null = null;
  agent.onInvite = (invite) => {
    session = invite.accept({ body: SDP });
    session.onEnded = (end) => ends.push(end);
    session.onReInvite = () => ({ status: 200 });
  };
  const line = (method: string, cseq: number, more: string[] = [], toTag = '') =>
    requestLines(method, { from: P, to: A, branch: `z9hG4bK${method}${cseq}`, cseq, toTag, headers: more });
  peer.send(line('INVITE', 1, headers));
  const acknowledge = () => {
    const ok = peer.takeResponse(200);
    peer.send(line('ACK', 1, [], ok.toTag));
    return ok;
  };
  return { network, agent, peer, ends, line, acknowledge, session: () => session! };
}

test('RFC 4028 9: the client refreshes when it can; the interval is the smaller one', () => {
  const asked = server(['Supported: timer', 'Session-Expires: 600']).acknowledge();
  assert.equal(asked.header('session-expires'), '600;refresher=uac');
  assert.ok(asked.lists('require', 'timer'));
  const long = server(['Supported: timer', 'Session-Expires: 7200;refresher=uac']).acknowledge();
  assert.equal(long.header('session-expires'), '1800;refresher=uac');
  const floor = server(['k: timer', 'x: 7200', 'Min-SE: 3600']).acknowledge();
  assert.equal(floor.header('session-expires'), '3600;refresher=uac');
  const ours = server(['Supported: timer']).acknowledge();
  assert.equal(ours.header('session-expires'), '1800;refresher=uac');
});

test('RFC 4028 9, table 2: without support of the client the server refreshes', () => {
  const proxied = server(['Session-Expires: 600']).acknowledge();
  assert.equal(proxied.header('session-expires'), '600;refresher=uas');
  assert.equal(proxied.header('require'), undefined);
  const without = server([]).acknowledge();
  assert.equal(without.header('session-expires'), undefined);
});

test('RFC 4028 6, 9: an interval below ours gets 422 with Min-SE before the application hears of the call', () => {
  const { agent, peer, session } = server(['Supported: timer', 'Session-Expires: 60']);
  assert.equal(peer.takeResponse(422).header('min-se'), '90');
  assert.equal(session(), null);
  assert.equal(agent.held.sessions, 0);
  const unaware = server(['Session-Expires: 60']).acknowledge();
  assert.equal(unaware.header('session-expires'), '90;refresher=uas');
});

test('RFC 4028 10: a client that doesn’t refresh loses its session min(32 s, a third) before the end', () => {
  const { network, agent, peer, ends, acknowledge } = server([
    'Supported: timer',
    'Session-Expires: 600;refresher=uac',
  ]);
  acknowledge();
  network.advance(567_999);
  assert.equal(ends.length, 0);
  network.advance(1);
  assert.deepEqual(
    ends.map((end) => [end.by, end.reason]),
    [['timeout', 'session expired']],
  );
  peer.answer(peer.takeRequest('BYE'), 200);
  network.advance(64_000);
  assert.deepEqual(agent.held, NOTHING_HELD);
});

test('RFC 4028 10: a refresh by UPDATE or re-INVITE starts the interval again', () => {
  const { network, peer, ends, line, acknowledge, session } = server([
    'Supported: timer',
    'Session-Expires: 600;refresher=uac',
  ]);
  const { toTag } = acknowledge();
  network.advance(300_000);
  peer.send(line('UPDATE', 2, ['Supported: timer', 'Session-Expires: 600;refresher=uac'], toTag));
  assert.equal(peer.takeResponse(200).header('session-expires'), '600;refresher=uac');
  network.advance(567_000);
  assert.equal(ends.length, 0);
  peer.send(line('INVITE', 3, ['Supported: timer', 'Session-Expires: 1200;refresher=uas'], toTag));
  assert.equal(peer.takeResponse(200).header('session-expires'), '1200;refresher=uas');
  peer.send(line('ACK', 3, [], toTag));
  assert.deepEqual(session().sessionInterval, { seconds: 1_200, weRefresh: true });
});

test('RFC 4028 9: an UPDATE with too small an interval gets 422', () => {
  const { peer, line, acknowledge } = server(['Supported: timer', 'Session-Expires: 600']);
  const { toTag } = acknowledge();
  peer.send(line('UPDATE', 2, ['Supported: timer', 'Session-Expires: 60'], toTag));
  assert.equal(peer.takeResponse(422).header('min-se'), '90');
});

test('RFC 4028 9: as refresher we send UPDATE at half the interval when the peer allows it', () => {
  const { network, peer, acknowledge } = server(['Session-Expires: 600', 'Allow: INVITE, UPDATE']);
  acknowledge();
  network.advance(299_999);
  assert.equal(peer.describe(), '');
  network.advance(1);
  const update = peer.takeRequest('UPDATE');
  assert.equal(update.header('session-expires'), '600;refresher=uac');
  assert.equal(update.body.length, 0);
  peer.answer(update, 200, { headers: ['Session-Expires: 600;refresher=uac'] });
  network.advance(300_000);
  peer.takeRequest('UPDATE');
});

test('RFC 4028 9: … and a re-INVITE with the same body when it doesn’t', () => {
  const { network, peer, acknowledge } = server(['Session-Expires: 600', 'Allow: INVITE']);
  acknowledge();
  network.advance(300_000);
  const invite = peer.takeRequest('INVITE');
  assert.equal(invite.body.toString(), SDP.content.toString());
  peer.answer(invite, 200, { headers: ['Session-Expires: 600;refresher=uac', `Contact: <sip:peer@${P}>`] });
  peer.takeRequest('ACK');
});

test('RFC 4028 10: a refresh that is refused until the interval ends costs the session', () => {
  const { network, peer, ends, acknowledge } = server(['Session-Expires: 600', 'Allow: INVITE, UPDATE']);
  acknowledge();
  network.advance(300_000);
  peer.answer(peer.takeRequest('UPDATE'), 500);
  assert.equal(ends.length, 0);
  network.advance(268_000);
  peer.takeRequest('BYE');
  assert.deepEqual(
    ends.map((end) => end.by),
    ['timeout'],
  );
});

test('RFC 4028 10: a refresh that nobody answers ends the session at once', () => {
  const { network, ends, acknowledge } = server(['Session-Expires: 600', 'Allow: INVITE, UPDATE']);
  acknowledge();
  network.drop = () => true;
  network.advance(332_000);
  assert.equal(ends.length, 1);
});

function client(options = TIMER) {
  const network = new VirtualNetwork();
  const agent = new Agent(network, A, options);
  const peer = new Peer(network, P, A);
  const invite = agent.invite(`sip:peer@${P}`, { body: SDP });
  network.settle();
  return { network, agent, peer, invite, request: peer.takeRequest('INVITE') };
}

test('RFC 4028 7.1: our INVITE offers an interval and leaves the refresher to the callee', () => {
  const { request } = client();
  assert.equal(request.header('session-expires'), '1800');
  assert.equal(request.header('min-se'), '90');
  assert.ok(request.lists('supported', 'timer'));
});

test('RFC 4028 7.2: the 2xx says who refreshes', async () => {
  for (const [value, interval] of [
    ['600;refresher=uac', { seconds: 600, weRefresh: true }],
    ['600;refresher=uas', { seconds: 600, weRefresh: false }],
    ['', null],
  ] as const) {
    const { peer, invite, request } = client();
    const headers = [`Contact: <sip:peer@${P}>`, ...(value === '' ? [] : [`Session-Expires: ${value}`])];
    peer.answer(request, 200, { tag: 'c', headers });
    const { session } = await invite.answered;
    assert.deepEqual(session.sessionInterval, interval);
  }
});

test('RFC 4028 7.3: after a 422 the INVITE comes again with the interval wanted', async () => {
  const { network, peer, invite, request } = client();
  peer.answer(request, 422, { tag: 'c', headers: ['Min-SE: 3600'] });
  peer.takeRequest('ACK');
  const again = peer.takeRequest('INVITE');
  assert.equal(again.header('session-expires'), '3600');
  assert.equal(again.header('min-se'), '3600');
  assert.equal(again.callId, request.callId);
  assert.equal(again.fromTag, request.fromTag);
  assert.equal(again.cseq.number, request.cseq.number + 1);
  peer.answer(again, 422, { tag: 'c', headers: ['Min-SE: 3600'] });
  await assert.rejects(invite.answered, (error: SipFailure) => error.status === 422);
  network.advance(64_000);
});

test('RFC 4028 7.3: … and so does a refresh', async () => {
  const { network, peer, invite, request } = client();
  const headers = [`Contact: <sip:peer@${P}>`, 'Session-Expires: 600;refresher=uac', 'Allow: UPDATE'];
  peer.answer(request, 200, { tag: 'c', headers });
  const { session } = await invite.answered;
  peer.takeRequest('ACK');
  network.advance(300_000);
  peer.answer(peer.takeRequest('UPDATE'), 422, { headers: ['Min-SE: 900'] });
  const again = peer.takeRequest('UPDATE');
  assert.deepEqual(again.headers('session-expires'), ['900']);
  assert.deepEqual(again.headers('min-se'), ['900']);
  peer.answer(again, 200, { headers: ['Session-Expires: 900;refresher=uac'] });
  assert.deepEqual(session.sessionInterval, { seconds: 900, weRefresh: true });
});
