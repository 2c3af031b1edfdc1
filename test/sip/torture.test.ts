/** RFC 4475: every torture message gets its answer, and the valid ones mean what they say. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseMessage, parseSipUri, type SipRequest, type SipResponse, unescapeUri } from '../../src/sip/index.ts';
import { StreamFramer } from '../../src/sip/transport/index.ts';
import { TORTURE } from './torture-messages.ts';
import { Agent, Peer, SDP, VirtualNetwork } from './virtual-network.ts';

const A = '192.0.2.1';
const P = '192.0.2.9';

for (const { section, name, answer, why, bytes } of TORTURE) {
  test(`RFC 4475 ${section} ${name}: ${answer}: ${why}`, () => {
    const network = new VirtualNetwork();
    const agent = new Agent(network, A);
    const peer = new Peer(network, P, A);
    agent.onInvite = (invite) => invite.accept({ body: SDP });
    peer.sendRaw(bytes);
    const [response] = peer.take() as SipResponse[];
    assert.equal(response?.status ?? 'dropped', answer);
  });
}

function request(name: string): SipRequest {
  const parsed = parseMessage(TORTURE.find((one) => one.name === name)!.bytes);
  assert.ok(parsed.kind === 'request' || parsed.kind === 'fault');
  return parsed.message;
}

function response(name: string): SipResponse {
  const parsed = parseMessage(TORTURE.find((one) => one.name === name)!.bytes);
  assert.ok(parsed.kind === 'response');
  return parsed.message;
}

test('RFC 4475 3.1.1.1: values of the short tortuous INVITE', () => {
  const message = request('wsinv');
  assert.equal(message.toTag, '1918181833n');
  assert.equal(message.from.display, 'J Rosenberg \\"');
  assert.equal(message.fromTag, '98asjd8');
  assert.deepEqual(message.cseq, { number: 9, method: 'INVITE' });
  assert.equal(message.header('subject'), '');
  assert.equal(message.header('newfangledheader'), 'newfangled value continued newfangled value');
  assert.equal(message.list('via').length, 3);
  assert.equal(message.topVia?.branch, '390skdjuw');
  assert.equal(message.contact?.display, 'Quoted string ""');
  assert.deepEqual(
    [...(message.contact?.params ?? [])],
    [
      ['newparam', 'newvalue'],
      ['secondparam', null],
      ['q', '0.33'],
    ],
  );
  assert.equal(message.body.length > 100, true);
});

test('RFC 4475 3.1.1.2: values of the wide range of valid characters', () => {
  const message = request('intmeth');
  assert.equal(message.method, "!interesting-Method0123456789_*+`.%indeed'~");
  assert.equal(message.cseq.method, message.method);
  assert.equal(parseSipUri(message.uri).host, 'example.com');
  assert.equal(message.to.display, 'BEL:\u0007 NUL:\0 DEL:\u007f');
  assert.equal(message.from.display, "token1~` token2'+_ token3*%!.-");
  assert.equal(message.fromTag, "_token~1'+`*%!-.");
  assert.equal(message.header("extensionHeader-!.%*+_`'~"), '\uFEFF大停電');
});

test('RFC 4475 3.1.1.3: escapes', () => {
  const message = request('esc01');
  assert.equal(unescapeUri(parseSipUri(message.uri).user), 'sips:user@example.com');
  assert.equal(unescapeUri(parseSipUri(message.to.uri).user), 'user');
  assert.equal(message.contact?.uri, 'sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31');
});

test('RFC 4475 3.1.1.7 to .13: other values', () => {
  assert.equal(request('longreq').list('via').length, 33);
  assert.equal(request('dblreq').body.length, 0);
  assert.equal(parseSipUri(request('semiuri').uri).user, 'user;par=u%40example.net');
  assert.equal(request('mpart01').body.length, 9);
  assert.equal(response('unreason').reason, '= 2**3 * 5**2 но сто девяносто девять - простое');
  assert.equal(response('noreason').reason, '');
  assert.equal(request('baddn').from.display, 'Bell, Alexander');
  assert.equal(request('inv2543').to.params.get('user'), 'phone');
});

test('RFC 4475: all messages through the framer of a stream, cut anywhere: no throw', () => {
  for (const { bytes } of TORTURE) {
    for (const size of [1, 7, 500]) {
      const framer = new StreamFramer();
      for (let at = 0; at < bytes.length; at += size) framer.push(bytes.subarray(at, at + size));
      assert.ok(framer.pendingBytes <= bytes.length);
    }
  }
});

test('RFC 4475: every truncation of every message is read without a throw', () => {
  for (const { bytes } of TORTURE)
    for (let length = 0; length < bytes.length; length += 3) parseMessage(bytes.subarray(0, length));
});
