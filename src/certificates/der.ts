/** Distinguished Encoding Rules (ITU-T X.690), as far as certificates need them: tag, length, content. */

const SEQUENCE = 0x30;
const SET = 0x31;

/** One element. Lengths below 128 are one byte, longer ones their own length in bytes first (8.1.3). */
export function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) size.unshift(rest % 256);
  const head = length < 128 ? [tag, length] : [tag, 0x80 | size.length, ...size];
  return Buffer.concat([Buffer.from(head), content]);
}

export const sequence = (...parts: readonly Uint8Array[]): Buffer => der(SEQUENCE, ...parts);
export const set = (...parts: readonly Uint8Array[]): Buffer => der(SET, ...parts);
export const boolean = (value: boolean): Buffer => der(0x01, Buffer.from([value ? 0xff : 0]));
export const octetString = (content: Uint8Array): Buffer => der(0x04, content);
export const utf8String = (text: string): Buffer => der(0x0c, Buffer.from(text));
/** Of whole bytes, or with `unused` bits at the end (8.6). */
export const bitString = (content: Uint8Array, unused = 0): Buffer => der(0x03, Buffer.from([unused]), content);

/** A positive integer, big endian: no leading zeros, but one where the first bit would mean a sign (8.3). */
export function integer(bytes: Uint8Array): Buffer {
  let from = 0;
  while (from < bytes.length - 1 && bytes[from] === 0) from++;
  const body = bytes.subarray(from);
  return (body[0] ?? 0) >= 0x80 ? der(0x02, Buffer.from([0]), body) : der(0x02, body);
}

/** `1.2.840.10045.4.3.2` (8.19): the first two numbers share a byte, the others are base 128. */
export function objectIdentifier(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const bytes = [first * 40 + second];
  for (const number of rest) {
    const digits = [number % 128];
    for (let left = Math.floor(number / 128); left > 0; left = Math.floor(left / 128))
      digits.unshift(128 + (left % 128));
    bytes.push(...digits);
  }
  return der(0x06, Buffer.from(bytes));
}

/** RFC 5280 4.1.2.5: UTCTime to the year 2049, GeneralizedTime from then on. */
export function time(at: Date): Buffer {
  const text = `${at.toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`;
  return at.getUTCFullYear() < 2050 ? der(0x17, Buffer.from(text.slice(2))) : der(0x18, Buffer.from(text));
}
