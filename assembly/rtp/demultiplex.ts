/**
 * Streams that share a port are told apart by where their packets come from, and, where several come from one source, by their SSRC
 * (as RFC 8843 section 9.2 does it with SSRCs that were signalled, RFC 5576).
 *
 * A stream is found by what stands in its entry: a hash of port, source and SSRC leads to a chain through the entries. There is one link
 * for the source of its RTP and one for that of its RTCP.
 */
import {
  CHANNEL_RTCP,
  CHANNEL_RTP,
  DEMULTIPLEX_AT,
  DEMULTIPLEX_BUCKETS,
  DESCRIPTOR_CHANNEL_AT,
  DESCRIPTOR_LENGTH_AT,
  DESCRIPTOR_OFFSET_AT,
  DESCRIPTOR_SOURCE_AT,
  DESCRIPTOR_SOURCE_PORT_AT,
  FLAG_LEARN,
  FLAG_RTCP_MUX,
  STREAM_FLAGS_AT,
  STREAM_HOST_AT,
  STREAM_LINKS_AT,
  STREAM_REMOTE_AT,
  STREAM_REMOTE_RTCP_PORT_AT,
  STREAM_REMOTE_RTP_PORT_AT,
  STREAM_SIGNALLED_SSRC_AT,
} from '../layout';
import { isSameAddress } from './address';
import { FIXED_HEADER_BYTES, looksLikeRtcp, ssrcOf } from './header';
import { streamAt } from './stream';

const ANY_SSRC: u32 = 0;

/** The stream of a datagram that has come to the port of `host`; `host` itself when it is nobody's. */
export function demultiplex(host: u32, descriptor: usize): u32 {
  const at: usize = load<u32>(descriptor, DESCRIPTOR_OFFSET_AT);
  const bytes = load<u32>(descriptor, DESCRIPTOR_LENGTH_AT);
  const source = descriptor + DESCRIPTOR_SOURCE_AT;
  const port = load<u32>(descriptor, DESCRIPTOR_SOURCE_PORT_AT);
  const channel = load<u32>(descriptor, DESCRIPTOR_CHANNEL_AT);
  const isReport = channel == CHANNEL_RTCP || looksLikeRtcp(at, bytes);
  const ssrc = isReport ? reporterOf(at, bytes) : bytes >= FIXED_HEADER_BYTES ? ssrcOf(at) : ANY_SSRC;
  let found = find(host, channel, source, port, ssrc);
  if (found == 0 && ssrc != ANY_SSRC) found = find(host, channel, source, port, ANY_SSRC);
  return found == 0 ? host : found - 1;
}

/** Sender of an RTCP packet (RFC 3550 section 6.4). */
function reporterOf(at: usize, bytes: u32): u32 {
  return bytes >= 8 ? bswap<u32>(load<u32>(at, 4)) : ANY_SSRC;
}

/** Number of the stream + 1; 0: none. */
function find(host: u32, channel: u32, source: usize, port: u32, ssrc: u32): u32 {
  let next = load<u32>(bucketOf(host, channel, source, port, ssrc));
  while (next != 0) {
    const stream = streamAt(next - 1);
    if (
      load<u32>(stream, STREAM_SIGNALLED_SSRC_AT) == ssrc &&
      load<u32>(stream, STREAM_HOST_AT) == host + 1 &&
      portOf(stream, channel) == port &&
      isSameAddress(stream + STREAM_REMOTE_AT, source)
    )
      return next;
    next = load<u32>(linkOf(stream, channel));
  }
  return 0;
}

/**
 * The stream is found from now on, before any other from the same source. Its entry must stay as it is until it is unlinked. Without effect on
 * one whose port is its own, or whose source is not known: nothing can be for it.
 */
export function linkSource(stream: u32): void {
  const flags = load<u32>(streamAt(stream), STREAM_FLAGS_AT);
  if (load<u32>(streamAt(stream), STREAM_HOST_AT) == 0 || (flags & FLAG_LEARN) != 0) return;
  link(stream, CHANNEL_RTP);
  if ((flags & FLAG_RTCP_MUX) == 0) link(stream, CHANNEL_RTCP);
}

/** Without effect on one that is not linked. */
export function unlinkSource(stream: u32): void {
  unlink(stream, CHANNEL_RTP);
  unlink(stream, CHANNEL_RTCP);
}

function link(stream: u32, channel: u32): void {
  const entry = streamAt(stream);
  const bucket = ownBucket(entry, channel);
  store<u32>(linkOf(entry, channel), load<u32>(bucket));
  store<u32>(bucket, stream + 1);
}

function unlink(stream: u32, channel: u32): void {
  const entry = streamAt(stream);
  let at = ownBucket(entry, channel);
  while (load<u32>(at) != 0 && load<u32>(at) != stream + 1) at = linkOf(streamAt(load<u32>(at) - 1), channel);
  if (load<u32>(at) != 0) store<u32>(at, load<u32>(linkOf(entry, channel)));
}

function ownBucket(stream: usize, channel: u32): usize {
  const host = load<u32>(stream, STREAM_HOST_AT) - 1;
  const ssrc = load<u32>(stream, STREAM_SIGNALLED_SSRC_AT);
  return bucketOf(host, channel, stream + STREAM_REMOTE_AT, portOf(stream, channel), ssrc);
}

function portOf(stream: usize, channel: u32): u32 {
  return channel == CHANNEL_RTP
    ? load<u32>(stream, STREAM_REMOTE_RTP_PORT_AT)
    : load<u32>(stream, STREAM_REMOTE_RTCP_PORT_AT);
}

function linkOf(stream: usize, channel: u32): usize {
  return stream + STREAM_LINKS_AT + (channel << 2);
}

/** The channels have buckets of their own, so that a chain goes through one kind of link. */
function bucketOf(host: u32, channel: u32, source: usize, port: u32, ssrc: u32): usize {
  let hash = mix(host * 31 + port, ssrc);
  for (let at: usize = 0; at < 16; at += 4) hash = mix(hash, load<u32>(source + at));
  const bucket = (hash & ((DEMULTIPLEX_BUCKETS as u32) - 1)) + channel * DEMULTIPLEX_BUCKETS;
  return DEMULTIPLEX_AT + (bucket << 2);
}

function mix(hash: u32, word: u32): u32 {
  hash = (hash ^ word) * 0x9e3779b1;
  return hash ^ (hash >>> 15);
}
