/**
 * Via (RFC 3261 18.2, 20.42; rport of RFC 3581).
 *
 *   via-parm = sent-protocol LWS sent-by *( SEMI via-params )
 *   sent-protocol = protocol-name SLASH protocol-version SLASH transport
 */
import { isSpaceCode, isToken, parseDigits, trimLws, wordEnd } from './characters.ts';
import { type Parameters, parseParameters } from './parameters.ts';
import { formatHost } from './uri.ts';

/** One Via element. */
export interface Via {
  /** Upper case: UDP, TCP, TLS, … */
  transport: string;
  /** sent-by host, lower case, without brackets. */
  host: string;
  /** sent-by port; 0 when none was given. */
  port: number;
  branch: string;
  params: Parameters;
}

/** Reads one Via element; null when it is malformed. */
export function parseVia(text: string): Via | null {
  const firstSlash = text.indexOf('/');
  const secondSlash = text.indexOf('/', firstSlash + 1);
  if (firstSlash < 0 || secondSlash < 0) return null;
  if (trimLws(text, 0, firstSlash).toUpperCase() !== 'SIP') return null;
  if (trimLws(text, firstSlash + 1, secondSlash) !== '2.0') return null;
  let at = secondSlash + 1;
  while (isSpaceCode(text.charCodeAt(at))) at++;
  const transportAt = at;
  while (at < text.length && !isSpaceCode(text.charCodeAt(at))) at++;
  const transport = text.slice(transportAt, at).toUpperCase();
  if (!isToken(transport)) return null;
  const semicolon = text.indexOf(';', at);
  const via: Via = { transport, host: '', port: 0, branch: '', params: new Map() };
  if (!readSentBy(trimLws(text, at, semicolon < 0 ? text.length : semicolon), via)) return null;
  if (semicolon >= 0 && !parseParameters(text, semicolon, via.params)) return null;
  via.branch = via.params.get('branch') ?? '';
  return via;
}

function readSentBy(text: string, via: Via): boolean {
  const bracket = text.startsWith('[') ? text.indexOf(']') : -1;
  const colon = text.indexOf(':', Math.max(bracket, 0));
  if (bracket < 0 && text.startsWith('[')) return false;
  if (colon >= 0) {
    via.port = parseDigits(trimLws(text, colon + 1), 5);
    if (via.port < 1 || via.port > 65_535) return false;
  }
  const host = trimLws(text, 0, colon < 0 ? text.length : colon);
  via.host = (bracket > 0 ? host.slice(1, -1) : host).toLowerCase();
  return via.host !== '' && wordEnd(via.host, 0) === via.host.length;
}

/**
 * The top Via as the server transport rewrites it: `received` when sent-by isn't the source address (RFC 3261 18.2.1),
 * `received` and the filled `rport` when the client asked for symmetric responses (RFC 3581 4).
 */
export function stampVia(text: string, via: Via, source: { address: string; port: number }): string {
  const wantsPort = via.params.has('rport');
  if (!wantsPort && via.host === source.address) return text;
  const params = [`SIP/2.0/${via.transport} ${formatHost(via.host)}${via.port > 0 ? `:${via.port}` : ''}`];
  for (const [name, value] of via.params) {
    // A `received` or `rport` that the sender wrote itself is not what we saw.
    if (name === 'received' || name === 'rport') continue;
    params.push(value === null ? name : `${name}=${quoteIfNeeded(value)}`);
  }
  params.push(`received=${source.address}`);
  if (wantsPort) params.push(`rport=${source.port}`);
  return params.join(';');
}

/** Host forms (IPv6 with colons and brackets) need no quotes in a Via parameter; all else that is no token does. */
function quoteIfNeeded(value: string): string {
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i);
    if (code <= 32 || code === 34 || code === 44 || code === 59 || code === 61 || code === 92) {
      return `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
    }
  }
  return value;
}
