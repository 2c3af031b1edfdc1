/**
 * How long an Opus packet lasts: its table of contents (RFC 6716 section 3.1) and the number of frames in it (section 3.2). Whether it
 * is whole is for whoever decodes it to say.
 *
 *    0
 *    0 1 2 3 4 5 6 7
 *   | config  |s| c |
 */

/** Samples at 48 kHz; 0 if there is no packet. */
export function opusSamples(payload: usize, bytes: u32): u32 {
  if (bytes == 0) return 0;
  const toc: u32 = load<u8>(payload);
  const code = toc & 3;
  if (code == 0) return frameSamples(toc >> 3);
  if (code != 3) return frameSamples(toc >> 3) * 2;
  return bytes < 2 ? 0 : frameSamples(toc >> 3) * (load<u8>(payload, 1) & 63);
}

/** Table 2: SILK 10, 20, 40, 60 ms, hybrid 10, 20 ms, CELT 2.5, 5, 10, 20 ms. */
function frameSamples(config: u32): u32 {
  const size = config & 3;
  if (config < 12) return size == 3 ? 2880 : (480 as u32) << size;
  return config < 16 ? (480 as u32) << (config & 1) : (120 as u32) << size;
}
