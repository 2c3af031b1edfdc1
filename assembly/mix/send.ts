/**
 * Mixtures that are sent: RTP streams of the lane's own (RFC 3550 section 5.1), a packet for every so many frames, whether or not anybody
 * speaks. Numbers, counters, keys, reports and the way out are those of a sink that copies no stream.
 *
 * Time is that of the playout clock: a frame is 10 ms of the timestamp, and so is one that the lane has left out because it stood still.
 */

import { encodeAlaw, encodeMulaw } from '../codec/g711';
import { g722Encode, g722InitEncoder } from '../codec/g722-encode';
import { encodeL16 } from '../codec/l16';
import {
  CODEC_G722,
  CODEC_L16,
  CODEC_PCMU,
  FRAME_BYTES,
  FRAME_PCM_AT,
  FRAME_US,
  FRAMES_PER_SECOND,
  MAX_MIXERS,
  MIXER_CHANGED_AT,
  MIXER_CODEC_AT,
  MIXER_ENCODER_AT,
  MIXER_FRAME_COUNT_AT,
  MIXER_FRAMES_AT,
  MIXER_OPEN_AT,
  MIXER_PACKET_FRAMES_AT,
  MIXER_PAYLOAD_TYPE_AT,
  MIXER_SAMPLE_RATE_AT,
  MIXER_SENT_FRAMES_AT,
  MIXER_SINK_AT,
  MIXER_SKIPPED_FRAMES_AT,
  MIXER_TIMESTAMP_AT,
  OUT_AT,
  PLAYOUT_AT,
  PLAYOUT_OPEN_MIXERS_AT,
  PLAYOUT_SKIPPED_FRAMES_AT,
  PLAYOUT_TICK_US_AT,
  RING_FRAMES,
  SINK_ANCHORING,
  SINK_ARRIVAL_US_AT,
  SINK_CLOCK_RATE_AT,
  SINK_FLAGS_AT,
  SINK_NEXT_SEQ_AT,
  SINK_OCTETS_AT,
  SINK_PACKETS_AT,
  SINK_PAUSED,
  SINK_SSRC_AT,
  SINK_STARTED,
  SINK_TIMESTAMP_AT,
  SINK_UNDIRECTED_AT,
  SINK_WAITING,
  SLOT_HEADROOM_BYTES,
} from '../layout';
import { behind, describeSend, hasRoom, protect } from '../replicate/replicate';
import { sinkAt } from '../replicate/sink';
import { count } from '../rtp/stream';
import { mixerAt } from './mixer';

const HEADER_BYTES: u32 = 12;
const MARKER: u32 = 0x80;

/** The mixer, which was just opened, is sent by that sink, which is open: packets of `frames` each. */
export function sendMixer(number: u32, sink: u32, codec: u32, payloadType: u32, frames: u32): void {
  const mixer = mixerAt(number);
  store<u32>(mixer, sink + 1, MIXER_SINK_AT);
  store<u32>(mixer, codec, MIXER_CODEC_AT);
  store<u32>(mixer, payloadType, MIXER_PAYLOAD_TYPE_AT);
  store<u32>(mixer, frames, MIXER_PACKET_FRAMES_AT);
  store<u32>(mixer, load<u32>(mixer, MIXER_FRAME_COUNT_AT), MIXER_SENT_FRAMES_AT);
  store<u32>(mixer, load<u32>(sinkAt(sink), SINK_TIMESTAMP_AT), MIXER_TIMESTAMP_AT);
  store<u32>(mixer, load<u32>(PLAYOUT_AT, PLAYOUT_SKIPPED_FRAMES_AT), MIXER_SKIPPED_FRAMES_AT);
  store<u32>(mixer, 1, MIXER_CHANGED_AT); // it begins in the midst of what its members say
  g722InitEncoder(mixer + MIXER_ENCODER_AT);
}

/** Outgoing packets of all mixtures that have come to a packet's length: to be called after frames were played, until it gives 0. */
export function sendMixers(): u32 {
  let sends: u32 = 0;
  let out: usize = OUT_AT;
  let open = load<u32>(PLAYOUT_AT, PLAYOUT_OPEN_MIXERS_AT);
  for (let number: u32 = 0; open != 0 && number < (MAX_MIXERS as u32); number++) {
    const mixer = mixerAt(number);
    if (load<u32>(mixer, MIXER_OPEN_AT) == 0) continue;
    open--;
    const sink = load<u32>(mixer, MIXER_SINK_AT);
    while (sink != 0 && isDue(mixer) && hasRoom(sends, out)) {
      const bytes = writePacket(mixer, sinkAt(sink - 1), out + SLOT_HEADROOM_BYTES);
      if (bytes == 0) continue;
      describeSend(sends++, sink - 1, out + SLOT_HEADROOM_BYTES, bytes);
      out = behind(out, bytes);
    }
  }
  protect(sends);
  return sends;
}

