// A captured frame and what the two container formats share.

/** A frame as captured. `bytes` is a view which is valid only until the callback returns. */
export interface CapturedFrame {
  /** LINKTYPE_ number of the interface. */
  linkType: number;
  /** Arrival, microseconds since 1970 (0 where the file has no time). */
  timestampUs: number;
  bytes: Uint8Array;
  /** Length on the wire; more than `bytes.length` when the capture was cut by a snapshot length. */
  originalBytes: number;
}

export type FrameSink = (frame: CapturedFrame) => void;

/** Longest frame that is taken; longer ones are a damaged file (pcap) or skipped (pcapng). */
export const MAX_FRAME_BYTES = 1 << 20;

/** What a container parser does with the bytes it has: how many it used, or that the file ends here. */
export interface ContainerReader {
  /** Parses as many whole records of `bytes` as there are; returns the number of bytes used up. */
  consume(bytes: Uint8Array, sink: FrameSink): number;
  /** Set once the file can't be read any further. */
  problem: string | null;
}
