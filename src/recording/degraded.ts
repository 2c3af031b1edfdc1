/**
 * When packets reached this machine and were lost in it: the recording is degraded from the first to the last of the journal's declarations
 * that follow each other closely. A declaration comes behind the loss, by the time until the stream's next packet at most.
 */

export interface Degraded {
  fromUs: number;
  toUs: number;
  packets: number;
}

/** Declarations no further apart than this tell of the same trouble. */
const SAME_TROUBLE_US = 1_000_000;

/** Adds a declaration of drops. They come in the order of the journal, nearly that of time. */
export function addDrops(intervals: Degraded[], atUs: number, packets: number): void {
  const last = intervals.at(-1);
  if (last && Math.abs(atUs - last.toUs) <= SAME_TROUBLE_US) {
    last.fromUs = Math.min(last.fromUs, atUs);
    last.toUs = Math.max(last.toUs, atUs);
    last.packets += packets;
  } else intervals.push({ fromUs: atUs, toUs: atUs, packets });
}
