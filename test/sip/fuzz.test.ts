/** Hostile bytes: every truncation, seeded mutations and known parser bombs. Nothing throws, nothing takes long. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseMessage, parseNameAddr, parseSipUri, splitList } from '../../src/sip/index.ts';
import { parseVia, requestFault } from '../../src/sip/message/index.ts';
import { StreamFramer } from '../../src/sip/transport/index.ts';
import { Agent, NOTHING_HELD, Peer, SDP, VirtualNetwork } from './virtual-network.ts';

const A = '192.0.2.1';
const P = '192.0.2.9';

const INVITE = Buffer.from(
  [
    `INVITE sip:user@${A};x=y SIP/2.0`,
    `Via: SIP/2.0/UDP ${P}:5060;branch=z9hG4bK776asdhds;rport, SIP/2.0/TCP [2001:db8::1]:5061;branch=z9hG4bKx`,
    'Max-Forwards: 70',
    'To: "Bob \\"the\\" builder" <sip:bob@biloxi.example.com>',
    'From: Alice <sip:alice@atlanta.example.com;user=phone>;tag=1928301774',
    'Call-ID: a84b4c76e66710@pc33.atlanta.example.com',
    'CSeq: 314159 INVITE',
    `Contact: <sip:alice@${P}>;+sip.src;q="0.7"`,
    'Record-Route: <sip:p1.example.com;lr>, <sip:p2.example.com>',
    'Supported: timer, 100rel',
    'Session-Expires: 1800;refresher=uac',
    'Content-Type: application/sdp',
    'Subject: folded',
    '  over lines',
    'Content-Length: 5',
    '',
    'v=0\r\n',
  ].join('\r\n'),
);

/** A small deterministic generator, so that a failure can be run again. */
function random(seed: number): (below: number) => number {
  return (below) => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
}

const TOKENS = [
  '"',
  '<',
  '>',
  ';',
  ',',
  ':',
  '=',
  '%',
  '@',
  '\\',
  '\r\n',
  '\r',
  '\n ',
  ' ',
  '\0',
  'é',
  '__proto__',
  'SIP/2.0',
  '9'.repeat(30),
];

function mutate(bytes: Buffer, next: (below: number) => number): Buffer {
  let text = bytes.toString('latin1');
  for (let i = 1 + next(4); i > 0; i--) {
    const at = next(text.length);
    const token = next(3) === 0 ? String.fromCharCode(next(256)) : TOKENS[next(TOKENS.length)]!;
    const cut = next(3) === 0 ? 0 : next(8);
    text = text.slice(0, at) + token.repeat(next(5) === 0 ? 40 : 1) + text.slice(at + cut);
  }
  return Buffer.from(text, 'latin1');
}

/** Reads everything that can be read lazily. */
function readAll(bytes: Buffer): void {
  const parsed = parseMessage(bytes);
  if (parsed.kind !== 'request' && parsed.kind !== 'response' && parsed.kind !== 'fault') return;
  const { message } = parsed;
  const names = new Set<string>();
  for (const [name, value] of message.entries()) {
    assert.equal(typeof value, 'string');
    names.add(name);
  }
  for (const name of names) message.list(name);
  const touched = [
    message.from,
    message.to,
    message.contact,
    message.cseq,
    message.topVia,
    message.callId,
    message.body,
  ];
  assert.equal(touched.length, 7);
  if (parsed.kind === 'request') {
    requestFault(parsed.message);
    parseSipUri(parsed.message.uri);
  }
}

test('every truncation of a message is read without a throw', () => {
  for (let length = 0; length <= INVITE.length; length++) readAll(INVITE.subarray(0, length));
});

test('mutated messages: no throw in the parser, and a user agent that answers the next good call', () => {
  const next = random(7);
  const network = new VirtualNetwork();
  const agent = new Agent(network, A);
  const peer = new Peer(network, P, A);
  agent.onInvite = (invite) => invite.accept({ body: SDP });
  for (let i = 0; i < 8_000; i++) {
    const bytes = mutate(INVITE, next);
    readAll(bytes);
    peer.sendRaw(bytes);
    peer.received.length = 0;
    network.trace.length = 0;
    if (i % 1_000 === 0) network.advance(200_000);
  }
  network.advance(400_000);
  assert.deepEqual(agent.held, NOTHING_HELD);
  peer.received.length = 0;
  peer.sendRaw(INVITE);
  peer.takeResponse(200);
});

