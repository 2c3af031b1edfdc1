/** RFC 3261 8.2: what a user agent server refuses, and how. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Agent, NOTHING_HELD, Peer, requestLines, VirtualNetwork } from './virtual-network.ts';

const A = '192.0.2.1';
const P = '192.0.2.9';
/** What the application answers to an INVITE that was let through. */
const TAKEN = 486;

function refused(
  method: string,
  status: number,
  o: { headers?: string[]; body?: string; edit?: (lines: string[]) => string[]; uri?: string } = {},
) {
  const network = new VirtualNetwork();
  const agent = new Agent(network, A);
  const peer = new Peer(network, P, A);
  agent.onInvite = (invite) => invite.reject({ status: TAKEN });
  const lines = requestLines(method, {
    from: P,
    to: A,
    branch: 'z9hG4bK1',
    headers: o.headers ?? [],
    uri: o.uri ?? `sip:user@${A}`,
  });
  peer.send(o.edit ? o.edit(lines) : lines, o.body ?? '');
  const response = peer.takeResponse(status);
  if (status !== TAKEN) assert.deepEqual(agent.held, NOTHING_HELD, 'a refusal keeps no state');
  assert.equal(response.header('server'), 'test');
  return response;
}

const without = (name: string) => (lines: string[]) => lines.filter((line) => !line.startsWith(`${name}:`));
const replaced = (name: string, value: string) => (lines: string[]) =>
  lines.map((line) => (line.startsWith(`${name}:`) ? `${name}: ${value}` : line));

test('RFC 3261 8.1.1: missing, repeated and malformed headers get 400', () => {
  for (const name of ['From', 'To', 'Call-ID', 'CSeq']) {
    assert.match(refused('INVITE', 400, { edit: without(name) }).reason, new RegExp(`Missing ${name}`));
    const twice = (lines: string[]) => [...lines, lines.find((line) => line.startsWith(`${name}:`))!];
    assert.match(refused('INVITE', 400, { edit: twice }).reason, new RegExp(`Several ${name}`));
  }
  refused('INVITE', 400, { headers: ['Max-Forwards: 70'] });
  refused('INVITE', 400, { headers: ['Content-Length: 0'] });
  refused('INVITE', 400, { edit: replaced('From', '"unbalanced <sip:a@b>;tag=1') });
  refused('INVITE', 400, { edit: replaced('CSeq', '2147483648 INVITE') });
  refused('INVITE', 400, { edit: replaced('CSeq', '-1 INVITE') });
  refused('INVITE', 400, { edit: replaced('CSeq', '1 OPTIONS') });
  refused('INVITE', 400, { edit: replaced('Max-Forwards', 'many') });
  refused('INVITE', 400, { edit: replaced('Max-Forwards', '256') });
  refused('INVITE', 400, { edit: replaced('Contact', '<sip:a@b>;;') });
});

test('RFC 3261 8.2.1: a known method that is not allowed gets 405 with Allow, an unknown one 501', () => {
  assert.match(refused('REGISTER', 405).header('allow') ?? '', /INVITE.*BYE/);
  refused('PAINT', 501);
});

test('RFC 3261 8.2.2.1: a Request-URI scheme of no SIP gets 416', () => {
  refused('INVITE', 416, { uri: 'http://example.com' });
  refused('OPTIONS', 416, { uri: 'nobodyKnowsThisScheme:totallyopaquecontent' });
});

test('RFC 3261 8.2.2.2: the same INVITE by another way gets 482', () => {
  const network = new VirtualNetwork();
  const agent = new Agent(network, A);
  const peer = new Peer(network, P, A);
  agent.onInvite = (invite) => invite.ringing();
  peer.send(requestLines('INVITE', { from: P, to: A, branch: 'z9hG4bKone' }));
  peer.send(requestLines('INVITE', { from: P, to: A, branch: 'z9hG4bKtwo' }));
  peer.takeResponse(482);
});

test('RFC 3261 8.2.2.3: an unknown Require gets 420 with Unsupported; known ones pass; Proxy-Require is not for us', () => {
  const response = refused('OPTIONS', 420, {
    headers: ['Require: siprec, teleport', 'Require: levitate', 'Proxy-Require: x'],
  });
  assert.deepEqual(response.list('unsupported'), ['teleport', 'levitate']);
  refused('INVITE', 420, { headers: ['Require: teleport'] });
});

test('RFC 3261 8.2.3: a body type or encoding that is not understood gets 415 with what is', () => {
  const type = refused('INVITE', 415, { headers: ['Content-Type: application/unknown'], body: 'x' });
  assert.equal(type.header('accept'), 'application/sdp, multipart/mixed');
  const headers = ['Content-Type: application/sdp', 'Content-Encoding: gzip'];
  assert.equal(refused('INVITE', 415, { headers, body: 'x' }).header('accept-encoding'), 'identity');
  refused('INVITE', 400, { body: 'x' });
  refused('INVITE', TAKEN, { headers: ['Content-Type: Application/SDP ;charset=x'], body: 'x' });
  refused('INVITE', TAKEN, { headers: ['c: text/odd', 'Content-Disposition: render;handling=optional'], body: 'x' });
});

