/**
 * WAV files (RIFF and its 64-bit form RF64, EBU Tech 3306): where the samples of a stored file lie, and one channel of it
 * (or the mix of all) as a file of its own, computed for just the bytes that are asked for.
 */
import { type OpenObject, readable } from '../store/objects.ts';

const RIFF_HEADER_BYTES = 12;
const CHUNK_HEADER_BYTES = 8;
const FMT_BYTES = 16;
const MAX_CHUNKS = 64;
const U32_MAX = 0xffff_ffff;
const FORMAT_PCM = 1;
const FORMAT_EXTENSIBLE = 0xfffe;
const BYTES_PER_SAMPLE = 2;
const MONO_HEADER_BYTES = RIFF_HEADER_BYTES + CHUNK_HEADER_BYTES + FMT_BYTES + CHUNK_HEADER_BYTES;
const DS64_BYTES = 28;

export interface WavLayout {
  channels: number;
  sampleRateHz: number;
  bitsPerSample: number;
  /** Where the samples begin in the file. */
  dataOffset: number;
  dataBytes: number;
}

/** The file is not the 16-bit PCM WAV that the finaliser makes. */
export class UnreadableWav extends Error {
  override name = 'UnreadableWav';
}

/** @throws UnreadableWav if there is no PCM format and data chunk to be found. */
export async function readWavLayout(file: OpenObject): Promise<WavLayout> {
  const riff = await file.slice(0, RIFF_HEADER_BYTES);
  const form = riff.toString('latin1', 0, 4);
  if (
    riff.length < RIFF_HEADER_BYTES ||
    !['RIFF', 'RF64'].includes(form) ||
    riff.toString('latin1', 8, 12) !== 'WAVE'
  ) {
    throw new UnreadableWav('no RIFF/WAVE header');
  }
  let format: Buffer | null = null;
  let data64Bytes: number | null = null;
  let at = RIFF_HEADER_BYTES;
  for (let chunks = 0; chunks < MAX_CHUNKS; chunks++) {
    const header = await file.slice(at, at + CHUNK_HEADER_BYTES);
    if (header.length < CHUNK_HEADER_BYTES) break;
    const id = header.toString('latin1', 0, 4);
    const bytes = header.readUInt32LE(4);
    at += CHUNK_HEADER_BYTES;
    if (id === 'data') {
      if (!format) break;
      const declared = bytes === U32_MAX && data64Bytes !== null ? data64Bytes : bytes;
      return layoutOf(format, at, Math.min(declared, file.bytes - at));
    }
    if (id === 'fmt ') format = await file.slice(at, at + FMT_BYTES);
    if (id === 'ds64') data64Bytes = Number((await file.slice(at + 8, at + 16)).readBigUInt64LE(0));
    at += bytes + (bytes % 2);
  }
  throw new UnreadableWav('no fmt chunk followed by a data chunk');
}

function layoutOf(format: Buffer, dataOffset: number, dataBytes: number): WavLayout {
  if (format.length < FMT_BYTES) throw new UnreadableWav('fmt chunk is cut short');
  const tag = format.readUInt16LE(0);
  const channels = format.readUInt16LE(2);
  const bitsPerSample = format.readUInt16LE(14);
  if ((tag !== FORMAT_PCM && tag !== FORMAT_EXTENSIBLE) || bitsPerSample !== 16 || channels === 0) {
    throw new UnreadableWav(`format ${tag}, ${channels} channels of ${bitsPerSample} bits: only 16-bit PCM is known`);
  }
  return { channels, sampleRateHz: format.readUInt32LE(4), bitsPerSample, dataOffset, dataBytes };
}

