/** What a person should know about the SRTP of an extraction: keys that are missing, superfluous or wrong, and what to do then. */

import type { ExtractedStream } from './extract.ts';
import type { PlannedStream } from './plan.ts';
import { type CaptureKeys, hexSsrc } from './srtp-keys.ts';

/** So many packets that are longer than their time by a tag are no chance. */
const MIN_LONG_PACKETS = 10;

/** Keys for an SSRC that none of the streams has. */
export function warnOfUnusedKeys(streams: readonly PlannedStream[], keys: CaptureKeys, warnings: string[]): void {
  const seen = new Set(streams.flatMap(({ sources }) => sources.map(({ ssrc }) => ssrc)));
  for (const ssrc of keys.ssrcs) {
    if (!seen.has(ssrc)) warnings.push(`a key is given for SSRC ${hexSsrc(ssrc)}, which no stream has`);
  }
}

/** Streams that are SRTP and have no key. They are taken as they are: their counters stand, their audio is noise. */
export function warnOfMissingKeys(streams: readonly PlannedStream[], keys: CaptureKeys, warnings: string[]): void {
  for (const stream of streams) {
    const isKeyed = stream.sources.some(({ ssrc }) => keys.of(ssrc) !== null);
    for (const source of stream.sources) {
      if (keys.of(source.ssrc) !== null) continue;
      const isLong = source.longPackets >= MIN_LONG_PACKETS && source.longPackets > source.packets / 2;
      const why = stream.isSecure
        ? 'is signalled as SRTP'
        : isKeyed
          ? 'belongs to a stream that is SRTP'
          : 'looks like SRTP (its packets are longer than their time, by a tag)';
      if (!stream.isSecure && !isKeyed && !isLong) continue;
      const key = `--srtp ${hexSsrc(source.ssrc)}=SUITE:KEY`;
      warnings.push(`stream ${stream.label} ${why}, and its audio cannot be decoded without its key: give ${key}`);
    }
  }
}

/** Streams of which something did not verify. */
export function warnOfFailures(streams: readonly ExtractedStream[], warnings: string[]): void {
  for (const { label, srtp, ssrcs, packets } of streams) {
    const { received, unauthenticated } = packets;
    if (srtp === null || unauthenticated === 0) continue;
    if (received > 0) {
      warnings.push(`${unauthenticated} packets of stream ${label} do not verify, or were replayed, and are left out`);
      continue;
    }
    warnings.push(
      `none of the ${unauthenticated} packets of stream ${label} (SSRC ${ssrcs.map(hexSsrc).join(', ')}) verifies: ` +
        `the key is another one's, or the suite is not ${srtp}. Each direction has a key of its own: ` +
        'what its sender states in a=crypto',
    );
  }
}
