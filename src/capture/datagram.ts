// From a captured frame to the UDP datagram inside: link layer (tcpdump.org/linktypes), IPv4 (RFC 791), IPv6 (RFC 8200),
// UDP (RFC 768). Every length is checked against what was captured; nothing throws.

import type { Reassembly } from './fragments.ts';

/** What a frame turned out to be. Only `udp` fills the datagram; `fragment` is one that did not make a datagram whole. */
export type FrameClass = 'udp' | 'fragment' | 'not-udp' | 'not-ip' | 'malformed' | 'unsupported-link';

/** A UDP datagram inside a frame. `payload` is a view, valid until the next frame. Reused between calls of `decodeDatagram`. */
export interface Datagram {
  source: string;
  sourcePort: number;
  destination: string;
  destinationPort: number;
  payload: Uint8Array;
  /** The capture's snapshot length cut this datagram: `payload` is shorter than it was on the wire. */
  truncated: boolean;
}

export const LINKTYPE_NULL = 0;
export const LINKTYPE_ETHERNET = 1;
export const LINKTYPE_RAW = 101;
const LINKTYPE_LOOP = 108;
const LINKTYPE_LINUX_SLL = 113;
const LINKTYPE_IPV4 = 228;
const LINKTYPE_IPV6 = 229;
const LINKTYPE_LINUX_SLL2 = 276;

const ETHERTYPE_IPV4 = 0x0800;
const ETHERTYPE_IPV6 = 0x86dd;
const MAX_VLAN_TAGS = 4;
const PROTOCOL_UDP = 17;
const MAX_EXTENSION_HEADERS = 8;

export function emptyDatagram(): Datagram {
  return {
    source: '',
    sourcePort: 0,
    destination: '',
    destinationPort: 0,
    payload: new Uint8Array(0),
    truncated: false,
  };
}

/** Puts fragments together, in the time of the capture. */
export interface FragmentSink {
  reassembly: Reassembly;
  nowUs: number;
}

/** Finds the UDP datagram in a frame of link type `linkType`, or that it is the last piece of, and writes it to `out`. */
export function decodeDatagram(linkType: number, frame: Uint8Array, out: Datagram, pieces: FragmentSink): FrameClass {
  switch (linkType) {
    case LINKTYPE_ETHERNET:
      return ethernet(frame, out, pieces);
    case LINKTYPE_RAW:
    case LINKTYPE_IPV4:
    case LINKTYPE_IPV6:
    case 12: // what libpcap calls raw IP on some systems
    case 14:
      return ip(frame, 0, out, pieces);
    case LINKTYPE_LINUX_SLL:
      return frame.length < 16 ? 'malformed' : etherType(u16(frame, 14), frame, 16, out, pieces);
    case LINKTYPE_LINUX_SLL2:
      return frame.length < 20 ? 'malformed' : etherType(u16(frame, 0), frame, 20, out, pieces);
    case LINKTYPE_NULL:
    case LINKTYPE_LOOP:
      // The address family is in the capturing machine's byte order and its IPv6 number differs between systems: the
      // version nibble of the packet says the same.
      return frame.length < 4 ? 'malformed' : ip(frame, 4, out, pieces);
    default:
      return 'unsupported-link';
  }
}

function ethernet(frame: Uint8Array, out: Datagram, pieces: FragmentSink): FrameClass {
  return frame.length < 14 ? 'malformed' : etherType(u16(frame, 12), frame, 14, out, pieces);
}

function etherType(type: number, frame: Uint8Array, at: number, out: Datagram, pieces: FragmentSink): FrameClass {
  for (let tags = 0; tags < MAX_VLAN_TAGS; tags++) {
    if (type !== 0x8100 && type !== 0x88a8 && type !== 0x9100) break;
    if (at + 4 > frame.length) return 'malformed';
    type = u16(frame, at + 2);
    at += 4;
  }
  return type === ETHERTYPE_IPV4 || type === ETHERTYPE_IPV6 ? ip(frame, at, out, pieces) : 'not-ip';
}

function ip(frame: Uint8Array, at: number, out: Datagram, pieces: FragmentSink): FrameClass {
  if (at >= frame.length) return 'malformed';
  const version = frame[at]! >> 4;
  if (version === 4) return ipv4(frame, at, out, pieces);
  if (version === 6) return ipv6(frame, at, out, pieces);
  return 'not-ip';
}

