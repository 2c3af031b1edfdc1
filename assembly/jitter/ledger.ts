/**
 * The ledger of a player: what became of every sample, so that at any time
 * played = decoded + concealed + comfort + silence + inserted - removed - discarded - buffered.
 */

/** Adds to one account of the player. */
export function book(player: usize, account: usize, samples: i64): void {
  store<i64>(player + account, load<i64>(player + account) + samples);
}
