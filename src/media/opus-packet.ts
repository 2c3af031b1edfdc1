/**
 * How long an Opus packet lasts, and whether it is one: the table of contents byte and the framing of RFC 6716 section 3.
 *
 *    0
 *    0 1 2 3 4 5 6 7
 *   | config  |s| c |
 */

/** RTP time and sound, whatever the packet was encoded at (RFC 7587 section 4.1). */
export const OPUS_RATE_HZ = 48_000;
/** Longer ones are valid only with padding that no sender needs; the decoder has no room for them. */
const MAX_PACKET_BYTES = 7680;
const MAX_FRAME_BYTES = 1275;
/** 120 ms (requirement R5). */
const MAX_SAMPLES = 5760;

/** A payload as it is read: the next octet and how many are left. */
interface Reading {
  bytes: Uint8Array;
  at: number;
  left: number;
}

/** Samples at 48 kHz that a packet in `bytes` decodes to; 0 if it breaks a requirement of section 3.4. */
export function opusSamples(bytes: Uint8Array, at: number, length: number): number {
  if (length < 1 || length > MAX_PACKET_BYTES) return 0;
  const toc = bytes[at] as number;
  const samples = frameSamples(toc >> 3);
  const rest = { bytes, at: at + 1, left: length - 1 };
  switch (toc & 3) {
    case 0:
      return rest.left <= MAX_FRAME_BYTES ? samples : 0;
    case 1:
      return rest.left % 2 === 0 && rest.left / 2 <= MAX_FRAME_BYTES ? 2 * samples : 0;
    case 2:
      return takeFrames(rest, 1) ? 2 * samples : 0;
    default:
      return samples * framesOfAny(rest, Math.floor(MAX_SAMPLES / samples));
  }
}

/** Table 2: SILK 10 to 60 ms, hybrid 10 or 20 ms, CELT 2.5 to 20 ms. */
function frameSamples(config: number): number {
  if (config < 12) return [480, 960, 1920, 2880][config & 3] as number;
  return config < 16 ? 480 << (config & 1) : 120 << (config & 3);
}

/** Takes `count` frames that say how long they are (section 3.2.1), behind which one has the rest. */
function takeFrames(r: Reading, count: number): boolean {
  let frames = 0;
  for (let i = 0; i < count; i++) {
    if (r.left < 1) return false;
    const first = r.bytes[r.at] as number;
    const isLong = first >= 252;
    if (isLong && r.left < 2) return false;
    frames += isLong ? 4 * (r.bytes[r.at + 1] as number) + first : first;
    r.at += isLong ? 2 : 1;
    r.left -= isLong ? 2 : 1;
  }
  const last = r.left - frames;
  return last >= 0 && last <= MAX_FRAME_BYTES;
}

/** Section 3.2.5: |v|p| M |, padding, lengths where they vary. The number of frames, 0 if they cannot be. */
function framesOfAny(r: Reading, most: number): number {
  if (r.left < 1) return 0;
  const head = r.bytes[r.at++] as number;
  r.left--;
  const frames = head & 0x3f;
  if (frames === 0 || frames > most || ((head & 0x40) !== 0 && !takePadding(r))) return 0;
  if ((head & 0x80) !== 0) return takeFrames(r, frames - 1) ? frames : 0;
  return r.left % frames === 0 && r.left / frames <= MAX_FRAME_BYTES ? frames : 0;
}

function takePadding(r: Reading): boolean {
  for (let octet = 255; octet === 255; ) {
    if (r.left < 1) return false;
    octet = r.bytes[r.at++] as number;
    r.left -= 1 + Math.min(octet, 254);
  }
  return r.left >= 0;
}
