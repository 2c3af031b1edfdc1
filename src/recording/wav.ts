/**
 * The head of a WAV file: RIFF WAVE with 16-bit PCM, or RF64 (EBU Tech 3306) where 32 bits cannot hold the length.
 */

const CHANNELS = 2;
const BYTES_PER_FRAME = 2 * CHANNELS;
/** Header of the RIFF form. */
export const WAV_HEADER_BYTES = 44;
const DS64_BYTES = 36;

/** The bytes in front of `frames` frames of two 16-bit channels. */
export function wavHeader(rateHz: number, frames: number): Uint8Array {
  const dataBytes = frames * BYTES_PER_FRAME;
  const isLarge = dataBytes + WAV_HEADER_BYTES > 0xffff_ffff;
  const header = Buffer.alloc(WAV_HEADER_BYTES + (isLarge ? DS64_BYTES : 0));
  header.write(isLarge ? 'RF64' : 'RIFF', 0, 'latin1');
  header.writeUInt32LE(isLarge ? 0xffff_ffff : header.length - 8 + dataBytes, 4);
  header.write('WAVE', 8, 'latin1');
  let at = 12;
  if (isLarge) {
    header.write('ds64', at, 'latin1');
    header.writeUInt32LE(DS64_BYTES - 8, at + 4);
    header.writeBigUInt64LE(BigInt(header.length - 8 + dataBytes), at + 8);
    header.writeBigUInt64LE(BigInt(dataBytes), at + 16);
    header.writeBigUInt64LE(BigInt(frames), at + 24);
    at += DS64_BYTES;
  }
  header.write('fmt ', at, 'latin1');
  header.writeUInt32LE(16, at + 4);
  header.writeUInt16LE(1, at + 8); // WAVE_FORMAT_PCM
  header.writeUInt16LE(CHANNELS, at + 10);
  header.writeUInt32LE(rateHz, at + 12);
  header.writeUInt32LE(rateHz * BYTES_PER_FRAME, at + 16);
  header.writeUInt16LE(BYTES_PER_FRAME, at + 20);
  header.writeUInt16LE(16, at + 22);
  header.write('data', at + 24, 'latin1');
  header.writeUInt32LE(isLarge ? 0xffff_ffff : dataBytes, at + 28);
  return header;
}
