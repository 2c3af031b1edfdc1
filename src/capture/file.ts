// Reads the UDP datagrams of a capture file, piece by piece.

import { open } from 'node:fs/promises';
import { type Datagram, decodeDatagram, emptyDatagram, type FrameClass } from './datagram.ts';
import { Reassembly } from './fragments.ts';
import { CaptureParser } from './parser.ts';

/** What a capture consisted of. */
export interface CaptureSummary {
  frames: number;
  /** Frames by what they turned out to be. */
  classes: Record<FrameClass, number>;
  /** Datagrams cut by the capture's snapshot length (counted among `udp`). */
  truncated: number;
  /** Fragments of datagrams that were never whole (counted among `fragment`). */
  lostFragments: number;
  /** Why the rest of the file could not be read, or null. */
  problem: string | null;
}

/** Called per datagram; the datagram is reused, so copy what is kept. */
export type DatagramSink = (datagram: Datagram, timestampUs: number) => void;

const PIECE_BYTES = 1 << 18;

/** Takes a capture's bytes and calls `sink` for each UDP datagram; the push form of `readCapture`. */
export class CaptureDecoder {
  readonly summary: CaptureSummary = {
    frames: 0,
    classes: { udp: 0, fragment: 0, 'not-udp': 0, 'not-ip': 0, malformed: 0, 'unsupported-link': 0 },
    truncated: 0,
    lostFragments: 0,
    problem: null,
  };
  private readonly parser: CaptureParser;
  private readonly pieces = { reassembly: new Reassembly(), nowUs: 0 };

  constructor(sink: DatagramSink) {
    const datagram = emptyDatagram();
    const { summary, pieces } = this;
    this.parser = new CaptureParser((frame) => {
      summary.frames++;
      pieces.nowUs = frame.timestampUs;
      const kind = decodeDatagram(frame.linkType, frame.bytes, datagram, pieces);
      summary.classes[kind]++;
      if (kind !== 'udp') return;
      if (datagram.truncated) summary.truncated++;
      sink(datagram, frame.timestampUs);
    });
  }

  push(piece: Uint8Array): boolean {
    return this.parser.push(piece);
  }

  end(): CaptureSummary {
    this.parser.end();
    this.summary.problem = this.parser.problem;
    this.summary.lostFragments = this.pieces.reassembly.left;
    return this.summary;
  }
}

/**
 * Reads a pcap or pcapng file in constant memory.
 *
 * A damaged file doesn't reject: `problem` of the summary says where reading stopped.
 * @throws the file system's error when the file can't be opened or read
 */
export async function readCapture(path: string, sink: DatagramSink): Promise<CaptureSummary> {
  const decoder = new CaptureDecoder(sink);
  const file = await open(path);
  try {
    const piece = new Uint8Array(PIECE_BYTES);
    for (;;) {
      const { bytesRead } = await file.read(piece, 0, PIECE_BYTES);
      if (bytesRead === 0 || !decoder.push(piece.subarray(0, bytesRead))) break;
    }
  } finally {
    await file.close();
  }
  return decoder.end();
}
