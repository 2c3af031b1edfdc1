/** The codecs of the live path behind one number. */

import { decodeAlaw, decodeMulaw } from '../codec/g711';
import { decodeL16 } from '../codec/l16';
import { CODEC_L16, CODEC_PCMA, CODEC_PCMU } from '../layout';

/** Samples that so many octets make, 0 when only the decoder knows. */
export function decodedSamples(codec: u32, bytes: u32): u32 {
  if (codec == CODEC_PCMU || codec == CODEC_PCMA) return bytes;
  return codec == CODEC_L16 ? bytes >> 1 : 0;
}

/** Decodes a payload into 16-bit samples at `target`, at most MAX_PLAYER_PAYLOAD_BYTES of them, and gives how many. */
export function decodePayload(codec: u32, payload: usize, bytes: u32, target: usize): u32 {
  const samples = decodedSamples(codec, bytes);
  if (codec == CODEC_PCMU) decodeMulaw(payload, samples, target);
  else if (codec == CODEC_PCMA) decodeAlaw(payload, samples, target);
  else if (codec == CODEC_L16) decodeL16(payload, samples, target);
  return samples;
}
