/** Message to bytes (RFC 3261 7, 8.2.6). Values from the application are checked, so that none can forge a header line. */
import { encodeUtf8, isToken } from './characters.ts';
import type { SipRequest } from './message.ts';
import { splitList } from './parameters.ts';
import { reasonPhrase } from './reason-phrases.ts';

/** A body and its Content-Type. */
export interface SipBody {
  contentType: string;
  content: Uint8Array;
}

/** Header name and value, in order. */
export type HeaderList = ReadonlyArray<readonly [string, string]>;

/** A request to be sent, without Via, which belongs to the hop. */
export interface RequestDraft {
  method: string;
  uri: string;
  /** Route values, in order. */
  routes: readonly string[];
  /** From and To values with their tags, as byte strings. */
  from: string;
  to: string;
  callId: string;
  cseq: number;
  headers: HeaderList;
  body: SipBody | null;
  /** 70 when left out (RFC 3261 8.1.1.6); less in what goes on for someone else. */
  maxForwards?: number | undefined;
}

/** A header value or reason phrase of the application, as it goes on the wire. Throws a TypeError when it would break the line. */
export function wireValue(name: string, value: string): string {
  if (!isToken(name)) throw new TypeError(`not a header name: ${JSON.stringify(name)}`);
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i);
    if (code === 13 || code === 10 || code === 0) throw new TypeError(`line break in the value of ${name}`);
  }
  return encodeUtf8(value);
}

function extraLines(headers: HeaderList): string {
  let text = '';
  for (const [name, value] of headers) text += `${name}: ${wireValue(name, value)}\r\n`;
  return text;
}

function finish(head: string, body: SipBody | null): Buffer {
  const length = body?.content.length ?? 0;
  if (body && length > 0) head += `Content-Type: ${wireValue('Content-Type', body.contentType)}\r\n`;
  head += `Content-Length: ${length}\r\n\r\n`;
  const bytes = Buffer.allocUnsafe(head.length + length);
  bytes.write(head, 0, 'latin1');
  if (body && length > 0) bytes.set(body.content, head.length);
  return bytes;
}

/** The request with this Via value on top. */
export function writeRequest(draft: RequestDraft, via: string): Buffer {
  let head = `${draft.method} ${draft.uri} SIP/2.0\r\nVia: ${via}\r\nMax-Forwards: ${draft.maxForwards ?? 70}\r\n`;
  for (const route of draft.routes) head += `Route: ${route}\r\n`;
  head += `From: ${draft.from}\r\nTo: ${draft.to}\r\nCall-ID: ${draft.callId}\r\nCSeq: ${draft.cseq} ${draft.method}\r\n`;
  return finish(head + extraLines(draft.headers), draft.body);
}

/** What a response takes over from its request (RFC 3261 8.2.6.2): the Via lines, From, To, Call-ID and CSeq. */
export interface ResponseOrigin {
  /** `Via: …` lines with line ends, the top one stamped by the transport. */
  viaLines: string;
  from: string;
  /** To as it came, without an added tag. */
  to: string;
  hasToTag: boolean;
  callId: string;
  cseq: string;
}

/** `stampedVia` replaces the first Via element. */
export function responseOrigin(request: SipRequest, stampedVia: string | null): ResponseOrigin {
  let viaLines = '';
  let first = true;
  for (const line of request.rawHeaders('via')) {
    const value = first && stampedVia !== null ? [stampedVia, ...splitList(line).slice(1)].join(', ') : line;
    viaLines += `Via: ${value}\r\n`;
    first = false;
  }
  return {
    viaLines,
    from: request.rawHeader('from') ?? '',
    to: request.rawHeader('to') ?? '',
    hasToTag: request.toTag !== '',
    callId: request.callId,
    cseq: request.rawHeader('cseq') ?? '',
  };
}

/** The response bytes. `toTag` is added to To unless the request had one; '' adds none (100 Trying). */
export function writeResponse(
  origin: ResponseOrigin,
  status: number,
  reason: string | undefined,
  toTag: string,
  headers: HeaderList,
  body: SipBody | null,
): Buffer {
  const phrase = wireValue('Reason-Phrase', reason ?? reasonPhrase(status));
  const tag = origin.hasToTag || toTag === '' ? '' : `;tag=${toTag}`;
  let head = `SIP/2.0 ${status} ${phrase}\r\n${origin.viaLines}`;
  if (origin.from !== '') head += `From: ${origin.from}\r\n`;
  if (origin.to !== '') head += `To: ${origin.to}${tag}\r\n`;
  if (origin.callId !== '') head += `Call-ID: ${origin.callId}\r\n`;
  if (origin.cseq !== '') head += `CSeq: ${origin.cseq}\r\n`;
  return finish(head + extraLines(headers), body);
}