function isDue(mixer: usize): bool {
  const waiting = load<u32>(mixer, MIXER_FRAME_COUNT_AT) - load<u32>(mixer, MIXER_SENT_FRAMES_AT);
  return waiting >= load<u32>(mixer, MIXER_PACKET_FRAMES_AT);
}

/** Gives the length of the packet; 0 when the sink sends nothing now. */
function writePacket(mixer: usize, sink: usize, to: usize): u32 {
  const frames = load<u32>(mixer, MIXER_PACKET_FRAMES_AT);
  const first = load<u32>(mixer, MIXER_SENT_FRAMES_AT);
  store<u32>(mixer, first + frames, MIXER_SENT_FRAMES_AT);
  const isCut = skipMissed(mixer, sink);
  const timestamp = load<u32>(mixer, MIXER_TIMESTAMP_AT);
  store<u32>(mixer, timestamp + frames * unitsOf(sink), MIXER_TIMESTAMP_AT);
  const flags = load<u32>(sink, SINK_FLAGS_AT);
  if ((flags & (SINK_PAUSED | SINK_WAITING)) != 0) {
    if ((flags & SINK_PAUSED) == 0) count(sink, SINK_UNDIRECTED_AT);
    return 0;
  }
  const isNew = isCut || (flags & SINK_ANCHORING) != 0;
  store<u32>(sink, (flags & ~SINK_ANCHORING) | SINK_STARTED, SINK_FLAGS_AT);
  const payload = encode(mixer, first, frames, to + HEADER_BYTES);
  writeHeader(to, load<u32>(mixer, MIXER_PAYLOAD_TYPE_AT) | (isNew ? MARKER : 0), timestamp, sink);
  count(sink, SINK_PACKETS_AT);
  store<u64>(sink, load<u64>(sink, SINK_OCTETS_AT) + (payload as u64), SINK_OCTETS_AT);
  store<u32>(sink, timestamp, SINK_TIMESTAMP_AT);
  store<u64>(sink, tickOf(mixer, first + frames - 1), SINK_ARRIVAL_US_AT);
  return HEADER_BYTES + payload;
}

/** The timestamp goes on by what the clock has left out. */
function skipMissed(mixer: usize, sink: usize): bool {
  const skipped = load<u32>(PLAYOUT_AT, PLAYOUT_SKIPPED_FRAMES_AT);
  const missed = skipped - load<u32>(mixer, MIXER_SKIPPED_FRAMES_AT);
  if (missed == 0) return false;
  store<u32>(mixer, skipped, MIXER_SKIPPED_FRAMES_AT);
  store<u32>(mixer, load<u32>(mixer, MIXER_TIMESTAMP_AT) + missed * unitsOf(sink), MIXER_TIMESTAMP_AT);
  return true;
}

/** Of the RTP clock, in a frame. */
function unitsOf(sink: usize): u32 {
  return load<u32>(sink, SINK_CLOCK_RATE_AT) / FRAMES_PER_SECOND;
}

/** When a frame was mixed: the clock stands at the tick behind the newest. */
function tickOf(mixer: usize, frame: u32): u64 {
  const back = load<u32>(mixer, MIXER_FRAME_COUNT_AT) - frame;
  return load<u64>(PLAYOUT_AT, PLAYOUT_TICK_US_AT) - (back as u64) * FRAME_US;
}

function writeHeader(to: usize, second: u32, timestamp: u32, sink: usize): void {
  const seq = load<u32>(sink, SINK_NEXT_SEQ_AT);
  store<u32>(sink, seq + 1, SINK_NEXT_SEQ_AT);
  store<u8>(to, 0x80);
  store<u8>(to, second as u8, 1);
  store<u16>(to, bswap<u16>(seq as u16), 2);
  store<u32>(to, bswap<u32>(timestamp), 4);
  store<u32>(to, bswap<u32>(load<u32>(sink, SINK_SSRC_AT)), 8);
}

/** Gives the octets. */
function encode(mixer: usize, first: u32, frames: u32, to: usize): u32 {
  const samples = load<u32>(mixer, MIXER_SAMPLE_RATE_AT) / FRAMES_PER_SECOND;
  const codec = load<u32>(mixer, MIXER_CODEC_AT);
  const bytes = codec == CODEC_L16 ? samples << 1 : codec == CODEC_G722 ? samples >> 1 : samples;
  for (let n: u32 = 0; n < frames; n++) {
    const pcm = mixer + MIXER_FRAMES_AT + ((first + n) % (RING_FRAMES as u32)) * FRAME_BYTES + FRAME_PCM_AT;
    if (codec == CODEC_L16) encodeL16(pcm, samples, to);
    else if (codec == CODEC_G722) g722Encode(mixer + MIXER_ENCODER_AT, pcm, samples, to);
    else if (codec == CODEC_PCMU) encodeMulaw(pcm, samples, to);
    else encodeAlaw(pcm, samples, to);
    to += bytes;
  }
  return bytes * frames;
}
