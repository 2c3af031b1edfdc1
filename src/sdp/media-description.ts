/**
 * One m-line with the lines that belong to it (RFC 8866 5.14), as an ordered-line section with typed views over it.
 *
 *     m=<media> <port>[/<number of ports>] <proto> <fmt> ...
 */
import { connectionAddressOf, isUnspecified } from './addresses.ts';
import { SdpError } from './errors.ts';
import { MAX_PAYLOAD_TYPES, MAX_PORT_COUNT, MAX_PTIME_MS, MIN_PTIME_MS } from './limits.ts';
import { decimal, type SdpLine, words } from './lines.ts';
import { type PayloadType, parseRtpmap, staticPayloadType, unknownPayloadType } from './payload-types.ts';

export type Direction = 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive';

const DIRECTIONS: ReadonlySet<string> = new Set(['sendrecv', 'sendonly', 'recvonly', 'inactive']);

/** What a media section inherits from the session section. */
export interface SessionDefaults {
  readonly connectionAddress: string | null;
  readonly direction: Direction | null;
  warn(text: string): void;
}

/** The m-line at `index` of a description. Ports are 0..65535; `ptime` in milliseconds; `rtpmaps` in the order of the formats. */
export class MediaDescription {
  readonly index: number;
  readonly lines: readonly SdpLine[];
  readonly kind: string;
  readonly port: number;
  readonly portCount: number;
  readonly protocol: string;
  readonly formats: readonly string[];
  /** Of this section's c= line or else the session's; null when neither gives one. */
  readonly connectionAddress: string | null;
  readonly direction: Direction;
  readonly label: string | null;
  readonly rtpmaps: readonly PayloadType[];
  readonly ptime: number | null;
  /** RFC 3605; null when not stated. */
  readonly rtcpPort: number | null;
  /** RFC 5761. */
  readonly rtcpMux: boolean;
  /** RFC 5576; null when none is stated, or more than one. */
  readonly ssrc: number | null;

  constructor(index: number, lines: readonly SdpLine[], session: SessionDefaults) {
    this.index = index;
    this.lines = lines;
    const m = parseMediaLine(lines[0]!.value);
    this.kind = m.kind;
    this.port = m.port;
    this.portCount = m.portCount;
    this.protocol = m.protocol;
    this.formats = m.formats;
    const warn = (text: string) => session.warn(`m-line ${index + 1}: ${text}`);
    const c = lines.find((line) => line.type === 'c');
    this.connectionAddress = (c && connectionAddressOf(c.value)) ?? session.connectionAddress;
    this.direction = directionOf(lines) ?? session.direction ?? 'sendrecv';
    this.label = this.attribute('label') || null;
    this.rtpmaps = payloadTypesOf(this, warn);
    this.ptime = ptimeOf(this, warn);
    this.rtcpPort = rtcpPortOf(this, warn);
    this.rtcpMux = this.attribute('rtcp-mux') !== undefined;
    this.ssrc = ssrcOf(this);
  }

  /** The value of the first `a=name:value`, '' for `a=name`, undefined when absent. */
  attribute(name: string): string | undefined {
    return firstAttribute(this.lines, name);
  }

  attributes(name: string): string[] {
    return allAttributes(this.lines, name);
  }

  /** True when the peer says that it will send nothing: inactive, recvonly, or the zero address (RFC 3264 8.4). */
  held(): boolean {
    if (this.direction === 'inactive' || this.direction === 'recvonly') return true;
    return this.connectionAddress !== null && isUnspecified(this.connectionAddress);
  }

  /** The a=rtpmap value that was sent for a payload type, in the sender's own letters. */
  rtpmapText(payloadType: number): string | undefined {
    return this.attributes('rtpmap').find((value) => decimal(words(value)[0]) === payloadType);
  }

  toString(): string {
    return this.lines.map((line) => line.raw + line.eol).join('');
  }
}

/** The attribute name and value of an `a=` line's value; the name in lower case. */
export function splitAttribute(value: string): [name: string, value: string] {
  const colon = value.indexOf(':');
  if (colon < 0) return [value.trim().toLowerCase(), ''];
  return [value.slice(0, colon).trim().toLowerCase(), value.slice(colon + 1).trim()];
}

