/**
 * The SSRCs of a context and their packet indices (RFC 3711 section 3.3.1). A source gets its place with the first packet of it that
 * has been authenticated, never before.
 */
import {
  CONTEXT_CLOCK_AT,
  CONTEXT_SOURCES_AT,
  SOURCE_BYTES,
  SOURCE_FLAGS_AT,
  SOURCE_HEARD_AT,
  SOURCE_INDEX_AT,
  SOURCE_KNOWN,
  SOURCE_SENT_RTP,
  SOURCE_SSRC_AT,
  SRTP_SOURCES,
} from '../layout';

/** 0 if it is not known. `ssrc` as it lies in the packet. */
export function findSource(context: usize, ssrc: u32): usize {
  let source = context + CONTEXT_SOURCES_AT;
  for (let i = 0; i < SRTP_SOURCES; i++) {
    if (load<u32>(source, SOURCE_SSRC_AT) == ssrc && load<u32>(source, SOURCE_FLAGS_AT) != 0) return source;
    source += SOURCE_BYTES;
  }
  return 0;
}

/** `known`, or if it is 0 a place for the source: a free one, else the place of the one that was not heard for longest. */
export function takeSource(context: usize, ssrc: u32, known: usize): usize {
  const source = known != 0 ? known : leastHeard(context);
  if (known == 0) {
    memory.fill(source, 0, SOURCE_BYTES);
    store<u32>(source, ssrc, SOURCE_SSRC_AT);
    store<u32>(source, SOURCE_KNOWN, SOURCE_FLAGS_AT);
  }
  const clock = load<u32>(context, CONTEXT_CLOCK_AT) + 1;
  store<u32>(context, clock, CONTEXT_CLOCK_AT);
  store<u32>(source, clock, SOURCE_HEARD_AT);
  return source;
}

/** Whether one more source can be taken without another being forgotten. */
export function hasPlace(context: usize): bool {
  return load<u32>(leastHeard(context), SOURCE_FLAGS_AT) == 0;
}

function leastHeard(context: usize): usize {
  let least = context + CONTEXT_SOURCES_AT;
  let source = least;
  for (let i = 0; i < SRTP_SOURCES; i++) {
    if (load<u32>(source, SOURCE_FLAGS_AT) == 0) return source;
    const clock = load<u32>(context, CONTEXT_CLOCK_AT);
    if (clock - load<u32>(source, SOURCE_HEARD_AT) > clock - load<u32>(least, SOURCE_HEARD_AT)) least = source;
    source += SOURCE_BYTES;
  }
  return least;
}

/** The ROC of which `seq` is nearest to the highest index so far; 0 for a source that is not known. */
export function guessRoc(source: usize, seq: u32): u32 {
  if (source == 0 || (load<u32>(source, SOURCE_FLAGS_AT) & SOURCE_SENT_RTP) == 0) return 0;
  const roc = rocOf(source);
  const highest = (load<u64>(source, SOURCE_INDEX_AT) as u32) & 0xffff;
  if (highest < 0x8000) return seq > highest + 0x8000 && roc != 0 ? roc - 1 : roc;
  return seq < highest - 0x8000 ? roc + 1 : roc;
}

/** The ROC of the highest index so far. */
export function rocOf(source: usize): u32 {
  return (load<u64>(source, SOURCE_INDEX_AT) >> 16) as u32;
}

export function indexOf(roc: u32, seq: u32): u64 {
  return ((roc as u64) << 16) | (seq as u64);
}