function ipv4(frame: Uint8Array, at: number, out: Datagram, pieces: FragmentSink): FrameClass {
  if (at + 20 > frame.length) return 'malformed';
  const headerBytes = (frame[at]! & 15) * 4;
  // 0 stands for "left to the network card" in captures of large sends.
  const totalBytes = u16(frame, at + 2) || frame.length - at;
  if (headerBytes < 20 || at + headerBytes > frame.length || totalBytes < headerBytes) return 'malformed';
  if (frame[at + 9] !== PROTOCOL_UDP) return 'not-udp';
  out.source = ipv4Text(frame, at + 12);
  out.destination = ipv4Text(frame, at + 16);
  const flags = u16(frame, at + 6);
  if ((flags & 0x3fff) !== 0) {
    const offsetBytes = (flags & 0x1fff) * 8;
    const isLast = (flags & 0x2000) === 0;
    return piece(
      frame,
      [at + headerBytes, at + totalBytes],
      out,
      { id: u16(frame, at + 4), offsetBytes, isLast },
      pieces,
    );
  }
  return udp(frame, at + headerBytes, at + totalBytes, out);
}

function ipv6(frame: Uint8Array, at: number, out: Datagram, pieces: FragmentSink): FrameClass {
  if (at + 40 > frame.length) return 'malformed';
  const end = at + 40 + (u16(frame, at + 4) || frame.length - at - 40);
  let next = frame[at + 6]!;
  let header = at + 40;
  out.source = ipv6Text(frame, at + 8);
  out.destination = ipv6Text(frame, at + 24);
  for (let count = 0; next !== PROTOCOL_UDP; count++) {
    if (count === MAX_EXTENSION_HEADERS) return 'malformed';
    if (header + 8 > frame.length) return 'malformed';
    if (next === 44) {
      const offsetAndFlag = u16(frame, header + 2);
      next = frame[header]!;
      header += 8;
      if ((offsetAndFlag & 0xfff9) !== 0) {
        if (next !== PROTOCOL_UDP) return 'not-udp';
        const id = u16(frame, header - 4) * 65536 + u16(frame, header - 2);
        const place = { id, offsetBytes: offsetAndFlag & 0xfff8, isLast: (offsetAndFlag & 1) === 0 };
        return piece(frame, [header, end], out, place, pieces);
      }
    } else if (next === 0 || next === 43 || next === 60) {
      next = frame[header]!;
      header += 8 + frame[header + 1]! * 8;
    } else if (next === 51) {
      next = frame[header]!;
      header += 8 + frame[header + 1]! * 4;
    } else return 'not-udp';
  }
  return udp(frame, header, end, out);
}

/** A piece of a datagram, `[from, to)` of the frame; the last one to come makes it whole. */
function piece(
  frame: Uint8Array,
  [from, to]: [number, number],
  out: Datagram,
  { id, offsetBytes, isLast }: { id: number; offsetBytes: number; isLast: boolean },
  { reassembly, nowUs }: FragmentSink,
): FrameClass {
  if (to > frame.length || from > to) {
    reassembly.givenUp++; // cut by the snapshot length
    return 'fragment';
  }
  const key = `${out.source} ${out.destination} ${id}`;
  const whole = reassembly.add({ key, offsetBytes, isLast, bytes: frame.subarray(from, to) }, nowUs);
  return whole ? udp(whole, 0, whole.length, out) : 'fragment';
}

function udp(frame: Uint8Array, at: number, ipEnd: number, out: Datagram): FrameClass {
  if (at + 8 > frame.length || at + 8 > ipEnd) return 'malformed';
  const udpBytes = u16(frame, at + 4);
  const end = udpBytes === 0 ? ipEnd : at + udpBytes;
  if (end < at + 8 || end > ipEnd) return 'malformed';
  out.sourcePort = u16(frame, at);
  out.destinationPort = u16(frame, at + 2);
  out.truncated = end > frame.length;
  out.payload = frame.subarray(at + 8, Math.min(end, frame.length));
  return 'udp';
}

function u16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

function ipv4Text(bytes: Uint8Array, at: number): string {
  return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
}

// RFC 5952: lower case, the longest run of zero groups (the first of equals, never a single one) as "::".
function ipv6Text(bytes: Uint8Array, at: number): string {
  const groups: number[] = [];
  for (let i = 0; i < 8; i++) groups.push(u16(bytes, at + 2 * i));
  let best = -1;
  let bestLength = 1;
  for (let i = 0; i < 8; i++) {
    let length = 0;
    while (i + length < 8 && groups[i + length] === 0) length++;
    if (length > bestLength) {
      best = i;
      bestLength = length;
    }
    i += length;
  }
  const hex = (from: number, to: number) =>
    groups
      .slice(from, to)
      .map((group) => group.toString(16))
      .join(':');
  return best < 0 ? hex(0, 8) : `${hex(0, best)}::${hex(best + bestLength, 8)}`;
}
