/**
 * multipart/mixed bodies (RFC 2046 5.1), split and built.
 *
 *     [preamble CRLF] dash-boundary LWSP CRLF body-part *( CRLF dash-boundary LWSP CRLF body-part ) CRLF dash-boundary "--" ...
 *
 * Recording clients send more than that: LF alone, spaces after or before a delimiter, no closing delimiter, no blank line after
 * the part's headers, indented headers, a boundary that begins like another. All of it is read; nothing throws.
 */
import { parseHeaderValue } from './content-type.ts';

export const MAX_BODY_PARTS = 16;
const MAX_PART_HEADERS = 32;

/** One part. Header names in lower case; `contentType` and `disposition` in lower case without parameters, '' when absent. */
export interface BodyPart {
  headers: Map<string, string>;
  contentType: string;
  disposition: string;
  content: Uint8Array;
}

/** A body with the Content-Type header value that goes with it. */
export interface TypedBody {
  contentType: string;
  content: Uint8Array;
}

const LF = 10;
const CR = 13;
const DASH = 45;
const SPACE = 32;
const TAB = 9;

interface Line {
  start: number;
  /** Without the line ending. */
  end: number;
  next: number;
}

/**
 * Splits a multipart body. A boundary that is missing from the header, or that does not occur in the body, is taken from the
 * first line that looks like a delimiter. Returns at most MAX_BODY_PARTS parts, none when nothing could be split.
 */
export function splitMultipart(contentType: string, body: Uint8Array): BodyPart[] {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const declared = parseHeaderValue(contentType).params.get('boundary')?.trimEnd() ?? '';
  const parts = declared === '' ? [] : splitAt(bytes, declared);
  if (parts.length > 0) return parts;
  const found = sniffBoundary(bytes);
  return found === null || found === declared ? [] : splitAt(bytes, found);
}

/** The boundary that a body's first delimiter-like line shows, or null. */
export function sniffBoundary(body: Uint8Array): string | null {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  for (let at = 0; at < bytes.length; ) {
    const line = lineAt(bytes, at);
    const start = skipBlanks(bytes, line.start, line.end);
    if (line.end - start > 3 && line.end - start <= 256 && bytes[start] === DASH && bytes[start + 1] === DASH) {
      return bytes.toString('latin1', start + 2, line.end).trimEnd();
    }
    at = line.next;
  }
  return null;
}

function splitAt(bytes: Buffer, boundary: string): BodyPart[] {
  // latin1, so that a boundary of any bytes compares byte by byte.
  const delimiter = Buffer.from(`--${boundary}`, 'latin1');
  const parts: BodyPart[] = [];
  let partStart = -1;
  for (let at = 0; at < bytes.length; ) {
    const line = lineAt(bytes, at);
    const kind = delimiterKind(bytes, line, delimiter);
    if (kind !== null) {
      if (partStart >= 0) parts.push(parsePart(bytes, partStart, beforeDelimiter(bytes, partStart, line.start)));
      partStart = kind === 'close' ? -1 : line.next;
      if (kind === 'close' || parts.length === MAX_BODY_PARTS) return parts;
    }
    at = line.next;
  }
  // No closing delimiter: the last part goes to the end of the body.
  if (partStart >= 0 && partStart < bytes.length) parts.push(parsePart(bytes, partStart, bytes.length));
  return parts;
}

function lineAt(bytes: Buffer, start: number): Line {
  const lf = bytes.indexOf(LF, start);
  if (lf < 0) return { start, end: bytes.length, next: bytes.length };
  const end = lf > start && bytes[lf - 1] === CR ? lf - 1 : lf;
  return { start, end, next: lf + 1 };
}

function skipBlanks(bytes: Buffer, at: number, end: number): number {
  while (at < end && (bytes[at] === SPACE || bytes[at] === TAB)) at++;
  return at;
}

/** After the boundary only `--` and blanks may stand: `--foobar` is no delimiter of the boundary `foo`. */
function delimiterKind(bytes: Buffer, line: Line, delimiter: Buffer): 'open' | 'close' | null {
  const start = skipBlanks(bytes, line.start, line.end);
  const end = start + delimiter.length;
  if (end > line.end || bytes.compare(delimiter, 0, delimiter.length, start, end) !== 0) return null;
  const closes = bytes[end] === DASH && bytes[end + 1] === DASH && end + 2 <= line.end;
  const rest = skipBlanks(bytes, closes ? end + 2 : end, line.end);
  if (rest !== line.end) return null;
  return closes ? 'close' : 'open';
}

