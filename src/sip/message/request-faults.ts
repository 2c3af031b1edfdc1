/**
 * What makes a request malformed although its lines could be read (RFC 3261 8.1.1, 8.2; RFC 4475 3.1.2, 3.3): missing,
 * repeated and unreadable headers. RFC 2543 peers may leave out Max-Forwards, Contact, the From tag and the branch.
 */
import { parseDigits } from './characters.ts';
import type { SipRequest, SipResponse } from './message.ts';
import { parseNameAddr } from './name-addr.ts';
import { splitList } from './parameters.ts';
import type { Fault } from './parser.ts';
import { requestUriFault } from './uri.ts';
import { parseVia } from './via.ts';

const SINGLE = ['from', 'to', 'call-id', 'cseq'] as const;
const AT_MOST_ONE = ['max-forwards', 'content-type', 'session-expires', 'min-se', 'rack', 'rseq', 'expires'] as const;
const SHOWN = new Map<string, string>([
  ['call-id', 'Call-ID'],
  ['cseq', 'CSeq'],
  ['rack', 'RAck'],
  ['rseq', 'RSeq'],
  ['min-se', 'Min-SE'],
]);

const shown = (name: string): string =>
  SHOWN.get(name) ?? name.replace(/(^|-)[a-z]/g, (letters) => letters.toUpperCase());

/** The first thing wrong with a request that any user agent server must refuse, or null. */
export function requestFault(request: SipRequest): Fault | null {
  const fault =
    countFault(request) ||
    syntaxFault(request) ||
    viaFault(request) ||
    contactFault(request) ||
    maxForwardsFault(request) ||
    requestUriFault(request.uri);
  return fault === '' ? null : { status: 400, reason: fault };
}

function countFault(request: SipRequest): string {
  for (const name of SINGLE) {
    const count = request.count(name);
    if (count === 0) return `Missing ${shown(name)} header`;
    if (count > 1) return `Several ${shown(name)} headers`;
  }
  for (const name of AT_MOST_ONE) if (request.count(name) > 1) return `Several ${shown(name)} headers`;
  return '';
}

function syntaxFault(request: SipRequest): string {
  if (request.callId === '') return 'Empty Call-ID header';
  if (request.cseq.number < 0) return 'Malformed CSeq header';
  if (!request.fromOrNull()) return 'Malformed From header';
  return request.toOrNull() ? '' : 'Malformed To header';
}

function viaFault(request: SipRequest): string {
  const lines = request.rawHeaders('via');
  if (lines.length === 0) return 'Missing Via header';
  // The usual single Via has been read already, to find the transaction.
  if (lines.length === 1 && !lines[0]!.includes(',')) return request.topVia ? '' : 'Malformed Via header';
  for (const line of lines) {
    const items = splitList(line);
    if (items.length === 0 || line.endsWith(',')) return 'Malformed Via header';
    for (const item of items) if (!parseVia(item)) return 'Malformed Via header';
  }
  return '';
}

/** `*` is the wildcard of REGISTER (RFC 3261 10.2.2). */
function contactFault(request: SipRequest): string {
  const lines = request.rawHeaders('contact');
  if (lines.length === 1 && request.contact && !lines[0]!.includes(',')) return '';
  for (const line of lines) {
    const items = splitList(line);
    if (items.length === 0) return 'Malformed Contact header';
    for (const item of items) if (item !== '*' && !parseNameAddr(item)) return 'Malformed Contact header';
  }
  return '';
}

function maxForwardsFault(request: SipRequest): string {
  const text = request.rawHeader('max-forwards');
  if (text === undefined) return '';
  const hops = parseDigits(text, 10);
  return hops < 0 || hops > 255 ? 'Malformed Max-Forwards header' : '';
}

/** True when a response can be matched and acted on; others are dropped (RFC 3261 18.1.2; RFC 4475 3.1.2.5). */
export function isUsableResponse(response: SipResponse): boolean {
  return (
    response.cseq.number >= 0 &&
    response.topVia !== null &&
    response.count('via') > 0 &&
    response.callId !== '' &&
    response.fromOrNull() !== null &&
    response.toOrNull() !== null
  );
}
