/**
 * Byte ranges and preconditions of stored content (RFC 9110 sections 13 and 14). Pure functions of header values.
 */

export interface ByteRange {
  start: number;
  /** Exclusive. */
  end: number;
}

/**
 * RFC 9110 section 14.2: what a GET of `bytes` bytes with this Range header is answered with.
 *
 * `whole` for no range, a unit other than bytes, wrong syntax, and several ranges (a server may ignore Range; one part
 * at a time is all that players ask for); `unsatisfiable` when the range begins behind the end.
 */
export function selectRange(header: string | undefined, bytes: number): ByteRange | 'whole' | 'unsatisfiable' {
  const match = /^bytes=[ \t]*(\d{0,15})-(\d{0,15})[ \t]*$/i.exec(header ?? '');
  if (!match) return 'whole';
  const [, first = '', last = ''] = match;
  if (first === '') {
    // suffix-range: the last n bytes.
    if (last === '') return 'whole';
    const length = Math.min(Number(last), bytes);
    return length === 0 ? 'unsatisfiable' : { start: bytes - length, end: bytes };
  }
  const start = Number(first);
  if (last !== '' && Number(last) < start) return 'whole'; // "invalid", which is to be ignored
  if (start >= bytes) return 'unsatisfiable';
  return { start, end: last === '' ? bytes : Math.min(Number(last) + 1, bytes) };
}

export interface Validators {
  /** Strong entity tag with its quotes. */
  etag: string;
  modifiedAt: Date;
}

interface ConditionalHeaders {
  'if-match'?: string | undefined;
  'if-none-match'?: string | undefined;
  'if-modified-since'?: string | undefined;
  'if-unmodified-since'?: string | undefined;
  'if-range'?: string | string[] | undefined;
}

const wholeSeconds = (date: Date): number => Math.floor(date.getTime() / 1000);

function listed(header: string, etag: string, weak: boolean): boolean {
  if (header.trim() === '*') return true;
  return header.split(',').some((entry) => {
    const tag = entry.trim();
    return tag === etag || (weak && tag === `W/${etag}`);
  });
}

/** RFC 9110 section 13.2.2, steps 1 to 4. @returns the status to answer with instead, or null to go on. */
export function checkPreconditions(headers: ConditionalHeaders, current: Validators): 304 | 412 | null {
  if (headers['if-match'] !== undefined) {
    if (!listed(headers['if-match'], current.etag, false)) return 412;
  } else if (headers['if-unmodified-since'] !== undefined) {
    const since = Date.parse(headers['if-unmodified-since']);
    if (!Number.isNaN(since) && wholeSeconds(current.modifiedAt) > since / 1000) return 412;
  }
  if (headers['if-none-match'] !== undefined) return listed(headers['if-none-match'], current.etag, true) ? 304 : null;
  if (headers['if-modified-since'] !== undefined) {
    const since = Date.parse(headers['if-modified-since']);
    if (!Number.isNaN(since) && wholeSeconds(current.modifiedAt) <= since / 1000) return 304;
  }
  return null;
}

/**
 * RFC 9110 section 13.1.5: whether the Range header counts. Only the strong entity tag lets it: a date of one second's
 * resolution can't tell two versions made within that second apart.
 */
export function rangeApplies(ifRange: string | string[] | undefined, etag: string): boolean {
  return ifRange === undefined || ifRange === etag;
}
