/**
 * Sums of players' frames. The sum has 32 bits; where it would clip, a limiter lowers the gain for the whole frame at once (a ramp
 * over its first millisecond, and hard bounds for what that leaves) and lets it rise again by a twentieth of what is missing per frame.
 */

import { playerAt } from '../jitter/player';
import {
  FRAME_BYTES,
  FRAME_KIND_AT,
  FRAME_PCM_AT,
  FRAME_SAMPLE_RATE_AT,
  FRAME_SAMPLES_AT,
  FRAME_SILENCE,
  FRAME_TIMESTAMP_AT,
  FRAMES_PER_SECOND,
  MAX_MIXERS,
  MIXER_BYTES,
  MIXER_FRAME_COUNT_AT,
  MIXER_FRAMES_AT,
  MIXER_GAIN_AT,
  MIXER_MEMBER_COUNT_AT,
  MIXER_MEMBERS_AT,
  MIXER_OPEN_AT,
  MIXER_SAMPLE_RATE_AT,
  MIXER_SUM_AT,
  MIXERS_AT,
  PLAYER_FRAME_COUNT_AT,
  PLAYER_FRAMES_AT,
  PLAYER_OPEN_AT,
  PLAYOUT_AT,
  PLAYOUT_OPEN_MIXERS_AT,
  RING_FRAMES,
} from '../layout';

const FULL_SCALE: f32 = 32767;
const RELEASE: f32 = 0.05;

export function mixerAt(mixer: u32): usize {
  return MIXERS_AT + mixer * MIXER_BYTES;
}

/** Its members are written by whoever opens it. */
export function openMixer(number: u32, sampleRate: u32, members: u32): void {
  closeMixer(number);
  const mixer = mixerAt(number);
  store<u32>(mixer, sampleRate, MIXER_SAMPLE_RATE_AT);
  store<u32>(mixer, members, MIXER_MEMBER_COUNT_AT);
  store<u32>(mixer, 0, MIXER_FRAME_COUNT_AT);
  store<f32>(mixer, 1, MIXER_GAIN_AT);
  store<u32>(mixer, 1, MIXER_OPEN_AT);
  store<u32>(PLAYOUT_AT, load<u32>(PLAYOUT_AT, PLAYOUT_OPEN_MIXERS_AT) + 1, PLAYOUT_OPEN_MIXERS_AT);
}

export function closeMixer(number: u32): void {
  const mixer = mixerAt(number);
  if (load<u32>(mixer, MIXER_OPEN_AT) == 0) return;
  store<u32>(mixer, 0, MIXER_OPEN_AT);
  store<u32>(PLAYOUT_AT, load<u32>(PLAYOUT_AT, PLAYOUT_OPEN_MIXERS_AT) - 1, PLAYOUT_OPEN_MIXERS_AT);
}

/** After all players have played their frame of a tick. */
export function mixAll(): void {
  let open = load<u32>(PLAYOUT_AT, PLAYOUT_OPEN_MIXERS_AT);
  for (let number: u32 = 0; open != 0 && number < (MAX_MIXERS as u32); number++) {
    const mixer = mixerAt(number);
    if (load<u32>(mixer, MIXER_OPEN_AT) == 0) continue;
    open--;
    mix(mixer);
  }
}

