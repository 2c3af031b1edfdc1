/** Reading and writing messages and their parts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  parseMessage,
  parseNameAddr,
  parseSipUri,
  SipRequest,
  SipResponse,
  splitList,
  unescapeUri,
} from '../../src/sip/index.ts';
import { parseVia, requestFault, writeRequest } from '../../src/sip/message/index.ts';

function request(lines: string[], body = ''): SipRequest {
  const parsed = parseMessage(Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`));
  assert.equal(parsed.kind, 'request', JSON.stringify(parsed));
  return (parsed as { message: SipRequest }).message;
}

const BASIC = [
  'OPTIONS sip:a@b SIP/2.0',
  'Via: SIP/2.0/UDP h;branch=z9hG4bK1',
  'From: <sip:f@g>;tag=1',
  'To: <sip:a@b>',
  'Call-ID: c',
  'CSeq: 1 OPTIONS',
];

test('RFC 3261 7.3.3: compact forms and any case name the same header', () => {
  const message = request([
    'OPTIONS sip:a@b SIP/2.0',
    'v: SIP/2.0/UDP h',
    'F:<sip:f@g>;tag=1',
    't :  sip:a@b',
    'i:c',
    'CSEQ: 1 OPTIONS',
    'K: timer',
  ]);
  assert.equal(message.header('Via'), 'SIP/2.0/UDP h');
  assert.equal(message.from.params.get('tag'), '1');
  assert.equal(message.to.uri, 'sip:a@b');
  assert.equal(message.callId, 'c');
  assert.deepEqual(message.cseq, { number: 1, method: 'OPTIONS' });
  assert.deepEqual(message.list('supported'), ['timer']);
  assert.equal(requestFault(message), null);
});

test('RFC 3261 7.3.1: folded lines are one value with single spaces', () => {
  const message = request([...BASIC, "Subject: I know you're there,", '\t pick up  ', '  the phone']);
  assert.equal(message.header('subject'), "I know you're there, pick up the phone");
});

test('RFC 3261 7.3.1: several lines and a comma list are the same', () => {
  const message = request([...BASIC, 'Route: <sip:a,b@c>, "x, y" <sip:d>', 'Route: <sip:e>']);
  assert.deepEqual(message.list('route'), ['<sip:a,b@c>', '"x, y" <sip:d>', '<sip:e>']);
  assert.deepEqual(message.headers('route').length, 2);
  assert.deepEqual(splitList('a,,b , "q\\",", <,>,'), ['a', 'b', '"q\\","', '<,>']);
});

test('RFC 3261 18.3: the body is what Content-Length says; without one, the rest of the datagram', () => {
  assert.equal(request([...BASIC, 'Content-Length: 3'], 'abcdef').body.toString(), 'abc');
  assert.equal(request(BASIC, 'abcdef').body.toString(), 'abcdef');
  for (const length of ['7', '-1', '+3', '3x', '0x3', '', '999999999999', '3, 3']) {
    const bytes = Buffer.from(`${[...BASIC, `Content-Length: ${length}`].join('\r\n')}\r\n\r\nabcdef`);
    const parsed = parseMessage(bytes);
    assert.deepEqual([parsed.kind, parsed.kind === 'fault' && parsed.status], ['fault', 400], length);
  }
});

test('lines may end with LF alone; a lone CR is refused; UTF-8 is decoded', () => {
  const lf = parseMessage(Buffer.from(`${[...BASIC, 'Subject: Größe'].join('\n')}\n\nbody`));
  assert.equal(lf.kind, 'request');
  if (lf.kind === 'request') {
    assert.equal(lf.message.header('subject'), 'Größe');
    assert.equal(lf.message.body.toString(), 'body');
  }
  assert.equal(
    parseMessage(Buffer.from(`${[...BASIC, 'Subject: a\rVia: forged'].join('\r\n')}\r\n\r\n`)).kind,
    'fault',
  );
});

test('RFC 3261 7.2: status lines', () => {
  const parse = (line: string) => parseMessage(Buffer.from([line, ...BASIC.slice(1), '', ''].join('\r\n')));
  const ok = parse('SIP/2.0 200 OK then');
  assert.ok(ok.kind === 'response' && ok.message instanceof SipResponse);
  assert.deepEqual([ok.message.status, ok.message.reason], [200, 'OK then']);
  assert.equal(parse('SIP/2.0 100 ').kind, 'response');
  assert.equal(parse('SIP/2.0 100').kind, 'response');
  for (const line of ['SIP/2.0 4294967301 x', 'SIP/2.0 99 x', 'SIP/2.0 700 x', 'SIP/3.0 200 OK', 'SIP/2.0  200 OK']) {
    assert.equal(parse(line).kind, 'garbage', line);
  }
});

test('what is no SIP at all is garbage, CRLFs are a keep-alive', () => {
  for (const text of ['GET / HTTP/1.1\r\n\r\n', 'x', '\0\0\0\0', 'OPTIONS\r\n\r\n', '']) {
    assert.equal(parseMessage(Buffer.from(text)).kind, 'garbage', text);
  }
  assert.equal(parseMessage(Buffer.from('\r\n\r\n')).kind, 'keep-alive');
  assert.equal(parseMessage(Buffer.from(`\r\n\r\n${BASIC.join('\r\n')}\r\n\r\n`)).kind, 'request');
});

test('the caps: lines, headers, size', () => {
  const kind = (...lines: string[]) => {
    const parsed = parseMessage(Buffer.from(`${[...BASIC, ...lines].join('\r\n')}\r\n\r\n`));
    return parsed.kind === 'fault' ? parsed.reason : parsed.kind;
  };
  assert.equal(kind(`X: ${'a'.repeat(8_000)}`), 'request');
  assert.equal(kind(`X: ${'a'.repeat(9_000)}`), 'Header too long');
  assert.equal(kind('X: a', ...Array<string>(2_000).fill(' folded')), 'Header too long');
  assert.equal(kind(...Array<string>(200).fill('X: a')), 'Too many headers');
  const large = parseMessage(Buffer.from(`${BASIC.join('\r\n')}\r\n\r\n${'a'.repeat(70_000)}`));
  assert.deepEqual([large.kind, large.kind === 'fault' && large.status], ['fault', 513]);
});

test('RFC 3261 19.1: URIs in parts, lenient in the user part', () => {
  const show = (text: string) => {
    const { scheme, user, host, port, params, headers } = parseSipUri(text);
    return [scheme, user, host, port, [...params], [...headers]];
  };
  assert.deepEqual(show('sip:alice:secret@Atlanta.COM:5061;transport=TCP;lr?a=b&c=d%20e'), [
    'sip',
    'alice:secret',
    'atlanta.com',
    5061,
    [
      ['transport', 'TCP'],
      ['lr', null],
    ],
    [
      ['a', 'b'],
      ['c', 'd%20e'],
    ],
  ]);
  assert.deepEqual(show('SIPS:[2001:db8::1]:5061'), ['sips', '', '2001:db8::1', 5061, [], []]);
  assert.deepEqual(show('sip:record=2018-02-21:20-14-05;x@rec:15060;calluuid=AB;dn=1'), [
    'sip',
    'record=2018-02-21:20-14-05;x',
    'rec',
    15060,
    [
      ['calluuid', 'AB'],
      ['dn', '1'],
    ],
    [],
  ]);
  assert.deepEqual(show('sip:user;par=u%40example.net@example.com'), [
    'sip',
    'user;par=u%40example.net',
    'example.com',
    0,
    [],
    [],
  ]);
  assert.deepEqual(show('sip:a@b?Route=<sip:c@d>'), ['sip', 'a', 'b', 0, [], [['Route', '<sip:c@d>']]]);
  assert.deepEqual(show('tel:+1-201-555'), ['tel', '', '+1-201-555', 0, [], []]);
  assert.deepEqual(show('no uri'), ['', '', 'no uri', 0, [], []]);
  assert.equal(parseSipUri('sip:a@b;__proto__=x').params.get('__proto__'), 'x');
  assert.equal(parseSipUri('sip:a@b:99999').port, 0);
  assert.equal(unescapeUri('sips%3Auser%40example.com%2'), 'sips:user@example.com%2');
});

test('RFC 3261 20.10, 25.1: addresses', () => {
  const show = (text: string) => {
    const address = parseNameAddr(text);
    return address && [address.display, address.uri, [...address.params]];
  };
  assert.deepEqual(show('"A \\"quoted\\" name" <sip:a@b;x=1>;tag=2;Flag'), [
    'A "quoted" name',
    'sip:a@b;x=1',
    [
      ['tag', '2'],
      ['flag', null],
    ],
  ]);
  assert.deepEqual(show('Just Words  <sip:a@b>'), ['Just Words', 'sip:a@b', []]);
  assert.deepEqual(show('caller<sip:a@b>;tag=323'), ['caller', 'sip:a@b', [['tag', '323']]]);
  assert.deepEqual(show('sip:a@b;tag=1'), ['', 'sip:a@b', [['tag', '1']]]);
  assert.deepEqual(show('sip:a@b ;  tag  = "quo\\\\ted"'), ['', 'sip:a@b', [['tag', 'quo\\ted']]]);
  assert.deepEqual(show('sip:a@b;x="<y>"'), ['', 'sip:a@b', [['x', '<y>']]]);
  assert.deepEqual(show('Bell, Alexander <sip:a@b>;tag=43'), ['Bell, Alexander', 'sip:a@b', [['tag', '43']]]);
  for (const text of [
    '',
    '<>',
    '"open <sip:a@b>',
    '<sip:a@b',
    '< sip:a@b >',
    'sip:a@b?x=y',
    '<sip:a@b>;;',
    '<sip:a@b>;=1',
    '<sip:a@b> x',
    'no-scheme',
  ]) {
    assert.equal(show(text), null, text);
  }
});

test('RFC 3261 20.42: Via with white space, IPv6 and odd parameters', () => {
  const show = (text: string) => {
    const via = parseVia(text);
    return via && [via.transport, via.host, via.port, via.branch];
  };
  assert.deepEqual(show('SIP  / 2.0 /UDP   host.Example.com : 5060  ; branch = z9hG4bK1'), [
    'UDP',
    'host.example.com',
    5060,
    'z9hG4bK1',
  ]);
  assert.deepEqual(show('SIP/2.0/TCP [2001:db8::9:1];branch=a'), ['TCP', '2001:db8::9:1', 0, 'a']);
  assert.deepEqual(show('SIP/2.0/UDP [2001:db8::9:1]:5070;received=[2001:db8::9:255];branch=b'), [
    'UDP',
    '2001:db8::9:1',
    5070,
    'b',
  ]);
  for (const text of [
    '',
    'SIP/2.0/UDP',
    'SIP/2.0/UDP ;branch=a',
    'SIP/3.0/UDP h',
    'HTTP/2.0/UDP h',
    'SIP/2.0/UDP h:0',
    'SIP/2.0/UDP h:x',
    'SIP/2.0/UDP h;;',
  ]) {
    assert.equal(show(text), null, text);
  }
});

test('what is written is read back the same', () => {
  const word = fc.stringMatching(/^[a-z0-9.]{1,12}$/);
  const value = fc
    .string({ unit: 'grapheme', maxLength: 40 })
    .filter((text) => !/[\p{C}\p{Z}]/u.test(text) && text !== '');
  fc.assert(
    fc.property(
      word,
      fc.array(
        fc.tuple(
          word.map((name) => `X-${name}`),
          value,
        ),
        { maxLength: 8 },
      ),
      fc.uint8Array(),
      (user, headers, content) => {
        const draft = {
          method: 'INFO',
          uri: `sip:${user}@host`,
          routes: ['<sip:proxy;lr>'],
          from: '<sip:f@g>;tag=1',
          to: `<sip:${user}@host>`,
          callId: user,
          cseq: 7,
          headers,
          body: { contentType: 'application/x', content },
        };
        const parsed = parseMessage(writeRequest(draft, 'SIP/2.0/UDP h;branch=z9hG4bK1'));
        assert.ok(parsed.kind === 'request' && parsed.message instanceof SipRequest);
        assert.equal(requestFault(parsed.message), null);
        assert.equal(parsed.message.uri, draft.uri);
        assert.deepEqual(new Uint8Array(parsed.message.body), content);
        for (const [name, text] of headers) assert.ok(parsed.message.headers(name).includes(text));
      },
    ),
  );
});