/** Header of a 16-bit PCM mono file; the 64-bit form only where the sizes demand it. */
export function monoHeader(sampleRateHz: number, dataBytes: number): Buffer {
  const long = dataBytes + MONO_HEADER_BYTES > U32_MAX;
  const ds64 = long ? CHUNK_HEADER_BYTES + DS64_BYTES : 0;
  const header = Buffer.alloc(MONO_HEADER_BYTES + ds64);
  const riffBytes = header.length - 8 + dataBytes;
  header.write(long ? 'RF64' : 'RIFF', 0, 'latin1');
  header.writeUInt32LE(long ? U32_MAX : riffBytes, 4);
  header.write('WAVE', 8, 'latin1');
  if (long) {
    header.write('ds64', 12, 'latin1');
    header.writeUInt32LE(DS64_BYTES, 16);
    header.writeBigUInt64LE(BigInt(riffBytes), 20);
    header.writeBigUInt64LE(BigInt(dataBytes), 28);
    header.writeBigUInt64LE(BigInt(dataBytes / BYTES_PER_SAMPLE), 36);
  }
  const fmt = RIFF_HEADER_BYTES + ds64;
  header.write('fmt ', fmt, 'latin1');
  header.writeUInt32LE(FMT_BYTES, fmt + 4);
  header.writeUInt16LE(FORMAT_PCM, fmt + 8);
  header.writeUInt16LE(1, fmt + 10);
  header.writeUInt32LE(sampleRateHz, fmt + 12);
  header.writeUInt32LE(sampleRateHz * BYTES_PER_SAMPLE, fmt + 16);
  header.writeUInt16LE(BYTES_PER_SAMPLE, fmt + 20);
  header.writeUInt16LE(8 * BYTES_PER_SAMPLE, fmt + 22);
  header.write('data', fmt + 24, 'latin1');
  header.writeUInt32LE(long ? U32_MAX : dataBytes, fmt + 28);
  return header;
}

/** Interleaved frames to one channel, or to the saturated sum of all ('mix'): what a listener on the line hears. */
export function pickChannel(interleaved: Buffer, channels: number, pick: number | 'mix'): Buffer {
  const aligned = interleaved.byteOffset % BYTES_PER_SAMPLE === 0 ? interleaved : Buffer.from(interleaved);
  const frames = Math.floor(aligned.length / (BYTES_PER_SAMPLE * channels));
  const from = new Int16Array(aligned.buffer, aligned.byteOffset, frames * channels);
  const to = new Int16Array(frames);
  if (pick !== 'mix') {
    for (let frame = 0, at = pick; frame < frames; frame++, at += channels) to[frame] = from[at]!;
  } else {
    for (let frame = 0, at = 0; frame < frames; frame++) {
      let sum = 0;
      for (let channel = 0; channel < channels; channel++) sum += from[at++]!;
      to[frame] = Math.max(-32768, Math.min(32767, sum));
    }
  }
  return Buffer.from(to.buffer);
}

/** One channel of a stored file as a mono file of its own, readable from any byte. Closing it closes the stored file. */
export class DerivedWav implements Pick<OpenObject, 'bytes' | 'modifiedAt' | 'version' | 'slice' | 'stream' | 'close'> {
  readonly bytes: number;
  readonly modifiedAt: Date;
  readonly version: string;
  readonly #source: OpenObject;
  readonly #layout: WavLayout;
  readonly #header: Buffer;
  readonly #pick: number | 'mix';

  constructor(source: OpenObject, layout: WavLayout, pick: number | 'mix') {
    const frames = Math.floor(layout.dataBytes / (BYTES_PER_SAMPLE * layout.channels));
    this.#source = source;
    this.#layout = layout;
    this.#pick = pick;
    this.#header = monoHeader(layout.sampleRateHz, frames * BYTES_PER_SAMPLE);
    this.bytes = this.#header.length + frames * BYTES_PER_SAMPLE;
    this.modifiedAt = source.modifiedAt;
    this.version = `${source.version}-${pick}`;
  }

  async slice(start: number, end: number): Promise<Buffer> {
    const stop = Math.min(end, this.bytes);
    const header = this.#header.subarray(start, stop);
    if (stop <= this.#header.length) return header;
    const from = Math.max(0, start - this.#header.length);
    const firstFrame = Math.floor(from / BYTES_PER_SAMPLE);
    const lastFrame = Math.ceil((stop - this.#header.length) / BYTES_PER_SAMPLE);
    const frameBytes = BYTES_PER_SAMPLE * this.#layout.channels;
    const { dataOffset } = this.#layout;
    const frames = await this.#source.slice(dataOffset + firstFrame * frameBytes, dataOffset + lastFrame * frameBytes);
    const samples = pickChannel(frames, this.#layout.channels, this.#pick);
    const skip = from - firstFrame * BYTES_PER_SAMPLE;
    const wanted = samples.subarray(skip, skip + (stop - this.#header.length - from));
    return header.length > 0 ? Buffer.concat([header, wanted]) : wanted;
  }

  stream(start = 0, end = this.bytes) {
    return readable(this, start, end, (from, to) => this.slice(from, to));
  }

  async close(): Promise<void> {
    await this.#source.close();
  }
}
