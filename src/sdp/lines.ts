/**
 * The ordered-line model under a session description (RFC 8866 5): every line is kept with its own bytes and line ending, so
 * that what was received can be written out again unchanged, whatever it was.
 *
 *     session description = *( <type> "=" <value> CRLF )
 *
 * Tolerated, because recording clients send it: LF or CR alone, blank lines anywhere, indented lines, text that is no SDP line.
 */
import { inspect } from 'node:util';
import { SdpError } from './errors.ts';
import { MAX_SDP_BYTES, MAX_SDP_LINE_BYTES, MAX_SDP_LINES } from './limits.ts';

/** One line. `type` is the letter before `=`, or '' for a blank line or one that is not an SDP line; `raw` excludes `eol`. */
export interface SdpLine {
  readonly type: string;
  readonly value: string;
  readonly raw: string;
  readonly eol: string;
}

const SHOWN = '[secret]';

/**
 * A line with keys in it (RFC 4568 a=crypto, RFC 4567 a=key-mgmt, RFC 8866 5.12 k=), or text that looks like one: whoever asks for
 * it gets it, logs and JSON documents do not.
 */
class SecretLine implements SdpLine {
  readonly type: string;
  readonly eol: string;
  readonly #value: string;
  readonly #raw: string;

  constructor({ type, value, raw, eol }: SdpLine) {
    this.type = type;
    this.eol = eol;
    this.#value = value;
    this.#raw = raw;
  }

  get value(): string {
    return this.#value;
  }

  get raw(): string {
    return this.#raw;
  }

  toJSON(): SdpLine {
    return { type: this.type, value: SHOWN, raw: SHOWN, eol: this.eol };
  }

  [inspect.custom](): string {
    return SHOWN;
  }
}

const LF = 10;
const CR = 13;
const SPACE = 32;
const TAB = 9;
const EQUALS = 61;

/** Splits a description into its lines. Joining `raw + eol` gives the input back. Throws SdpError beyond the caps. */
export function splitLines(text: string): SdpLine[] {
  if (text.length > MAX_SDP_BYTES) throw new SdpError('too-large', `session description over ${MAX_SDP_BYTES} bytes`);
  const lines: SdpLine[] = [];
  let start = 0;
  while (start < text.length) {
    let end = start;
    while (end < text.length && text.charCodeAt(end) !== LF && text.charCodeAt(end) !== CR) end++;
    let next = end;
    if (text.charCodeAt(next) === CR) next++;
    if (text.charCodeAt(next) === LF) next++;
    if (end - start > MAX_SDP_LINE_BYTES) throw new SdpError('too-large', `line over ${MAX_SDP_LINE_BYTES} bytes`);
    if (lines.length === MAX_SDP_LINES) throw new SdpError('too-many-lines', `more than ${MAX_SDP_LINES} lines`);
    const line = parseLine(text.slice(start, end), text.slice(end, next));
    lines.push(hasKey(line) ? new SecretLine(line) : line);
    start = next;
  }
  return lines;
}

function parseLine(raw: string, eol: string): SdpLine {
  let at = 0;
  while (raw.charCodeAt(at) === SPACE || raw.charCodeAt(at) === TAB || raw.charCodeAt(at) === 0xfeff) at++;
  const letter = raw.charCodeAt(at);
  if (letter < 97 || letter > 122 || raw.charCodeAt(at + 1) !== EQUALS) return { type: '', value: '', raw, eol };
  return { type: raw.charAt(at), value: raw.slice(at + 2).trim(), raw, eol };
}

function hasKey({ type, raw }: SdpLine): boolean {
  return type === 'k' || /crypto|key-mgmt|inline:/i.test(raw);
}

/** The words of a line's value, separated by any run of spaces or tabs. */
export function words(value: string): string[] {
  const out: string[] = [];
  let start = -1;
  for (let i = 0; i <= value.length; i++) {
    const code = i < value.length ? value.charCodeAt(i) : SPACE;
    if (code === SPACE || code === TAB) {
      if (start >= 0) out.push(value.slice(start, i));
      start = -1;
    } else if (start < 0) start = i;
  }
  return out;
}

/** A decimal integer of digits only, or null; so does one of more than `mostDigits` digits count, so that no value overflows. */
export function decimal(text: string | undefined, mostDigits = 9): number | null {
  if (text === undefined || text.length === 0 || text.length > mostDigits) return null;
  let value = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return null;
    value = value * 10 + digit;
  }
  return value;
}
