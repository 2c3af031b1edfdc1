/**
 * Packet loss concealment at any rate: the last pitch period is repeated, attenuated by a fifth every 10 ms from the second on and
 * silent after 60 ms (the schedule of ITU-T G.711 Appendix I), and cross-faded over 4 ms into what comes next.
 */

/** State: sample rate, samples of history, lag, samples concealed, then the history. */
const HISTORY_AT: usize = 16;
const HISTORY_MS: u32 = 30;

export function plcInit(state: usize, sampleRate: u32): void {
  store<u32>(state, sampleRate);
  store<u32>(state, 0, 4);
  store<u32>(state, 0, 8);
  store<u32>(state, 0, 12);
}

/** Takes what was received into the history, after a cross-fade from what was concealed before it. */
export function plcGood(state: usize, pcm: usize, samples: u32): void {
  const rate = load<u32>(state);
  if (load<u32>(state, 12) != 0) {
    const fade = min<u32>(rate / 250, samples);
    for (let i: u32 = 0; i < fade; i++) {
      const good = load<i16>(pcm + ((i as usize) << 1)) as i32;
      const made = synthetic(state);
      store<i16>(pcm + ((i as usize) << 1), made + ((good - made) * ((i + 1) as i32)) / ((fade + 1) as i32));
    }
    store<u32>(state, 0, 12);
  }
  const capacity = (rate * HISTORY_MS) / 1000;
  const history = state + HISTORY_AT;
  const taken = min<u32>(samples, capacity);
  const kept = min<u32>(load<u32>(state, 4), capacity - taken);
  const known = load<u32>(state, 4);
  memory.copy(history, history + (((known - kept) as usize) << 1), kept << 1);
  memory.copy(history + ((kept as usize) << 1), pcm + (((samples - taken) as usize) << 1), taken << 1);
  store<u32>(state, kept + taken, 4);
}

export function plcConceal(state: usize, out: usize, samples: u32): void {
  if (load<u32>(state, 12) == 0) store<u32>(state, findLag(state), 8);
  for (let i: usize = 0; i < (samples as usize); i++) store<i16>(out + (i << 1), synthetic(state));
}

function synthetic(state: usize): i32 {
  const concealed = load<u32>(state, 12);
  const lag = load<u32>(state, 8);
  store<u32>(state, concealed + 1, 12);
  const step = load<u32>(state) / 100;
  const silentAt = step * 6;
  if (lag == 0 || concealed >= silentAt) return 0;
  const at = load<u32>(state, 4) - lag + (concealed % lag);
  const sample = load<i16>(state + HISTORY_AT + ((at as usize) << 1)) as i32;
  if (concealed < step) return sample;
  return (sample * ((silentAt - concealed) as i32)) / ((silentAt - step) as i32);
}

/** The lag between 5 and 15 ms at which the end of the history is most like itself; 0 without history. */
function findLag(state: usize): u32 {
  const rate = load<u32>(state);
  const known = load<u32>(state, 4);
  const stride = max<u32>(1, rate / 8000);
  const window = rate / 100;
  const end = state + HISTORY_AT + ((known as usize) << 1);
  const longest = min<u32>((rate * 15) / 1000, known > window ? known - window : 0);
  let best: u32 = min<u32>(known, rate / 100);
  let bestScore: f64 = 0;
  for (let lag = rate / 200; lag <= longest; lag += stride) {
    let cross: i64 = 0;
    let energy: i64 = 1;
    for (let back = stride; back <= window; back += stride) {
      const now = load<i16>(end - ((back as usize) << 1)) as i64;
      const then = load<i16>(end - (((back + lag) as usize) << 1)) as i64;
      cross += now * then;
      energy += then * then;
    }
    const score = cross > 0 ? ((cross as f64) * (cross as f64)) / (energy as f64) : 0;
    if (score > bestScore) {
      bestScore = score;
      best = lag;
    }
  }
  return best;
}
