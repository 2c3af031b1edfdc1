/** Character classes and number forms of the SIP grammar (RFC 3261 section 25.1), as table look-ups. */

const TOKEN = new Uint8Array(128);
for (const c of "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.!%*_+`'~") TOKEN[c.charCodeAt(0)] = 1;

/** Linear white space and the delimiters that end an unquoted parameter name or value. */
const WORD_END = new Uint8Array(128);
for (const c of ' \t\r\n;,="<>') WORD_END[c.charCodeAt(0)] = 1;

/** Linear white space, quotes and angle brackets: what no URI holds. */
const NOT_URI = new Uint8Array(128);
for (const c of ' \t\r\n"<>') NOT_URI[c.charCodeAt(0)] = 1;

export const TAB = 9;
export const LF = 10;
export const CR = 13;
export const SPACE = 32;
export const QUOTE = 34;
export const PERCENT = 37;
export const PLUS = 43;
export const COMMA = 44;
export const MINUS = 45;
export const DOT = 46;
export const SLASH = 47;
export const ZERO = 48;
export const NINE = 57;
export const COLON = 58;
export const SEMICOLON = 59;
export const LESS = 60;
export const EQUALS = 61;
export const GREATER = 62;
export const QUESTION = 63;
export const AT = 64;
export const LEFT_BRACKET = 91;
export const BACKSLASH = 92;
export const RIGHT_BRACKET = 93;

/** True for the characters of `token`. */
export function isTokenCode(code: number): boolean {
  return code < 128 && TOKEN[code] === 1;
}

/** Index of the first character from `at` on that ends an unquoted parameter name or value. */
export function wordEnd(text: string, at: number): number {
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code < 128 && WORD_END[code] === 1) break;
    at++;
  }
  return at;
}

/** True when `text` holds white space, a quote or an angle bracket. */
export function hasNonUri(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 128 && NOT_URI[code] === 1) return true;
  }
  return false;
}

/** True for a non-empty `token`. */
export function isToken(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (!isTokenCode(text.charCodeAt(i))) return false;
  return text.length > 0;
}

/** Linear white space: SP, HTAB and the CR and LF of a folded line. */
export function isSpaceCode(code: number): boolean {
  return code === SPACE || code === TAB || code === CR || code === LF;
}

export function isDigitCode(code: number): boolean {
  return code >= ZERO && code <= NINE;
}

/** The value of a digits-only number of at most `maxDigits` digits (leading zeros not counted); -1 for anything else. */
export function parseDigits(text: string, maxDigits: number): number {
  let at = 0;
  while (at < text.length - 1 && text.charCodeAt(at) === ZERO) at++;
  if (text.length === 0 || text.length - at > maxDigits) return -1;
  let value = 0;
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (!isDigitCode(code)) return -1;
    value = value * 10 + (code - ZERO);
  }
  return value;
}

/** `text` without linear white space at its ends; folded lines inside become one space each (RFC 3261 7.3.1). */
export function trimLws(text: string, from = 0, to = text.length): string {
  while (from < to && isSpaceCode(text.charCodeAt(from))) from++;
  while (to > from && isSpaceCode(text.charCodeAt(to - 1))) to--;
  const value = text.slice(from, to);
  return value.indexOf('\n') < 0 ? value : unfold(value);
}

function unfold(value: string): string {
  return value
    .split('\n')
    .map((line) => trimLws(line))
    .join(' ');
}

/** UTF-8 text of a byte string (one character per byte), as headers are kept until someone asks. */
export function decodeUtf8(bytes: string): string {
  for (let i = 0; i < bytes.length; i++) {
    if (bytes.charCodeAt(i) > 127) return Buffer.from(bytes, 'latin1').toString('utf8');
  }
  return bytes;
}

/** The byte string (one character per byte) that puts `text` on the wire as UTF-8. */
export function encodeUtf8(text: string): string {
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) > 127) return Buffer.from(text, 'utf8').toString('latin1');
  }
  return text;
}
