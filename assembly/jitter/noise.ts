/**
 * Comfort noise (RFC 3389): the first octet of its payload is the level in -dBov (section 3.1). The noise is white; what the payload
 * says of the spectrum (section 3.2) is not used.
 */

const QUIET_DBOV: u32 = 70;

export function noiseInit(state: usize): void {
  store<u32>(state, 0x2545f491);
  setLevel(state, QUIET_DBOV);
}

export function noiseUpdate(state: usize, payload: usize, bytes: u32): void {
  if (bytes != 0) setLevel(state, load<u8>(payload) & 127);
}

/** Peak of uniform noise with that power: the square root of 3 times its RMS; 0 dBov is 32768 (section 3.1: a square wave at full scale). */
function setLevel(state: usize, level: u32): void {
  let peak: f64 = 32768 * 1.7320508;
  for (let i: u32 = 0; i < level; i++) peak *= 0.8912509381;
  store<i32>(state, min<f64>(peak, 32767) as i32, 4);
}

export function comfortNoise(state: usize, out: usize, samples: u32): void {
  const peak = load<i32>(state, 4) as i64;
  let random = load<u32>(state);
  for (let i: usize = 0; i < (samples as usize); i++) {
    random ^= random << 13;
    random ^= random >>> 17;
    random ^= random << 5;
    store<i16>(out + (i << 1), ((random as i32 as i64) * peak) >> 31);
  }
  store<u32>(state, random);
}
