// Frames for the capture tests, made here byte by byte.

/** An RTP packet with 20 bytes of payload. */
export function rtp(o: { ssrc: number; seq: number; payloadType?: number; bytes?: number }): Uint8Array {
  const packet = new Uint8Array(12 + (o.bytes ?? 20));
  const view = new DataView(packet.buffer);
  view.setUint16(0, 0x8000 | (o.payloadType ?? 0));
  view.setUint16(2, o.seq & 0xffff);
  view.setUint32(4, (o.seq * 160) >>> 0);
  view.setUint32(8, o.ssrc);
  packet.fill(o.seq & 0xff, 12);
  return packet;
}

/** IPv4 + UDP around a payload, checksums left at 0. */
export function ipv4Udp(payload: Uint8Array, o: { fragment?: number; options?: number } = {}): Uint8Array {
  const headerBytes = 20 + (o.options ?? 0);
  const bytes = new Uint8Array(headerBytes + 8 + payload.length);
  const view = new DataView(bytes.buffer);
  bytes[0] = 0x40 | (headerBytes / 4);
  view.setUint16(2, bytes.length);
  view.setUint16(6, o.fragment ?? 0);
  bytes[9] = 17;
  bytes.set([192, 0, 2, 1, 192, 0, 2, 2], 12);
  udp(bytes.subarray(headerBytes), payload);
  return bytes;
}

/** IPv6 + extension headers + UDP around a payload. Each extension is its type and its bytes without the next-header field. */
export function ipv6Udp(payload: Uint8Array, extensions: [type: number, rest: number[]][] = []): Uint8Array {
  const extensionBytes = extensions.reduce((sum, [, rest]) => sum + rest.length + 1, 0);
  const bytes = new Uint8Array(40 + extensionBytes + 8 + payload.length);
  const view = new DataView(bytes.buffer);
  bytes[0] = 0x60;
  view.setUint16(4, bytes.length - 40);
  bytes.set([0x20, 1, 0xd, 0xb8], 8);
  bytes[23] = 1;
  bytes.set([0x20, 1, 0xd, 0xb8], 24);
  bytes[39] = 2;
  let nextAt = 6;
  let at = 40;
  for (const [type, rest] of extensions) {
    bytes[nextAt] = type;
    nextAt = at;
    bytes.set(rest, at + 1);
    at += rest.length + 1;
  }
  bytes[nextAt] = 17;
  udp(bytes.subarray(at), payload);
  return bytes;
}

function udp(at: Uint8Array, payload: Uint8Array): void {
  const view = new DataView(at.buffer, at.byteOffset);
  view.setUint16(0, 4000);
  view.setUint16(2, 5000);
  view.setUint16(4, 8 + payload.length);
  at.set(payload, 8);
}

export function ethernet(etherType: number, body: Uint8Array, vlans: number[] = []): Uint8Array {
  return concat(new Uint8Array(12), ...vlans.map((tag) => u16(tag, 7)), u16(etherType), body);
}

export function u16(...values: number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 2);
  values.forEach((value, i) => {
    new DataView(bytes.buffer).setUint16(2 * i, value);
  });
  return bytes;
}

export function concat(...parts: Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

export interface PcapFrame {
  seconds: number;
  fraction: number;
  bytes: Uint8Array;
  original?: number;
}

export function pcapFile(o: { little: boolean; nano?: boolean; linkType: number; frames: PcapFrame[] }): Uint8Array {
  const header = new Uint8Array(24);
  const view = new DataView(header.buffer);
  view.setUint32(0, o.nano ? 0xa1b23c4d : 0xa1b2c3d4, o.little);
  view.setUint32(16, 65535, o.little);
  view.setUint32(20, o.linkType, o.little);
  const records = o.frames.map((frame) => {
    const record = new Uint8Array(16);
    const at = new DataView(record.buffer);
    at.setUint32(0, frame.seconds, o.little);
    at.setUint32(4, frame.fraction, o.little);
    at.setUint32(8, frame.bytes.length, o.little);
    at.setUint32(12, frame.original ?? frame.bytes.length, o.little);
    return concat(record, frame.bytes);
  });
  return concat(header, ...records);
}

/** A pcapng block: type, body padded to 32 bits, both lengths. */
export function block(type: number, body: Uint8Array, little: boolean): Uint8Array {
  const padded = (body.length + 3) & ~3;
  const bytes = new Uint8Array(12 + padded);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, little);
  view.setUint32(4, bytes.length, little);
  bytes.set(body, 8);
  view.setUint32(8 + padded, bytes.length, little);
  return bytes;
}

export function sectionHeader(little: boolean): Uint8Array {
  const body = new Uint8Array(16).fill(0xff);
  const view = new DataView(body.buffer);
  view.setUint32(0, 0x1a2b3c4d, little);
  view.setUint16(4, 1, little);
  view.setUint16(6, 0, little);
  return block(0x0a0d0d0a, body, little);
}

export function interfaceDescription(
  linkType: number,
  little: boolean,
  tsresol?: number,
  tsoffset?: bigint,
): Uint8Array {
  const body = new Uint8Array(8 + (tsresol === undefined ? 0 : 8) + (tsoffset === undefined ? 0 : 12) + 4);
  const view = new DataView(body.buffer);
  view.setUint16(0, linkType, little);
  let at = 8;
  if (tsresol !== undefined) {
    view.setUint16(at, 9, little);
    view.setUint16(at + 2, 1, little);
    body[at + 4] = tsresol;
    at += 8;
  }
  if (tsoffset !== undefined) {
    view.setUint16(at, 14, little);
    view.setUint16(at + 2, 8, little);
    view.setBigInt64(at + 4, tsoffset, little);
  }
  return block(1, body, little);
}

export function enhancedPacket(index: number, ticks: bigint, frame: Uint8Array, little: boolean): Uint8Array {
  const head = new Uint8Array(20);
  const view = new DataView(head.buffer);
  view.setUint32(0, index, little);
  view.setUint32(4, Number(ticks >> 32n), little);
  view.setUint32(8, Number(ticks & 0xffffffffn), little);
  view.setUint32(12, frame.length, little);
  view.setUint32(16, frame.length, little);
  return block(6, concat(head, frame), little);
}

/** Random numbers of a seed (mulberry32). */
export function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}
