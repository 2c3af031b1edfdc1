/**
 * The a=crypto line of SDP security descriptions (SDES, RFC 4568 section 9), read and written without loss:
 *
 *     a=crypto:<tag> <crypto-suite> <key-params> [<session-params>]
 *     key-params     = key-param *(";" key-param)
 *     key-param      = "inline:" key-salt ["|" lifetime] ["|" mki]
 *     lifetime       = ["2^"] 1*DIGIT
 *     mki            = mki-value ":" mki-length
 *     session-params = *(KDR= / UNENCRYPTED_SRTP / UNENCRYPTED_SRTCP / UNAUTHENTICATED_SRTP / FEC_ORDER= / FEC_KEY= / WSH= /
 *                        ["-"] extension)
 *
 * Keys are secrets from here on. No message of an error repeats anything of a line but names that cannot be keys.
 */
import { Secret } from '../secret.ts';
import { keyAndSaltBytes } from './crypto-suites.ts';
import { SdpError } from './errors.ts';
import { MAX_CRYPTO_KEYS, MAX_CRYPTO_PARAMETERS } from './limits.ts';
import { decimal, words } from './lines.ts';

/** One master key with the master salt behind it (RFC 4568 section 6.1). */
export interface CryptoKey {
  keyAndSalt: Secret;
  /** Whether its base64 is padded, as RFC 4648 wants and some leave out. */
  isPadded: boolean;
  /** Packets that it may protect, as written: `2^20` or digits; null: as many as the suite allows. */
  lifetime: string | null;
  /** The value in decimal as written, and its octets on the wire. */
  mki: { value: string; bytes: number } | null;
}

/** What comes behind the keys. Values that may hold a key (FEC_KEY, extensions) are secrets. */
export interface SessionParameter {
  /** Empty where what was written might be a key itself: then it is all in `value`. */
  name: string;
  value: string | Secret | null;
  /** An extension behind a dash may be ignored by those who do not know it. */
  isOptional: boolean;
}

export interface CryptoLine {
  tag: number;
  suite: string;
  /** At least one. */
  keys: readonly CryptoKey[];
  parameters: readonly SessionParameter[];
}

/** RFC 3711 section 9.2. */
const MAX_LIFETIME_PACKETS = 2n ** 48n;
const MAX_MKI_BYTES = 128;
const PLAIN_PARAMETERS = new Set(['KDR', 'FEC_ORDER', 'WSH']);
const BARE_PARAMETERS = new Set(['UNENCRYPTED_SRTP', 'UNENCRYPTED_SRTCP', 'UNAUTHENTICATED_SRTP']);
const TOKEN = /^[A-Za-z0-9_]{1,64}$/;

/** Reads the value of an a=crypto attribute. Throws SdpError (`bad-crypto`) that says what is wrong and shows no key. */
export function parseCrypto(value: string): CryptoLine {
  const [tagText, suite, keyParams, ...parameters] = words(value);
  const tag = decimal(tagText);
  if (tag === null || String(tag) !== tagText) throw bad('a=crypto without a tag of one to nine digits');
  if (suite === undefined || !TOKEN.test(suite)) throw bad('a=crypto without a crypto suite');
  if (keyParams === undefined) throw bad('a=crypto without a key');
  if (parameters.length > MAX_CRYPTO_PARAMETERS) throw bad('a=crypto with too many session parameters');
  const params = keyParams.split(';', MAX_CRYPTO_KEYS + 1);
  if (params.length > MAX_CRYPTO_KEYS) throw bad(`a=crypto with more than ${MAX_CRYPTO_KEYS} keys`);
  const keys = params.map((param) => parseKeyParam(param, suite));
  checkMkis(keys);
  return { tag, suite, keys, parameters: parameters.map(parseParameter) };
}

/** The value of the a=crypto attribute. It has the keys in it: for the wire only. */
export function formatCrypto({ tag, suite, keys, parameters }: CryptoLine): string {
  const inline = keys.map(({ keyAndSalt, isPadded, lifetime, mki }) => {
    const base64 = Buffer.from(keyAndSalt.reveal()).toString('base64');
    const info = [isPadded ? base64 : base64.replace(/=+$/, '')];
    if (lifetime !== null) info.push(lifetime);
    if (mki !== null) info.push(`${mki.value}:${mki.bytes}`);
    return `inline:${info.join('|')}`;
  });
  return [tag, suite, inline.join(';'), ...parameters.map(formatParameter)].join(' ');
}

/** The MKI as packets carry it: the value, most significant octet first. */
export function mkiOctets({ value, bytes }: { value: string; bytes: number }): Uint8Array {
  return Buffer.from(
    BigInt(value)
      .toString(16)
      .padStart(bytes * 2, '0'),
    'hex',
  );
}

