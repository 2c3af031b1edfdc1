/** Where the parties of these benchmarks are: on the loopback interface, at an address of their own, out of the way of whatever else runs. */
export const ADDRESS = '127.0.0.2';
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
