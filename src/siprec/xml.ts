/**
 * XML to a small tree, for recording metadata from strangers: no DTD, bounded size and depth, and what is not well-formed is
 * read as far as it goes (saxes reports errors and carries on).
 */
import { isUtf8 } from 'node:buffer';
import { SaxesParser, type SaxesTagNS } from 'saxes';

export const MAX_XML_BYTES = 262_144;
export const MAX_XML_DEPTH = 32;
/** After so many faults the rest is not worth reading. */
const MAX_XML_ERRORS = 64;

export interface XmlAttribute {
  prefix: string;
  local: string;
  uri: string;
  value: string;
}

/** `content` holds text and children in order; `children` only the elements. */
export interface XmlElement {
  prefix: string;
  local: string;
  uri: string;
  attributes: XmlAttribute[];
  content: Array<XmlElement | string>;
  children: XmlElement[];
}

/** `roots` has more than one element when stray end tags closed the root early. */
export interface XmlDocument {
  roots: XmlElement[];
  warnings: string[];
}

class StopReading extends Error {}

/** Reads a document. Never throws; `warnings` says what was wrong. A DOCTYPE ends the reading where it stands. */
export function readXml(input: Uint8Array | string): XmlDocument {
  const document: XmlDocument = { roots: [], warnings: [] };
  if (input.length > MAX_XML_BYTES) {
    document.warnings.push(`XML over ${MAX_XML_BYTES} bytes, not read`);
    return document;
  }
  const text = escapeBareAmpersands(decode(input), document.warnings).trim();
  try {
    readInto(document, text);
  } catch (error) {
    if (!(error instanceof StopReading)) document.warnings.push('XML reading ended early');
  }
  return document;
}

function readInto(document: XmlDocument, text: string): void {
  const parser = new SaxesParser({ xmlns: true, position: false });
  const open: XmlElement[] = [];
  let errors = 0;
  const stop = (reason: string): never => {
    document.warnings.push(reason);
    throw new StopReading(reason);
  };
  parser.on('doctype', () => stop('XML with a DOCTYPE, not read'));
  parser.on('error', (error) => {
    errors += 1;
    if (errors === 1) document.warnings.push(`XML is not well-formed: ${error.message.slice(0, 120)}`);
    if (errors > MAX_XML_ERRORS) stop('XML with too many faults, read in part');
  });
  parser.on('opentag', (tag) => {
    if (open.length >= MAX_XML_DEPTH) stop(`XML deeper than ${MAX_XML_DEPTH} elements, read in part`);
    const element = elementOf(tag);
    const parent = open.at(-1);
    if (parent) {
      parent.children.push(element);
      parent.content.push(element);
    } else document.roots.push(element);
    open.push(element);
  });
  parser.on('closetag', () => {
    open.pop();
  });
  const onText = (data: string) => {
    open.at(-1)?.content.push(data);
  };
  parser.on('text', onText);
  parser.on('cdata', onText);
  parser.write(text).close();
}

function elementOf(tag: SaxesTagNS): XmlElement {
  const attributes = Object.values(tag.attributes)
    .filter((a) => a.prefix !== 'xmlns' && a.name !== 'xmlns')
    .map((a) => ({ prefix: a.prefix, local: a.local, uri: a.uri, value: a.value }));
  return { prefix: tag.prefix, local: tag.local, uri: tag.uri, attributes, content: [], children: [] };
}

function decode(input: Uint8Array | string): string {
  if (typeof input === 'string') return input;
  if (input[0] === 0xff && input[1] === 0xfe) return new TextDecoder('utf-16le').decode(input);
  if (input[0] === 0xfe && input[1] === 0xff) return new TextDecoder('utf-16be').decode(input);
  const bytes = Buffer.from(input.buffer, input.byteOffset, input.byteLength);
  const text = bytes.toString(isUtf8(input) ? 'utf8' : 'latin1');
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
}

/** `Smith & Sons` in a display name would otherwise swallow everything up to the next semicolon. */
function escapeBareAmpersands(text: string, warnings: string[]): string {
  let out = '';
  let copied = 0;
  for (let at = text.indexOf('&'); at >= 0; at = text.indexOf('&', at + 1)) {
    let end = at + 1;
    while (end < text.length && end - at <= 10 && isReferenceChar(text.charCodeAt(end))) end++;
    if (end > at + 1 && text.charAt(end) === ';') continue;
    out += `${text.slice(copied, at)}&amp;`;
    copied = at + 1;
  }
  if (copied === 0 && out === '') return text;
  warnings.push('XML with a bare ampersand, read as text');
  return out + text.slice(copied);
}

