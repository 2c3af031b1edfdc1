/** The sender report of a sink (RFC 3550 section 6.4.1), with a CNAME. */
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
import { SENDER_REPORT, SENDER_REPORT_BYTES, writeCname } from '../rtp/rtcp';
import { sourceNtp, writeSourceCname } from './source-clock';

/** From 1900, where NTP begins, to 1970. */
const NTP_EPOCH_SEC: u32 = 2208988800;

/**
 * Writes it to `to` and gives its length; 0 when nothing was sent yet. `nowUs` is monotonic, `wallMs` since 1970. The NTP time is that of the
 * source's clock where that is known, with its name; else of ours, which is called `cname`.
 */
export function writeSenderReport(sink: usize, to: usize, nowUs: u64, wallMs: f64, cname: usize, cnameBytes: u32): u32 {
  if (load<u32>(sink, SINK_PACKETS_AT) == 0) return 0;
  const ssrc = bswap<u32>(load<u32>(sink, SINK_SSRC_AT));
  const timestamp = timestampNow(sink, nowUs);
  const ofSource = sourceNtp(sink, timestamp);
  store<u8>(to, 0x80);
  store<u8>(to, SENDER_REPORT as u8, 1);
  store<u16>(to, bswap<u16>(((SENDER_REPORT_BYTES >> 2) - 1) as u16), 2);
  store<u32>(to, ssrc, 4);
  store<u64>(to, bswap<u64>(ofSource != 0 ? ofSource : ntpOf(wallMs)), 8);
  store<u32>(to, bswap<u32>(timestamp), 16);
  store<u32>(to, bswap<u32>(load<u32>(sink, SINK_PACKETS_AT)), 20);
  store<u32>(to, bswap<u32>(load<u64>(sink, SINK_OCTETS_AT) as u32), 24);
  keepSent(sink, to, nowUs);
  const behind = to + SENDER_REPORT_BYTES;
  const nameBytes = ofSource != 0 ? writeSourceCname(sink, behind, ssrc) : writeCname(behind, ssrc, cname, cnameBytes);
  return SENDER_REPORT_BYTES + nameBytes;
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

/** What the receiver will call the report by, and when it left: for the round trip. */
function keepSent(sink: usize, report: usize, nowUs: u64): void {
  store<u32>(sink, load<u32>(sink, SINK_SENT_REPORT_AT), SINK_SENT_REPORT_BEFORE_AT);
  store<u64>(sink, load<u64>(sink, SINK_SENT_REPORT_US_AT), SINK_SENT_REPORT_BEFORE_US_AT);
  store<u32>(sink, bswap<u32>(load<u32>(report, 10)), SINK_SENT_REPORT_AT);
  store<u64>(sink, nowUs, SINK_SENT_REPORT_US_AT);
}
