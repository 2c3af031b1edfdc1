/**
 * What a user agent server checks before a request means anything to it (RFC 3261 8.2.1 to 8.2.3), in the standard's
 * order: method, Request-URI scheme, Require, content. Merged requests (8.2.2.2) and tags are the user agent's matter.
 */
import { type SipRequest, splitList, uriScheme } from '../message/index.ts';
import type { UserAgentOptions } from './types.ts';

/** A refusal with the headers that the standard asks for. */
export interface Refusal {
  status: number;
  reason: string;
  headers: [string, string][];
}

const SCHEMES = new Set(['sip', 'sips']);
/** Methods that a SIP element of today recognises, so that they are "not allowed" (405) and not "not implemented" (501). */
const RECOGNISED = new Set(
  'INVITE ACK BYE CANCEL OPTIONS REGISTER PRACK UPDATE INFO SUBSCRIBE NOTIFY PUBLISH MESSAGE REFER'.split(' '),
);

const refuse = (status: number, reason: string, headers: [string, string][] = []): Refusal => ({
  status,
  reason,
  headers,
});

/** CSeq method (8.1.1.5), then the method itself (8.2.1). */
export function methodRefusal(request: SipRequest, options: UserAgentOptions): Refusal | null {
  const { method } = request;
  const allowed = options.allow.includes(method);
  if (!allowed && !RECOGNISED.has(method)) return refuse(501, 'Not Implemented', [['Allow', options.allow.join(', ')]]);
  if (request.cseq.method !== method) return refuse(400, 'CSeq method does not match');
  return allowed ? null : refuse(405, 'Method Not Allowed', [['Allow', options.allow.join(', ')]]);
}

/** Request-URI scheme (8.2.2.1), Require (8.2.2.3). Require is ignored in ACK and CANCEL. */
export function extensionRefusal(request: SipRequest, options: UserAgentOptions): Refusal | null {
  if (!SCHEMES.has(uriScheme(request.uri))) return refuse(416, 'Unsupported URI Scheme');
  if (request.method === 'CANCEL' || request.method === 'ACK') return null;
  const unsupported = request.list('require').filter((tag) => !options.supported.includes(tag.toLowerCase()));
  return unsupported.length > 0 ? refuse(420, 'Bad Extension', [['Unsupported', unsupported.join(', ')]]) : null;
}

/** Body type, encoding and disposition (8.2.3), and whether our answer could be read (Accept, 406) of session requests. */
export function contentRefusal(request: SipRequest, options: UserAgentOptions): Refusal | null {
  if (request.method !== 'INVITE' && request.method !== 'UPDATE') return null;
  if (request.body.length > 0 && !isOptional(request)) {
    const type = mediaType(request.contentType ?? '');
    const accept: [string, string] = ['Accept', options.accept.join(', ')];
    if (type === '') return refuse(400, 'Missing Content-Type header');
    if (!options.accept.includes(type)) return refuse(415, 'Unsupported Media Type', [accept]);
    const encodings = request.list('content-encoding').filter((coding) => coding.toLowerCase() !== 'identity');
    if (encodings.length > 0) return refuse(415, 'Unsupported Encoding', [accept, ['Accept-Encoding', 'identity']]);
  }
  return acceptsAnswer(request, options) ? null : refuse(406, 'Not Acceptable');
}

function mediaType(value: string): string {
  const semicolon = value.indexOf(';');
  return (semicolon < 0 ? value : value.slice(0, semicolon)).trim().toLowerCase();
}

/** A body marked `handling=optional` may be left unread (RFC 3261 20.11). */
function isOptional(request: SipRequest): boolean {
  return /;\s*handling\s*=\s*"?optional/i.test((request.header('content-disposition') ?? '').slice(0, 256));
}

/**
 * RFC 4475 3.3.15: an Accept that leaves out SDP can't be answered. Anything that covers one of our types, and multipart
 * types that may carry SDP, will do: recording clients list their metadata type here.
 */
function acceptsAnswer(request: SipRequest, options: UserAgentOptions): boolean {
  const lines = request.headers('accept');
  if (lines.length === 0) return true;
  const ranges = lines.flatMap(splitList).map(mediaType);
  return ranges.some((range) => {
    if (range === '*/*' || options.accept.includes(range)) return true;
    return range.endsWith('/*') && options.accept.some((type) => type.startsWith(range.slice(0, -1)));
  });
}
