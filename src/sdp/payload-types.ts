/**
 * RTP payload types as a session description names them: the static table of RFC 3551 section 6, a=rtpmap (RFC 8866 6.6) and
 * a=fmtp.
 */
import { MAX_CHANNELS, MAX_CLOCK_RATE_HZ, MIN_CLOCK_RATE_HZ } from './limits.ts';
import { decimal, words } from './lines.ts';

/**
 * One RTP payload type. `encoding` is upper case (`PCMU`, `TELEPHONE-EVENT`); `UNKNOWN` for a dynamic number that nothing maps.
 * `clockRate` in Hz. `fmtp` is the text after the payload type, as sent.
 */
export interface PayloadType {
  payloadType: number;
  encoding: string;
  clockRate: number;
  channels: number;
  fmtp: string | null;
}

type Mapping = readonly [encoding: string, clockRate: number, channels: number];

/** RFC 3551 tables 4 and 5. G722 has the clock rate 8000 for historical reasons. */
const STATIC_PAYLOAD_TYPES: ReadonlyMap<number, Mapping> = new Map<number, Mapping>([
  [0, ['PCMU', 8000, 1]],
  [3, ['GSM', 8000, 1]],
  [4, ['G723', 8000, 1]],
  [5, ['DVI4', 8000, 1]],
  [6, ['DVI4', 16000, 1]],
  [7, ['LPC', 8000, 1]],
  [8, ['PCMA', 8000, 1]],
  [9, ['G722', 8000, 1]],
  [10, ['L16', 44100, 2]],
  [11, ['L16', 44100, 1]],
  [12, ['QCELP', 8000, 1]],
  [13, ['CN', 8000, 1]],
  [14, ['MPA', 90000, 1]],
  [15, ['G728', 8000, 1]],
  [16, ['DVI4', 11025, 1]],
  [17, ['DVI4', 22050, 1]],
  [18, ['G729', 8000, 1]],
  // 19 is reserved, but was comfort noise in an earlier draft and is still sent as such.
  [19, ['CN', 8000, 1]],
  [25, ['CELB', 90000, 1]],
  [26, ['JPEG', 90000, 1]],
  [28, ['NV', 90000, 1]],
  [31, ['H261', 90000, 1]],
  [32, ['MPV', 90000, 1]],
  [33, ['MP2T', 90000, 1]],
  [34, ['H263', 90000, 1]],
]);

/** The payload type that a static number means on its own, or null. */
export function staticPayloadType(payloadType: number): PayloadType | null {
  const entry = STATIC_PAYLOAD_TYPES.get(payloadType);
  if (!entry) return null;
  return { payloadType, encoding: entry[0], clockRate: entry[1], channels: entry[2], fmtp: null };
}

/** What stands in for a number that neither an a=rtpmap nor RFC 3551 explains: recorded as packets, decoded by nobody. */
export function unknownPayloadType(payloadType: number): PayloadType {
  return { payloadType, encoding: 'UNKNOWN', clockRate: 8000, channels: 1, fmtp: null };
}

/**
 *     a=rtpmap:<payload type> <encoding name>/<clock rate>[/<encoding parameters>]
 *
 * Null when it cannot be read or a value is out of bounds.
 */
export function parseRtpmap(value: string): PayloadType | null {
  const [number, ...rest] = words(value);
  const payloadType = decimal(number);
  const [name, rate, count] = rest.join('').split('/', 4);
  if (payloadType === null || payloadType > 127 || !name || name.length > 64) return null;
  const encoding = name.toUpperCase();
  const clockRate = rate === undefined ? (staticPayloadType(payloadType)?.clockRate ?? 8000) : decimal(rate);
  const channels = count === undefined || count === '' ? 1 : decimal(count);
  if (clockRate === null || clockRate < MIN_CLOCK_RATE_HZ || clockRate > MAX_CLOCK_RATE_HZ) return null;
  if (channels === null || channels < 1 || channels > MAX_CHANNELS) return null;
  return { payloadType, encoding, clockRate, channels, fmtp: null };
}

/** Names that are written in another case than upper, for peers which compare them letter by letter. */
const USUAL_CASE: ReadonlyMap<string, string> = new Map([
  ['TELEPHONE-EVENT', 'telephone-event'],
  ['OPUS', 'opus'],
  ['ILBC', 'iLBC'],
  ['SPEEX', 'speex'],
]);

/** The value of an a=rtpmap line for a payload type, or null for one that has no mapping to state. */
export function rtpmapValue(pt: PayloadType): string | null {
  if (pt.encoding === 'UNKNOWN') return null;
  const name = USUAL_CASE.get(pt.encoding) ?? pt.encoding;
  const channels = pt.channels > 1 ? `/${pt.channels}` : '';
  return `${pt.payloadType} ${name}/${pt.clockRate}${channels}`;
}

/** Payload types that carry no speech: RFC 4733 events, RFC 3389 comfort noise, RFC 2198 redundancy. */
export function isAuxiliary(pt: PayloadType): boolean {
  return pt.encoding === 'TELEPHONE-EVENT' || pt.encoding === 'CN' || pt.encoding === 'RED' || pt.encoding === 'TONE';
}
