/** The user agent server on a virtual clock, against scripted peers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SessionEnd, SipSession } from '../../src/sip/index.ts';
import type { IncomingInvite } from '../../src/sip/session/index.ts';
import { Agent, NOTHING_HELD, Peer, requestLines, SDP, VirtualNetwork } from './virtual-network.ts';

const A = '192.0.2.1';
const P = '192.0.2.9';

function setUp(options: ConstructorParameters<typeof Agent>[2] = {}, transport: 'udp' | 'tcp' = 'udp') {
  const network = new VirtualNetwork();
  const agent = new Agent(network, A, options);
  const peer = new Peer(network, P, A, transport);
  return { network, agent, peer };
}

const line = (method: string, branch: string, more: Partial<Parameters<typeof requestLines>[1]> = {}) =>
  requestLines(method, { from: P, to: A, branch: `z9hG4bK${branch}`, ...more });

/** An agent with a session that is accepted but not acknowledged. */
function accepted(options: ConstructorParameters<typeof Agent>[2] = {}, headers: string[] = []) {
  const kit = setUp(options);
  const ends: SessionEnd[] = [];
  let session!: SipSession;
  kit.agent.onInvite = (invite) => {
    session = invite.accept({ body: SDP });
    session.onEnded = (end) => ends.push(end);
  };
  kit.peer.send([...line('INVITE', 'i', { headers }), 'Content-Type: application/sdp'], 'v=0\r\n');
  const ok = kit.peer.takeResponse(200);
  const inDialog = (method: string, branch: string, cseq: number, more: string[] = []) =>
    line(method, branch, { cseq, toTag: ok.toTag, headers: more });
  return { ...kit, ends, session, ok, inDialog };
}

function confirmed(options: ConstructorParameters<typeof Agent>[2] = {}, headers: string[] = []) {
  const kit = accepted(options, headers);
  kit.peer.send(kit.inDialog('ACK', 'a', 1));
  assert.equal(kit.session.state, 'confirmed');
  return kit;
}

test('RFC 3261 13.3.1.4: a 2xx is repeated at T1 doubling to T2 until its ACK', () => {
  const { network, peer, inDialog, session } = accepted();
  network.advance(20_000);
  assert.deepEqual(network.times(A, '200 INVITE', 1_000), [0, 500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500]);
  peer.send(inDialog('ACK', 'a', 1));
  network.advance(60_000);
  assert.equal(network.times(A, '200 INVITE').length, 8);
  assert.equal(session.state, 'confirmed');
});

test('RFC 3261 13.3.1.4: the 2xx is repeated over TCP, too', () => {
  const { network, agent, peer } = setUp({}, 'tcp');
  agent.onInvite = (invite) => invite.accept({ body: SDP });
  peer.send(line('INVITE', 'i', { transport: 'TCP' }));
  network.advance(2_000);
  assert.deepEqual(network.times(A, '200 INVITE', 1_000), [0, 500, 1_500]);
});

test('RFC 3261 13.3.1.4: no ACK within 64*T1 ends the session with a BYE, and nothing is left', () => {
  const { network, agent, ends } = accepted();
  network.advance(31_999);
  assert.equal(ends.length, 0);
  network.advance(1);
  assert.deepEqual(
    ends.map((end) => end.by),
    ['timeout'],
  );
  assert.deepEqual(network.times(A, 'BYE', 1_000), [32_000]);
  network.advance(64_000);
  assert.equal(ends.length, 1);
  assert.deepEqual(agent.held, NOTHING_HELD);
});

test('RFC 6026: a retransmitted INVITE after the 2xx is absorbed', () => {
  const { network, agent, peer } = setUp();
  let invites = 0;
  agent.onInvite = (invite) => {
    invites++;
    invite.accept();
  };
  peer.send(line('INVITE', 'i'));
  peer.send(line('INVITE', 'i'));
  assert.equal(invites, 1);
  assert.equal(network.times(A, '200 INVITE').length, 1);
});

test('RFC 3261 17.2.1: 100 after 200 ms of silence, then the answer', () => {
  const { network, agent, peer } = setUp();
  let waiting!: IncomingInvite;
  agent.onInvite = (invite) => {
    waiting = invite;
  };
  peer.send(line('INVITE', 'i'));
  network.advance(199);
  assert.equal(peer.describe(), '');
  network.advance(1);
  assert.equal(peer.takeResponse(100).toTag, '');
  waiting.accept();
  network.settle();
  assert.notEqual(peer.takeResponse(200).toTag, '');
});

