/**
 * What the four transaction machines have in common (RFC 3261 17): events and the time go in; outputs come back, and
 * `deadline` says when to call `onDeadline` next. They know neither sockets nor a clock.
 */

/** What a machine wants done. */
export type Output =
  /** Send (again) these bytes; for a client without bytes: its request. */
  | 'send'
  /** Hand the message that just came in to the transaction user. */
  | 'deliver'
  /** Answer the INVITE with 100 Trying. */
  | 'trying'
  /** Acknowledge the non-2xx response that just came in. */
  | 'ack'
  /** No answer in time. */
  | 'timeout'
  /** The transaction is over; forget it. */
  | 'terminated';

export const NOTHING: readonly Output[] = [];
export const SEND: readonly Output[] = ['send'];
export const DELIVER: readonly Output[] = ['deliver'];
export const TERMINATED: readonly Output[] = ['terminated'];
export const TIMED_OUT: readonly Output[] = ['timeout', 'terminated'];
export const DELIVER_END: readonly Output[] = ['deliver', 'terminated'];
export const DELIVER_ACK: readonly Output[] = ['ack', 'deliver'];
export const DELIVER_ACK_END: readonly Output[] = ['ack', 'deliver', 'terminated'];
export const ACK: readonly Output[] = ['ack'];
export const TRYING: readonly Output[] = ['trying'];
