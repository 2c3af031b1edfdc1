/**
 * The NTP clock of a sink's source. Where the source says in a sender report which NTP time an RTP timestamp has, the sink's reports say the
 * same of the timestamps that it has made of them, so that whoever plays several streams of that source plays them as it means them (RFC 3550
 * section 6.4.1). The name of a clock is the CNAME, and goes with it, as through a translator (7.2): streams under one CNAME are played by one
 * clock, and the parties of a call have a clock each.
 */
import {
  SINK_CLOCK_RATE_AT,
  SINK_EPOCH_AT,
  SINK_FLAGS_AT,
  SINK_OWN,
  SINK_STREAM_AT,
  SINK_TIMESTAMP_OFFSET_AT,
  STREAM_CNAME_AT,
  STREAM_REPORT_EPOCH_AT,
  STREAM_REPORT_NTP_AT,
  STREAM_REPORT_TIMESTAMP_AT,
  STREAM_SSRC_AT,
} from '../layout';
import { writeCname } from '../rtp/rtcp';
import { streamAt } from '../rtp/stream';

/** The NTP time of one of the sink's timestamps, in 32 bits of seconds and 32 of their fraction; 0: the source has not told its clock, or it is ours. */
export function sourceNtp(sink: usize, timestamp: u32): u64 {
  if ((load<u32>(sink, SINK_FLAGS_AT) & SINK_OWN) != 0) return 0;
  const stream = sourceOf(sink);
  const ntp = load<u64>(stream, STREAM_REPORT_NTP_AT);
  if (ntp == 0 || load<u32>(stream, STREAM_REPORT_EPOCH_AT) != load<u32>(sink, SINK_EPOCH_AT)) return 0;
  const ofSource = timestamp - load<u32>(sink, SINK_TIMESTAMP_OFFSET_AT);
  const since = (ofSource - load<u32>(stream, STREAM_REPORT_TIMESTAMP_AT)) as i32;
  return ntp + ((((since as i64) << 32) / (load<u32>(sink, SINK_CLOCK_RATE_AT) as i64)) as u64);
}

/** The name of that clock, as `writeCname`. A source that does not say it has its SSRC for one: it must not share that of others. */
export function writeSourceCname(sink: usize, to: usize, ssrc: u32): u32 {
  const stream = sourceOf(sink);
  const name = stream + STREAM_CNAME_AT;
  if (load<u8>(name) == 0) {
    const source = load<u32>(stream, STREAM_SSRC_AT);
    for (let n: u32 = 0; n < 8; n++) {
      const digit = (source >> (28 - 4 * n)) & 15;
      store<u8>(name + 1 + n, (digit < 10 ? 0x30 + digit : 0x57 + digit) as u8); // 0 to 9, a to f
    }
    store<u8>(name, 8);
  }
  return writeCname(to, ssrc, name + 1, load<u8>(name));
}

function sourceOf(sink: usize): usize {
  return streamAt(load<u32>(sink, SINK_STREAM_AT));
}
