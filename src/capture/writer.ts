// Writes RTP and RTCP packets as a pcap file (draft-ietf-opsawg-pcap, microseconds, LINKTYPE_RAW): each packet gets the
// IP and UDP headers it travelled with, so that any analyser reads it.

import { isIPv4, isIPv6 } from 'node:net';
import { LINKTYPE_RAW } from './datagram.ts';

/** One end of a UDP flow. */
export interface SocketAddress {
  /** IPv4 or IPv6 address as text. */
  address: string;
  port: number;
}

const RECORD_HEADER_BYTES = 16;
const UDP_HEADER_BYTES = 8;
const MAX_PAYLOAD_BYTES = 65507;

/** The file header; it comes once, before the first record. */
export function pcapFileHeader(): Uint8Array {
  const header = new Uint8Array(24);
  const view = new DataView(header.buffer);
  view.setUint32(0, 0xa1b2c3d4, true);
  view.setUint16(4, 2, true);
  view.setUint16(6, 4, true);
  view.setUint32(16, 65535 + 40, true);
  view.setUint32(20, LINKTYPE_RAW, true);
  return header;
}

/**
 * One datagram as a pcap record, to be appended to the file.
 *
 * @param timestampUs microseconds since 1970
 * @param payload the UDP payload, for example a whole RTP packet; at most 65507 bytes
 * @throws RangeError when the payload is too long, TypeError when an address is none or the two are of different families
 */
export function pcapRecord(
  timestampUs: number,
  source: SocketAddress,
  destination: SocketAddress,
  payload: Uint8Array,
): Uint8Array {
  if (payload.length > MAX_PAYLOAD_BYTES) throw new RangeError(`a datagram of ${payload.length} bytes`);
  const v4 = isIPv4(source.address) && isIPv4(destination.address);
  if (!v4 && !(isIPv6(source.address) && isIPv6(destination.address))) {
    throw new TypeError(`not a pair of IP addresses: ${source.address}, ${destination.address}`);
  }
  const ipBytes = v4 ? 20 : 40;
  const frameBytes = ipBytes + UDP_HEADER_BYTES + payload.length;
  const record = new Uint8Array(RECORD_HEADER_BYTES + frameBytes);
  const view = new DataView(record.buffer);
  view.setUint32(0, Math.floor(timestampUs / 1e6), true);
  view.setUint32(4, Math.floor(timestampUs % 1e6), true);
  view.setUint32(8, frameBytes, true);
  view.setUint32(12, frameBytes, true);
  const ip = record.subarray(RECORD_HEADER_BYTES);
  if (v4) writeIpv4(ip, source.address, destination.address);
  else writeIpv6(ip, source.address, destination.address);
  writeUdp(ip.subarray(ipBytes), source.port, destination.port, payload);
  if (!v4) {
    const sum = checksum(ip, 8, ip.length, PROTOCOL_UDP + UDP_HEADER_BYTES + payload.length);
    // RFC 8200 8.1: a UDP checksum is mandatory in IPv6, and one that comes out as zero is sent as all ones.
    new DataView(ip.buffer, ip.byteOffset).setUint16(ipBytes + 6, sum === 0 ? 0xffff : sum);
  }
  return record;
}

const PROTOCOL_UDP = 17;

function writeIpv4(ip: Uint8Array, source: string, destination: string): void {
  const view = new DataView(ip.buffer, ip.byteOffset, ip.byteLength);
  view.setUint16(0, 0x4500);
  view.setUint16(2, ip.length);
  view.setUint16(6, 0x4000); // don't fragment
  view.setUint8(8, 64);
  view.setUint8(9, PROTOCOL_UDP);
  ip.set(source.split('.').map(Number), 12);
  ip.set(destination.split('.').map(Number), 16);
  view.setUint16(10, checksum(ip, 0, 20, 0));
}

function writeIpv6(ip: Uint8Array, source: string, destination: string): void {
  const view = new DataView(ip.buffer, ip.byteOffset, ip.byteLength);
  view.setUint32(0, 0x60000000);
  view.setUint16(4, ip.length - 40);
  view.setUint8(6, PROTOCOL_UDP);
  view.setUint8(7, 64);
  ip.set(ipv6Bytes(source), 8);
  ip.set(ipv6Bytes(destination), 24);
}

function writeUdp(udp: Uint8Array, sourcePort: number, destinationPort: number, payload: Uint8Array): void {
  const view = new DataView(udp.buffer, udp.byteOffset, udp.byteLength);
  view.setUint16(0, sourcePort);
  view.setUint16(2, destinationPort);
  view.setUint16(4, udp.length);
  udp.set(payload, UDP_HEADER_BYTES);
}

// RFC 1071: the ones' complement of the ones' complement sum of 16-bit words.
function checksum(bytes: Uint8Array, from: number, to: number, start: number): number {
  let sum = start;
  for (let i = from; i + 1 < to; i += 2) sum += (bytes[i]! << 8) | bytes[i + 1]!;
  if ((to - from) % 2 === 1) sum += bytes[to - 1]! << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 65536);
  return ~sum & 0xffff;
}

function ipv6Bytes(text: string): Uint8Array {
  const bytes = new Uint8Array(16);
  const withoutZone = text.split('%', 1)[0]!;
  const [head = '', tail] = withoutZone.split('::', 2);
  const before = groupsOf(head);
  const after = tail === undefined ? [] : groupsOf(tail);
  bytes.set(before, 0);
  bytes.set(after, 16 - after.length);
  return bytes;
}

function groupsOf(text: string): number[] {
  const bytes: number[] = [];
  for (const group of text === '' ? [] : text.split(':')) {
    if (group.includes('.')) bytes.push(...group.split('.').map(Number));
    else {
      const value = Number.parseInt(group, 16);
      bytes.push(value >> 8, value & 0xff);
    }
  }
  return bytes;
}
