/** What a sink tells its receiver (RFC 3550 section 6): a report, a CNAME, and BYE in the end. */
import {
  SINK_ARRIVAL_US_AT,
  SINK_CLOCK_RATE_AT,
  SINK_OCTETS_AT,
  SINK_PACKETS_AT,
  SINK_SENT_REPORT_AT,
  SINK_SENT_REPORT_BEFORE_AT,
  SINK_SENT_REPORT_BEFORE_US_AT,
  SINK_SENT_REPORT_US_AT,
  SINK_SSRC_AT,
  SINK_TIMESTAMP_AT,
} from '../layout';
import { GOODBYE, RECEIVER_REPORT, SENDER_REPORT, SENDER_REPORT_BYTES, writeCname } from '../rtp/rtcp';
import { sourceNtp, writeSourceCname } from './source-clock';

/** From 1900, where NTP begins, to 1970. */
const NTP_EPOCH_SEC: u32 = 2208988800;

/**
 * Writes the compound packet to `to` and gives its length. `nowUs` is monotonic, `wallMs` since 1970. A sender report once there is something
 * to tell, and whoever has sent nothing is a receiver, of nothing (6.4). The NTP time is that of the source's clock where that is known,
 * with its name; else of ours, which is called `cname`.
 *
 * `isLast`: with BYE; 0 when the receiver has never heard of it (6.3.7).
 */
export function writeSinkReport(
  sink: usize,
  to: usize,
  nowUs: u64,
  wallMs: f64,
  cname: usize,
  cnameBytes: u32,
  isLast: bool,
): u32 {
  const isSender = load<u32>(sink, SINK_PACKETS_AT) != 0;
  if (isLast && !isSender && load<u64>(sink, SINK_SENT_REPORT_US_AT) == 0) return 0;
  const ssrc = bswap<u32>(load<u32>(sink, SINK_SSRC_AT));
  const timestamp = timestampNow(sink, nowUs);
  const ofSource = isSender ? sourceNtp(sink, timestamp) : 0;
  let bytes = writeHead(to, 0, isSender ? SENDER_REPORT : RECEIVER_REPORT, isSender ? SENDER_REPORT_BYTES : 8, ssrc);
  if (isSender) {
    store<u64>(to, bswap<u64>(ofSource != 0 ? ofSource : ntpOf(wallMs)), 8);
    store<u32>(to, bswap<u32>(timestamp), 16);
    store<u32>(to, bswap<u32>(load<u32>(sink, SINK_PACKETS_AT)), 20);
    store<u32>(to, bswap<u32>(load<u64>(sink, SINK_OCTETS_AT) as u32), 24);
  }
  keepSent(sink, isSender ? bswap<u32>(load<u32>(to, 10)) : 0, nowUs);
  const named = to + bytes;
  bytes += ofSource != 0 ? writeSourceCname(sink, named, ssrc) : writeCname(named, ssrc, cname, cnameBytes);
  return isLast ? bytes + writeHead(to + bytes, 1, GOODBYE, 8, ssrc) : bytes;
}

/** Of a packet of `bytes`, and the SSRC behind it. @returns `bytes`. */
function writeHead(to: usize, count: u32, type: u32, bytes: u32, ssrc: u32): u32 {
  store<u8>(to, (0x80 | count) as u8);
  store<u8>(to, type as u8, 1);
  store<u16>(to, bswap<u16>(((bytes >> 2) - 1) as u16), 2);
  store<u32>(to, ssrc, 4);
  return bytes;
}

/** A packet would have it that came now. */
function timestampNow(sink: usize, nowUs: u64): u32 {
  const elapsedUs = nowUs - load<u64>(sink, SINK_ARRIVAL_US_AT);
  const elapsed = ((elapsedUs * (load<u32>(sink, SINK_CLOCK_RATE_AT) as u64)) / 1000000) as u32;
  return load<u32>(sink, SINK_TIMESTAMP_AT) + elapsed;
}

function ntpOf(wallMs: f64): u64 {
  const seconds = Math.floor(wallMs / 1000);
  const fraction = ((wallMs / 1000 - seconds) * 4294967296.0) as u32;
  return (((seconds as u64) + NTP_EPOCH_SEC) << 32) | (fraction as u64);
}

/** What the receiver will call the report by (0: it has no time), and when it left: for the round trip. */
function keepSent(sink: usize, middleNtp: u32, nowUs: u64): void {
  store<u32>(sink, load<u32>(sink, SINK_SENT_REPORT_AT), SINK_SENT_REPORT_BEFORE_AT);
  store<u64>(sink, load<u64>(sink, SINK_SENT_REPORT_US_AT), SINK_SENT_REPORT_BEFORE_US_AT);
  store<u32>(sink, middleNtp, SINK_SENT_REPORT_AT);
  store<u64>(sink, nowUs, SINK_SENT_REPORT_US_AT);
}
