/** Whether the playout clock of a lane runs: while there is a player or a mixer. */

import {
  PLAYOUT_AGREED_AT,
  PLAYOUT_AT,
  PLAYOUT_OPEN_MIXERS_AT,
  PLAYOUT_OPEN_PLAYERS_AT,
  PLAYOUT_TICK_US_AT,
} from '../layout';

export function isClockRunning(): bool {
  return (load<u32>(PLAYOUT_AT, PLAYOUT_OPEN_PLAYERS_AT) | load<u32>(PLAYOUT_AT, PLAYOUT_OPEN_MIXERS_AT)) != 0;
}

/** `which`: PLAYOUT_OPEN_PLAYERS_AT or PLAYOUT_OPEN_MIXERS_AT. */
export function countOpen(which: usize, by: i32): void {
  const at = (PLAYOUT_AT as usize) + which;
  store<i32>(at, load<i32>(at) + by);
  if (isClockRunning()) return;
  // The clock stands still; it begins anew with the next player or mixer.
  store<u64>(PLAYOUT_AT, 0, PLAYOUT_TICK_US_AT);
  store<u32>(PLAYOUT_AT, 0, PLAYOUT_AGREED_AT);
}
