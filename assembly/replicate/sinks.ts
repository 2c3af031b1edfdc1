/** The sinks of a stream are a chain; one that is opened is put in front. A sink of the lane's own is in none. */
import { SINK_FLAGS_AT, SINK_NEXT_AT, SINK_OPEN, SINK_OWN, SINK_STREAM_AT, STREAM_SINKS_AT } from '../layout';
import { streamAt } from '../rtp/stream';
import { forgetReceiver } from './receivers';
import { sinkAt } from './sink';

/** What else the sink is stands in its entry. */
export function linkSink(sink: u32): void {
  const entry = sinkAt(sink);
  if ((load<u32>(entry, SINK_FLAGS_AT) & SINK_OWN) != 0) return;
  const stream = streamAt(load<u32>(entry, SINK_STREAM_AT));
  store<u32>(entry, load<u32>(stream, STREAM_SINKS_AT), SINK_NEXT_AT);
  store<u32>(stream, sink + 1, STREAM_SINKS_AT);
}

/** Without effect on one that is not open. */
export function unlinkSink(sink: u32): void {
  const entry = sinkAt(sink);
  const flags = load<u32>(entry, SINK_FLAGS_AT);
  if ((flags & SINK_OPEN) == 0) return;
  store<u32>(entry, 0, SINK_FLAGS_AT);
  forgetReceiver(sink);
  if ((flags & SINK_OWN) != 0) return;
  let link = streamAt(load<u32>(entry, SINK_STREAM_AT)) + STREAM_SINKS_AT;
  while (load<u32>(link) != 0 && load<u32>(link) != sink + 1) link = sinkAt(load<u32>(link) - 1) + SINK_NEXT_AT;
  if (load<u32>(link) != 0) store<u32>(link, load<u32>(entry, SINK_NEXT_AT));
}