test('RFC 3261 17.2.1: a refusal is repeated until its ACK, which has the branch of the INVITE', () => {
  const { network, agent, peer } = setUp();
  agent.onInvite = (invite) => invite.reject({ status: 486 });
  peer.send(line('INVITE', 'i'));
  const refusal = peer.takeResponse(486);
  network.advance(600);
  assert.equal(peer.take().length, 1);
  peer.send(line('ACK', 'i', { toTag: refusal.toTag }));
  network.advance(40_000);
  assert.equal(peer.take().length, 0);
  assert.deepEqual(agent.held, NOTHING_HELD);
});

test('RFC 3261 9.2: CANCEL gets 200, its INVITE 487', () => {
  const { network, agent, peer } = setUp();
  let cancelled = 0;
  agent.onInvite = (invite) => {
    invite.ringing();
    invite.onCancel = () => cancelled++;
    invite.session.onEnded = (end) => assert.equal(end.reason, 'cancelled');
  };
  peer.send(line('INVITE', 'i'));
  peer.takeResponse(180);
  peer.send(line('CANCEL', 'i'));
  const confirmation = peer.takeResponse(200);
  assert.equal(confirmation.cseq.method, 'CANCEL');
  const terminated = peer.takeResponse(487);
  assert.equal(terminated.cseq.method, 'INVITE');
  assert.equal(confirmation.toTag, terminated.toTag);
  peer.send(line('CANCEL', 'i'));
  assert.equal(peer.takeResponse(200).cseq.method, 'CANCEL');
  assert.equal(cancelled, 1);
  network.advance(40_000);
  assert.deepEqual(agent.held, NOTHING_HELD);
});

test('RFC 3261 9.2: CANCEL after the 2xx changes nothing; CANCEL of nothing gets 481', () => {
  const { peer, session } = accepted();
  peer.send(line('CANCEL', 'i'));
  assert.equal(peer.takeResponse(200).cseq.method, 'CANCEL');
  assert.equal(session.state, 'accepted');
  peer.send(line('CANCEL', 'other'));
  assert.equal(peer.takeResponse(481).cseq.method, 'CANCEL');
});

test('RFC 3261 9.2: an application that answers after the CANCEL is told so', () => {
  const { agent, peer } = setUp();
  let waiting!: IncomingInvite;
  agent.onInvite = (invite) => {
    waiting = invite;
  };
  peer.send(line('INVITE', 'i'));
  peer.send(line('CANCEL', 'i'));
  assert.throws(() => waiting.accept(), /answered or cancelled/);
  waiting.reject({ status: 486 });
  assert.equal(peer.describe(), '200 487');
});

test('RFC 3261 13.3.1: an INVITE that the application never answers is ended by its Expires, or after three minutes', () => {
  for (const [headers, afterMs] of [
    [['Expires: 7'], 7_000],
    [[], 180_000],
  ] as const) {
    const { network, agent, peer } = setUp();
    agent.onInvite = () => {};
    peer.send(line('INVITE', 'i', { headers: [...headers] }));
    network.advance(afterMs);
    assert.deepEqual(network.times(A, '487 INVITE', 1_000), [afterMs]);
    network.advance(64_000);
    assert.deepEqual(agent.held, NOTHING_HELD);
  }
});

test('RFC 3261 15: BYE before ACK ends the session and the repetition of the 2xx', () => {
  const { network, agent, peer, inDialog, ends } = accepted();
  peer.send([...inDialog('BYE', 'b', 2), 'Content-Type: text/plain'], 'last words');
  assert.equal(peer.takeResponse(200).cseq.method, 'BYE');
  assert.deepEqual(
    ends.map((end) => [end.by, end.request?.body.toString()]),
    [['remote', 'last words']],
  );
  network.advance(64_000);
  assert.equal(network.times(A, '200 INVITE').length, 1);
  assert.deepEqual(agent.held, NOTHING_HELD);
});

test('RFC 3261 15: our BYE waits for the ACK', () => {
  const { network, peer, inDialog, session } = accepted();
  session.bye();
  network.settle();
  assert.equal(peer.describe(), '');
  peer.send(inDialog('ACK', 'a', 1));
  const bye = peer.takeRequest('BYE');
  assert.equal(bye.cseq.number, 1);
  assert.equal(session.state, 'ending');
  peer.answer(bye, 200);
  assert.equal(session.state, 'ended');
});

test('RFC 3261 15: both sides say BYE at once', () => {
  const { network, agent, peer, inDialog, session, ends } = confirmed();
  session.bye();
  network.settle();
  const bye = peer.takeRequest('BYE');
  peer.send(inDialog('BYE', 'b', 2));
  assert.equal(peer.takeResponse(200).cseq.method, 'BYE');
  peer.answer(bye, 481);
  assert.deepEqual(
    ends.map((end) => end.by),
    ['local'],
  );
  network.advance(64_000);
  assert.deepEqual(agent.held, NOTHING_HELD);
});

