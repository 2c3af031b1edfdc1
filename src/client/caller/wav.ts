// RIFF/WAVE files as a source of audio: linear PCM of 8 to 32 bits and 32-bit float, any number of channels.

/** Audio of a WAV file, one array of 16-bit samples per channel. */
export interface WavAudio {
  sampleRate: number;
  channels: Int16Array[];
}

/** The file can't be read as WAV, or holds a format that isn't linear. */
export class WavError extends Error {
  override name = 'WavError';
}

const FORMAT_PCM = 1;
const FORMAT_FLOAT = 3;
const FORMAT_EXTENSIBLE = 0xfffe;
const MAX_CHANNELS = 32;

interface WavFormat {
  float: boolean;
  channels: number;
  sampleRate: number;
  bytesPerSample: number;
}

/**
 * Reads a WAV file.
 *
 * @param bytes the whole file; a data chunk that claims more than there is (a file still being written) is read as far as it goes
 * @throws WavError
 */
export function parseWav(bytes: Uint8Array): WavAudio {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 12 || fourCc(bytes, 0) !== 'RIFF' || fourCc(bytes, 8) !== 'WAVE') {
    throw new WavError('not a RIFF/WAVE file');
  }
  let format: WavFormat | null = null;
  for (let at = 12; at + 8 <= bytes.length; ) {
    const name = fourCc(bytes, at);
    const size = view.getUint32(at + 4, true);
    const body = at + 8;
    const end = Math.min(body + size, bytes.length);
    if (name === 'fmt ') format = parseFormat(new DataView(bytes.buffer, bytes.byteOffset + body, end - body));
    if (name === 'data') {
      if (format === null) throw new WavError('audio before its format');
      return readSamples(new DataView(bytes.buffer, bytes.byteOffset + body, end - body), format);
    }
    at = body + size + (size & 1);
  }
  throw new WavError('no audio in the file');
}

function parseFormat(view: DataView): WavFormat {
  if (view.byteLength < 16) throw new WavError('the format chunk is too short');
  let tag = view.getUint16(0, true);
  if (tag === FORMAT_EXTENSIBLE && view.byteLength >= 26) tag = view.getUint16(24, true);
  const channels = view.getUint16(2, true);
  const sampleRate = view.getUint32(4, true);
  const bits = view.getUint16(14, true);
  const sound = tag === FORMAT_PCM ? [8, 16, 24, 32].includes(bits) : tag === FORMAT_FLOAT && bits === 32;
  if (!sound) throw new WavError(`format ${tag} with ${bits} bits is not supported: use 16-bit PCM`);
  if (channels < 1 || channels > MAX_CHANNELS) throw new WavError(`${channels} channels`);
  if (sampleRate < 1000 || sampleRate > 384000) throw new WavError(`${sampleRate} samples per second`);
  return { float: tag === FORMAT_FLOAT, channels, sampleRate, bytesPerSample: bits / 8 };
}

function readSamples(data: DataView, format: WavFormat): WavAudio {
  const frameBytes = format.channels * format.bytesPerSample;
  const frames = Math.floor(data.byteLength / frameBytes);
  const channels: Int16Array[] = [];
  for (let channel = 0; channel < format.channels; channel++) {
    const samples = new Int16Array(frames);
    for (let i = 0; i < frames; i++) {
      samples[i] = sampleAt(data, i * frameBytes + channel * format.bytesPerSample, format);
    }
    channels.push(samples);
  }
  return { sampleRate: format.sampleRate, channels };
}

function sampleAt(data: DataView, at: number, format: WavFormat): number {
  if (format.float) return Math.max(-32768, Math.min(32767, Math.round(data.getFloat32(at, true) * 32768)));
  switch (format.bytesPerSample) {
    case 1:
      return (data.getUint8(at) - 128) << 8;
    case 2:
      return data.getInt16(at, true);
    case 3:
      return data.getInt16(at + 1, true);
    default:
      return data.getInt16(at + 2, true);
  }
}

function fourCc(bytes: Uint8Array, at: number): string {
  return String.fromCharCode(bytes[at]!, bytes[at + 1]!, bytes[at + 2]!, bytes[at + 3]!);
}

const FILTER_HALF_WIDTH = 24;

/** Changes the sample rate with a windowed sinc filter; returns the input itself when the rates are equal. */
export function resample(samples: Int16Array, fromRate: number, toRate: number): Int16Array {
  if (fromRate === toRate) return samples;
  const ratio = fromRate / toRate;
  const cutoff = Math.min(1, 1 / ratio);
  const reach = Math.ceil(FILTER_HALF_WIDTH / cutoff);
  const out = new Int16Array(Math.floor(samples.length / ratio));
  for (let i = 0; i < out.length; i++) {
    const centre = i * ratio;
    const first = Math.max(0, Math.ceil(centre - reach));
    const last = Math.min(samples.length - 1, Math.floor(centre + reach));
    let sum = 0;
    let weight = 0;
    for (let j = first; j <= last; j++) {
      const distance = (j - centre) * cutoff;
      const sinc = distance === 0 ? 1 : Math.sin(Math.PI * distance) / (Math.PI * distance);
      const tap = sinc * (0.5 + 0.5 * Math.cos((Math.PI * (j - centre)) / reach));
      sum += tap * samples[j]!;
      weight += tap;
    }
    out[i] = Math.max(-32768, Math.min(32767, Math.round(sum / weight)));
  }
  return out;
}