test('mutated responses leave a caller sane', async () => {
  const next = random(11);
  for (let i = 0; i < 300; i++) {
    const network = new VirtualNetwork();
    const agent = new Agent(network, A, { sessionExpiresSec: 1_800 });
    const peer = new Peer(network, P, A);
    const invite = agent.invite(`sip:peer@${P}`, { body: SDP });
    network.settle();
    const request = peer.takeRequest('INVITE');
    const answer = Buffer.from(
      [
        `SIP/2.0 ${[183, 200, 200, 422, 486, 503][next(6)]} Reason`,
        `Via: ${request.header('via')}`,
        `From: ${request.header('from')}`,
        `To: ${request.header('to')};tag=callee`,
        `Call-ID: ${request.callId}`,
        'CSeq: 1 INVITE',
        `Contact: <sip:peer@${P}>`,
        'Record-Route: <sip:p1.example.com;lr>',
        'Require: 100rel, timer',
        'RSeq: 17',
        'Min-SE: 3600',
        'Session-Expires: 90;refresher=uac',
        'Content-Length: 0',
        '',
        '',
      ].join('\r\n'),
    );
    for (let n = 0; n < 5; n++) peer.sendRaw(mutate(answer, next));
    network.advance(600_000);
    await invite.answered.then(
      ({ session }) => void session.bye(),
      () => {},
    );
    network.advance(600_000);
    assert.deepEqual(agent.held, NOTHING_HELD);
  }
});

test('mutated challenges leave a caller with credentials sane', async () => {
  const next = random(17);
  for (let i = 0; i < 300; i++) {
    const network = new VirtualNetwork();
    const agent = new Agent(network, A);
    const peer = new Peer(network, P, A);
    const credentials = { username: 'u', password: 'p' };
    const invite = agent.invite(`sip:peer@${P}`, { body: SDP, credentials });
    const asked = agent.request('OPTIONS', `sip:peer@${P}`, { credentials }).answered.catch(() => null);
    network.settle();
    for (let n = 0; n < 20; n++) {
      for (const request of peer.take()) {
        if (!('method' in request) || request.method === 'ACK') continue;
        const lines = [
          `SIP/2.0 ${[401, 407][next(2)]} Reason`,
          `Via: ${request.header('via')}`,
          `From: ${request.header('from')}`,
          `To: ${request.header('to')};tag=callee`,
          `Call-ID: ${request.callId}`,
          `CSeq: ${request.header('cseq')}`,
        ];
        const challenge = `Digest realm="r${next(9)}", nonce="${n}", qop="auth", algorithm=SHA-256, stale=true, opaque="o"`;
        const mutated = String(mutate(Buffer.from(challenge), next)).replaceAll(/[\r\n]/g, ' ');
        peer.send([...lines, `WWW-Authenticate: ${mutated}`, `Proxy-Authenticate: ${mutated}`]);
      }
    }
    assert.equal(peer.describe().includes('INVITE'), false, 'it gives up');
    network.advance(600_000);
    await Promise.all([invite.answered.catch(() => {}), asked]);
    assert.deepEqual(agent.held, NOTHING_HELD);
  }
});

test('streams cut anywhere and mutated: the framer neither throws nor keeps more than it may', () => {
  const next = random(13);
  for (let i = 0; i < 1_000; i++) {
    const stream = Buffer.concat([INVITE, mutate(INVITE, next), INVITE]);
    const framer = new StreamFramer();
    for (let at = 0; at < stream.length; ) {
      const size = 1 + next(300);
      for (const framed of framer.push(stream.subarray(at, at + size)))
        if (framed.kind === 'message') readAll(framed.bytes);
      at += size;
    }
    assert.ok(framer.pendingBytes <= 65_536 + 300);
  }
});

/** Inputs that took other parsers seconds, their stack or their process. */
const BOMBS: [string, string][] = [
  ['quotes', `"${'\\"'.repeat(30_000)}`],
  ['open brackets', '<'.repeat(60_000)],
  ['commas', ','.repeat(60_000)],
  ['semicolons', `<sip:a@b>${';'.repeat(60_000)}`],
  ['parameters', `<sip:a@b>${';a=b'.repeat(15_000)}`],
  ['white space', `a${' '.repeat(60_000)}b`],
  ['colons', ':'.repeat(60_000)],
  ['escapes', '%'.repeat(60_000)],
  ['at signs', `sip:${'@'.repeat(60_000)}`],
];

test('parser bombs stay under 5 ms of processor time each', () => {
  const slowest = (run: () => void): number => {
    let best = Infinity;
    for (let i = 0; i < 5; i++) {
      const start = process.cpuUsage();
      run();
      const { user, system } = process.cpuUsage(start);
      best = Math.min(best, (user + system) / 1_000);
    }
    return best;
  };
  for (const [name, text] of BOMBS) {
    for (const parse of [parseNameAddr, parseSipUri, splitList, parseVia]) {
      const ms = slowest(() => parse(text));
      assert.ok(ms < 5, `${name} in ${parse.name}: ${ms} ms`);
    }
    for (const header of ['Via', 'From', 'Contact', 'Content-Length', 'CSeq', 'Session-Expires', 'Accept', 'Require']) {
      const lines = text.match(/.{1,8000}/gs) ?? [];
      const message = Buffer.from(
        `INVITE sip:a@b SIP/2.0\r\n${lines.map((line) => `${header}: ${line}\r\n`).join('')}\r\n`,
      );
      const ms = slowest(() => readAll(message));
      assert.ok(ms < 5, `${name} in ${header}: ${ms} ms`);
    }
  }
  const blank = Buffer.from('\r\n'.repeat(30_000));
  assert.ok(slowest(() => parseMessage(blank)) < 5);
  assert.ok(slowest(() => new StreamFramer().push(blank)) < 5);
});
