/**
 * Reading a SIPREC INVITE as a user agent server must: the start line, Via, From, To, Call-ID, CSeq, Contact, Require and the
 * body. Contender: the parser of the npm package `sip`, which reads all headers by regular expressions.
 */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import benny from 'benny';
import { parseMessage } from '../../src/sip/index.ts';
import { requestFault } from '../../src/sip/message/index.ts';
import { inviteText } from '../siprec-invite.ts';

interface Address {
  uri: string;
  params: Record<string, string | null>;
}

/** What the package `sip` makes of a request. */
interface ContenderMessage {
  method: string;
  uri: string;
  content: string;
  headers: {
    via: { host: string; port: number; params: Record<string, string> }[];
    from: Address;
    to: Address;
    contact: Address[];
    cseq: { seq: number; method: string };
    'call-id': string;
    require: string;
  };
}

const contender = createRequire(import.meta.url)('sip') as { parse(text: string): ContenderMessage };

type Values = (string | number | null | undefined)[];

function ours(bytes: Buffer): Values {
  const parsed = parseMessage(bytes);
  if (parsed.kind !== 'request' || requestFault(parsed.message)) throw new Error('not read');
  const { message } = parsed;
  const via = message.topVia;
  return [
    message.method,
    message.uri,
    via?.host,
    via?.port,
    via?.branch,
    message.from.uri,
    message.fromTag,
    message.to.uri,
    message.callId,
    message.cseq.number,
    message.contact?.uri,
    message.list('require')[0],
    message.body.length,
  ];
}

function theirs(bytes: Buffer): Values {
  const { method, uri, content, headers } = contender.parse(bytes.toString('latin1'));
  const [via] = headers.via;
  return [
    method,
    uri,
    via?.host,
    via?.port,
    via?.params.branch,
    headers.from.uri,
    headers.from.params.tag,
    headers.to.uri,
    headers['call-id'],
    headers.cseq.seq,
    headers.contact[0]?.uri,
    headers.require,
    content.length,
  ];
}

/** Operations are messages read. */
export default async function run() {
  const bytes = inviteText('a84b4c76e66710', 5070, 5060);
  assert.deepEqual(ours(bytes), theirs(bytes));
  const summary = await benny.suite(
    'sip-parse',
    benny.add('doubletrack', () => {
      ours(bytes);
    }),
    benny.add('sip', () => {
      theirs(bytes);
    }),
  );
  const contenders = summary.results.map(({ name, ops }) => ({ name, opsPerSec: ops }));
  return { name: 'sip-parse', unit: 'INVITE of 2.6 KB', opsPerSec: contenders[0]?.opsPerSec ?? 0, contenders };
}