test('RFC 3261 15.1.1: a BYE that nobody answers is given up after 64*T1', async () => {
  const { network, agent, session, ends } = confirmed();
  network.drop = () => true;
  const done = session.bye();
  network.advance(64_000);
  await done;
  assert.equal(ends.length, 1);
  assert.equal(network.times(A, 'BYE').length, 11);
  assert.deepEqual(agent.held, NOTHING_HELD);
});

test('RFC 3261 12.2.2: a CSeq that is not higher gets 500; the session lives on', () => {
  const { peer, inDialog, session } = confirmed();
  peer.send(inDialog('INFO', 'x1', 5));
  peer.takeResponse(200);
  peer.send(inDialog('INFO', 'x2', 4));
  assert.equal(peer.takeResponse(500).reason, 'CSeq out of order');
  assert.equal(session.state, 'confirmed');
});

test('RFC 3261 12.2.2: requests for no dialog get 481, an ACK gets nothing', () => {
  const { agent, peer } = setUp();
  for (const method of ['BYE', 'INFO', 'UPDATE', 'INVITE', 'PRACK']) {
    peer.send(line(method, method, { toTag: 'nobody' }));
    assert.equal(peer.takeResponse(481).cseq.method, method);
  }
  peer.send(line('ACK', 'a', { toTag: 'nobody' }));
  peer.send(line('BYE', 'notag'));
  peer.takeResponse(481);
  assert.equal(peer.describe(), '');
  assert.equal(agent.held.sessions, 0);
});

test('RFC 3261 14.2: a re-INVITE is answered by the application and moves the remote target', () => {
  const { peer, inDialog, session } = confirmed();
  session.onReInvite = (request) => ({ status: 200, body: { contentType: 'application/sdp', content: request.body } });
  const lines = inDialog('INVITE', 'r', 2, ['Content-Type: application/sdp']);
  peer.send(
    lines.map((one) => (one.startsWith('Contact') ? `Contact: <sip:moved@${P}:5062>` : one)),
    'v=1\r\n',
  );
  const ok = peer.takeResponse(200);
  assert.equal(ok.body.toString(), 'v=1\r\n');
  assert.equal(session.remoteUri, `sip:moved@${P}:5062`);
  peer.send(inDialog('ACK', 'ra', 2));
  assert.equal(session.state, 'confirmed');
});

test('RFC 3261 14.2: a refused re-INVITE leaves the session and its target as they were', () => {
  const { peer, inDialog, session, ok } = confirmed();
  const before = session.remoteUri;
  const lines = inDialog('INVITE', 'r', 2, ['Content-Type: application/sdp']);
  peer.send(
    lines.map((one) => (one.startsWith('Contact') ? 'Contact: <sip:elsewhere@192.0.2.77>' : one)),
    'v=1\r\n',
  );
  peer.takeResponse(488);
  peer.send(line('ACK', 'r', { cseq: 2, toTag: ok.toTag }));
  assert.equal(session.state, 'confirmed');
  assert.equal(session.remoteUri, before);
});

test('RFC 3261 14.2: a second offer while the first is unanswered gets 500 with Retry-After', async () => {
  const { network, peer, inDialog, session } = confirmed();
  let answer!: (value: { status: number }) => void;
  session.onReInvite = () => new Promise((resolve) => (answer = resolve));
  peer.send(inDialog('UPDATE', 'u1', 2));
  peer.send(inDialog('INVITE', 'r2', 3));
  assert.match(peer.takeResponse(500).header('retry-after') ?? '', /^\d+$/);
  answer({ status: 200 });
  await Promise.resolve();
  network.settle();
  assert.equal(peer.takeResponse(200).cseq.method, 'UPDATE');
});

test('RFC 3261 14.2: a re-INVITE across our own gets 491', () => {
  const { network, peer, inDialog, session } = confirmed();
  session.request('INVITE', { body: SDP }).catch(() => {});
  network.settle();
  const ours = peer.takeRequest('INVITE');
  peer.send(inDialog('INVITE', 'r', 2));
  assert.equal(peer.takeResponse(491).cseq.method, 'INVITE');
  peer.send(inDialog('INFO', 'n', 3));
  assert.equal(peer.takeResponse(200).cseq.method, 'INFO');
  peer.answer(ours, 200, { headers: [`Contact: <sip:peer@${P}>`] });
  assert.equal(peer.takeRequest('ACK').cseq.number, ours.cseq.number);
});