function parseKeyParam(param: string, suite: string): CryptoKey {
  const colon = param.indexOf(':');
  if (colon < 0) throw bad('a=crypto with a key parameter that has no method');
  if (param.slice(0, colon).toLowerCase() !== 'inline') throw bad('a=crypto with a key method other than inline');
  const [base64 = '', ...rest] = param.slice(colon + 1).split('|', 4);
  const key: CryptoKey = { ...parseKey(base64, suite), lifetime: null, mki: null };
  if (rest.length > 0 && !rest[0]!.includes(':')) key.lifetime = parseLifetime(rest.shift()!);
  if (rest.length > 0) key.mki = parseMki(rest.shift()!);
  if (rest.length > 0) throw bad('a=crypto with a key that has too many parts');
  return key;
}

/** RFC 4648 section 4, strictly: no other characters, no bits left over; padded, or not at all. */
function parseKey(base64: string, suite: string): Pick<CryptoKey, 'keyAndSalt' | 'isPadded'> {
  const bytes = Buffer.from(base64, 'base64');
  const padded = bytes.toString('base64');
  const isPadded = base64 === padded;
  const isExact = isPadded || base64 === padded.replace(/=+$/, '');
  const keyAndSalt = new Secret(bytes);
  bytes.fill(0);
  if (base64 === '' || !isExact) throw bad('a=crypto with a key that is not base64');
  const wanted = keyAndSaltBytes(suite);
  if (wanted !== null && keyAndSalt.length !== wanted) {
    throw bad(`a=crypto: ${suite} takes ${wanted} octets of key and salt, not ${keyAndSalt.length}`);
  }
  return { keyAndSalt, isPadded };
}

function parseLifetime(text: string): string {
  const exponent = /^2\^(\d{1,2})$/.exec(text)?.[1];
  if (exponent === undefined && !/^\d{1,15}$/.test(text)) throw bad('a=crypto with a lifetime that is none');
  const packets = exponent === undefined ? BigInt(text) : 2n ** BigInt(exponent);
  if (packets === 0n || packets > MAX_LIFETIME_PACKETS) throw bad('a=crypto with a lifetime of none or over 2^48');
  return text;
}

function parseMki(text: string): { value: string; bytes: number } {
  const [value = '', length, more] = text.split(':', 3);
  const bytes = decimal(length) ?? 0;
  const isMki = /^\d{1,309}$/.test(value) && more === undefined && length === String(bytes);
  if (!isMki || bytes < 1 || bytes > MAX_MKI_BYTES) throw bad('a=crypto with an MKI that is none');
  if (BigInt(value) >= 256n ** BigInt(bytes)) throw bad('a=crypto with an MKI longer than it says');
  return { value, bytes };
}

/** RFC 4568 section 6.1: several keys are told apart by MKIs, all of one length. */
function checkMkis(keys: readonly CryptoKey[]): void {
  const octets = keys.map(({ mki }) => mki?.bytes ?? 0);
  if (octets.some((bytes) => bytes !== octets[0])) throw bad('a=crypto with MKIs of different lengths');
  if (keys.length === 1) return;
  if (octets[0] === 0) throw bad('a=crypto with several keys and no MKI to tell them apart');
  if (new Set(keys.map(({ mki }) => BigInt(mki!.value))).size < keys.length) throw bad('a=crypto with an MKI twice');
}

function parseParameter(text: string): SessionParameter {
  const isOptional = text.startsWith('-');
  const said = isOptional ? text.slice(1) : text;
  const at = said.indexOf('=');
  const name = at < 0 ? said : said.slice(0, at);
  const value = at < 0 ? null : said.slice(at + 1);
  if (value === null && BARE_PARAMETERS.has(name)) return { name, value, isOptional };
  if (value !== null && PLAIN_PARAMETERS.has(name) && TOKEN.test(value)) return { name, value, isOptional };
  // Whatever else it is, it may hold a key, even where its name should be.
  if (value === null || !/^[A-Z_]{1,32}$/.test(name)) return { name: '', value: secretText(said), isOptional };
  return { name, value: secretText(value), isOptional };
}

function formatParameter({ name, value, isOptional }: SessionParameter): string {
  const text = value instanceof Secret ? Buffer.from(value.reveal()).toString('utf8') : value;
  const said = name === '' ? text : text === null ? name : `${name}=${text}`;
  return `${isOptional ? '-' : ''}${said}`;
}

function secretText(text: string): Secret {
  return new Secret(Buffer.from(text, 'utf8'));
}

function bad(message: string): SdpError {
  return new SdpError('bad-crypto', message);
}
