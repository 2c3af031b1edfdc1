/** Timer values (RFC 3261 table 4, RFC 6026 for L and M), in milliseconds. */

/** Round-trip time estimate. */
export const T1 = 500;
/** Longest retransmission interval of non-INVITE requests and INVITE responses. */
export const T2 = 4_000;
/** Longest time a message remains in the network. */
export const T4 = 5_000;
/** 64*T1: timers B, F, H, J, L and M. */
export const T1_64 = 64 * T1;
/** Timer D: how long an INVITE client absorbs retransmitted final responses over UDP. */
export const TIMER_D = 32_000;
/** A server sends 100 Trying unless the user answers within this time (17.2.1). */
export const TRYING_AFTER = 200;
