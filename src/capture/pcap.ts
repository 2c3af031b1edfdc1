// pcap container (draft-ietf-opsawg-pcap): a file header, then records of a 16-byte header and the frame.

import { type CapturedFrame, type ContainerReader, type FrameSink, MAX_FRAME_BYTES } from './frame.ts';

const PCAP_HEADER_BYTES = 24;
const PCAP_RECORD_BYTES = 16;

// pcap file header: magic(4) major(2) minor(2) reserved(8) snaplen(4) FCS+linktype(4);
// the magic tells the byte order and whether fractions are micro- or nanoseconds.
export class PcapReader implements ContainerReader {
  problem: string | null = null;
  private readonly littleEndian: boolean;
  private readonly fractionsPerUs: number;
  private linkType = -1;
  private readonly frame: CapturedFrame = { linkType: 0, timestampUs: 0, bytes: new Uint8Array(0), originalBytes: 0 };

  constructor(littleEndian: boolean, nanoseconds: boolean) {
    this.littleEndian = littleEndian;
    this.fractionsPerUs = nanoseconds ? 1000 : 1;
  }

  consume(bytes: Uint8Array, sink: FrameSink): number {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let at = 0;
    if (this.linkType < 0) {
      if (bytes.length < PCAP_HEADER_BYTES) return 0;
      this.linkType = view.getUint32(20, this.littleEndian) & 0xffff; // the upper bits describe the frame check sequence
      at = PCAP_HEADER_BYTES;
    }
    const frame = this.frame;
    frame.linkType = this.linkType;
    while (at + PCAP_RECORD_BYTES <= bytes.length) {
      const captured = view.getUint32(at + 8, this.littleEndian);
      if (captured > MAX_FRAME_BYTES) {
        this.problem = `a record claims ${captured} bytes`;
        return at;
      }
      const next = at + PCAP_RECORD_BYTES + captured;
      if (next > bytes.length) break;
      const fraction = view.getUint32(at + 4, this.littleEndian);
      frame.timestampUs = view.getUint32(at, this.littleEndian) * 1e6 + Math.floor(fraction / this.fractionsPerUs);
      frame.originalBytes = view.getUint32(at + 12, this.littleEndian);
      frame.bytes = bytes.subarray(at + PCAP_RECORD_BYTES, next);
      sink(frame);
      at = next;
    }
    return at;
  }
}