export function firstAttribute(lines: readonly SdpLine[], name: string): string | undefined {
  for (const line of lines) {
    if (line.type !== 'a') continue;
    const [n, value] = splitAttribute(line.value);
    if (n === name) return value;
  }
  return undefined;
}

export function allAttributes(lines: readonly SdpLine[], name: string): string[] {
  const out: string[] = [];
  for (const line of lines) {
    if (line.type !== 'a') continue;
    const [n, value] = splitAttribute(line.value);
    if (n === name) out.push(value);
  }
  return out;
}

export function directionOf(lines: readonly SdpLine[]): Direction | null {
  for (const line of lines) {
    if (line.type !== 'a') continue;
    const name = line.value.toLowerCase();
    if (DIRECTIONS.has(name)) return name as Direction;
  }
  return null;
}

function parseMediaLine(value: string) {
  const [kind, ports, protocol, ...formats] = words(value);
  if (kind === undefined || ports === undefined || protocol === undefined) {
    throw new SdpError('bad-line', 'm= line without media, port and protocol');
  }
  if (formats.length > MAX_PAYLOAD_TYPES) {
    throw new SdpError('too-many-payload-types', `more than ${MAX_PAYLOAD_TYPES} formats in an m= line`);
  }
  const [portText, countText] = ports.split('/', 3);
  const port = decimal(portText);
  const portCount = countText === undefined ? 1 : decimal(countText);
  if (port === null || port > 65_535) throw new SdpError('bad-line', 'm= line with a port that is none');
  if (portCount === null || portCount < 1 || portCount > MAX_PORT_COUNT) {
    throw new SdpError('bad-line', 'm= line with an impossible number of ports');
  }
  return { kind: kind.toLowerCase(), port, portCount, protocol, formats };
}

function payloadTypesOf(media: MediaDescription, warn: (text: string) => void): PayloadType[] {
  if (!media.protocol.toUpperCase().includes('RTP/')) return [];
  const mapped = new Map<number, PayloadType>();
  const rtpmaps = media.attributes('rtpmap');
  if (rtpmaps.length > MAX_PAYLOAD_TYPES) {
    throw new SdpError('too-many-payload-types', `more than ${MAX_PAYLOAD_TYPES} a=rtpmap lines in a media section`);
  }
  for (const value of rtpmaps) {
    const pt = parseRtpmap(value);
    if (pt === null) warn('a=rtpmap that cannot be read, ignored');
    else if (!mapped.has(pt.payloadType)) mapped.set(pt.payloadType, pt);
  }
  const out = new Map<number, PayloadType>();
  for (const format of media.formats) {
    const number = decimal(format);
    if (number === null || number > 127) {
      warn('format that is no RTP payload type, ignored');
      continue;
    }
    const known = mapped.get(number) ?? staticPayloadType(number);
    if (known === null) warn(`payload type ${number} has no a=rtpmap`);
    if (!out.has(number)) out.set(number, known ?? unknownPayloadType(number));
  }
  for (const value of media.attributes('fmtp')) {
    const number = decimal(words(value)[0]);
    const pt = number === null ? undefined : out.get(number);
    if (pt && pt.fmtp === null) pt.fmtp = value.slice(String(words(value)[0]).length).trim();
  }
  return [...out.values()];
}

function ptimeOf(media: MediaDescription, warn: (text: string) => void): number | null {
  const text = media.attribute('ptime');
  if (text === undefined) return null;
  const value = Number.parseFloat(text);
  if (value >= MIN_PTIME_MS && value <= MAX_PTIME_MS) return value;
  warn('a=ptime out of bounds, ignored');
  return null;
}

/** One source has as many lines as it has attributes (RFC 5576 section 4.1). */
function ssrcOf(media: MediaDescription): number | null {
  const [only, ...others] = new Set(media.attributes('ssrc').map((value) => decimal(words(value)[0], 10)));
  return only !== undefined && only !== null && only <= 0xffff_ffff && others.length === 0 ? only : null;
}

function rtcpPortOf(media: MediaDescription, warn: (text: string) => void): number | null {
  const text = media.attribute('rtcp');
  if (text === undefined) return null;
  const port = decimal(words(text)[0]);
  if (port !== null && port > 0 && port <= 65_535) return port;
  warn('a=rtcp with a port that is none, ignored');
  return null;
}
