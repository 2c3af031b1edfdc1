/** `name-addr` and `addr-spec` with parameters, as in From, To, Contact, Route (RFC 3261 20.10, 20.20, 25.1). */
import { decodeUtf8, hasNonUri, isSpaceCode, QUOTE, trimLws } from './characters.ts';
import { type Parameters, parseParameters, quotedEnd, unquote } from './parameters.ts';
import { hasScheme } from './uri.ts';

/** One address of a header: `"display" <uri>;params`. */
export interface NameAddr {
  /** Display name without quotes, UTF-8 decoded; '' when there is none. */
  display: string;
  /** The URI as written. */
  uri: string;
  /** Header parameters by lower-case name (not those of the URI). */
  params: Parameters;
}

/** What stands for a missing or unreadable address. */
export function emptyNameAddr(): NameAddr {
  return { display: '', uri: '', params: new Map() };
}

/**
 * Reads one address; null when it is malformed. An unquoted display name may hold any character but `"`, `<` and `>`:
 * RFC 4475 3.1.2.15 allows to infer the missing quotes of `Bell, Alexander <sip:…>`, and a call is worth more than a comma.
 */
export function parseNameAddr(text: string): NameAddr | null {
  const address = emptyNameAddr();
  let at = 0;
  while (at < text.length && isSpaceCode(text.charCodeAt(at))) at++;
  let open = text.indexOf('<', at);
  if (text.charCodeAt(at) === QUOTE) {
    const end = quotedEnd(text, at);
    if (end < 0) return null;
    open = text.indexOf('<', end);
    if (open < 0 || trimLws(text, end, open) !== '') return null;
    address.display = decodeUtf8(unquote(text.slice(at, end)));
  } else if (open >= 0) {
    const semicolon = text.indexOf(';', at);
    // `sip:a@b;x="<y>"` is an addr-spec whose bracket belongs to a parameter.
    if (semicolon >= 0 && semicolon < open && hasScheme(text, at)) open = -1;
    else address.display = decodeUtf8(trimLws(text, at, open));
    if (address.display.indexOf('"') >= 0 || address.display.indexOf('>') >= 0) return null;
  }
  return open >= 0 ? bracketed(text, open, address) : bare(text, at, address);
}

function bracketed(text: string, open: number, address: NameAddr): NameAddr | null {
  const close = text.indexOf('>', open);
  if (close < 0) return null;
  address.uri = text.slice(open + 1, close);
  return isAddrSpec(address.uri) && parseParameters(text, close + 1, address.params) ? address : null;
}

/** RFC 3261 20.10: a URI with a comma, question mark or semicolon MUST be enclosed in brackets. */
function bare(text: string, at: number, address: NameAddr): NameAddr | null {
  const semicolon = text.indexOf(';', at);
  const end = semicolon < 0 ? text.length : semicolon;
  address.uri = trimLws(text, at, end);
  if (address.uri.indexOf('?') >= 0 || address.uri.indexOf(',') >= 0) return null;
  return isAddrSpec(address.uri) && parseParameters(text, end, address.params) ? address : null;
}

function isAddrSpec(uri: string): boolean {
  return !hasNonUri(uri) && hasScheme(uri);
}