test('RFC 3311 5.2: an UPDATE across our own offer gets 491 when it has one too, or may have', () => {
  const metadata = 'application/rs-metadata+xml';
  const { network, peer, inDialog, session } = confirmed({ accept: ['application/sdp', 'multipart/mixed', metadata] });
  session.onReInvite = () => ({ status: 200 });
  session.request('INVITE', { body: SDP }).catch(() => {});
  network.settle();
  const answerTo = (cseq: number, type: string, body: string) => {
    peer.send([...inDialog('UPDATE', `u${cseq}`, cseq), `Content-Type: ${type}`], body);
    const [status] = [200, 491].filter((one) => peer.describe().includes(String(one)));
    peer.takeResponse(status!);
    return status;
  };
  peer.takeRequest('INVITE');
  assert.equal(answerTo(2, metadata, '<recording/>'), 200);
  assert.equal(answerTo(3, 'application/sdp', 'v=0\r\n'), 491);
  assert.equal(answerTo(4, 'multipart/mixed;boundary=b', '--b--'), 491);
});

test('RFC 3311 5.2: an offer of the peer across an UPDATE of ours without one is answered', () => {
  const { network, peer, inDialog, session } = confirmed();
  session.onReInvite = () => ({ status: 200, body: SDP });
  const content = Buffer.from('<requestsnapshot/>');
  session.request('UPDATE', { body: { contentType: 'application/rs-metadata+xml', content } }).catch(() => {});
  network.settle();
  peer.takeRequest('UPDATE');
  peer.send([...inDialog('UPDATE', 'u', 2), 'Content-Type: application/sdp'], 'v=0\r\n');
  assert.equal(peer.takeResponse(200).cseq.method, 'UPDATE');
});

test('RFC 3261 14.1: after a 491 the callee tries again within 0 to 2 s', async () => {
  const { network, peer, session } = confirmed();
  const answered = session.request('INVITE', { body: SDP });
  network.settle();
  peer.answer(peer.takeRequest('INVITE'), 491);
  peer.takeRequest('ACK');
  const since = network.now;
  network.advance(2_000);
  const again = peer.takeRequest('INVITE');
  assert.ok(network.times(A, 'INVITE', since).at(-1)! <= 2_000);
  assert.equal(again.cseq.number, 2);
  peer.answer(again, 200);
  assert.equal((await answered).status, 200);
});

test('RFC 3261 14.1: our re-INVITE waits for the ACK of our 2xx', () => {
  const { network, peer, inDialog, session } = accepted();
  session.request('UPDATE').catch(() => {});
  network.settle();
  assert.equal(peer.describe(), '');
  peer.send(inDialog('ACK', 'a', 1));
  peer.takeRequest('UPDATE');
});

test('RFC 3261 12.2.1.2: 481 to a request of ours ends the session', async () => {
  const { network, agent, peer, session, ends } = confirmed();
  const answered = session.request('INFO');
  network.settle();
  peer.answer(peer.takeRequest('INFO'), 481);
  assert.equal((await answered).status, 481);
  assert.deepEqual(
    ends.map((end) => end.by),
    ['error'],
  );
  network.advance(64_000);
  assert.deepEqual(agent.held, NOTHING_HELD);
});

test('RFC 5057 5.1: a request that could not be delivered ends no session', async () => {
  const { network, agent, session, ends } = confirmed();
  network.refused.add(`${P}|udp`);
  const answered = session.request('INFO');
  network.settle();
  await assert.rejects(answered, { status: 503 });
  assert.equal(ends.length, 0);
  assert.equal(agent.held.sessions, 1);
});

test('RFC 3261 12.1.1, 12.2.1.1: Record-Route becomes the route set, with loose routing', () => {
  const routes = [
    `Record-Route: <sip:${P};lr>, <sip:second.example.net;lr>`,
    'Record-Route: <sip:third.example.net;lr>',
  ];
  const { network, peer, session, ok } = confirmed({}, routes);
  assert.deepEqual(ok.headers('record-route').length > 0, true);
  session.request('INFO').catch(() => {});
  network.settle();
  const info = peer.takeRequest('INFO');
  assert.equal(info.uri, `sip:peer@${P}:5060`);
  assert.deepEqual(info.list('route'), [`<sip:${P};lr>`, '<sip:second.example.net;lr>', '<sip:third.example.net;lr>']);
});

