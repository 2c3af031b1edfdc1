/**
 * Bytes to message (RFC 3261 7, 18.3). Never throws: what can't be taken comes back as a fault with the status that its
 * sender should get (RFC 4475 lists them), together with whatever could be read, so that an answer is possible.
 */
import { decodeUtf8, isToken, parseDigits, SPACE, TAB, trimLws } from './characters.ts';
import { canonicalName } from './header-names.ts';
import { MAX_HEADER_LINES, MAX_LENGTH_DIGITS, MAX_LINE_BYTES, MAX_MESSAGE_BYTES } from './limits.ts';
import { type HeaderLines, SipRequest, SipResponse } from './message.ts';

/** What became of some bytes. `garbage` is nothing that could be answered; it is counted, not logged. */
export type Parsed =
  | { kind: 'request'; message: SipRequest }
  | { kind: 'response'; message: SipResponse }
  | { kind: 'keep-alive' }
  | { kind: 'fault'; status: number; reason: string; message: SipRequest }
  | { kind: 'garbage'; reason: string };

/** A fault found while reading, before it is known whether anyone can be told. */
export interface Fault {
  status: number;
  reason: string;
}

/** Where the head ends and what stands in it. */
export interface Head extends HeaderLines {
  /** Index after the empty line, which is where the body begins. */
  bodyAt: number;
  fault: Fault | null;
}

const bad = (reason: string, status = 400): Fault => ({ status, reason });

/**
 * Reads one message that fills `bytes`: a UDP datagram, or one message cut out of a stream.
 * Bytes after Content-Length are ignored (RFC 3261 18.3); fewer than that are a fault.
 */
export function parseMessage(bytes: Buffer): Parsed {
  let at = 0;
  while (at < bytes.length && (bytes[at] === 13 || bytes[at] === 10)) at++;
  if (at === bytes.length) return bytes.length > 0 ? { kind: 'keep-alive' } : { kind: 'garbage', reason: 'empty' };
  const text = bytes.toString('latin1', at, Math.min(bytes.length, at + MAX_MESSAGE_BYTES));
  const lineEnd = text.indexOf('\n');
  if (lineEnd < 0) return { kind: 'garbage', reason: 'no line' };
  const startLine = text.slice(0, lineEnd > 0 && text.charCodeAt(lineEnd - 1) === 13 ? lineEnd - 1 : lineEnd);
  const head = scanHead(text, lineEnd + 1);
  const body = (message: SipRequest | SipResponse): Fault | null => {
    if (bytes.length - at > MAX_MESSAGE_BYTES) return bad('Message too large', 513);
    return head.fault ?? takeBody(message, bytes, at + head.bodyAt);
  };
  return startsResponse(startLine)
    ? readResponse(startLine, text, head, body)
    : readRequest(startLine, text, head, body);
}

function startsResponse(line: string): boolean {
  return line.length > 4 && line.slice(0, 4).toUpperCase() === 'SIP/';
}

type TakeBody = (message: SipRequest | SipResponse) => Fault | null;

/** Request-Line = Method SP Request-URI SP SIP-Version (RFC 3261 7.1): exactly one SP each (RFC 4475 3.1.2.9, .10). */
function readRequest(line: string, text: string, head: Head, body: TakeBody): Parsed {
  const lastWord = line.trimEnd();
  const versionAt = lastWord.lastIndexOf(' ') + 1;
  const version = lastWord.slice(versionAt).toUpperCase();
  const methodEnd = line.indexOf(' ');
  const method = line.slice(0, Math.max(methodEnd, 0));
  if (!version.startsWith('SIP/') || !isToken(method)) return { kind: 'garbage', reason: 'not SIP' };
  const uri = line.slice(methodEnd + 1, Math.max(versionAt - 1, methodEnd + 1));
  const message = new SipRequest(method, uri, text.slice(0, head.bodyAt), head);
  let fault: Fault | null = null;
  if (version !== 'SIP/2.0') fault = bad('Version Not Supported', 505);
  else if (lastWord.length !== line.length || line.includes('\t')) fault = bad('White space in request line');
  else if (uri === '' || uri.includes(' ')) fault = bad('Malformed request line');
  fault ??= body(message);
  return fault ? { kind: 'fault', ...fault, message } : { kind: 'request', message };
}

