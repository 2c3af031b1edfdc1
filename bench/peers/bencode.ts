/** Bencoding, as rtpengine's control protocol (NG) uses it: strings, integers, lists and dictionaries with string keys. */

export type Bencodable = string | number | Bencodable[] | { [key: string]: Bencodable };

export function encode(value: Bencodable): string {
  if (typeof value === 'number') return `i${value}e`;
  if (typeof value === 'string') return `${Buffer.byteLength(value)}:${value}`;
  if (Array.isArray(value)) return `l${value.map(encode).join('')}e`;
  return `d${Object.entries(value)
    .map(([key, held]) => encode(key) + encode(held))
    .join('')}e`;
}

/** @throws SyntaxError */
export function decode(bytes: Buffer): Bencodable {
  return new Decoder(bytes).value();
}

const COLON = 0x3a;
const END = 0x65;

class Decoder {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  value(): Bencodable {
    switch (this.#bytes[this.#at]) {
      case 0x69: // i
        this.#at++;
        return Number(this.#until(END));
      case 0x6c: // l
        return this.#list();
      case 0x64: // d
        return this.#dictionary();
      default:
        return this.#string();
    }
  }

  #list(): Bencodable[] {
    this.#at++;
    const list: Bencodable[] = [];
    while (!this.#isEnd()) list.push(this.value());
    return list;
  }

  #dictionary(): { [key: string]: Bencodable } {
    this.#at++;
    const entries: [string, Bencodable][] = [];
    while (!this.#isEnd()) entries.push([this.#string(), this.value()]);
    return Object.fromEntries(entries);
  }

  #string(): string {
    const length = Number(this.#until(COLON));
    const text = this.#bytes.toString('utf8', this.#at, this.#at + length);
    this.#at += length;
    if (!Number.isInteger(length) || this.#at > this.#bytes.length) throw new SyntaxError('a string that is cut off');
    return text;
  }

  #isEnd(): boolean {
    if (this.#at >= this.#bytes.length) throw new SyntaxError('cut off');
    if (this.#bytes[this.#at] !== END) return false;
    this.#at++;
    return true;
  }

  #until(byte: number): string {
    const end = this.#bytes.indexOf(byte, this.#at);
    if (end < 0) throw new SyntaxError('cut off');
    const text = this.#bytes.toString('latin1', this.#at, end);
    this.#at = end + 1;
    return text;
  }
}
