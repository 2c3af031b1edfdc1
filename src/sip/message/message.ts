/**
 * One SIP message (RFC 3261 7). The head stays one byte string; a header is cut out of it and read when someone asks,
 * so a message costs what its reader needs. Header values are linear-time readable and were bounded by the parser.
 */
import { inspect } from 'node:util';
import { decodeUtf8, parseDigits, trimLws } from './characters.ts';
import { canonicalName } from './header-names.ts';
import { MAX_CSEQ, MAX_LIST_ITEMS } from './limits.ts';
import { emptyNameAddr, type NameAddr, parseNameAddr } from './name-addr.ts';
import { splitList } from './parameters.ts';
import { parseVia, type Via } from './via.ts';

/** CSeq in parts; `number` is -1 when the header is missing or malformed. */
export interface CSeq {
  number: number;
  method: string;
}

/** Where header lines lie in the head: parallel arrays, in order of appearance. */
export interface HeaderLines {
  names: string[];
  starts: number[];
  ends: number[];
}

const NO_BODY = Buffer.alloc(0);

/** What requests and responses share. Made by the parser, not by callers. */
export class SipMessage {
  /** The head as a byte string: one character per byte. */
  readonly head: string;
  /** The body, exactly Content-Length bytes; empty when there is none. A view of what was received. */
  body: Buffer = NO_BODY;
  readonly #lines: HeaderLines;
  #from: NameAddr | null | undefined;
  #to: NameAddr | null | undefined;
  #cseq: CSeq | undefined;
  #topVia: Via | null | undefined;
  #contact: NameAddr | null | undefined;

  constructor(head: string, lines: HeaderLines) {
    this.head = head;
    this.#lines = lines;
  }

  /** For logs: bodies are not shown, for a session description may hold keys (RFC 4568). */
  toJSON(): { head: string; bodyBytes: number } {
    return { head: this.head, bodyBytes: this.body.length };
  }

  [inspect.custom](): string {
    return `${this.head}[${this.body.length} bytes of body]`;
  }

  /** The first header line of this name (any case, compact form allowed), UTF-8 decoded; undefined when there is none. */
  header(name: string): string | undefined {
    const raw = this.rawHeader(canonicalName(name));
    return raw === undefined ? undefined : decodeUtf8(raw);
  }

  /** All header lines of this name, in order, as written: a line may hold a comma-separated list (see `list`). */
  headers(name: string): string[] {
    return this.rawHeaders(canonicalName(name)).map(decodeUtf8);
  }

  /** All elements of a comma-separated header over all its lines, in order; at most 64. */
  list(name: string): string[] {
    const items: string[] = [];
    for (const line of this.rawHeaders(canonicalName(name))) {
      for (const item of splitList(line)) if (items.length < MAX_LIST_ITEMS) items.push(decodeUtf8(item));
    }
    return items;
  }

  /** True when a list of tokens (Require, Supported, Allow …) holds this one, case ignored. */
  lists(name: string, token: string): boolean {
    const wanted = token.toLowerCase();
    return this.list(name).some((item) => item.toLowerCase() === wanted);
  }

  /** Name and value of every header line, names as lower-case long forms. */
  *entries(): IterableIterator<[string, string]> {
    const { names } = this.#lines;
    for (let i = 0; i < names.length; i++) yield [names[i]!, decodeUtf8(this.#value(i))];
  }

  /** First value of a lower-case long name, as a byte string. */
  rawHeader(canonical: string): string | undefined {
    const at = this.#lines.names.indexOf(canonical);
    return at < 0 ? undefined : this.#value(at);
  }

  /** All values of a lower-case long name, as byte strings. */
  rawHeaders(canonical: string): string[] {
    const { names } = this.#lines;
    const values: string[] = [];
    for (let i = names.indexOf(canonical); i >= 0; i = names.indexOf(canonical, i + 1)) values.push(this.#value(i));
    return values;
  }

  /** How many lines carry this lower-case long name. */
  count(canonical: string): number {
    const { names } = this.#lines;
    let count = 0;
    for (let i = names.indexOf(canonical); i >= 0; i = names.indexOf(canonical, i + 1)) count++;
    return count;
  }

  #value(index: number): string {
    return trimLws(this.head, this.#lines.starts[index]!, this.#lines.ends[index]!);
  }

  /** From; an empty address when the header is missing or malformed. */
  get from(): NameAddr {
    return this.fromOrNull() ?? emptyNameAddr();
  }

  /** To; an empty address when the header is missing or malformed. */
  get to(): NameAddr {
    return this.toOrNull() ?? emptyNameAddr();
  }

  /** The first Contact address; undefined when there is none or it is malformed. */
  get contact(): NameAddr | undefined {
    if (this.#contact === undefined) {
      const first = splitList(this.rawHeader('contact') ?? '')[0];
      this.#contact = first === undefined || first === '*' ? null : parseNameAddr(first);
    }
    return this.#contact ?? undefined;
  }

  get callId(): string {
    return this.rawHeader('call-id') ?? '';
  }

  get cseq(): CSeq {
    this.#cseq ??= parseCSeq(this.rawHeader('cseq') ?? '');
    return this.#cseq;
  }

  /** Content-Type with its parameters, as written; undefined when there is none. */
  get contentType(): string | undefined {
    return this.header('content-type');
  }

  /** Tag of From; '' when there is none. */
  get fromTag(): string {
    return this.fromOrNull()?.params.get('tag') ?? '';
  }

  /** Tag of To; '' when there is none. */
  get toTag(): string {
    return this.toOrNull()?.params.get('tag') ?? '';
  }

  fromOrNull(): NameAddr | null {
    if (this.#from === undefined) this.#from = parseNameAddr(this.rawHeader('from') ?? '');
    return this.#from;
  }

  toOrNull(): NameAddr | null {
    if (this.#to === undefined) this.#to = parseNameAddr(this.rawHeader('to') ?? '');
    return this.#to;
  }

  /** The top Via element; null when it is missing or malformed. */
  get topVia(): Via | null {
    if (this.#topVia === undefined) {
      const first = splitList(this.rawHeader('via') ?? '')[0];
      this.#topVia = first === undefined ? null : parseVia(first);
    }
    return this.#topVia;
  }
}

/** A request. `uri` is the Request-URI as written (see `parseSipUri`). */
export class SipRequest extends SipMessage {
  readonly method: string;
  readonly uri: string;

  constructor(method: string, uri: string, head: string, lines: HeaderLines) {
    super(head, lines);
    this.method = method;
    this.uri = uri;
  }

  /** Hops that are left (RFC 3261 20.22); 70 where a peer of RFC 2543 doesn't say. */
  get maxForwards(): number {
    const hops = parseDigits(this.rawHeader('max-forwards') ?? '', 3);
    return hops < 0 ? 70 : hops;
  }
}

/** A response. */
export class SipResponse extends SipMessage {
  readonly status: number;
  readonly reason: string;

  constructor(status: number, reason: string, head: string, lines: HeaderLines) {
    super(head, lines);
    this.status = status;
    this.reason = reason;
  }
}

/** RFC 3261 20.16: 1*DIGIT LWS Method, the number below 2**31. */
export function parseCSeq(text: string): CSeq {
  let at = 0;
  while (at < text.length && text.charCodeAt(at) > 32) at++;
  const number = parseDigits(text.slice(0, at), 10);
  const method = trimLws(text, at);
  return { number: number > MAX_CSEQ || method === '' ? -1 : number, method };
}
