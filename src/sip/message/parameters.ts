/** Parameters (`;name=value`), quoted strings and comma-separated lists (RFC 3261 7.3.1, 25.1): linear, never backtracking. */
import { BACKSLASH, COMMA, EQUALS, isSpaceCode, LESS, QUOTE, SEMICOLON, trimLws, wordEnd } from './characters.ts';
import { MAX_LIST_ITEMS, MAX_PARAMETERS } from './limits.ts';

/** Parameters by lower-case name; a parameter without a value is null. A Map, because names come from the wire. */
export type Parameters = Map<string, string | null>;

/** Index after the closing quote of the quoted string that opens at `at`; -1 when it never closes. */
export function quotedEnd(text: string, at: number): number {
  for (let i = at + 1; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === BACKSLASH) i++;
    else if (code === QUOTE) return i + 1;
  }
  return -1;
}

/** The text inside a quoted string, its escapes undone; other text comes back as it is. */
export function unquote(text: string): string {
  if (text.length < 2 || text.charCodeAt(0) !== QUOTE || text.charCodeAt(text.length - 1) !== QUOTE) return text;
  if (text.indexOf('\\') < 0) return text.slice(1, -1);
  let out = '';
  for (let i = 1; i < text.length - 1; i++) {
    if (text.charCodeAt(i) === BACKSLASH && i < text.length - 2) i++;
    out += text[i];
  }
  return out;
}

/**
 * Reads `;name[=value]…` from `at` to the end of `text` into `into`.
 * Returns false for an empty name, an open quote, white space inside a word, or too many of them.
 */
export function parseParameters(text: string, at: number, into: Parameters): boolean {
  for (let count = 0; ; count++) {
    at = skipSpace(text, at);
    if (at >= text.length) return true;
    if (text.charCodeAt(at) !== SEMICOLON || count >= MAX_PARAMETERS) return false;
    const nameAt = skipSpace(text, at + 1);
    const nameEnd = wordEnd(text, nameAt);
    if (nameEnd === nameAt) return false;
    const name = text.slice(nameAt, nameEnd).toLowerCase();
    at = skipSpace(text, nameEnd);
    let value: string | null = null;
    if (text.charCodeAt(at) === EQUALS) {
      const valueAt = skipSpace(text, at + 1);
      const quoted = text.charCodeAt(valueAt) === QUOTE;
      at = quoted ? quotedEnd(text, valueAt) : wordEnd(text, valueAt);
      if (at < 0 || at === valueAt) return false;
      value = quoted ? unquote(text.slice(valueAt, at)) : text.slice(valueAt, at);
    }
    // The first one counts, so that a value appended later can't change what was signed or routed on.
    if (!into.has(name)) into.set(name, value);
  }
}

function skipSpace(text: string, at: number): number {
  while (at < text.length && isSpaceCode(text.charCodeAt(at))) at++;
  return at;
}

/**
 * Splits a comma-separated value at its top level: commas inside quotes and angle brackets stay.
 * Empty elements are left out; an open quote runs to the end. At most `MAX_LIST_ITEMS` elements.
 */
export function splitList(value: string): string[] {
  if (value.indexOf(',') < 0) return value.length > 0 ? [trimLws(value)] : [];
  const items: string[] = [];
  let start = 0;
  let separators = 0;
  for (let i = 0; i <= value.length && items.length < MAX_LIST_ITEMS && separators < 2 * MAX_LIST_ITEMS; i++) {
    const code = i < value.length ? value.charCodeAt(i) : COMMA;
    if (code === QUOTE) {
      const end = quotedEnd(value, i);
      i = end < 0 ? value.length - 1 : end - 1;
    } else if (code === LESS) {
      const close = value.indexOf('>', i);
      if (close > 0) i = close;
    } else if (code === COMMA) {
      const item = trimLws(value, start, i);
      if (item !== '') items.push(item);
      start = i + 1;
      separators++;
    }
  }
  return items;
}
