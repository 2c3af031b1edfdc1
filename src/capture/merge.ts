// Several captures as one sequence of datagrams in order of time: the two directions of a call are often captured apart.

import { type FileHandle, open } from 'node:fs/promises';
import type { Datagram } from './datagram.ts';
import { CaptureDecoder, type CaptureSummary } from './file.ts';

const PIECE_BYTES = 1 << 18;

interface Arrived extends Datagram {
  timestampUs: number;
}

/** A capture that is read ahead by one piece. */
class Reader {
  summary: CaptureSummary | null = null;
  private readonly waiting: Arrived[] = [];
  private at = 0;
  private readonly file: FileHandle;
  private readonly decoder: CaptureDecoder;

  constructor(file: FileHandle) {
    this.file = file;
    this.decoder = new CaptureDecoder((datagram, timestampUs) => {
      this.waiting.push({ ...datagram, payload: datagram.payload.slice(), timestampUs });
    });
  }

  /** The next datagram without taking it, or null at the end. */
  async peek(): Promise<Arrived | null> {
    if (this.at === this.waiting.length && this.summary === null) await this.fill();
    return this.waiting[this.at] ?? null;
  }

  /** The next datagram if it has been read already. */
  peekReady(): Arrived | undefined {
    return this.waiting[this.at];
  }

  take(): void {
    this.at++;
  }

  async close(): Promise<void> {
    await this.file.close();
  }

  private async fill(): Promise<void> {
    this.waiting.length = 0;
    this.at = 0;
    const piece = new Uint8Array(PIECE_BYTES);
    while (this.waiting.length === 0 && this.summary === null) {
      const { bytesRead } = await this.file.read(piece, 0, PIECE_BYTES);
      if (bytesRead === 0 || !this.decoder.push(piece.subarray(0, bytesRead))) this.summary = this.decoder.end();
    }
  }
}

/**
 * Reads captures side by side and calls `sink` for each datagram in order of time (as far as each capture keeps to it).
 * Memory is that of one piece per capture.
 *
 * @param sink gets the index of the capture in `paths` with each datagram
 * @param between awaited before each further read, for work on what the sink has collected
 * @returns one summary per capture
 * @throws the file system's error when a file can't be opened or read
 */
export async function mergeCaptures(
  paths: readonly string[],
  sink: (datagram: Datagram, timestampUs: number, capture: number) => void,
  between?: () => Promise<void>,
): Promise<CaptureSummary[]> {
  const readers: Reader[] = [];
  try {
    for (const path of paths) readers.push(new Reader(await open(path)));
    for (;;) {
      let first = -1;
      let earliest: Arrived | null = null;
      for (const [i, reader] of readers.entries()) {
        let next: Arrived | null | undefined = reader.peekReady();
        if (next === undefined) {
          await between?.();
          next = await reader.peek();
        }
        if (next === null || (earliest !== null && next.timestampUs >= earliest.timestampUs)) continue;
        earliest = next;
        first = i;
      }
      if (earliest === null) return readers.map((reader) => reader.summary!);
      readers[first]!.take();
      sink(earliest, earliest.timestampUs, first);
    }
  } finally {
    await Promise.all(readers.map((reader) => reader.close()));
  }
}
