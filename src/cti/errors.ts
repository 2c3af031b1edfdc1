/** What EventError says. Numbers below 1000 are in the manner of T-Server's; those from 1001 on are this link's own. */

export const ERROR_CODES = {
  /** ThisDN is not among the addresses that this client has registered. */
  'not-registered': 41,
  /** The call or the client is in that state already, or in one that does not allow it. */
  'wrong-state': 43,
  /** No such message, or no such PrivateMsgID. */
  unsupported: 51,
  internal: 52,
  'invalid-attribute': 53,
  /** No call has this ConnID or CallUUID. */
  'unknown-call': 56,
  /** The switch did not answer in time; it may have done it all the same. */
  timeout: 57,
  /** No recorder can take it now. */
  'no-recorder': 58,
  /** The switch has no such DN. */
  'unknown-dn': 59,
  /** The events that were asked for are not kept any more, or are of a link that has ended. */
  gap: 1001,
  /** ThisDN takes no part in that call and may not supervise who does. */
  'not-your-call': 1002,
  /** Too many requests in too short a time. */
  'too-fast': 1003,
  /** More addresses or requests at once, or more attached data than a call may have. */
  'too-many': 1004,
} as const;

export type CtiErrorName = keyof typeof ERROR_CODES;

/** A request that can't be carried out; the message is for whoever sent it. */
export class CtiError extends Error {
  override readonly name = 'CtiError';
  readonly error: CtiErrorName;
  readonly referenceId: number | null;

  constructor(error: CtiErrorName, message: string, referenceId: number | null = null) {
    super(message);
    this.error = error;
    this.referenceId = referenceId;
  }

  get code(): number {
    return ERROR_CODES[this.error];
  }
}
