/** Opus files made and decoded by ffmpeg with the libopus that the system has, and their packets. */
import assert from 'node:assert/strict';
import { encoded, ffmpeg, int16 } from './ffmpeg.ts';

/** Seven seconds of a description in ffmpeg's filter language. */
export function oggOf(sound: string, frameMs: number, ...parameters: string[]): Buffer {
  const how = ['-c:a', 'libopus', '-frame_duration', String(frameMs), ...parameters, '-f', 'ogg'];
  return encoded(`aevalsrc='${sound}':d=7:s=48000`, ...how);
}

export interface OggOpus {
  packets: Buffer[];
  channels: number;
  /** Samples at the start that belong to the encoder's delay. */
  preSkip: number;
}

/** RFC 3533 section 6, RFC 7845 section 5: the packets of a stream that is alone in its file. */
export function readOgg(ogg: Buffer): OggOpus {
  const packets: Buffer[] = [];
  let open: Buffer[] = [];
  for (let at = 0; at < ogg.length; ) {
    assert.equal(ogg.toString('latin1', at, at + 4), 'OggS');
    const lacing = ogg.subarray(at + 27, at + 27 + (ogg[at + 26] as number));
    at += 27 + lacing.length;
    for (const bytes of lacing) {
      open.push(ogg.subarray(at, at + bytes));
      at += bytes;
      if (bytes === 255) continue;
      packets.push(Buffer.concat(open));
      open = [];
    }
  }
  const [head, tags, ...sound] = packets as [Buffer, Buffer, ...Buffer[]];
  assert.deepEqual([head.toString('latin1', 0, 8), tags.toString('latin1', 0, 8)], ['OpusHead', 'OpusTags']);
  return { packets: sound, channels: head.readUInt8(9), preSkip: head.readUInt16LE(10) };
}

function fold(stereo: Int16Array): Int16Array {
  return Int16Array.from({ length: stereo.length / 2 }, (_, i) =>
    Math.trunc(((stereo[2 * i] as number) + (stereo[2 * i + 1] as number)) / 2),
  );
}

/** What ffmpeg makes of the file, less the encoder's delay, folded. */
export function decodedOpus(ogg: Buffer): Int16Array {
  const samples = int16(ffmpeg(ogg, '-c:a', 'libopus', '-i', 'pipe:0', '-f', 's16le'));
  return readOgg(ogg).channels === 2 ? fold(samples) : samples;
}

export function snrDb(samples: Int16Array, expected: Int16Array): number {
  let signal = 0;
  let noise = 1e-9;
  for (const [i, value] of expected.entries()) {
    signal += value ** 2;
    noise += (value - (samples[i] ?? 0)) ** 2;
  }
  return 10 * Math.log10(signal / noise);
}
