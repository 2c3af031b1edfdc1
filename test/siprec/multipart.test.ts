import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { buildMultipart, MAX_BODY_PARTS, parseHeaderValue, splitMultipart } from '../../src/siprec/index.ts';

function split(body: string, contentType = 'multipart/mixed;boundary=foo') {
  return splitMultipart(contentType, Buffer.from(body)).map((p) => ({
    ...p,
    content: Buffer.from(p.content).toString(),
  }));
}

function contents(body: string, contentType?: string): string[] {
  return split(body, contentType).map((p) => p.content);
}

test('RFC 2046 5.1.1: preamble and epilogue are no parts; the line break before a delimiter is not content', () => {
  const body =
    'This is the preamble.\r\n--foo\r\nContent-Type: text/plain\r\n\r\none\r\n\r\n--foo\r\n\r\ntwo\r\n--foo--\r\nepilogue\r\n--foo\r\n\r\nthree';
  assert.deepEqual(contents(body), ['one\r\n', 'two']);
  assert.equal(split(body)[0]!.contentType, 'text/plain');
});

test('tolerated: LF alone', () => {
  assert.deepEqual(contents('\n--foo\nContent-Type: a/b\n\none\n--foo\n\ntwo\n\n--foo--\n'), ['one', 'two\n']);
});

test('RFC 2046 5.1.1: white space after the boundary', () => {
  assert.deepEqual(contents('--foo \t\r\n\r\none\r\n--foo-- \r\n'), ['one']);
});

test('RFC 2046 5.1.1: a boundary that another one begins with', () => {
  assert.deepEqual(contents('--foo\r\n\r\n--foobar\r\n--foo-\r\n--fo\r\n--foo--x\r\n--foo--\r\n'), [
    '--foobar\r\n--foo-\r\n--fo\r\n--foo--x',
  ]);
});

test('tolerated: no closing delimiter, indented delimiters and headers, no blank line before the content', () => {
  assert.deepEqual(contents('--foo\r\n\r\none\r\n--foo\r\n\r\ntwo'), ['one', 'two']);
  const [first, second] = split(
    '  --foo\n  Content-Type: application/sdp\n  Content-Disposition: session;handling=required\n  v=0\n  s=-\n  --foo\n <a/>\n--foo--',
  );
  assert.deepEqual(
    [first!.contentType, first!.disposition, first!.content],
    ['application/sdp', 'session', '  v=0\n  s=-'],
  );
  assert.deepEqual([second!.contentType, second!.content], ['', ' <a/>']);
});

test('RFC 5322 2.2.3: folded headers; names without case; the first of two counts', () => {
  const [part] = split(
    '--foo\r\ncontent-TYPE: application/sdp;\r\n charset=utf-8\r\nX-A: 1\r\nX-A: 2\r\n\r\nx\r\n--foo--',
  );
  assert.equal(part!.headers.get('content-type'), 'application/sdp; charset=utf-8');
  assert.equal(part!.headers.get('x-a'), '1');
  assert.equal(part!.contentType, 'application/sdp');
});

test('the boundary is found when the header lacks it or names another', () => {
  const body = '\r\n--other\r\n\r\none\r\n--other--';
  assert.deepEqual(contents(body, 'multipart/mixed'), ['one']);
  assert.deepEqual(contents(body, 'multipart/mixed;boundary=foo'), ['one']);
  assert.deepEqual(contents('no delimiter at all'), []);
  assert.deepEqual(contents(''), []);
});

test('RFC 2045 6.8: base64 parts are decoded', () => {
  assert.deepEqual(contents('--foo\r\nContent-Transfer-Encoding: BASE64\r\n\r\naGVs\r\nbG8=\r\n--foo--'), ['hello']);
});

test('cap: 16 parts', () => {
  assert.equal(contents(`${'--foo\r\n\r\nx\r\n'.repeat(100)}--foo--`).length, MAX_BODY_PARTS);
});

test('RFC 2045 5.1: parameters, quoted and not', () => {
  const { value, params } = parseHeaderValue(
    ' Multipart / Mixed ; Boundary="a;b\\"c" ;charset = UTF-8; flag;;boundary=second',
  );
  assert.equal(value, 'multipart/mixed');
  assert.deepEqual(
    [...params],
    [
      ['boundary', 'a;b"c'],
      ['charset', 'UTF-8'],
      ['flag', ''],
    ],
  );
  assert.equal(parseHeaderValue('a/b;boundary="open').params.get('boundary'), 'open');
});

test('property: what is built is split into the same parts, whatever they hold', () => {
  const nasty = fc.constantFrom(
    '--doubletrack-part',
    '\r\n--doubletrack-part--\r\n',
    '--doubletrack-part-1\r\n',
    '\r\n',
    '--',
    'x',
  );
  const content = fc.oneof(
    fc.uint8Array({ maxLength: 100 }),
    fc.array(nasty, { maxLength: 8 }).map((list) => new Uint8Array(Buffer.from(list.join('')))),
  );
  fc.assert(
    fc.property(fc.array(content, { minLength: 1, maxLength: MAX_BODY_PARTS }), (list) => {
      const body = buildMultipart(
        list.map((c) => ({ contentType: 'application/x', disposition: 'session', content: c })),
      );
      const parts = splitMultipart(body.contentType, body.content);
      assert.deepEqual(
        parts.map((p) => Buffer.from(p.content).toString('hex')),
        list.map((c) => Buffer.from(c).toString('hex')),
      );
      for (const part of parts) assert.deepEqual([part.contentType, part.disposition], ['application/x', 'session']);
    }),
  );
});
