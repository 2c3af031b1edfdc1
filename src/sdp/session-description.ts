/**
 * A session description (RFC 8866) as an ordered list of lines with typed views: nothing that was received is lost, whether
 * this stack knows it or not.
 */
import { isUtf8 } from 'node:buffer';
import { connectionAddressOf } from './addresses.ts';
import { SdpError } from './errors.ts';
import { MAX_MEDIA, MAX_SDP_BYTES, MAX_WARNINGS } from './limits.ts';
import { type SdpLine, splitLines, words } from './lines.ts';
import { type Direction, directionOf, firstAttribute, MediaDescription } from './media-description.ts';

/** RFC 8866 5.2. Numbers stay text: session ids go beyond 2^53. */
export interface Origin {
  username: string;
  sessionId: string;
  version: string;
  address: string | null;
}

/** A parsed description. `lines` holds all of it, `sessionLines` what stands before the first m-line. */
export class Sdp {
  readonly lines: readonly SdpLine[];
  readonly sessionLines: readonly SdpLine[];
  readonly media: readonly MediaDescription[];
  readonly origin: Origin | null;
  readonly connectionAddress: string | null;
  readonly direction: Direction | null;
  /** What was odd and has been tolerated, for people. */
  readonly warnings: readonly string[];
  readonly #encoding: 'utf8' | 'latin1';

  constructor(lines: readonly SdpLine[], encoding: 'utf8' | 'latin1' = 'utf8') {
    const warnings: string[] = [];
    const warn = (text: string) => {
      if (warnings.length < MAX_WARNINGS) warnings.push(text);
    };
    checkVersion(lines, warn);
    this.lines = lines;
    this.#encoding = encoding;
    const starts = lines.flatMap((line, i) => (line.type === 'm' ? [i] : []));
    if (starts.length > MAX_MEDIA) throw new SdpError('too-many-media', `more than ${MAX_MEDIA} m-lines`);
    this.sessionLines = lines.slice(0, starts[0] ?? lines.length);
    const c = this.sessionLines.find((line) => line.type === 'c');
    this.connectionAddress = c ? connectionAddressOf(c.value) : null;
    this.direction = directionOf(this.sessionLines);
    const o = this.sessionLines.find((line) => line.type === 'o');
    this.origin = o ? parseOrigin(o.value) : null;
    const defaults = { connectionAddress: this.connectionAddress, direction: this.direction, warn };
    this.media = starts.map(
      (at, i) => new MediaDescription(i, lines.slice(at, starts[i + 1] ?? lines.length), defaults),
    );
    this.warnings = warnings;
  }

  /** A session-level attribute: its value, '' when it has none, undefined when absent. */
  attribute(name: string): string | undefined {
    return firstAttribute(this.sessionLines, name);
  }

  /** Exactly the text that was parsed. */
  toString(): string {
    return this.lines.map((line) => line.raw + line.eol).join('');
  }

  /** Exactly the bytes that were parsed. */
  toBytes(): Uint8Array {
    return Buffer.from(this.toString(), this.#encoding);
  }
}

/** Reads a session description. Throws SdpError for what cannot be read and for what is beyond the caps of limits.ts. */
export function parseSdp(input: Uint8Array | string): Sdp {
  if (input.length > MAX_SDP_BYTES) throw new SdpError('too-large', `session description over ${MAX_SDP_BYTES} bytes`);
  if (typeof input === 'string') return new Sdp(splitLines(input));
  // Names in s= or i= come in whatever the sender's code page is; latin1 maps every byte, so nothing is lost.
  const encoding = isUtf8(input) ? 'utf8' : 'latin1';
  return new Sdp(
    splitLines(Buffer.from(input.buffer, input.byteOffset, input.byteLength).toString(encoding)),
    encoding,
  );
}

function checkVersion(lines: readonly SdpLine[], warn: (text: string) => void): void {
  const first = lines.find((line) => line.type !== '');
  if (!first) throw new SdpError('not-sdp', 'no SDP line');
  const version = lines.find((line) => line.type === 'v');
  if (!version) {
    if (!lines.some((line) => line.type === 'm')) throw new SdpError('not-sdp', 'neither a v= nor an m= line');
    warn('session description without v=');
  } else if (version.value !== '0') throw new SdpError('bad-line', 'SDP version is not 0');
  else if (version !== first) warn('session description does not begin with v=');
  if (lines.some((line) => line.type === '' && line.raw.trim() !== '')) warn('text that is no SDP line, ignored');
}

function parseOrigin(value: string): Origin | null {
  const [username, sessionId, version, , , address] = words(value);
  if (username === undefined || sessionId === undefined || version === undefined) return null;
  return { username, sessionId, version, address: address ?? null };
}
