/**
 * The two header values of digest authentication (RFC 3261 25.1, RFC 7616 3.3, 3.4): challenges and credentials, read by one linear
 * scanner and written.
 *
 *   challenge / credentials = "Digest" LWS param *( COMMA param )     param = token EQUAL ( token / quoted-string )
 */
import { isSpaceCode, isToken, trimLws } from '../message/characters.ts';
import { quotedEnd, unquote } from '../message/parameters.ts';

/** Parameters by lower-case name. A Map, because names come from the wire. */
export type DigestParams = Map<string, string>;

const MAX_PARAMS = 32;
const QUOTE = 34;
const COMMA = 44;

/** Parameters of a `Digest` value; null for another scheme, and for what is malformed or names a parameter twice. */
export function parseDigest(header: string): DigestParams | null {
  const value = trimLws(header);
  if (value.slice(0, 6).toLowerCase() !== 'digest' || !isSpaceCode(value.charCodeAt(6))) return null;
  const params: DigestParams = new Map();
  for (let at = 7; at < value.length; ) {
    const equals = value.indexOf('=', at);
    if (equals < 0 || params.size >= MAX_PARAMS) return null;
    const name = trimLws(value, at, equals).toLowerCase();
    let start = equals + 1;
    while (isSpaceCode(value.charCodeAt(start))) start++;
    const end = valueEnd(value, start);
    if (!isToken(name) || end < 0 || params.has(name)) return null;
    const text = unquote(trimLws(value, start, end));
    if (hasControl(text)) return null;
    params.set(name, text);
    at = end + 1;
  }
  return params.size > 0 ? params : null;
}

/** Index of the comma behind the value that begins at `start`, or of the end; -1 when it is malformed. */
function valueEnd(text: string, start: number): number {
  let at = start;
  if (text.charCodeAt(start) === QUOTE) {
    at = quotedEnd(text, start);
    if (at < 0) return -1;
    while (isSpaceCode(text.charCodeAt(at))) at++;
    return at === text.length || text.charCodeAt(at) === COMMA ? at : -1;
  }
  while (at < text.length && text.charCodeAt(at) !== COMMA) {
    if (text.charCodeAt(at) === QUOTE) return -1;
    at++;
  }
  return at > start ? at : -1;
}

/** What is answered goes back into a header line. */
function hasControl(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) < 32 || text.charCodeAt(i) === 127) return true;
  return false;
}

/** A `Digest` value. `bare` parameters are tokens, all others are quoted. */
export function writeDigest(params: Iterable<readonly [string, string]>, bare: ReadonlySet<string>): string {
  const parts: string[] = [];
  for (const [name, value] of params) {
    const escaped = value.replaceAll('\\', '\\\\').replaceAll('"', '\\"');
    parts.push(bare.has(name) ? `${name}=${value}` : `${name}="${escaped}"`);
  }
  return `Digest ${parts.join(', ')}`;
}
