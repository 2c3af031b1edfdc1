/**
 * Header names: case-insensitive, with compact forms (RFC 3261 7.3.3, RFC 6665, RFC 3515, RFC 3892, RFC 4028).
 * Inside the stack a header is named by its lower-case long form.
 */
import { isToken, isTokenCode } from './characters.ts';

const COMPACT: ReadonlyArray<readonly [string, string]> = [
  ['a', 'accept-contact'],
  ['b', 'referred-by'],
  ['c', 'content-type'],
  ['d', 'request-disposition'],
  ['e', 'content-encoding'],
  ['f', 'from'],
  ['i', 'call-id'],
  ['j', 'reject-contact'],
  ['k', 'supported'],
  ['l', 'content-length'],
  ['m', 'contact'],
  ['o', 'event'],
  ['r', 'refer-to'],
  ['s', 'subject'],
  ['t', 'to'],
  ['u', 'allow-events'],
  ['v', 'via'],
  ['x', 'session-expires'],
];

const USUAL = [
  ...['Via', 'From', 'To', 'Call-ID', 'Call-Id', 'CSeq', 'Contact', 'Max-Forwards', 'Content-Length', 'Content-Type'],
  ...['Route', 'Record-Route', 'Allow', 'Supported', 'Require', 'Proxy-Require', 'User-Agent', 'Server', 'Accept'],
  ...['Session-Expires', 'Min-SE', 'Expires', 'Subject', 'RSeq', 'RAck', 'Replaces', 'Content-Disposition', 'Date'],
  ...['Accept-Encoding', 'Accept-Language', 'Allow-Events', 'P-Asserted-Identity', 'Unsupported', 'Retry-After'],
  ...['MIME-Version', 'Content-Encoding', 'Timestamp', 'Reason', 'Warning', 'User-to-User', 'Privacy', 'Organization'],
  ...['Authorization', 'Proxy-Authorization', 'WWW-Authenticate', 'Proxy-Authenticate'],
];

const CANONICAL = new Map<string, string>();
for (const name of USUAL) CANONICAL.set(name, name.toLowerCase()).set(name.toLowerCase(), name.toLowerCase());
for (const [short, long] of COMPACT) CANONICAL.set(short, long).set(short.toUpperCase(), long);

/** The lower-case long form of a header name; '' when the name is not a token. */
export function canonicalName(name: string): string {
  const known = CANONICAL.get(name);
  if (known !== undefined) return known;
  let end = name.length;
  while (end > 0 && !isTokenCode(name.charCodeAt(end - 1))) {
    const code = name.charCodeAt(--end);
    if (code !== 32 && code !== 9) return '';
  }
  const trimmed = name.slice(0, end).toLowerCase();
  return CANONICAL.get(trimmed) ?? (isToken(trimmed) ? trimmed : '');
}
