/**
 * RTCP packets (RFC 3550 section 6) for `doubletrack/rtp`. A datagram is a compound packet: packets one behind the other, each
 * with this head.
 *
 *    0                   1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |V=2|P|  count  |      PT       |     length (words - 1)        |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */

/** Section 6.4.1. */
export interface ReportBlock {
  ssrc: number;
  /** Lost of this interval, in 256ths. */
  fractionLost: number;
  /** 24 bits, signed: duplicates make it negative. */
  cumulativeLost: number;
  /** Cycles of 2^16 in the upper 16 bits, highest sequence number in the lower. */
  highestSeq: number;
  /** In RTP units. */
  jitter: number;
  /** Middle 32 bits of the last sender report's NTP time; 0 if none has come. */
  lastSr: number;
  /** In 65536ths of a second. */
  delaySinceLastSr: number;
}

export interface SenderReport {
  type: 'sr';
  ssrc: number;
  /** 64 bits of NTP time: seconds since 1900 and their fraction. */
  ntp: bigint;
  rtpTimestamp: number;
  packets: number;
  octets: number;
  blocks: ReportBlock[];
}

export interface ReceiverReport {
  type: 'rr';
  ssrc: number;
  blocks: ReportBlock[];
}

/** Section 6.5. `type` 1 is the CNAME. */
export interface SdesItem {
  type: number;
  /** At most 255 octets of UTF-8. */
  text: string;
}

export interface SdesChunk {
  ssrc: number;
  items: SdesItem[];
}

export interface SourceDescription {
  type: 'sdes';
  chunks: SdesChunk[];
}

export interface Goodbye {
  type: 'bye';
  ssrcs: number[];
  reason: string | null;
}

/** Any other packet type: APP (204), feedback (205, 206), extended reports (207). */
export interface OtherRtcp {
  type: 'other';
  packetType: number;
  /** The five bits of the head: a count or a subtype. */
  count: number;
  /** What follows the head. */
  body: Uint8Array;
}

export type RtcpPacket = SenderReport | ReceiverReport | SourceDescription | Goodbye | OtherRtcp;

const VERSION = 2;
const SENDER_REPORT = 200;
const RECEIVER_REPORT = 201;
const SOURCE_DESCRIPTION = 202;
const GOODBYE = 203;
const BLOCK_BYTES = 24;
const MAX_COUNT = 31;
const MAX_TEXT_BYTES = 255;

/**
 * Reads a compound packet. Null for what is none (RFC 3550 A.2): another version, a first packet that is no report or is padded,
 * padding before the last packet, lengths that do not add up to the datagram, or a packet shorter than its count says.
 * Never throws.
 */