test('RFC 3261 21.4.7: an Accept that covers no answer of ours gets 406', () => {
  refused('INVITE', 406, { headers: ['Accept: text/nobodyKnowsThis'] });
  refused('INVITE', TAKEN, { headers: ['Accept: application/*;q=0.1'] });
  refused('INVITE', TAKEN, { headers: ['Accept: text/x, multipart/mixed'] });
});

test('RFC 3261 21.5.6: another version gets 505', () => {
  refused('OPTIONS', 505, { edit: ([first = '', ...rest]) => [first.replace('SIP/2.0', 'SIP/7.0'), ...rest] });
});

test('RFC 3261 18.3: a datagram shorter than its Content-Length gets 400', () => {
  refused('INVITE', 400, { headers: ['Content-Length: 99'] });
});

test('RFC 3261 16.3, 20.22: Max-Forwards 0 stops proxies, not the user agent that is meant', () => {
  const network = new VirtualNetwork();
  new Agent(network, A);
  const peer = new Peer(network, P, A);
  peer.send(replaced('Max-Forwards', '0')(requestLines('OPTIONS', { from: P, to: A, branch: 'z9hG4bK1' })));
  assert.match(peer.takeResponse(200).header('allow') ?? '', /INVITE/);
});

test('RFC 3261 21.5.4: overload answers 503 with Retry-After and keeps nothing', () => {
  const network = new VirtualNetwork();
  const agent = new Agent(network, A);
  const peer = new Peer(network, P, A);
  agent.admit = () => ({ retryAfterSec: 17 });
  agent.onInvite = () => assert.fail('admitted');
  peer.send(requestLines('INVITE', { from: P, to: A, branch: 'z9hG4bK1' }));
  const first = peer.takeResponse(503);
  assert.equal(first.header('retry-after'), '17');
  assert.deepEqual(agent.held, NOTHING_HELD);
  peer.send(requestLines('INVITE', { from: P, to: A, branch: 'z9hG4bK1' }));
  assert.equal(peer.takeResponse(503).toTag, first.toTag, 'RFC 3261 8.2.7: the same tag each time');
  peer.send(requestLines('ACK', { from: P, to: A, branch: 'z9hG4bK1', toTag: first.toTag }));
  assert.equal(peer.describe(), '');
});

test('a full transaction table refuses new requests, but lets sessions end', () => {
  const network = new VirtualNetwork();
  const agent = new Agent(network, A, { maxTransactions: 1 });
  const peer = new Peer(network, P, A);
  agent.onInvite = (invite) => invite.accept();
  peer.send(requestLines('INVITE', { from: P, to: A, branch: 'z9hG4bK1' }));
  const ok = peer.takeResponse(200);
  peer.send(requestLines('INVITE', { from: P, to: A, branch: 'z9hG4bK2', callId: 'other' }));
  peer.takeResponse(503);
  peer.send(requestLines('BYE', { from: P, to: A, branch: 'z9hG4bK3', cseq: 2, toTag: ok.toTag }));
  peer.takeResponse(200);
});

test('a source with too many half-open INVITEs gets 503 until it acknowledges; others are served', () => {
  const network = new VirtualNetwork();
  const agent = new Agent(network, A, { maxHalfOpenPerSource: 2 });
  const [flood, other] = [new Peer(network, P, A), new Peer(network, '192.0.2.10', A)];
  agent.onInvite = (invite) => invite.accept();
  const invite = (peer: Peer, n: number) =>
    peer.send(requestLines('INVITE', { from: peer.address, to: A, branch: `z9hG4bK${n}`, callId: `c${n}` }));
  invite(flood, 1);
  const ok = flood.takeResponse(200);
  invite(flood, 2);
  flood.takeResponse(200);
  invite(flood, 3);
  flood.takeResponse(503);
  invite(other, 4);
  other.takeResponse(200);
  flood.send(requestLines('ACK', { from: P, to: A, branch: 'z9hG4bKa', callId: 'c1', toTag: ok.toTag }));
  invite(flood, 5);
  flood.takeResponse(200);
  network.advance(100_000);
  assert.deepEqual(agent.agent.stats().halfOpenSources, 0);
});

test('RFC 3581 4, RFC 3261 18.2.1: received and rport', () => {
  const via = (line: string) => {
    const network = new VirtualNetwork();
    new Agent(network, A);
    const peer = new Peer(network, P, A);
    peer.send(replaced('Via', line)(requestLines('OPTIONS', { from: P, to: A, branch: 'z9hG4bK1' })));
    return peer.takeResponse(200).header('via');
  };
  assert.equal(via(`SIP/2.0/UDP ${P};branch=z9hG4bKx`), `SIP/2.0/UDP ${P};branch=z9hG4bKx`);
  assert.equal(
    via('SIP/2.0/UDP host.example.com:5070;branch=z9hG4bKx;received=1.2.3.4'),
    `SIP/2.0/UDP host.example.com:5070;branch=z9hG4bKx;received=${P}`,
  );
  assert.equal(
    via(`SIP/2.0/UDP ${P}:5070;rport;branch=z9hG4bKx, SIP/2.0/UDP other.example.com;branch=z9hG4bKy`),
    `SIP/2.0/UDP ${P}:5070;branch=z9hG4bKx;received=${P};rport=5060, SIP/2.0/UDP other.example.com;branch=z9hG4bKy`,
  );
  assert.match(via(`SIP/2.0/UDP ${P};__proto__=x;constructor;branch=z9hG4bKx`) ?? '', /__proto__=x/);
});
