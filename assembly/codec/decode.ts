/** The codecs of the finaliser behind one number, and the folding of interleaved channels into one. */

import { CODEC_L16, CODEC_PCMA, CODEC_PCMU, FINALISER_SCRATCH_AT, FINALISER_SCRATCH_BYTES } from '../layout';
import { decodeAlaw, decodeMulaw } from './g711';
import { decodeL16 } from './l16';

/**
 * Decodes an RTP payload of `bytes` octets into 16-bit mono samples at `target` and returns how many, or -1 for a
 * codec that it does not know. An incomplete frame at the end is left out. Interleaved channels are averaged.
 */
export function finaliserDecode(codec: u32, source: usize, bytes: u32, channels: u32, target: usize): i32 {
  let samples: u32 = codec === CODEC_L16 ? bytes >> 1 : bytes;
  if (codec !== CODEC_PCMU && codec !== CODEC_PCMA && codec !== CODEC_L16) return -1;
  if (channels > 1 && samples << 1 > <u32>FINALISER_SCRATCH_BYTES) return -1;
  const plain = channels > 1 ? <usize>FINALISER_SCRATCH_AT : target;
  if (codec === CODEC_PCMU) decodeMulaw(source, samples, plain);
  else if (codec === CODEC_PCMA) decodeAlaw(source, samples, plain);
  else decodeL16(source, samples, plain);
  if (channels <= 1) return samples;
  samples /= channels;
  for (let i: u32 = 0; i < samples; i++) {
    let sum: i32 = 0;
    for (let c: u32 = 0; c < channels; c++) sum += <i32>load<i16>(plain + ((i * channels + c) << 1));
    store<i16>(target + (i << 1), <i16>(sum / <i32>channels));
  }
  return samples;
}
