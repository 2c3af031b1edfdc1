/**
 * Offers that this side makes (RFC 3264 5): the recording client's (sendonly, labelled, RFC 7866 7.1.1) and the recording
 * server's to an INVITE without one (recvonly).
 */
import { addressType } from './addresses.ts';
import type { Direction, MediaDescription } from './media-description.ts';
import { type PayloadType, rtpmapValue } from './payload-types.ts';
import { parseSdp, type Sdp } from './session-description.ts';

export interface OfferedMedia {
  /** Default `audio`. */
  kind?: string;
  port: number;
  /** a=label (RFC 4574); left out when null. */
  label?: string | null;
  /** Default `sendonly`. */
  direction?: Direction;
  payloadTypes: readonly PayloadType[];
  /** Default `RTP/AVP`. */
  protocol?: string;
  ptime?: number;
  /** Stated as a=rtcp when it is not port + 1. */
  rtcpPort?: number;
  rtcpMux?: boolean;
  /** Further attribute lines without `a=`, e.g. `crypto:1 ...`. */
  attributes?: readonly string[];
}

export interface OfferOptions {
  /** Where this side's media comes from or goes to, an IP address. */
  address: string;
  sessionId: string;
  version: number;
  media: readonly OfferedMedia[];
  username?: string;
  /** s=, default `-`. */
  sessionName?: string;
}

/** Builds an offer; one m-line per entry of `o.media`. */
export function buildOffer(o: OfferOptions): Sdp {
  const type = addressType(o.address);
  const lines = [
    'v=0',
    `o=${o.username ?? '-'} ${o.sessionId} ${o.version} IN ${type} ${o.address}`,
    `s=${o.sessionName ?? '-'}`,
    `c=IN ${type} ${o.address}`,
    't=0 0',
  ];
  for (const media of o.media) lines.push(...offeredLines(media));
  return parseSdp(`${lines.join('\r\n')}\r\n`);
}

function offeredLines(media: OfferedMedia): string[] {
  const formats = media.payloadTypes.map((pt) => pt.payloadType).join(' ');
  const lines = [`m=${media.kind ?? 'audio'} ${media.port} ${media.protocol ?? 'RTP/AVP'} ${formats}`];
  for (const pt of media.payloadTypes) {
    const value = rtpmapValue(pt);
    if (value !== null) lines.push(`a=rtpmap:${value}`);
    if (pt.fmtp) lines.push(`a=fmtp:${pt.payloadType} ${pt.fmtp}`);
  }
  if (media.ptime !== undefined) lines.push(`a=ptime:${media.ptime}`);
  if (media.rtcpPort !== undefined && media.rtcpPort !== media.port + 1) lines.push(`a=rtcp:${media.rtcpPort}`);
  if (media.rtcpMux) lines.push('a=rtcp-mux');
  for (const attribute of media.attributes ?? []) lines.push(`a=${attribute}`);
  lines.push(`a=${media.direction ?? 'sendonly'}`);
  if (media.label != null) lines.push(`a=label:${media.label}`);
  return lines;
}

/** What is wrong with an answer to an offer (RFC 3264 6), or null: m-lines missing, in another order, or another protocol. */
export function answerProblem(offer: Sdp, answer: Sdp): string | null {
  if (answer.media.length !== offer.media.length) {
    return `answer has ${answer.media.length} m-lines, the offer ${offer.media.length}`;
  }
  for (let i = 0; i < offer.media.length; i++) {
    const asked = offer.media[i]!;
    const got = answer.media[i]!;
    if (asked.kind !== got.kind) return `m-line ${i + 1} of the answer is ${got.kind}, offered was ${asked.kind}`;
    if (asked.port === 0 && got.port !== 0) return `m-line ${i + 1} was offered with port 0 and answered with a port`;
  }
  return null;
}

/** Where the peer of a description takes or sends RTP and RTCP (RFC 3605, RFC 5761), or null without a usable address. */
export function remoteOf(media: MediaDescription): { address: string; rtpPort: number; rtcpPort: number } | null {
  if (media.connectionAddress === null || media.port === 0) return null;
  const rtcpPort = media.rtcpPort ?? (media.rtcpMux ? media.port : Math.min(media.port + 1, 65_535));
  return { address: media.connectionAddress, rtpPort: media.port, rtcpPort };
}
