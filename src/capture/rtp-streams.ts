// RTP streams in captured traffic, without signalling: datagrams are told apart by RFC 3550 A.1 and RFC 5761 section 4,
// and a (source, destination, SSRC) counts as a stream once its sequence numbers run like one.
//
// A stream here is one direction between two sockets: when its sender changes SSRC (transfer, restart) it stays the
// same stream; two SSRCs that are sent at the same time are two streams.

import { SRTP_SUITES } from '../media/srtp-suites.ts';
import type { Datagram } from './datagram.ts';

export type DatagramKind = 'rtp' | 'rtcp' | 'other';

/** How a payload type was used. */
export interface PayloadTypeUse {
  packets: number;
  /** Packets shaped like a telephone-event (RFC 4733 2.3): four bytes; if they can be read, an event code of a key, the reserved bit clear. */
  eventPackets: number;
}

/** One synchronisation source between two sockets. */
export interface CapturedSource {
  ssrc: number;
  packets: number;
  firstUs: number;
  lastUs: number;
  firstSeq: number;
  /** What was seen of each payload type. */
  payloadTypes: Map<number, PayloadTypeUse>;
  /** Packets that are longer than the time which they last, by just what a tag of SRTP takes. */
  longPackets: number;
}

/** One direction of a conversation. */
export interface CapturedStream {
  source: string;
  sourcePort: number;
  destination: string;
  destinationPort: number;
  /** In the order of their first packets. */
  sources: CapturedSource[];
}

interface Candidate extends CapturedSource {
  lastSeq: number;
  lastTimestamp: number;
  /** Payload of the last packet; null when nothing says how long one lasts. */
  lastBytes: number | null;
  inSequence: number;
}

interface Flow {
  source: string;
  sourcePort: number;
  destination: string;
  destinationPort: number;
  candidates: Map<number, Candidate>;
}

/** Traffic that looks like RTP by chance makes a new "SSRC" with each packet: such flows are given up at this many. */
const MAX_SOURCES_PER_FLOW = 256;
const MAX_FLOWS = 65536;
/** Steps of 1 to MAX_STEP in the sequence number that make a stream of a candidate (so at least three packets). */
const MIN_IN_SEQUENCE = 2;
const MAX_STEP = 100;
/** Sources of one flow which overlap by more than this are simultaneous, not a change of SSRC. */
const MAX_OVERLAP_US = 1_000_000;
/** Payload types with an octet per unit of RTP time (RFC 3551 table 4): PCMU, PCMA, G722. */
const OCTET_PER_UNIT = new Set([0, 8, 9]);
const TAG_BYTES = new Set<number>(Object.values(SRTP_SUITES).flatMap(({ rtpTagBytes }) => rtpTagBytes || []));

/**
 * Tells RTP from RTCP from the rest by the first bytes (RFC 3550 A.1, RFC 5761 section 4: RTCP packet types are 192 to 223).
 * STUN, DTLS, TURN channels and ZRTP have another version number.
 */
export function classifyDatagram(payload: Uint8Array): DatagramKind {
  if (payload.length < 8 || payload[0]! >> 6 !== 2) return 'other';
  const second = payload[1]!;
  if (second >= 192 && second <= 223) {
    const bytes = 4 * (((payload[2]! << 8) | payload[3]!) + 1);
    return bytes <= payload.length ? 'rtcp' : 'other';
  }
  let header = 12 + 4 * (payload[0]! & 15);
  if (header > payload.length) return 'other';
  if ((payload[0]! & 0x10) !== 0) {
    if (header + 4 > payload.length) return 'other';
    header += 4 + 4 * ((payload[header + 2]! << 8) | payload[header + 3]!);
    if (header > payload.length) return 'other';
  }
  return 'rtp';
}

export function rtpSeq(packet: Uint8Array): number {
  return (packet[2]! << 8) | packet[3]!;
}

export function rtpSsrc(packet: Uint8Array): number {
  return ((packet[8]! << 24) | (packet[9]! << 16) | (packet[10]! << 8) | packet[11]!) >>> 0;
}

/** Of whoever sends the compound packet (RFC 3550 section 6.4). */
export function rtcpSsrc(packet: Uint8Array): number {
  return ((packet[4]! << 24) | (packet[5]! << 16) | (packet[6]! << 8) | packet[7]!) >>> 0;
}

function rtpTimestamp(packet: Uint8Array): number {
  return ((packet[4]! << 24) | (packet[5]! << 16) | (packet[6]! << 8) | packet[7]!) >>> 0;
}

/** The identity of the direction a datagram belongs to. */
export function flowKey(d: Datagram): string {
  return `${d.source} ${d.sourcePort} ${d.destination} ${d.destinationPort}`;
}