/** The line ending before a delimiter belongs to the delimiter. */
function beforeDelimiter(bytes: Buffer, partStart: number, delimiterStart: number): number {
  let end = delimiterStart;
  if (end > partStart && bytes[end - 1] === LF) end--;
  if (end > partStart && bytes[end - 1] === CR) end--;
  return end;
}

function parsePart(bytes: Buffer, start: number, end: number): BodyPart {
  const part = bytes.subarray(0, end);
  const headers = new Map<string, string>();
  let at = start;
  let last: string | null = null;
  let indent = -1;
  for (let count = 0; at < end && count < MAX_PART_HEADERS; count++) {
    const line = lineAt(part, at);
    const first = skipBlanks(part, line.start, line.end);
    if (first === line.end) {
      at = line.next;
      break;
    }
    if (indent < 0) indent = first - line.start;
    const text = part.toString('latin1', first, line.end);
    const colon = headerColon(text);
    const folded = last !== null && first - line.start > indent;
    if (folded && last !== null) headers.set(last, `${headers.get(last)} ${text}`.trim());
    else if (colon < 0) break;
    else {
      last = text.slice(0, colon).trim().toLowerCase();
      if (!headers.has(last)) headers.set(last, text.slice(colon + 1).trim());
    }
    at = line.next;
  }
  const content = decodeTransfer(part.subarray(at, end), headers.get('content-transfer-encoding'));
  const contentType = parseHeaderValue(headers.get('content-type') ?? headers.get('c') ?? '').value;
  return {
    headers,
    contentType,
    disposition: parseHeaderValue(headers.get('content-disposition') ?? '').value,
    content,
  };
}

/** Where a header's name ends, or -1 when the line is no header: then the body has begun without its blank line. */
function headerColon(text: string): number {
  for (let i = 0; i < text.length && i <= 64; i++) {
    const code = text.charCodeAt(i);
    if (code === 58) return i > 0 ? i : -1;
    const letter = (code | 32) >= 97 && (code | 32) <= 122;
    if (!letter && !(code >= 48 && code <= 57) && code !== DASH && code !== 95 && code !== SPACE && code !== TAB)
      return -1;
  }
  return -1;
}

function decodeTransfer(content: Buffer, encoding: string | undefined): Uint8Array {
  if (encoding?.trim().toLowerCase() !== 'base64') return content;
  return Buffer.from(content.toString('latin1'), 'base64');
}

export interface NewBodyPart {
  contentType: string;
  disposition?: string;
  headers?: ReadonlyArray<readonly [string, string]>;
  content: Uint8Array | string;
}

/** Builds a multipart/mixed body with a boundary that occurs in none of the parts. */
export function buildMultipart(parts: readonly NewBodyPart[]): TypedBody {
  const contents = parts.map((part) => Buffer.from(part.content as Uint8Array));
  const boundary = freeBoundary(contents);
  const chunks: Buffer[] = [];
  parts.forEach((part, i) => {
    const headers = [`Content-Type: ${part.contentType}`];
    if (part.disposition !== undefined) headers.push(`Content-Disposition: ${part.disposition}`);
    for (const [name, value] of part.headers ?? []) headers.push(`${name}: ${value}`);
    chunks.push(
      Buffer.from(`--${boundary}\r\n${headers.join('\r\n')}\r\n\r\n`, 'utf8'),
      contents[i]!,
      Buffer.from('\r\n'),
    );
  });
  chunks.push(Buffer.from(`--${boundary}--\r\n`));
  return { contentType: `multipart/mixed;boundary=${boundary}`, content: Buffer.concat(chunks) };
}

function freeBoundary(contents: readonly Buffer[]): string {
  for (let n = 0; ; n++) {
    const boundary = n === 0 ? 'doubletrack-part' : `doubletrack-part-${n}`;
    if (!contents.some((content) => content.includes(`--${boundary}`))) return boundary;
  }
}