function isReferenceChar(code: number): boolean {
  return (code >= 48 && code <= 57) || code === 35 || ((code | 32) >= 97 && (code | 32) <= 122);
}

/** All text below an element, white space collapsed and trimmed. */
export function textOf(element: XmlElement): string {
  let out = '';
  for (const item of element.content) out += typeof item === 'string' ? item : textOf(item);
  return out.split(/\s+/).join(' ').trim();
}

/** Text for element content and quoted attributes; characters that XML 1.0 cannot carry are left out. */
export function escapeXml(text: string): string {
  let out = '';
  for (const c of text) {
    const code = c.codePointAt(0)!;
    if (c === '&') out += '&amp;';
    else if (c === '<') out += '&lt;';
    else if (c === '>') out += '&gt;';
    else if (c === '"') out += '&quot;';
    else if (code === 9 || code === 10 || code === 13) out += `&#${code};`;
    else if (code >= 32 && code !== 0xfffe && code !== 0xffff && (code < 0xd800 || code > 0xdfff)) out += c;
  }
  return out;
}

/** Namespaces that no document may bind to a prefix of its own (Namespaces in XML 1.0, 3). */
const RESERVED_NAMESPACES: ReadonlySet<string> = new Set([
  'http://www.w3.org/XML/1998/namespace',
  'http://www.w3.org/2000/xmlns/',
]);

/** Namespace declarations of the element being written and of those around it. */
class NamespaceScope {
  readonly #bound: Map<string, string>;
  declarations = '';

  constructor(outer?: NamespaceScope) {
    this.#bound = new Map(outer ? outer.#bound : [['', '']]);
  }

  /** The name as it must be written here, declaring its namespace where that is not yet done. */
  name(prefix: string, local: string, uri: string): string {
    if (prefix === 'xml') return `xml:${local}`;
    const usable =
      prefix !== '' && uri !== '' && prefix !== 'xmlns' && isNcName(prefix) && !RESERVED_NAMESPACES.has(uri);
    if (!usable) return local;
    this.declare(prefix, uri);
    return `${prefix}:${local}`;
  }

  declare(prefix: string, uri: string): void {
    if (this.#bound.get(prefix) === uri || RESERVED_NAMESPACES.has(uri)) return;
    this.#bound.set(prefix, uri);
    this.declarations += ` xmlns${prefix === '' ? '' : `:${prefix}`}="${escapeXml(uri)}"`;
  }
}

/**
 * Writes an element on its own: every namespace that it uses is declared in it. What was read past a fault may have names that
 * XML does not allow; an element of such a name is called `x`, an attribute is left out.
 */
export function writeXml(element: XmlElement, outer?: NamespaceScope): string {
  const scope = new NamespaceScope(outer);
  if (element.prefix === '') scope.declare('', element.uri);
  const name = scope.name(element.prefix, isNcName(element.local) ? element.local : 'x', element.uri);
  const attributes = new Map<string, string>();
  const expanded = new Set<string>();
  for (const a of element.attributes) {
    if (!isNcName(a.local) || expanded.has(`${a.uri} ${a.local}`)) continue;
    expanded.add(`${a.uri} ${a.local}`);
    const qualified = scope.name(a.prefix, a.local, a.uri);
    if (!attributes.has(qualified)) attributes.set(qualified, `${qualified}="${escapeXml(a.value)}"`);
  }
  const head = [`<${name}${scope.declarations}`, ...attributes.values()].join(' ');
  if (element.content.length === 0) return `${head}/>`;
  const inner = element.content.map((item) => (typeof item === 'string' ? escapeText(item) : writeXml(item, scope)));
  return `${head}>${inner.join('')}</${name}>`;
}

/** A name without colon; narrower than the standard's, which goes beyond Latin letters. */
function isNcName(name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i);
    const letter =
      ((code | 32) >= 97 && (code | 32) <= 122) ||
      code === 95 ||
      (code >= 0xc0 && code < 0x300 && code !== 0xd7 && code !== 0xf7);
    const later = (code >= 48 && code <= 57) || code === 45 || code === 46;
    if (!letter && !(later && i > 0)) return false;
  }
  return name !== '';
}

/** As escapeXml, but line breaks and tabs of running text stay as they are. */
function escapeText(text: string): string {
  return escapeXml(text).replaceAll('&#9;', '\t').replaceAll('&#10;', '\n');
}
