/**
 * Sinks by their receivers: RTCP that comes to the sockets which a sink leaves from, from where the sink goes to, is of its receiver (symmetric
 * RTCP, RFC 4961). That must be known before anything else: what SRTCP says of the sink cannot be read without the keys.
 *
 * A hash table; sinks of one hash value are a chain.
 */
import {
  RECEIVER_CHAINS_LOG2,
  RECEIVERS_AT,
  SINK_NEXT_BY_RECEIVER_AT,
  SINK_RECEIVER_AT,
  SINK_RECEIVER_RTCP_PORT_AT,
  SINK_VIA_AT,
} from '../layout';
import { isSameAddress } from '../rtp/address';
import { hostOf } from '../rtp/stream';
import { sinkAt } from './sink';

/** Of Fibonacci hashing: 2^32 over the golden ratio. */
const HASH_FACTOR: u32 = 0x9e3779b1;

/** `address`: where 16 bytes of it lie. Without effect on the port 0: then it is not known who the receiver is. */
export function setReceiver(sink: u32, address: usize, rtcpPort: u32): void {
  forgetReceiver(sink);
  if (rtcpPort == 0) return;
  const entry = sinkAt(sink);
  v128.store(entry + SINK_RECEIVER_AT, v128.load(address));
  store<u32>(entry, rtcpPort, SINK_RECEIVER_RTCP_PORT_AT);
  const head = headOf(address, rtcpPort);
  store<u32>(entry, load<u32>(head), SINK_NEXT_BY_RECEIVER_AT);
  store<u32>(head, sink + 1);
}

export function forgetReceiver(sink: u32): void {
  const entry = sinkAt(sink);
  const port = load<u32>(entry, SINK_RECEIVER_RTCP_PORT_AT);
  if (port == 0) return;
  let link = headOf(entry + SINK_RECEIVER_AT, port);
  while (load<u32>(link) != 0 && load<u32>(link) != sink + 1) {
    link = sinkAt(load<u32>(link) - 1) + SINK_NEXT_BY_RECEIVER_AT;
  }
  if (load<u32>(link) != 0) store<u32>(link, load<u32>(entry, SINK_NEXT_BY_RECEIVER_AT));
  store<u32>(entry, 0, SINK_RECEIVER_RTCP_PORT_AT);
}

/** The first sink that leaves via the stream to this receiver, by number + 1; 0: there is none. */
export function firstSinkTo(via: u32, address: usize, rtcpPort: u32): u32 {
  return matching(load<u32>(headOf(address, rtcpPort)), via, address, rtcpPort);
}

/** The next one behind `sink`, which is a number + 1 too. */
export function nextSinkTo(sink: u32, via: u32, address: usize, rtcpPort: u32): u32 {
  return matching(load<u32>(sinkAt(sink - 1), SINK_NEXT_BY_RECEIVER_AT), via, address, rtcpPort);
}

function matching(sink: u32, via: u32, address: usize, rtcpPort: u32): u32 {
  while (sink != 0 && !isTo(sinkAt(sink - 1), via, address, rtcpPort)) {
    sink = load<u32>(sinkAt(sink - 1), SINK_NEXT_BY_RECEIVER_AT);
  }
  return sink;
}

function isTo(entry: usize, via: u32, address: usize, rtcpPort: u32): bool {
  if (load<u32>(entry, SINK_RECEIVER_RTCP_PORT_AT) != rtcpPort) return false;
  if (hostOf(load<u32>(entry, SINK_VIA_AT)) != hostOf(via)) return false;
  return isSameAddress(entry + SINK_RECEIVER_AT, address);
}

function headOf(address: usize, port: u32): usize {
  const words = load<u32>(address) ^ load<u32>(address, 4) ^ load<u32>(address, 8) ^ load<u32>(address, 12);
  return RECEIVERS_AT + ((((words ^ (port << 16)) * HASH_FACTOR) >>> (32 - RECEIVER_CHAINS_LOG2)) << 2);
}
