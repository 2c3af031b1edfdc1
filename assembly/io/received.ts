/**
 * What recvmmsg(2) has written becomes descriptors of a batch: lengths, sources (RFC 3493 section 3.2), arrival times and the kernel's
 * drops from the control messages of each datagram (socket(7): SO_TIMESTAMPNS, SO_RXQ_OVFL).
 */
import {
  ADDRESS_FAMILY_IPV6,
  BATCH_PACKETS,
  CHANNEL_RTP,
  CONTROL_ARRIVAL,
  CONTROL_BYTES,
  CONTROL_DROPS,
  CONTROL_HEADER_BYTES,
  CONTROL_TYPE_AT,
  CUT_BYTES,
  DESCRIPTOR_ARRIVAL_US_AT,
  DESCRIPTOR_BYTES,
  DESCRIPTOR_CHANNEL_AT,
  DESCRIPTOR_LENGTH_AT,
  DESCRIPTOR_OFFSET_AT,
  DESCRIPTOR_SOURCE_AT,
  DESCRIPTOR_SOURCE_PORT_AT,
  DESCRIPTOR_STREAM_AT,
  DESCRIPTORS_AT,
  FLAG_SHARED_PORT,
  MESSAGE_CONTROL_BYTES_AT,
  MESSAGE_FLAGS_AT,
  MESSAGE_HEADER_BYTES,
  MESSAGE_LENGTH_AT,
  MESSAGE_NAME_BYTES_AT,
  MESSAGE_TRUNCATED,
  RECEIVE_CONTROLS_AT,
  RECEIVE_HEADERS_AT,
  RECEIVE_NAMES_AT,
  SLOT_BYTES,
  SLOT_HEADROOM_BYTES,
  SLOTS_AT,
  SOCKET_ADDRESS_BYTES,
  SOCKET_BYTES,
  SOCKET_DROPS_AT,
  SOCKETS_AT,
  STREAM_FLAGS_AT,
} from '../layout';
import { countDrops, drop, streamAt } from '../rtp/stream';

/** An arrival time that lies further back than this is that of a clock that was set. */
const MAX_AGE_US: f64 = 10_000_000;
const IPV4_MAPPED: u32 = 0xffff0000; // bytes 8 to 11 of ::ffff:a.b.c.d, little endian

/**
 * Describes `count` datagrams in the slots from `first` on, all of one socket. `nowUs` is monotonic, `aheadUs` how far the monotonic clock is
 * ahead of the one on the wall, which the kernel stamps arrivals with.
 */
export function describeReceived(first: u32, count: u32, socket: u32, nowUs: f64, aheadUs: f64): void {
  const end = min<u32>(first + count, BATCH_PACKETS);
  for (let n = first; n < end; n++) {
    const header: usize = RECEIVE_HEADERS_AT + n * MESSAGE_HEADER_BYTES;
    const descriptor: usize = DESCRIPTORS_AT + n * DESCRIPTOR_BYTES;
    const isWhole = (load<u32>(header, MESSAGE_FLAGS_AT) & MESSAGE_TRUNCATED) == 0;
    store<u32>(descriptor, socket >> 1, DESCRIPTOR_STREAM_AT);
    store<u32>(descriptor, SLOTS_AT + n * SLOT_BYTES + SLOT_HEADROOM_BYTES, DESCRIPTOR_OFFSET_AT);
    store<u32>(descriptor, isWhole ? load<u32>(header, MESSAGE_LENGTH_AT) : CUT_BYTES, DESCRIPTOR_LENGTH_AT);
    store<u32>(descriptor, socket & 1, DESCRIPTOR_CHANNEL_AT);
    describeSource(descriptor, RECEIVE_NAMES_AT + n * SOCKET_ADDRESS_BYTES);
    store<u64>(descriptor, nowUs as u64, DESCRIPTOR_ARRIVAL_US_AT);
    readControls(descriptor, n, load<u32>(header, MESSAGE_CONTROL_BYTES_AT), socket, nowUs, aheadUs);
    prepareHeader(header);
  }
}

/** The kernel has put the lengths that it used where those stood that it may use. */
function prepareHeader(header: usize): void {
  store<u32>(header, SOCKET_ADDRESS_BYTES, MESSAGE_NAME_BYTES_AT);
  store<u32>(header, CONTROL_BYTES, MESSAGE_CONTROL_BYTES_AT);
}

/** sockaddr_in: family, port, address. sockaddr_in6: family, port, flow, address. */
function describeSource(descriptor: usize, name: usize): void {
  store<u32>(descriptor, bswap<u16>(load<u16>(name, 2)) as u32, DESCRIPTOR_SOURCE_PORT_AT);
  if (load<u16>(name) == ADDRESS_FAMILY_IPV6) {
    v128.store(descriptor, v128.load(name, 8), DESCRIPTOR_SOURCE_AT);
    return;
  }
  store<u64>(descriptor, 0, DESCRIPTOR_SOURCE_AT);
  store<u32>(descriptor, IPV4_MAPPED, DESCRIPTOR_SOURCE_AT + 8);
  store<u32>(descriptor, load<u32>(name, 4), DESCRIPTOR_SOURCE_AT + 12);
}

function readControls(descriptor: usize, n: u32, bytes: u32, socket: u32, nowUs: f64, aheadUs: f64): void {
  const from: usize = RECEIVE_CONTROLS_AT + n * CONTROL_BYTES;
  const end = from + min<u32>(bytes, CONTROL_BYTES);
  for (let at = from; at + CONTROL_HEADER_BYTES <= end; ) {
    const length = load<u32>(at);
    if (length < (CONTROL_HEADER_BYTES as u32) || at + length > end) return;
    const type = load<u32>(at, CONTROL_TYPE_AT);
    const data = at + CONTROL_HEADER_BYTES;
    if (type == CONTROL_ARRIVAL) {
      const us = (load<i64>(data) as f64) * 1e6 + ((load<i64>(data, 8) / 1000) as f64) + aheadUs;
      if (us <= nowUs && nowUs - us < MAX_AGE_US) store<u64>(descriptor, us as u64, DESCRIPTOR_ARRIVAL_US_AT);
    } else if (type == CONTROL_DROPS) countKernelDrops(socket, load<u32>(data));
    at += (length + 7) & ~7;
  }
}

/** `total`: what the kernel has dropped of a socket since it was opened. The journal tells of those of RTP; reports have no numbers. */
export function countKernelDrops(socket: u32, total: u32): void {
  const entry: usize = SOCKETS_AT + socket * SOCKET_BYTES;
  const drops = total - load<u32>(entry, SOCKET_DROPS_AT);
  if (drops == 0) return;
  store<u32>(entry, total, SOCKET_DROPS_AT);
  if ((socket & 1) != CHANNEL_RTP) return;
  const stream = streamAt(socket >> 1);
  // Of a shared port nobody knows whose they were; they are missing in the numbers of their streams.
  if ((load<u32>(stream, STREAM_FLAGS_AT) & FLAG_SHARED_PORT) != 0) countDrops(stream, drops);
  else drop(stream, drops);
}