test('RFC 3261 12.2.1.1: a strict router first', () => {
  const { network, peer, session } = confirmed({}, [`Record-Route: <sip:${P}>, <sip:second.example.net;lr>`]);
  session.request('INFO').catch(() => {});
  network.settle();
  const info = peer.takeRequest('INFO');
  assert.equal(info.uri, `sip:${P}`);
  assert.deepEqual(info.list('route'), ['<sip:second.example.net;lr>', `<sip:peer@${P}:5060>`]);
});

test('RFC 2543 4.3: a peer without tags, branch, Max-Forwards and Contact', () => {
  const { agent, peer, network } = setUp();
  const ends: SessionEnd[] = [];
  agent.onInvite = (invite) => {
    invite.accept().onEnded = (end) => ends.push(end);
  };
  const legacy = (method: string, cseq: number, toTag = '') => [
    `${method} sip:user@${A} SIP/2.0`,
    `Via: SIP/2.0/UDP ${P}`,
    `From: <sip:old@${P}>`,
    `To: <sip:user@${A}>${toTag}`,
    'Call-ID: old',
    `CSeq: ${cseq} ${method}`,
  ];
  peer.send(legacy('INVITE', 1));
  const ok = peer.takeResponse(200);
  peer.send(legacy('INVITE', 1));
  assert.equal(peer.describe(), '', 'a retransmission is absorbed');
  peer.send(legacy('ACK', 1, `;tag=${ok.toTag}`));
  network.advance(5_000);
  assert.equal(peer.describe(), '', 'the ACK arrived');
  peer.send(legacy('BYE', 2, `;tag=${ok.toTag}`));
  peer.takeResponse(200);
  assert.equal(ends.length, 1);
});

test('RFC 3261 13.2.1: a delayed offer: ours in the 2xx, the answer in the ACK', () => {
  const { agent, peer } = setUp();
  let answer = '';
  agent.onInvite = (invite) => {
    assert.equal(invite.request.body.length, 0);
    invite.accept({ body: SDP }).onAck = (body) => {
      answer = Buffer.from(body?.content ?? []).toString();
    };
  };
  peer.send(line('INVITE', 'i'));
  const ok = peer.takeResponse(200);
  assert.equal(ok.contentType, 'application/sdp');
  peer.send([...line('ACK', 'a', { toTag: ok.toTag }), 'Content-Type: application/sdp'], 'v=answer');
  assert.equal(answer, 'v=answer');
});

test('RFC 3891 3: Replaces finds its session, which is ended when the new one is accepted', () => {
  const { network, agent, peer, session, ends } = confirmed();
  let replaced: SipSession | null = null;
  agent.onInvite = (invite) => {
    replaced = invite.replaces;
    invite.accept();
  };
  const replaces = `Replaces: ${session.callId};to-tag=${session.localTag};from-tag=${session.remoteTag}`;
  peer.send(line('INVITE', 'n', { callId: 'new', headers: [replaces, 'Require: replaces'] }));
  peer.takeResponse(200);
  assert.equal(replaced, session);
  network.settle();
  peer.takeRequest('BYE');
  assert.equal(ends.length, 1);
  peer.send(line('INVITE', 'n2', { callId: 'new2', headers: ['Replaces: nobody;to-tag=1;from-tag=2'] }));
  peer.takeResponse(481);
  peer.send(line('INVITE', 'n3', { callId: 'new3', headers: ['Replaces: nobody'] }));
  peer.takeResponse(400);
});

test('an application handler that throws costs its request a 500, not the stack', () => {
  const { agent, peer, session, inDialog } = confirmed();
  session.onInfo = () => {
    throw new Error('broken');
  };
  session.onReInvite = () => {
    throw new Error('broken');
  };
  peer.send(inDialog('INFO', 'x', 2));
  peer.takeResponse(500);
  peer.send(inDialog('UPDATE', 'y', 3));
  peer.takeResponse(500);
  agent.onInvite = () => {
    throw new Error('broken');
  };
  peer.send(line('INVITE', 'i2', { callId: 'second' }));
  peer.takeResponse(500);
});

test('10,000 INVITEs that are neither acknowledged nor ended leave nothing behind', () => {
  const { network, agent, peer } = setUp();
  let ended = 0;
  agent.onInvite = (invite) => {
    invite.accept({ body: SDP }).onEnded = () => ended++;
  };
  network.deaf = true;
  for (let i = 0; i < 10_000; i++) {
    peer.send(line('INVITE', `i${i}`, { callId: `c${i}` }));
    if (i % 500 === 499) network.advance(1_000);
  }
  assert.equal(agent.held.sessions, 10_000);
  network.advance(100_000);
  assert.equal(ended, 10_000);
  assert.deepEqual(agent.held, NOTHING_HELD);
});
