/** What a recorder's description says of a stream that is sent to it (RFC 3264 sections 6.1 and 8): where, whether, and under which numbers. */
import type { Destination, SrtpKeys } from '../../media/index.ts';
import {
  addressType,
  ipVersion,
  isAuxiliary,
  isUnspecified,
  type MediaDescription,
  type PayloadType,
  remoteOf,
} from '../../sdp/index.ts';

/** Why a stream cannot be sent to the recorder, for people. */
export class MediaFault extends Error {
  override readonly name = 'MediaFault';
}

export interface StreamTarget {
  /** Null: nowhere for now, and `takes` is false. */
  remote: Destination | null;
  /** False: the recorder wants nothing for now, and may want it later. */
  takes: boolean;
  /** Numbers that are others there. */
  payloadTypes: { from: number; to: number }[];
  /** What the recorder's reports come under; null: in the clear. */
  receiveSrtp: SrtpKeys | null;
}

const FIRST_DYNAMIC = 96;
const LAST_DYNAMIC = 127;

/**
 * @param carried what the stream has in it, in our numbers
 * @param local IP address that it leaves from
 * @throws MediaFault
 */
export function streamTarget(
  theirs: MediaDescription,
  carried: readonly PayloadType[],
  local: string,
  receiveSrtp: SrtpKeys | null,
): StreamTarget {
  const remote = remoteOf(theirs);
  if (remote === null) throw new MediaFault(theirs.port === 0 ? 'refused with port 0' : 'no address to send to');
  const payloadTypes = renumbered(carried, theirs.rtpmaps);
  if (isUnspecified(remote.address)) return { remote: null, takes: false, payloadTypes, receiveSrtp };
  if (ipVersion(remote.address) === 0) throw new MediaFault('the address to send to is no IP address');
  if (addressType(remote.address) !== addressType(local)) {
    throw new MediaFault(`the address to send to is ${addressType(remote.address)}, ours is ${addressType(local)}`);
  }
  const takes = theirs.direction === 'recvonly' || theirs.direction === 'sendrecv';
  return { remote, takes, payloadTypes, receiveSrtp };
}

/** The payload types that are carried and that the recorder knows, as it numbers them. @throws MediaFault when none has speech in it */
export function commonPayloadTypes(carried: readonly PayloadType[], theirs: readonly PayloadType[]): PayloadType[] {
  return matches(carried, theirs).map(([ours, number]) => ({ ...ours, payloadType: number }));
}

function renumbered(carried: readonly PayloadType[], theirs: readonly PayloadType[]): { from: number; to: number }[] {
  const matched = new Map(matches(carried, theirs).map(([ours, number]) => [ours.payloadType, number]));
  const taken = new Set([...matched.values(), ...theirs.map(({ payloadType }) => payloadType)]);
  for (const { payloadType } of carried) {
    if (matched.has(payloadType)) continue;
    // What the recorder does not know must not look like what it knows.
    const to = taken.has(payloadType) ? freeNumber(taken) : payloadType;
    matched.set(payloadType, to);
    taken.add(to);
  }
  return [...matched].map(([from, to]) => ({ from, to })).filter(({ from, to }) => from !== to);
}

function matches(carried: readonly PayloadType[], theirs: readonly PayloadType[]): [PayloadType, number][] {
  const found = carried.flatMap((ours): [PayloadType, number][] => {
    const same = theirs.filter((one) => isSame(ours, one));
    const match = same.find(({ payloadType }) => payloadType === ours.payloadType) ?? same[0];
    return match === undefined ? [] : [[ours, match.payloadType]];
  });
  if (!found.some(([ours]) => !isAuxiliary(ours))) {
    throw new MediaFault('the recorder takes none of the codecs of the stream');
  }
  return found;
}

/** Some repeat a number that was offered and leave its a=rtpmap out. */
function isSame(ours: PayloadType, theirs: PayloadType): boolean {
  if (theirs.encoding === 'UNKNOWN') return theirs.payloadType === ours.payloadType;
  return theirs.encoding === ours.encoding && theirs.clockRate === ours.clockRate && theirs.channels === ours.channels;
}

function freeNumber(taken: ReadonlySet<number>): number {
  for (let number = LAST_DYNAMIC; number > FIRST_DYNAMIC; number--) if (!taken.has(number)) return number;
  return FIRST_DYNAMIC;
}
