/**
 * SIP and other URIs (RFC 3261 19.1, 25.1). Reading is lenient in the user part, because recorders are called by names such
 * as `record=2018-02-21:20-14-05:1;x`; what a request line may hold is checked strictly by `requestUriFault`.
 */
import { COLON, DOT, hasNonUri, isDigitCode, MINUS, PLUS, parseDigits, QUESTION, SEMICOLON } from './characters.ts';
import { MAX_PARAMETERS } from './limits.ts';
import type { Parameters } from './parameters.ts';

/** A URI in parts. `user` is the whole userinfo, still escaped; '' when there is none. `port` 0 means that none was given. */
export interface SipUri {
  /** Lower case, without the colon; '' when the text is no URI at all. */
  scheme: string;
  user: string;
  /** Host name, IPv4 address or IPv6 address (without brackets), lower case. Whole rest of the text for schemes other than sip and sips. */
  host: string;
  port: number;
  /** URI parameters by lower-case name, values still escaped. */
  params: Parameters;
  /** What stands after `?`, split at `&`; names and values still escaped. */
  headers: Map<string, string>;
}

/**
 * Parts of a URI. Never throws: text that is no URI comes back with an empty scheme.
 * The user part ends at the last `@`, so it may hold any of `: ; ? = @`.
 */
export function parseSipUri(text: string): SipUri {
  const scheme = uriScheme(text);
  const uri: SipUri = { scheme, user: '', host: '', port: 0, params: new Map(), headers: new Map() };
  const rest = scheme === '' ? text : text.slice(scheme.length + 1);
  if (scheme !== 'sip' && scheme !== 'sips') {
    uri.host = rest;
    return uri;
  }
  const at = userEnd(rest);
  if (at >= 0) uri.user = rest.slice(0, at);
  const question = rest.indexOf('?', at + 1);
  const beforeHeaders = question < 0 ? rest.slice(at + 1) : rest.slice(at + 1, question);
  if (question >= 0) readHeaders(rest.slice(question + 1), uri.headers);
  const parts = beforeHeaders.split(';', MAX_PARAMETERS + 1);
  readHostPort(parts[0] ?? '', uri);
  for (const part of parts.slice(1)) {
    const equals = part.indexOf('=');
    const name = (equals < 0 ? part : part.slice(0, equals)).toLowerCase();
    if (name !== '' && !uri.params.has(name)) uri.params.set(name, equals < 0 ? null : part.slice(equals + 1));
  }
  return uri;
}

/** The userinfo ends at the last `@`, unless that one belongs to a URI header such as `?Route=<sip:a@b>`. */
function userEnd(rest: string): number {
  const last = rest.lastIndexOf('@');
  if (last < 0) return -1;
  const first = rest.indexOf('@');
  const question = rest.indexOf('?', first);
  return question >= 0 && question < last ? first : last;
}

function readHeaders(text: string, into: Map<string, string>): void {
  for (const pair of text.split('&', MAX_PARAMETERS)) {
    const equals = pair.indexOf('=');
    if (pair !== '') into.set(equals < 0 ? pair : pair.slice(0, equals), equals < 0 ? '' : pair.slice(equals + 1));
  }
}

function readHostPort(text: string, uri: SipUri): void {
  let hostEnd = text.length;
  const bracket = text.startsWith('[') ? text.indexOf(']') : -1;
  const colon = text.lastIndexOf(':');
  if (colon > bracket) {
    const port = parseDigits(text.slice(colon + 1), 5);
    if (port > 0 && port < 65_536) uri.port = port;
    hostEnd = colon;
  }
  uri.host = (bracket > 0 ? text.slice(1, bracket) : text.slice(0, hostEnd)).toLowerCase();
}

/** The lower-case scheme of a URI; '' when the text doesn't begin with one. */
export function uriScheme(text: string): string {
  if (text.startsWith('sip:')) return 'sip';
  const end = schemeEnd(text, 0);
  return end < 0 ? '' : text.slice(0, end).toLowerCase();
}

/** True when a URI scheme and its colon stand at `at`. */
export function hasScheme(text: string, at = 0): boolean {
  return text.startsWith('sip:', at) || schemeEnd(text, at) >= 0;
}

/** scheme = ALPHA *( ALPHA / DIGIT / "+" / "-" / "." ); index of the colon behind it, or -1. */
function schemeEnd(text: string, from: number): number {
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === COLON) return at > from ? at : -1;
    const lower = code | 32;
    const letter = lower >= 97 && lower <= 122;
    if (!letter && (at === from || !(isDigitCode(code) || code === PLUS || code === MINUS || code === DOT))) return -1;
  }
  return -1;
}

/** Why a Request-URI can't be taken (RFC 3261 7.1, 19.1.1; RFC 4475 3.1.2.7, .8, .11), or '' when it can. */
export function requestUriFault(text: string): string {
  if (hasNonUri(text)) return 'Request-URI must not be enclosed or hold white space';
  if (!hasScheme(text)) return 'Request-URI has no scheme';
  const scheme = uriScheme(text);
  if (scheme !== 'sip' && scheme !== 'sips') return '';
  const hostAt = Math.max(text.lastIndexOf('@'), scheme.length) + 1;
  const code = text.charCodeAt(hostAt);
  if (hostAt >= text.length || code === COLON || code === SEMICOLON || code === QUESTION)
    return 'Request-URI has no host';
  return text.indexOf('?', hostAt) < 0 ? '' : 'Request-URI must not have headers';
}

/** `%41` becomes `A`; a malformed escape stays as it is. */
export function unescapeUri(text: string): string {
  if (text.indexOf('%') < 0) return text;
  let bytes = '';
  for (let i = 0; i < text.length; i++) {
    const high = text[i] === '%' ? hexValue(text.charCodeAt(i + 1)) : -1;
    const low = high >= 0 ? hexValue(text.charCodeAt(i + 2)) : -1;
    if (low >= 0) {
      bytes += String.fromCharCode(high * 16 + low);
      i += 2;
    } else bytes += text[i];
  }
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

function hexValue(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  const lower = code | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}

/** A host as it stands in a URI or a Via: IPv6 addresses get their brackets. */
export function formatHost(host: string): string {
  return host.indexOf(':') >= 0 && !host.startsWith('[') ? `[${host}]` : host;
}
