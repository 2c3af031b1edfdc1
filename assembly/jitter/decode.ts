/** The codecs of the live path behind one number. */

import { decodeAlaw, decodeMulaw } from '../codec/g711';
import { g722Decode } from '../codec/g722';
import { decodeL16 } from '../codec/l16';
import { opusSamples } from '../codec/opus';
import { CODEC_G722, CODEC_L16, CODEC_OPUS, CODEC_PCMA, CODEC_PCMU, PLAYER_DECODER_AT } from '../layout';

/** Samples that a payload makes. */
export function decodedSamples(codec: u32, payload: usize, bytes: u32): u32 {
  if (codec == CODEC_PCMU || codec == CODEC_PCMA) return bytes;
  if (codec == CODEC_G722) return bytes * 2;
  if (codec == CODEC_OPUS) return opusSamples(payload, bytes);
  return codec == CODEC_L16 ? bytes >> 1 : 0;
}

/** Decodes a payload into 16-bit samples at `target`, at most two for an octet, and gives how many. */
export function decodePayload(player: usize, codec: u32, payload: usize, bytes: u32, target: usize): u32 {
  const samples = decodedSamples(codec, payload, bytes);
  if (codec == CODEC_PCMU) decodeMulaw(payload, samples, target);
  else if (codec == CODEC_PCMA) decodeAlaw(payload, samples, target);
  else if (codec == CODEC_L16) decodeL16(payload, samples, target);
  else if (codec == CODEC_G722) g722Decode(player + PLAYER_DECODER_AT, payload, bytes, target);
  return samples;
}
