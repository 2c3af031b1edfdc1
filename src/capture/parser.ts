// Capture files of either container format as a push parser.
//
// Bytes come in as the file is read, frames go out through a callback; at most one frame is buffered, so a capture of
// any size is read in constant memory. Nothing in a file makes the parser throw: what can't be read ends the capture
// with `problem` set, and frames seen before it stay valid.

import type { ContainerReader, FrameSink } from './frame.ts';
import { PcapReader } from './pcap.ts';
import { PcapngReader } from './pcapng.ts';

function openContainer(head: Uint8Array): ContainerReader | null {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  switch (view.getUint32(0)) {
    case 0xa1b2c3d4:
      return new PcapReader(false, false);
    case 0xd4c3b2a1:
      return new PcapReader(true, false);
    case 0xa1b23c4d:
      return new PcapReader(false, true);
    case 0x4d3cb2a1:
      return new PcapReader(true, true);
    case 0x0a0d0d0a:
      return new PcapngReader();
    default:
      return null;
  }
}

/**
 * Reads a capture from successive pieces of its file.
 *
 * Call `push` for each piece and `end` after the last one; then `problem` is null for a sound file or says, for a
 * person, why the rest could not be read (unknown format, damaged record, cut in the middle of a frame).
 */
export class CaptureParser {
  problem: string | null = null;
  private container: ContainerReader | null = null;
  private rest: Uint8Array = new Uint8Array(0);
  private readonly sink: FrameSink;

  constructor(sink: FrameSink) {
    this.sink = sink;
  }

  /** Takes the next piece; false once nothing more will be read, so the caller may stop. */
  push(piece: Uint8Array): boolean {
    if (this.problem !== null) return false;
    let bytes = piece;
    if (this.rest.length > 0) {
      bytes = new Uint8Array(this.rest.length + piece.length);
      bytes.set(this.rest);
      bytes.set(piece, this.rest.length);
    }
    if (this.container === null) {
      if (bytes.length < 4) {
        this.rest = bytes.slice();
        return true;
      }
      this.container = openContainer(bytes);
      if (this.container === null) {
        this.problem = 'neither pcap nor pcapng';
        return false;
      }
    }
    const used = this.container.consume(bytes, this.sink);
    this.rest = bytes.slice(used);
    this.problem = this.container.problem;
    return this.problem === null;
  }

  end(): void {
    if (this.problem !== null) return;
    if (this.container === null) this.problem = 'neither pcap nor pcapng';
    else if (this.rest.length > 0) this.problem = `the file ends inside a record (${this.rest.length} bytes are left)`;
  }
}
