/**
 * The answer to an offer (RFC 3264 6): as many m-lines, in the same order, protocol echoed, port 0 for what is rejected.
 * A recording server only ever receives (RFC 7866 7.2), a party's session border both.
 */
import { addressType } from './addresses.ts';
import type { Direction, MediaDescription } from './media-description.ts';
import { type PayloadType, rtpmapValue } from './payload-types.ts';
import { parseSdp, type Sdp } from './session-description.ts';

export interface AcceptedMedia {
  accept: true;
  port: number;
  /** What is wanted: less of it where the offer does not allow for more (RFC 3264 6.1). */
  direction: Direction;
  /** In order of preference; empty means all that were offered. */
  payloadTypes: readonly PayloadType[];
  /** Stated as a=rtcp when it is not port + 1; equal to `port` accepts an offered a=rtcp-mux. */
  rtcpPort?: number;
  /** Further attribute lines without `a=`, e.g. `crypto:1 ...`. */
  attributes?: readonly string[];
}

export interface AnswerOptions {
  /** Where media is received, an IP address. */
  address: string;
  /** Decimal digits, the same for the whole dialog. */
  sessionId: string;
  /** Rises by one with each changed description. */
  version: number;
  media: ReadonlyArray<AcceptedMedia | { accept: false }>;
  username?: string;
}

/** Builds the answer. `o.media` must have one entry per m-line of the offer (RangeError otherwise). */
export function answerOffer(offer: Sdp, o: AnswerOptions): Sdp {
  if (o.media.length !== offer.media.length) {
    throw new RangeError(`answer for ${o.media.length} m-lines to an offer of ${offer.media.length}`);
  }
  const type = addressType(o.address);
  // RFC 3264 6: the t= line of the answer equals that of the offer.
  const time = offer.sessionLines.find((line) => line.type === 't')?.value || '0 0';
  const lines = [
    'v=0',
    `o=${o.username ?? '-'} ${o.sessionId} ${o.version} IN ${type} ${o.address}`,
    's=-',
    `c=IN ${type} ${o.address}`,
    `t=${time}`,
  ];
  offer.media.forEach((media, i) => {
    const answer = o.media[i]!;
    lines.push(...(answer.accept ? acceptedLines(media, answer) : rejectedLines(media)));
  });
  return parseSdp(`${lines.join('\r\n')}\r\n`);
}

function rejectedLines(media: MediaDescription): string[] {
  const formats = media.formats.length > 0 ? media.formats.join(' ') : '0';
  const lines = [`m=${media.kind} 0 ${media.protocol} ${formats}`];
  if (media.label !== null) lines.push(`a=label:${media.label}`);
  return lines;
}

function acceptedLines(media: MediaDescription, answer: AcceptedMedia): string[] {
  const chosen = answer.payloadTypes.length > 0 ? answer.payloadTypes : media.rtpmaps;
  const lines = [`m=${media.kind} ${answer.port} ${media.protocol} ${chosen.map((pt) => pt.payloadType).join(' ')}`];
  for (const pt of chosen) {
    const value = media.rtpmapText(pt.payloadType) ?? rtpmapValue(pt);
    if (value !== null) lines.push(`a=rtpmap:${value}`);
    if (pt.fmtp) lines.push(`a=fmtp:${pt.payloadType} ${pt.fmtp}`);
  }
  if (media.ptime !== null) lines.push(`a=ptime:${media.ptime}`);
  if (answer.rtcpPort !== undefined) lines.push(...rtcpLines(media, answer.port, answer.rtcpPort));
  for (const attribute of answer.attributes ?? []) lines.push(`a=${attribute}`);
  lines.push(`a=${answerDirection(media, answer.direction)}`);
  if (media.label !== null) lines.push(`a=label:${media.label}`);
  return lines;
}

function rtcpLines(media: MediaDescription, port: number, rtcpPort: number): string[] {
  if (rtcpPort === port) return media.rtcpMux ? ['a=rtcp-mux'] : [`a=rtcp:${rtcpPort}`];
  return rtcpPort === port + 1 ? [] : [`a=rtcp:${rtcpPort}`];
}

/** RFC 3264 6.1: nobody receives what the offer does not send, or sends what it does not receive. */
function answerDirection({ direction: offered }: MediaDescription, wanted: Direction): Direction {
  const receives = takesIn(wanted) && givesOut(offered);
  const sends = givesOut(wanted) && takesIn(offered);
  if (receives) return sends ? 'sendrecv' : 'recvonly';
  return sends ? 'sendonly' : 'inactive';
}

const takesIn = (direction: Direction): boolean => direction === 'sendrecv' || direction === 'recvonly';
const givesOut = (direction: Direction): boolean => direction === 'sendrecv' || direction === 'sendonly';
