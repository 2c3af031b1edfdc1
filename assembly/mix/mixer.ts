/**
 * Sums of players' frames. The sum has 32 bits; where it would clip, a limiter lowers the gain for the whole frame at once (a ramp
 * over its first millisecond, and hard bounds for what that leaves) and lets it rise again by a twentieth of what is missing per frame.
 *
 * When the members change, the step from the last sample to the first of the others is faded out over a frame: it is no click then.
 */

import { playerAt } from '../jitter/player';
import { countOpen } from '../jitter/playout';
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
  MIXER_CHANGED_AT,
  MIXER_FRAME_COUNT_AT,
  MIXER_FRAMES_AT,
  MIXER_GAIN_AT,
  MIXER_LAST_SAMPLE_AT,
  MIXER_MEMBER_COUNT_AT,
  MIXER_MEMBERS_AT,
  MIXER_OPEN_AT,
  MIXER_PACKET_FRAMES_AT,
  MIXER_SAMPLE_RATE_AT,
  MIXER_SINK_AT,
  MIXER_SUM_AT,
  MIXERS_AT,
  PLAYER_FRAME_COUNT_AT,
  PLAYER_FRAMES_AT,
  PLAYER_OPEN_AT,
  PLAYOUT_AT,
  PLAYOUT_OPEN_MIXERS_AT,
  RING_FRAMES,
} from '../layout';
import { addResampled } from './resample';
import { addTone } from './tone';

const FULL_SCALE: f32 = 32767;
const RELEASE: f32 = 0.05;

export function mixerAt(mixer: u32): usize {
  return MIXERS_AT + mixer * MIXER_BYTES;
}

/** Its members are written by whoever opens it. */
export function openMixer(number: u32, sampleRate: u32, members: u32): void {
  closeMixer(number);
  const mixer = mixerAt(number);
  memory.fill(mixer + MIXER_PACKET_FRAMES_AT, 0, MIXER_SUM_AT - MIXER_PACKET_FRAMES_AT);
  store<u32>(mixer, sampleRate, MIXER_SAMPLE_RATE_AT);
  store<u32>(mixer, members, MIXER_MEMBER_COUNT_AT);
  store<u32>(mixer, 0, MIXER_FRAME_COUNT_AT);
  store<u32>(mixer, 0, MIXER_SINK_AT);
  store<f32>(mixer, 1, MIXER_GAIN_AT);
  store<u32>(mixer, 1, MIXER_OPEN_AT);
  countOpen(PLAYOUT_OPEN_MIXERS_AT, 1);
}

/** It has other members, which were written already. */
export function changeMixer(number: u32, members: u32): void {
  store<u32>(mixerAt(number), members, MIXER_MEMBER_COUNT_AT);
  store<u32>(mixerAt(number), 1, MIXER_CHANGED_AT);
}

export function closeMixer(number: u32): void {
  const mixer = mixerAt(number);
  if (load<u32>(mixer, MIXER_OPEN_AT) == 0) return;
  store<u32>(mixer, 0, MIXER_OPEN_AT);
  countOpen(PLAYOUT_OPEN_MIXERS_AT, -1);
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
  const sum = mixer + MIXER_SUM_AT;
  memory.fill(sum, 0, samples << 2);
  let kind: u32 = FRAME_SILENCE;
  let timestamp: u32 = 0;
  const members = load<u32>(mixer, MIXER_MEMBER_COUNT_AT);
  for (let i: u32 = 0; i < members; i++) {
    const player = playerAt(load<u32>(mixer + MIXER_MEMBERS_AT + ((i as usize) << 2)));
    const heard = lastFrame(player, 1);
    if (heard == 0) continue;
    addFrame(sum, samples, heard, lastFrame(player, 2));
    // What is heard most clearly names the mixture.
    if (load<u32>(heard, FRAME_KIND_AT) < kind) {
      kind = load<u32>(heard, FRAME_KIND_AT);
      timestamp = load<u32>(heard, FRAME_TIMESTAMP_AT);
    }
  }
  addTone(mixer, sum, samples);
  if (load<u32>(mixer, MIXER_CHANGED_AT) != 0) joinTo(load<i32>(mixer, MIXER_LAST_SAMPLE_AT), sum, samples);
  store<u32>(mixer, 0, MIXER_CHANGED_AT);
  store<i32>(mixer, load<i32>(sum + ((samples - 1) << 2)), MIXER_LAST_SAMPLE_AT);
  limit(mixer, samples, frame + FRAME_PCM_AT);
  store<u32>(frame, kind, FRAME_KIND_AT);
  store<u32>(frame, timestamp, FRAME_TIMESTAMP_AT);
  store<u32>(frame, samples, FRAME_SAMPLES_AT);
  store<u32>(frame, rate, FRAME_SAMPLE_RATE_AT);
  atomic.store<u32>(mixer + MIXER_FRAME_COUNT_AT, number + 1);
}

/** The frame that the player has played in this tick (`back` 1), or in that before (2); 0 without one. */
function lastFrame(player: usize, back: u32): usize {
  const count = load<u32>(player, PLAYER_FRAME_COUNT_AT);
  if (load<u32>(player, PLAYER_OPEN_AT) == 0 || count < back) return 0;
  return player + PLAYER_FRAMES_AT + ((count - back) % (RING_FRAMES as u32)) * FRAME_BYTES;
}

function addFrame(sum: usize, samples: u32, frame: usize, before: usize): void {
  const has = load<u32>(frame, FRAME_SAMPLES_AT);
  const pcm = frame + FRAME_PCM_AT;
  if (has != samples) return addResampled(sum, samples, pcm, has, before == 0 ? 0 : before + FRAME_PCM_AT);
  for (let i: usize = 0; i < (samples as usize); i++) {
    store<i32>(sum + (i << 2), load<i32>(sum + (i << 2)) + (load<i16>(pcm + (i << 1)) as i32));
  }
}

function joinTo(last: i32, sum: usize, samples: u32): void {
  const step = last - load<i32>(sum);
  for (let i: u32 = 0; i < samples; i++) {
    const at = sum + ((i as usize) << 2);
    store<i32>(at, load<i32>(at) + (step * ((samples - i) as i32)) / (samples as i32));
  }
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