/** Status-Line = SIP-Version SP Status-Code SP Reason-Phrase (RFC 3261 7.2); the phrase may be empty, its SP missing. */
function readResponse(line: string, text: string, head: Head, body: TakeBody): Parsed {
  const status = parseDigits(line.slice(8, 11), 3);
  const closed = line.length === 11 || line.charCodeAt(11) === SPACE;
  if (line.slice(0, 8).toUpperCase() !== 'SIP/2.0 ' || status < 100 || status > 699 || !closed) {
    return { kind: 'garbage', reason: 'malformed status line' };
  }
  const message = new SipResponse(status, decodeUtf8(line.slice(12)), text.slice(0, head.bodyAt), head);
  const fault = body(message);
  return fault ? { kind: 'garbage', reason: fault.reason } : { kind: 'response', message };
}

/**
 * Finds the header lines from `at` on. A line that begins with white space continues the one before (7.3.1).
 * Lines may end with a lone LF; the end of the text also ends the head. A lone CR is refused: copied into a response it
 * could be taken for a line end.
 */
export function scanHead(text: string, at: number): Head {
  const head: Head = { names: [], starts: [], ends: [], bodyAt: text.length, fault: null };
  while (at < text.length) {
    const lf = text.indexOf('\n', at);
    const next = lf < 0 ? text.length : lf + 1;
    let end = lf < 0 ? text.length : lf;
    const cr = text.indexOf('\r', at);
    if (cr >= 0 && cr === end - 1) end = cr;
    else if (cr >= 0 && cr < end) return failed(head, 'Lone CR in header');
    if (end === at) {
      head.bodyAt = next;
      return head;
    }
    const first = text.charCodeAt(at);
    const fault = first === SPACE || first === TAB ? fold(head, at, end) : addLine(head, text, at, end);
    if (fault !== '') return failed(head, fault);
    at = next;
  }
  return head;
}

function failed(head: Head, reason: string): Head {
  head.fault = bad(reason);
  return head;
}

function fold(head: Head, at: number, end: number): string {
  const last = head.ends.length - 1;
  if (last < 0) return 'Continuation of no header';
  if (end - head.starts[last]! > MAX_LINE_BYTES) return 'Header too long';
  head.ends[last] = end;
  return at < end ? '' : 'Malformed header';
}

function addLine(head: Head, text: string, at: number, end: number): string {
  if (end - at > MAX_LINE_BYTES) return 'Header too long';
  if (head.names.length >= MAX_HEADER_LINES) return 'Too many headers';
  const colon = text.indexOf(':', at);
  const name = colon < 0 || colon >= end ? '' : canonicalName(text.slice(at, colon));
  if (name === '') return 'Malformed header line';
  head.names.push(name);
  head.starts.push(colon + 1);
  head.ends.push(end);
  return '';
}

/** Cuts the body by Content-Length; without one it is the rest of the datagram (RFC 3261 18.3). */
function takeBody(message: SipRequest | SipResponse, bytes: Buffer, at: number): Fault | null {
  const lengths = message.count('content-length');
  if (lengths > 1) return bad('Several Content-Length headers');
  const rest = bytes.length - at;
  const length = lengths === 0 ? rest : parseDigits(message.rawHeader('content-length') ?? '', MAX_LENGTH_DIGITS);
  if (length < 0) return bad('Malformed Content-Length');
  if (length > rest) return bad('Body shorter than Content-Length');
  if (length > 0) message.body = bytes.subarray(at, at + length);
  return null;
}

/** Content-Length of a scanned head: -1 missing, -2 several or malformed. For framing a stream (RFC 3261 18.3). */
export function declaredLength(text: string, head: Head): number {
  const first = head.names.indexOf('content-length');
  if (first < 0) return -1;
  if (head.names.indexOf('content-length', first + 1) >= 0) return -2;
  const length = parseDigits(trimLws(text, head.starts[first]!, head.ends[first]!), MAX_LENGTH_DIGITS);
  return length < 0 ? -2 : length;
}
