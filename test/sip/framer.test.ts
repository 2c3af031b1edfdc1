/** RFC 3261 18.3, RFC 5626 3.5.1: messages out of a stream. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Framed, StreamFramer } from '../../src/sip/transport/index.ts';

const message = (body: string, length: string | number = body.length, name = 'Content-Length') =>
  `OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP h\r\n${name}: ${length}\r\n\r\n${body}`;

function frame(chunks: string[]): string[] {
  const framer = new StreamFramer();
  const show = (framed: Framed) => {
    if (framed.kind === 'message') return framed.bytes.toString().split('\r\n\r\n')[1] ?? '';
    return framed.kind === 'ping' ? 'ping' : `broken ${framed.status} ${framed.reason}`;
  };
  return chunks.flatMap((chunk) => framer.push(Buffer.from(chunk)).map(show));
}

test('RFC 3261 18.3: messages in one chunk come out in order', () => {
  assert.deepEqual(frame([message('one') + message('') + message('three', 5, 'l')]), ['one', '', 'three']);
});

test('RFC 3261 18.3: one message cut at every byte', () => {
  const text = message('the body');
  for (let at = 1; at < text.length; at++)
    assert.deepEqual(frame([text.slice(0, at), text.slice(at)]), ['the body'], `at ${at}`);
  assert.deepEqual(frame([...text]), ['the body']);
  assert.deepEqual(frame([...(text + text)]), ['the body', 'the body']);
});

test('RFC 5626 3.5.1: a double CRLF between messages is a ping, a single one is not', () => {
  assert.deepEqual(frame(['\r\n\r\n']), ['ping']);
  assert.deepEqual(frame(['\r\n', message('x'), '\r\n', '\r\n', '\r\n\r\n\r\n']), ['x', 'ping', 'ping']);
});

test('RFC 3261 18.3: a message that can’t be measured breaks the stream', () => {
  assert.deepEqual(frame([message('x', 'abc'), message('y')]), ['broken 400 Malformed Content-Length']);
  assert.deepEqual(frame([message('x', -1)]), ['broken 400 Malformed Content-Length']);
  assert.deepEqual(frame([message('x', '1\r\nl: 2')]), ['broken 400 Malformed Content-Length']);
  assert.deepEqual(frame([message('x', 1, 'X-Length')]), ['broken 400 Missing Content-Length']);
  assert.deepEqual(frame([message('x', 99_999_999)]), ['broken 513 Message too large']);
});

test('a head without an end is given up at the size of the largest message', () => {
  const framer = new StreamFramer();
  let broken = 0;
  for (let i = 0; i < 1_000; i++) {
    for (const framed of framer.push(Buffer.alloc(1_000, 65))) if (framed.kind === 'broken') broken++;
    assert.ok(framer.pendingBytes <= 65_536);
  }
  assert.equal(broken, 1);
});

test('bytes that begin no message, such as a TLS ClientHello, break the frame at once', () => {
  assert.deepEqual(frame(['\r\n\u0016\u0003\u0001\u0002']), ['broken 400 Not SIP']);
  assert.deepEqual(frame([message(''), '\u0000', message('')]), ['', 'broken 400 Not SIP']);
});