function mix(mixer: usize): void {
  const rate = load<u32>(mixer, MIXER_SAMPLE_RATE_AT);
  const samples = rate / FRAMES_PER_SECOND;
  const number = load<u32>(mixer, MIXER_FRAME_COUNT_AT);
  const frame = mixer + MIXER_FRAMES_AT + (number % (RING_FRAMES as u32)) * FRAME_BYTES;
  memory.fill(mixer + MIXER_SUM_AT, 0, samples << 2);
  let kind: u32 = FRAME_SILENCE;
  let timestamp: u32 = 0;
  const members = load<u32>(mixer, MIXER_MEMBER_COUNT_AT);
  for (let i: u32 = 0; i < members; i++) {
    const heard = lastFrame(load<u32>(mixer + MIXER_MEMBERS_AT + ((i as usize) << 2)));
    if (heard == 0) continue;
    addFrame(mixer + MIXER_SUM_AT, samples, heard);
    // What is heard most clearly names the mixture.
    if (load<u32>(heard, FRAME_KIND_AT) < kind) {
      kind = load<u32>(heard, FRAME_KIND_AT);
      timestamp = load<u32>(heard, FRAME_TIMESTAMP_AT);
    }
  }
  limit(mixer, samples, frame + FRAME_PCM_AT);
  store<u32>(frame, kind, FRAME_KIND_AT);
  store<u32>(frame, timestamp, FRAME_TIMESTAMP_AT);
  store<u32>(frame, samples, FRAME_SAMPLES_AT);
  store<u32>(frame, rate, FRAME_SAMPLE_RATE_AT);
  atomic.store<u32>(mixer + MIXER_FRAME_COUNT_AT, number + 1);
}

/** The frame that the player has played in this tick, 0 without one. */
function lastFrame(number: u32): usize {
  const player = playerAt(number);
  const count = load<u32>(player, PLAYER_FRAME_COUNT_AT);
  if (load<u32>(player, PLAYER_OPEN_AT) == 0 || count == 0) return 0;
  return player + PLAYER_FRAMES_AT + ((count - 1) % (RING_FRAMES as u32)) * FRAME_BYTES;
}

/** A frame at a lower rate is interpolated between its samples; one at a higher rate is averaged. */
function addFrame(sum: usize, samples: u32, frame: usize): void {
  const has = load<u32>(frame, FRAME_SAMPLES_AT);
  const pcm = frame + FRAME_PCM_AT;
  for (let i: u32 = 0; i < samples; i++) {
    const at = sum + ((i as usize) << 2);
    store<i32>(at, load<i32>(at) + sampleOf(pcm, has, i, samples));
  }
}

function sampleOf(pcm: usize, has: u32, i: u32, samples: u32): i32 {
  if (has == samples) return load<i16>(pcm + ((i as usize) << 1));
  if (has > samples) {
    const ratio = has / samples;
    let sum: i32 = 0;
    for (let k: u32 = 0; k < ratio; k++) sum += load<i16>(pcm + (((i * ratio + k) as usize) << 1));
    return sum / (ratio as i32);
  }
  const ratio = samples / has;
  const here = load<i16>(pcm + (((i / ratio) as usize) << 1)) as i32;
  const next = load<i16>(pcm + ((min<u32>(i / ratio + 1, has - 1) as usize) << 1)) as i32;
  return here + ((next - here) * ((i % ratio) as i32)) / (ratio as i32);
}

function limit(mixer: usize, samples: u32, target: usize): void {
  const sum = mixer + MIXER_SUM_AT;
  let peak: i32 = 0;
  for (let i: usize = 0; i < (samples as usize); i++) peak = max<i32>(peak, abs(load<i32>(sum + (i << 2))));
  const before = load<f32>(mixer, MIXER_GAIN_AT);
  const allowed: f32 = (peak as f32) > FULL_SCALE ? FULL_SCALE / (peak as f32) : 1;
  const after = min<f32>(allowed, before + (1 - before) * RELEASE);
  store<f32>(mixer, after > 0.9999 ? 1 : after, MIXER_GAIN_AT);
  const ramp = samples / 10;
  for (let i: u32 = 0; i < samples; i++) {
    const gain = i < ramp ? before + ((after - before) * (i as f32)) / (ramp as f32) : after;
    const scaled = nearest((load<i32>(sum + ((i as usize) << 2)) as f32) * gain);
    store<i16>(target + ((i as usize) << 1), max<f32>(-32768, min<f32>(32767, scaled)) as i32);
  }
}