export function parseRtcp(bytes: Uint8Array): RtcpPacket[] | null {
  const packets: RtcpPacket[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = 0;
  while (at + 4 <= bytes.length) {
    const first = view.getUint8(at);
    const end = at + (view.getUint16(at + 2) + 1) * 4;
    if (first >> 6 !== VERSION || end > bytes.length) return null;
    let bodyEnd = end;
    if ((first & 0x20) !== 0) {
      const padding = view.getUint8(end - 1);
      if (at === 0 || end !== bytes.length || padding === 0 || padding % 4 !== 0 || at + 4 + padding > end) return null;
      bodyEnd = end - padding;
    }
    const packet = readPacket(bytes.subarray(at, bodyEnd));
    if (!packet || (at === 0 && packet.type !== 'sr' && packet.type !== 'rr')) return null;
    packets.push(packet);
    at = end;
  }
  return at === bytes.length && packets.length > 0 ? packets : null;
}

function readPacket(packet: Uint8Array): RtcpPacket | null {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
  const count = view.getUint8(0) & 0x1f;
  const packetType = view.getUint8(1);
  if (packetType === SENDER_REPORT) return readSenderReport(view, count);
  if (packetType === RECEIVER_REPORT) {
    if (packet.length < 8) return null;
    const blocks = readBlocks(view, 8, count);
    return blocks && { type: 'rr', ssrc: view.getUint32(4), blocks };
  }
  if (packetType === SOURCE_DESCRIPTION) return readSourceDescription(packet, view, count);
  if (packetType === GOODBYE) return readGoodbye(packet, view, count);
  return { type: 'other', packetType, count, body: packet.subarray(4) };
}

function readSenderReport(view: DataView, count: number): SenderReport | null {
  if (view.byteLength < 28) return null;
  const blocks = readBlocks(view, 28, count);
  return (
    blocks && {
      type: 'sr',
      ssrc: view.getUint32(4),
      ntp: view.getBigUint64(8),
      rtpTimestamp: view.getUint32(16),
      packets: view.getUint32(20),
      octets: view.getUint32(24),
      blocks,
    }
  );
}

function readBlocks(view: DataView, start: number, count: number): ReportBlock[] | null {
  if (start + count * BLOCK_BYTES > view.byteLength) return null;
  return Array.from({ length: count }, (_, i) => {
    const at = start + i * BLOCK_BYTES;
    return {
      ssrc: view.getUint32(at),
      fractionLost: view.getUint8(at + 4),
      cumulativeLost: (view.getInt32(at + 4) << 8) >> 8,
      highestSeq: view.getUint32(at + 8),
      jitter: view.getUint32(at + 12),
      lastSr: view.getUint32(at + 16),
      delaySinceLastSr: view.getUint32(at + 20),
    };
  });
}

/** Section 6.5: chunks of items, each chunk ended by a zero octet and filled up to a word. */
function readSourceDescription(packet: Uint8Array, view: DataView, count: number): SourceDescription | null {
  const chunks: SdesChunk[] = [];
  let at = 4;
  for (let i = 0; i < count; i++) {
    if (at + 8 > packet.length) return null;
    const chunk: SdesChunk = { ssrc: view.getUint32(at), items: [] };
    at += 4;
    for (;;) {
      const type = packet[at];
      if (type === undefined) return null;
      if (type === 0) break;
      const length = packet[at + 1];
      if (length === undefined || at + 2 + length > packet.length) return null;
      chunk.items.push({ type, text: utf8(packet.subarray(at + 2, at + 2 + length)) });
      at += 2 + length;
    }
    at = (at + 4) & ~3;
    chunks.push(chunk);
  }
  return at <= packet.length ? { type: 'sdes', chunks } : null;
}

function readGoodbye(packet: Uint8Array, view: DataView, count: number): Goodbye | null {
  const end = 4 + count * 4;
  if (end > packet.length) return null;
  const ssrcs = Array.from({ length: count }, (_, i) => view.getUint32(4 + i * 4));
  if (end === packet.length) return { type: 'bye', ssrcs, reason: null };
  const length = packet[end]!;
  if (end + 1 + length > packet.length) return null;
  return { type: 'bye', ssrcs, reason: utf8(packet.subarray(end + 1, end + 1 + length)) };
}

function utf8(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
}

/**
 * Writes a compound packet, without padding.
 * @throws RangeError for no packet, a first one that is no report, or a value that does not fit its field
 */
export function buildRtcp(packets: readonly RtcpPacket[]): Uint8Array {
  const first = packets[0];
  if (first?.type !== 'sr' && first?.type !== 'rr') throw new RangeError('a compound packet begins with a report');
  return Uint8Array.from(Buffer.concat(packets.map(buildPacket)));
}

function buildPacket(packet: RtcpPacket): Buffer {
  if (packet.type === 'sr') return head(SENDER_REPORT, packet.blocks.length, senderReportBody(packet));
  if (packet.type === 'rr') {
    return head(
      RECEIVER_REPORT,
      packet.blocks.length,
      Buffer.concat([words(packet.ssrc), ...packet.blocks.map(block)]),
    );
  }
  if (packet.type === 'sdes') {
    return head(SOURCE_DESCRIPTION, packet.chunks.length, Buffer.concat(packet.chunks.map(sdesChunk)));
  }
  if (packet.type === 'bye') {
    const reason = packet.reason === null ? Buffer.alloc(0) : toWords(text(packet.reason));
    return head(GOODBYE, packet.ssrcs.length, Buffer.concat([words(...packet.ssrcs), reason]));
  }
  return head(packet.packetType, packet.count, packet.body);
}

function head(packetType: number, count: number, body: Uint8Array): Buffer {
  if (count > MAX_COUNT) throw new RangeError(`${count} items: a packet can have ${MAX_COUNT}`);
  if (body.length % 4 !== 0 || body.length / 4 > 0xffff) throw new RangeError(`a body of ${body.length} octets`);
  const bytes = Buffer.alloc(4 + body.length);
  bytes[0] = (VERSION << 6) | count;
  bytes.writeUInt8(packetType, 1);
  bytes.writeUInt16BE(body.length / 4, 2);
  bytes.set(body, 4);
  return bytes;
}

function senderReportBody({ ssrc, ntp, rtpTimestamp, packets, octets, blocks }: SenderReport): Buffer {
  const time = Buffer.alloc(8);
  time.writeBigUInt64BE(ntp);
  return Buffer.concat([words(ssrc), time, words(rtpTimestamp, packets, octets), ...blocks.map(block)]);
}

function block(report: ReportBlock): Buffer {
  const { ssrc, fractionLost, cumulativeLost, highestSeq, jitter, lastSr, delaySinceLastSr } = report;
  const loss = Buffer.alloc(4);
  loss.writeUInt8(fractionLost);
  loss.writeIntBE(cumulativeLost, 1, 3);
  return Buffer.concat([words(ssrc), loss, words(highestSeq, jitter, lastSr, delaySinceLastSr)]);
}

function sdesChunk({ ssrc, items }: SdesChunk): Buffer {
  const written = items.map((item) => Buffer.concat([Buffer.from([item.type]), text(item.text)]));
  return Buffer.concat([words(ssrc), toWords(Buffer.concat([...written, Buffer.alloc(1)]))]);
}

/** Length and octets. */
function text(value: string): Buffer {
  const octets = Buffer.from(value);
  if (octets.length > MAX_TEXT_BYTES) throw new RangeError(`a text of ${octets.length} octets: ${MAX_TEXT_BYTES} fit`);
  return Buffer.concat([Buffer.from([octets.length]), octets]);
}

function toWords(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
}

function words(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [i, value] of values.entries()) bytes.writeUInt32BE(value, i * 4);
  return bytes;
}
