/** Where the parties of these benchmarks are, in the range that `system/contender.ts` leaves free. All on the loopback interface. */
import { ADDRESS } from '../system/contender.ts';

export const CALLER_PORT = 9_020;
export const CALLED_PORT = 9_021;
export const RECORDER_PORT = 9_022;
export const CLIENT_PORT = 9_030;
/** Media of all parties, and of the recorder. */
export const PARTY_MEDIA_PORT = 9_040;
export const RECORDER_MEDIA_PORT = 9_042;

export function sipUri(number: number | string, port: number): string {
  return `sip:${number}@${ADDRESS}:${port}`;
}
