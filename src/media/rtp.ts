/**
 * RTP and RTCP packets for programs that make or look at some of them: `import … from 'doubletrack/rtp'`. Plain functions over
 * bytes, after RFC 3550; the media path does not use them, it has its own in WebAssembly.
 *
 *    0                   1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |V=2|P|X|  CC   |M|     PT      |       sequence number         |
 *   |                           timestamp                           |
 *   |           synchronization source (SSRC) identifier            |
 *   |            contributing source (CSRC) identifiers ...         |
 */

export {
  buildRtcp,
  type Goodbye,
  type OtherRtcp,
  parseRtcp,
  type ReceiverReport,
  type ReportBlock,
  type RtcpPacket,
  type SdesChunk,
  type SdesItem,
  type SenderReport,
  type SourceDescription,
} from './rtcp.ts';

/** An RTP packet (RFC 3550 section 5.1). All fields unsigned. */
export interface RtpPacket {
  marker: boolean;
  /** 7 bits. */
  payloadType: number;
  /** 16 bits, as on the wire. */
  seq: number;
  /** 32 bits, in RTP units. */
  timestamp: number;
  ssrc: number;
  /** At most 15. */
  csrcs: number[];
  /** Header extension (section 5.3.1): `profile` has 16 bits, `data` a multiple of 4 octets. */
  extension: { profile: number; data: Uint8Array } | null;
  payload: Uint8Array;
  /** Octets of padding behind the payload, their count included; 0 without. */
  paddingBytes: number;
}

const VERSION = 2;
const FIXED_HEADER_BYTES = 12;
const MAX_CSRCS = 15;
const MAX_PADDING_BYTES = 255;

/** Whether a datagram on a port that RTP and RTCP share is RTCP, if it is either (RFC 5761 section 4). */
export function looksLikeRtcp(bytes: Uint8Array): boolean {
  const type = bytes[1];
  return type !== undefined && type >= 192 && type <= 223;
}

/**
 * Reads an RTP packet; `payload` and the extension's `data` are views into `bytes`. Null for what cannot be RTP (RFC 3550 A.1):
 * not version 2, shorter than its header says, or padding that is none. Never throws.
 */
export function parseRtp(bytes: Uint8Array): RtpPacket | null {
  if (bytes.length < FIXED_HEADER_BYTES) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const first = view.getUint8(0);
  if (first >> 6 !== VERSION) return null;
  let at = FIXED_HEADER_BYTES + (first & 0x0f) * 4;
  if (at > bytes.length) return null;
  const csrcs: number[] = [];
  for (let csrcAt = FIXED_HEADER_BYTES; csrcAt < at; csrcAt += 4) csrcs.push(view.getUint32(csrcAt));
  let extension: RtpPacket['extension'] = null;
  if ((first & 0x10) !== 0) {
    if (at + 4 > bytes.length) return null;
    const end = at + 4 + view.getUint16(at + 2) * 4;
    if (end > bytes.length) return null;
    extension = { profile: view.getUint16(at), data: bytes.subarray(at + 4, end) };
    at = end;
  }
  const paddingBytes = (first & 0x20) === 0 ? 0 : view.getUint8(bytes.length - 1);
  if ((first & 0x20) !== 0 && (paddingBytes === 0 || at + paddingBytes > bytes.length)) return null;
  return {
    marker: (view.getUint8(1) & 0x80) !== 0,
    payloadType: view.getUint8(1) & 0x7f,
    seq: view.getUint16(2),
    timestamp: view.getUint32(4),
    ssrc: view.getUint32(8),
    csrcs,
    extension,
    payload: bytes.subarray(at, bytes.length - paddingBytes),
    paddingBytes,
  };
}

/** What {@link buildRtp} needs; the rest defaults to none. */
export type RtpFields = Pick<RtpPacket, 'payloadType' | 'seq' | 'timestamp' | 'ssrc' | 'payload'> & Partial<RtpPacket>;

/** Writes an RTP packet. @throws RangeError for a field that does not fit its bits */
export function buildRtp(fields: RtpFields): Uint8Array {
  const { payloadType, seq, timestamp, ssrc, payload } = fields;
  const { marker = false, csrcs = [], extension = null, paddingBytes = 0 } = fields;
  inBits('payloadType', payloadType, 7);
  inBits('seq', seq, 16);
  inBits('timestamp', timestamp, 32);
  inBits('ssrc', ssrc, 32);
  if (csrcs.length > MAX_CSRCS) throw new RangeError(`${csrcs.length} CSRCs: there can be ${MAX_CSRCS}`);
  if (!(paddingBytes >= 0 && paddingBytes <= MAX_PADDING_BYTES)) {
    throw new RangeError(`${paddingBytes} octets of padding: there can be ${MAX_PADDING_BYTES}`);
  }
  const extensionBytes = extension ? 4 + extension.data.length : 0;
  const headerBytes = FIXED_HEADER_BYTES + csrcs.length * 4;
  const bytes = new Uint8Array(headerBytes + extensionBytes + payload.length + paddingBytes);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, (VERSION << 6) | (paddingBytes > 0 ? 0x20 : 0) | (extension ? 0x10 : 0) | csrcs.length);
  view.setUint8(1, (marker ? 0x80 : 0) | payloadType);
  view.setUint16(2, seq);
  view.setUint32(4, timestamp);
  view.setUint32(8, ssrc);
  for (const [i, csrc] of csrcs.entries()) {
    inBits('csrc', csrc, 32);
    view.setUint32(FIXED_HEADER_BYTES + i * 4, csrc);
  }
  if (extension) writeExtension(view, bytes, headerBytes, extension);
  bytes.set(payload, headerBytes + extensionBytes);
  if (paddingBytes > 0) bytes[bytes.length - 1] = paddingBytes;
  return bytes;
}

function writeExtension(
  view: DataView,
  bytes: Uint8Array,
  at: number,
  { profile, data }: NonNullable<RtpPacket['extension']>,
): void {
  inBits('extension profile', profile, 16);
  if (data.length % 4 !== 0) throw new RangeError(`an extension of ${data.length} octets: it must be a multiple of 4`);
  inBits('extension length', data.length / 4, 16);
  view.setUint16(at, profile);
  view.setUint16(at + 2, data.length / 4);
  bytes.set(data, at + 4);
}

function inBits(name: string, value: number, bits: number): void {
  if (!Number.isInteger(value) || value < 0 || value >= 2 ** bits) {
    throw new RangeError(`${name} ${value} does not fit ${bits} bits`);
  }
}
