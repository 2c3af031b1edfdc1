// pcapng container (draft-ietf-opsawg-pcapng): section header, interface description, enhanced, simple and the old
// packet blocks; every other block is skipped without being buffered.
//
//    0                   1                   2                   3
//   |                          Block Type                           |
//   |                      Block Total Length                       |
//   /                          Block Body (padded to 32 bits)       /
//   |                      Block Total Length                       |

import { type CapturedFrame, type ContainerReader, type FrameSink, MAX_FRAME_BYTES } from './frame.ts';

const SECTION_HEADER = 0x0a0d0d0a;
const INTERFACE_DESCRIPTION = 1;
const PACKET_OBSOLETE = 2;
const SIMPLE_PACKET = 3;
const ENHANCED_PACKET = 6;

const OPTION_TSRESOL = 9;
const OPTION_TSOFFSET = 14;

const MAX_INTERFACES = 4096;
/** Blocks that matter are read whole; a frame with its options stays below this. */
const MAX_BLOCK_BYTES = MAX_FRAME_BYTES + 65536;

interface CaptureInterface {
  linkType: number;
  snapBytes: number;
  ticksPerSecond: bigint;
  offsetUs: number;
}

export class PcapngReader implements ContainerReader {
  problem: string | null = null;
  private littleEndian = true;
  private interfaces: CaptureInterface[] = [];
  private skipBytes = 0;
  private readonly frame: CapturedFrame = { linkType: 0, timestampUs: 0, bytes: new Uint8Array(0), originalBytes: 0 };

  consume(bytes: Uint8Array, sink: FrameSink): number {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let at = 0;
    while (this.problem === null) {
      if (this.skipBytes > 0) {
        const skipped = Math.min(this.skipBytes, bytes.length - at);
        this.skipBytes -= skipped;
        at += skipped;
        if (this.skipBytes > 0) return at;
      }
      if (at + 12 > bytes.length) return at;
      const type = view.getUint32(at, this.littleEndian);
      // The section header's type reads alike in both orders, its byte-order magic says which one holds from here on.
      if (type === SECTION_HEADER && !this.openSection(view.getUint32(at + 8))) return at;
      const blockBytes = view.getUint32(at + 4, this.littleEndian);
      if (blockBytes < 12 || blockBytes % 4 !== 0) {
        this.problem = `a block claims ${blockBytes} bytes`;
        return at;
      }
      if (!isOfUse(type) || blockBytes > MAX_BLOCK_BYTES) {
        this.skipBytes = blockBytes;
        continue;
      }
      if (at + blockBytes > bytes.length) return at;
      this.block(type, bytes.subarray(at + 8, at + blockBytes - 4), sink);
      at += blockBytes;
    }
    return at;
  }

  private openSection(byteOrderMagic: number): boolean {
    if (byteOrderMagic === 0x1a2b3c4d) this.littleEndian = false;
    else if (byteOrderMagic === 0x4d3c2b1a) this.littleEndian = true;
    else {
      this.problem = 'a section header without its byte-order magic';
      return false;
    }
    this.interfaces = [];
    return true;
  }

  private block(type: number, body: Uint8Array, sink: FrameSink): void {
    const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
    if (type === INTERFACE_DESCRIPTION) this.addInterface(view);
    else if (type === ENHANCED_PACKET && body.length >= 20) {
      const index = view.getUint32(0, this.littleEndian);
      this.emit(index, view, 4, view.getUint32(12, this.littleEndian), 16, 20, body, sink);
    } else if (type === PACKET_OBSOLETE && body.length >= 20) {
      const index = view.getUint16(0, this.littleEndian);
      this.emit(index, view, 4, view.getUint32(12, this.littleEndian), 16, 20, body, sink);
    } else if (type === SIMPLE_PACKET && body.length >= 4) {
      const original = view.getUint32(0, this.littleEndian);
      const snap = this.interfaces[0]?.snapBytes ?? 0;
      const captured = Math.min(original, snap === 0 ? original : snap, body.length - 4);
      this.emit(0, view, -1, captured, 0, 4, body, sink);
    }
  }

  // timeAt < 0: the block carries no time.
  private emit(
    index: number,
    view: DataView,
    timeAt: number,
    capturedBytes: number,
    originalAt: number,
    dataAt: number,
    body: Uint8Array,
    sink: FrameSink,
  ): void {
    const from = this.interfaces[index];
    if (from === undefined || dataAt + capturedBytes > body.length || capturedBytes > MAX_FRAME_BYTES) return;
    const frame = this.frame;
    frame.linkType = from.linkType;
    frame.timestampUs = 0;
    if (timeAt >= 0) {
      const high = view.getUint32(timeAt, this.littleEndian);
      const low = view.getUint32(timeAt + 4, this.littleEndian);
      frame.timestampUs = timestampUs(high, low, from);
    }
    frame.originalBytes = view.getUint32(originalAt, this.littleEndian);
    frame.bytes = body.subarray(dataAt, dataAt + capturedBytes);
    sink(frame);
  }

  private addInterface(view: DataView): void {
    if (view.byteLength < 8 || this.interfaces.length >= MAX_INTERFACES) {
      this.problem = view.byteLength < 8 ? 'an interface description is too short' : 'too many interfaces';
      return;
    }
    const added: CaptureInterface = {
      linkType: view.getUint16(0, this.littleEndian),
      snapBytes: view.getUint32(4, this.littleEndian),
      ticksPerSecond: 1000000n,
      offsetUs: 0,
    };
    let at = 8;
    while (at + 4 <= view.byteLength) {
      const code = view.getUint16(at, this.littleEndian);
      const length = view.getUint16(at + 2, this.littleEndian);
      at += 4;
      if (code === 0 || at + length > view.byteLength) break;
      if (code === OPTION_TSRESOL && length >= 1) added.ticksPerSecond = ticksPerSecond(view.getUint8(at));
      if (code === OPTION_TSOFFSET && length >= 8) {
        added.offsetUs = Number(view.getBigInt64(at, this.littleEndian)) * 1e6;
      }
      at += (length + 3) & ~3;
    }
    this.interfaces.push(added);
  }
}

function isOfUse(type: number): boolean {
  return (
    type === SECTION_HEADER ||
    type === INTERFACE_DESCRIPTION ||
    type === PACKET_OBSOLETE ||
    type === SIMPLE_PACKET ||
    type === ENHANCED_PACKET
  );
}

// if_tsresol: the top bit chooses between a power of 2 and of 10; the exponent is capped, the field could say 2^-127.
function ticksPerSecond(resolution: number): bigint {
  const exponent = BigInt(Math.min(resolution & 0x7f, (resolution & 0x80) !== 0 ? 63 : 18));
  return (resolution & 0x80) !== 0 ? 2n ** exponent : 10n ** exponent;
}

function timestampUs(high: number, low: number, from: CaptureInterface): number {
  if (from.ticksPerSecond === 1000000n) return high * 4294967296 + low + from.offsetUs;
  const ticks = (BigInt(high) << 32n) | BigInt(low);
  return Number((ticks * 1000000n) / from.ticksPerSecond) + from.offsetUs;
}