/** Collects datagrams of a capture and says which streams there are. Memory is bounded whatever is offered. */
export class StreamDiscovery {
  private readonly flows = new Map<string, Flow>();
  private readonly tagBytesOf: (ssrc: number) => number;
  /** RTP-like datagrams beyond the limits above. */
  ignored = 0;

  /** @param tagBytesOf what SRTP adds to the packets of an SSRC, as far as that is known */
  constructor(tagBytesOf: (ssrc: number) => number = () => 0) {
    this.tagBytesOf = tagBytesOf;
  }

  offer(datagram: Datagram, timestampUs: number): void {
    if (classifyDatagram(datagram.payload) !== 'rtp') return;
    const flow = this.flowOf(datagram);
    if (flow === null) {
      this.ignored++;
      return;
    }
    const packet = datagram.payload;
    const ssrc = rtpSsrc(packet);
    let candidate = flow.candidates.get(ssrc);
    if (candidate === undefined) {
      if (flow.candidates.size >= MAX_SOURCES_PER_FLOW) {
        this.ignored++;
        return;
      }
      candidate = newCandidate(ssrc, rtpSeq(packet), timestampUs);
      flow.candidates.set(ssrc, candidate);
    } else {
      const step = (rtpSeq(packet) - candidate.lastSeq) & 0xffff;
      if (step >= 1 && step <= MAX_STEP) candidate.inSequence++;
      if (step === 1 && isLongByTag(candidate, packet)) candidate.longPackets++;
      if (step < 0x8000) candidate.lastSeq = rtpSeq(packet);
    }
    candidate.packets++;
    candidate.firstUs = Math.min(candidate.firstUs, timestampUs);
    candidate.lastUs = Math.max(candidate.lastUs, timestampUs);
    candidate.lastTimestamp = rtpTimestamp(packet);
    candidate.lastBytes = octetsOfTime(packet);
    noteUse(candidate, packet, this.tagBytesOf(ssrc));
  }

  /** The streams seen so far, in the order of their first packets. */
  streams(): CapturedStream[] {
    const found: CapturedStream[] = [];
    for (const flow of this.flows.values()) {
      const sources = [...flow.candidates.values()]
        .filter((candidate) => candidate.inSequence >= MIN_IN_SEQUENCE)
        .sort((a, b) => a.firstUs - b.firstUs);
      let last: CapturedStream | null = null;
      for (const source of sources) {
        const before = last?.sources.at(-1);
        if (last !== null && before !== undefined && source.firstUs > before.lastUs - MAX_OVERLAP_US) {
          last.sources.push(source);
          continue;
        }
        const { candidates: _, ...sockets } = flow;
        last = { ...sockets, sources: [source] };
        found.push(last);
      }
    }
    return found.sort((a, b) => a.sources[0]!.firstUs - b.sources[0]!.firstUs);
  }

  private flowOf(d: Datagram): Flow | null {
    const key = flowKey(d);
    let flow = this.flows.get(key);
    if (flow === undefined) {
      if (this.flows.size >= MAX_FLOWS) return null;
      const { source, sourcePort, destination, destinationPort } = d;
      flow = { source, sourcePort, destination, destinationPort, candidates: new Map() };
      this.flows.set(key, flow);
    }
    return flow;
  }
}

/** The payload's octets, each of which lasts a unit of RTP time; null if they do not, or there is more than the fixed header. */
function octetsOfTime(packet: Uint8Array): number | null {
  return packet[0] === 0x80 && OCTET_PER_UNIT.has(packet[1]! & 0x7f) ? packet.length - 12 : null;
}

function isLongByTag({ lastBytes, lastTimestamp }: Candidate, packet: Uint8Array): boolean {
  return lastBytes !== null && TAG_BYTES.has(lastBytes - ((rtpTimestamp(packet) - lastTimestamp) >>> 0));
}

function noteUse(candidate: Candidate, packet: Uint8Array, tagBytes: number): void {
  const payloadType = packet[1]! & 0x7f;
  let use = candidate.payloadTypes.get(payloadType);
  if (use === undefined) {
    use = { packets: 0, eventPackets: 0 };
    candidate.payloadTypes.set(payloadType, use);
  }
  use.packets++;
  if (packet[0] !== 0x80 || packet.length !== 16 + tagBytes) return;
  if (tagBytes > 0 || (packet[12]! <= 16 && (packet[13]! & 0x40) === 0)) use.eventPackets++;
}

function newCandidate(ssrc: number, seq: number, timestampUs: number): Candidate {
  return {
    ssrc,
    packets: 0,
    firstUs: timestampUs,
    lastUs: timestampUs,
    firstSeq: seq,
    payloadTypes: new Map(),
    longPackets: 0,
    lastSeq: seq,
    lastTimestamp: 0,
    lastBytes: null,
    inSequence: 0,
  };
}
