/** A sink's place in lane memory. */
import { SINK_BYTES, SINKS_AT } from '../layout';

export function sinkAt(sink: u32): usize {
  return SINKS_AT + sink * SINK_BYTES;
}
