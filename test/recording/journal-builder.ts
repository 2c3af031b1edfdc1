/**
 * Writes packet files from the text of the journal format, byte by byte and without the project's own code: an oracle
 * that agrees with the reader only if both agree with the format.
 */

/** One record to be written. */
export interface BuiltRecord {
  kind: number;
  stream?: number;
  extSeq?: number;
  epoch?: number;
  arrivalUs?: number;
  payload: Uint8Array;
}

export const RTP = 1;
export const RTCP = 2;
export const NOTE = 3;
export const DUPLICATE = 4;
export const PAUSED = 5;
export const DROPPED = 6;

export const RECORDING_ID = '0123abcd-4567-489a-8bcd-ef0123456789';
export const WALL_AT_ZERO_US = 1_700_000_000_000_000;

/** CRC-32C, bit by bit. */
export function slowCrc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let i = 0; i < 8; i++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}

export function buildBlock(
  records: BuiltRecord[],
  o: { blockSeq: number | bigint; recordingId?: string; laneId?: number; monoUs?: number },
): Buffer {
  const parts = records.map((record) => {
    const header = Buffer.alloc(24);
    header.writeUInt32LE(record.payload.length, 0);
    header.writeUInt16LE(record.stream ?? 0xffff, 4);
    header.writeUInt8(record.kind, 6);
    header.writeUInt32LE(record.extSeq ?? 0, 8);
    header.writeUInt32LE(record.epoch ?? 0, 12);
    header.writeBigUInt64LE(BigInt(Math.round(record.arrivalUs ?? 0)), 16);
    return Buffer.concat([header, record.payload, Buffer.alloc((8 - (record.payload.length % 8)) % 8)]);
  });
  const header = Buffer.alloc(64);
  const block = Buffer.concat([header, ...parts]);
  const monoUs = o.monoUs ?? Math.max(0, ...records.map((record) => record.arrivalUs ?? 0));
  block.write('DTB1', 0, 'latin1');
  block.writeUInt32LE(block.length, 4);
  block.writeUInt32LE(records.length, 12);
  Buffer.from((o.recordingId ?? RECORDING_ID).replaceAll('-', ''), 'hex').copy(block, 16);
  block.writeBigUInt64LE(BigInt(o.blockSeq), 32);
  block.writeBigUInt64LE(BigInt(Math.round(monoUs)), 40);
  block.writeBigUInt64LE(BigInt(Math.round(WALL_AT_ZERO_US + monoUs)), 48);
  block.writeUInt32LE(o.laneId ?? 0, 56);
  block.writeUInt32LE(slowCrc32c(block.subarray(12)), 8);
  return block;
}

export function note(json: object, arrivalUs = 0): BuiltRecord {
  return { kind: NOTE, arrivalUs, payload: Buffer.from(JSON.stringify(json)) };
}

export interface BuiltPacket {
  stream?: number;
  seq: number;
  timestamp: number;
  ssrc?: number;
  payloadType?: number;
  marker?: boolean;
  payload: Uint8Array;
  arrivalUs: number;
  epoch?: number;
  kind?: number;
}

/** RFC 3550 section 5.1, without CSRCs, extension or padding. */
export function rtpPacket(p: Omit<BuiltPacket, 'arrivalUs'>): Buffer {
  const header = Buffer.alloc(12);
  header[0] = 0x80;
  header[1] = (p.marker ? 0x80 : 0) | (p.payloadType ?? 0);
  header.writeUInt16BE(p.seq & 0xffff, 2);
  header.writeUInt32BE(p.timestamp >>> 0, 4);
  header.writeUInt32BE(p.ssrc ?? 0x1234, 8);
  return Buffer.concat([header, p.payload]);
}

/** `seq` is the extended number less 65536. */
export function rtp(p: BuiltPacket): BuiltRecord {
  const packet = rtpPacket(p);
  return {
    kind: p.kind ?? RTP,
    stream: p.stream ?? 0,
    extSeq: p.seq + 0x10000,
    epoch: p.epoch ?? 0,
    arrivalUs: p.arrivalUs,
    payload: p.kind === DUPLICATE || p.kind === PAUSED ? packet.subarray(0, 12) : packet,
  };
}

/** RFC 3550 section 6.4.1: a sender report without report blocks. */
export function senderReport(o: {
  stream: number;
  ssrc: number;
  ntpSec: number;
  timestamp: number;
  arrivalUs: number;
}): BuiltRecord {
  const packet = Buffer.alloc(28);
  packet[0] = 0x80;
  packet[1] = 200;
  packet.writeUInt16BE(6, 2);
  packet.writeUInt32BE(o.ssrc, 4);
  packet.writeUInt32BE(Math.floor(o.ntpSec), 8);
  packet.writeUInt32BE(Math.floor((o.ntpSec % 1) * 2 ** 32), 12);
  packet.writeUInt32BE(o.timestamp >>> 0, 16);
  return { kind: RTCP, stream: o.stream, arrivalUs: o.arrivalUs, payload: packet };
}

export const PCMU = { payloadType: 0, encoding: 'PCMU', clockRate: 8000, channels: 1, fmtp: null };
export const PCMA = { payloadType: 8, encoding: 'PCMA', clockRate: 8000, channels: 1, fmtp: null };
export const CN = { payloadType: 13, encoding: 'CN', clockRate: 8000, channels: 1, fmtp: null };
export const EVENT = { payloadType: 101, encoding: 'TELEPHONE-EVENT', clockRate: 8000, channels: 1, fmtp: '0-15' };

export function recordingNote(): BuiltRecord {
  return note({
    type: 'recording',
    id: RECORDING_ID,
    startedAtMs: WALL_AT_ZERO_US / 1000,
    sipCallId: 'call-1',
    communicationSessionId: 'cs-1',
    kind: 'siprec',
    source: '127.0.0.1',
    userAgent: 'test',
    warnings: [],
  });
}

export function streamNote(index: number, payloadTypes: object[] = [PCMU], channel = index): BuiltRecord {
  const remote = { address: '192.0.2.9', rtpPort: 4000, rtcpPort: 4001 };
  return note({ type: 'stream', index, label: `leg-${index}`, channel, payloadTypes, remote, rtcpMux: false });
}

export function endNote(atMs: number): BuiltRecord {
  return note({ type: 'end', by: 'remote', reason: 'BYE', atMs });
}

/** Records as one packet file, `perBlock` records to a block. */
export function packetFile(records: BuiltRecord[], perBlock = 7): Buffer {
  const blocks: Buffer[] = [];
  for (let i = 0; i < records.length; i += perBlock) {
    blocks.push(buildBlock(records.slice(i, i + perBlock), { blockSeq: blocks.length + 1 }));
  }
  return Buffer.concat(blocks);
}

/** Repeatable pseudo-random numbers in [0, 1) (mulberry32). */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
