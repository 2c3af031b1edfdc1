/**
 * Content-Type and Content-Disposition values (RFC 3261 25.1, RFC 2045 5.1): a value and its parameters, read by a linear scan.
 */

/** `value` in lower case without spaces; parameter names in lower case, values as sent, quotes removed. */
export interface HeaderValue {
  value: string;
  params: Map<string, string>;
}

const MAX_PARAMS = 32;

/** Reads `multipart/mixed; boundary="a b"`. Never throws: what cannot be read is left out. */
export function parseHeaderValue(text: string): HeaderValue {
  const semicolon = text.indexOf(';');
  const head = semicolon < 0 ? text : text.slice(0, semicolon);
  const params = new Map<string, string>();
  let at = semicolon < 0 ? text.length : semicolon + 1;
  while (at < text.length && params.size < MAX_PARAMS) {
    const end = endOfParam(text, at);
    const param = text.slice(at, end);
    const equals = param.indexOf('=');
    const name = (equals < 0 ? param : param.slice(0, equals)).trim().toLowerCase();
    if (name !== '' && !params.has(name)) params.set(name, equals < 0 ? '' : unquote(param.slice(equals + 1).trim()));
    at = end + 1;
  }
  return { value: head.replaceAll(' ', '').replaceAll('\t', '').toLowerCase(), params };
}

/** The next semicolon that is not inside quotes; an unclosed quote ends with the text. */
function endOfParam(text: string, from: number): number {
  let quoted = false;
  for (let i = from; i < text.length; i++) {
    const c = text.charAt(i);
    if (quoted && c === '\\') i++;
    else if (c === '"') quoted = !quoted;
    else if (c === ';' && !quoted) return i;
  }
  return text.length;
}

function unquote(text: string): string {
  if (!text.startsWith('"')) return text;
  const end = text.length > 1 && text.endsWith('"') ? text.length - 1 : text.length;
  const inner = text.slice(1, end);
  if (!inner.includes('\\')) return inner;
  let out = '';
  for (let i = 0; i < inner.length; i++) {
    if (inner.charAt(i) === '\\' && i + 1 < inner.length) i++;
    out += inner.charAt(i);
  }
  return out;
}
