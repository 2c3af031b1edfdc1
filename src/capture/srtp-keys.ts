/** SRTP keys for the streams of captures, as they are given: `SSRC=SUITE:KEY`, or `*=SUITE:KEY` for all other SSRCs. */

import { checkSrtpKeys, isSrtpSuite, SRTP_SUITES, type SrtpKeys } from '../media/srtp-suites.ts';
import { Secret } from '../secret.ts';

/** A key that cannot be one. The message says why and never shows it. */
export class CaptureKeyError extends Error {
  override name = 'CaptureKeyError';
}

export interface CaptureKey {
  /** Null: for all that have none of their own. */
  ssrc: number | null;
  keys: SrtpKeys;
}

const FORM =
  'SSRC=SUITE:KEY or *=SUITE:KEY, the SSRC decimal or 0x and hexadecimal, the KEY base64 of master key and salt';
const MAX_SSRC = 0xffff_ffff;

/** @throws CaptureKeyError */
export function parseCaptureKey(text: string): CaptureKey {
  const parts = /^(\*|0x[0-9a-f]{1,8}|\d{1,10})=([^:]*):(.*)$/i.exec(text.trim());
  if (parts === null) throw new CaptureKeyError(`not of the form ${FORM}`);
  const [source, name, base64] = parts.slice(1) as [string, string, string];
  const ssrc = source === '*' ? null : Number(source);
  if (ssrc !== null && ssrc > MAX_SSRC) throw new CaptureKeyError(`${source} is no SSRC: it has more than 32 bits`);
  return { ssrc, keys: parseKeys(name.toUpperCase(), base64) };
}

/** RFC 4568 section 6.1: the master key with the master salt behind it, in base64. */
function parseKeys(suite: string, base64: string): SrtpKeys {
  if (!isSrtpSuite(suite)) {
    // Not the name that was given: in a slip, the key stands there.
    throw new CaptureKeyError(`unknown SRTP suite; known are ${Object.keys(SRTP_SUITES).join(', ')}`);
  }
  const bytes = Buffer.from(base64, 'base64');
  // Node passes over what is not base64: it is, if it comes out again.
  if (bytes.length === 0 || bytes.toString('base64').replace(/=+$/, '') !== base64.replace(/={1,2}$/, '')) {
    throw new CaptureKeyError(`the key for ${suite} is not base64`);
  }
  const keys: SrtpKeys = { suite, keys: [{ keyAndSalt: new Secret(bytes), mki: null }] };
  bytes.fill(0);
  try {
    checkSrtpKeys(keys);
  } catch (error) {
    throw new CaptureKeyError((error as Error).message);
  }
  return keys;
}

/** Which key an SSRC has: its own, else that of `*`. */
export class CaptureKeys {
  readonly #own = new Map<number, SrtpKeys>();
  readonly #others: SrtpKeys | null = null;

  /** @throws CaptureKeyError when two are for the same */
  constructor(given: readonly CaptureKey[]) {
    for (const { ssrc, keys } of given) {
      const isTaken = ssrc === null ? this.#others !== null : this.#own.has(ssrc);
      if (isTaken) throw new CaptureKeyError(`two keys for ${ssrc === null ? '*' : hexSsrc(ssrc)}`);
      if (ssrc === null) this.#others = keys;
      else this.#own.set(ssrc, keys);
    }
  }

  of(ssrc: number): SrtpKeys | null {
    return this.#own.get(ssrc) ?? this.#others;
  }

  /** How much longer SRTP makes the RTP packets of an SSRC. */
  tagBytesOf(ssrc: number): number {
    const keys = this.of(ssrc);
    return keys === null ? 0 : SRTP_SUITES[keys.suite].rtpTagBytes;
  }

  /** SSRCs that have a key of their own. */
  get ssrcs(): number[] {
    return [...this.#own.keys()];
  }
}

/** As `--srtp` takes it. */
export function hexSsrc(ssrc: number): string {
  return `0x${ssrc.toString(16).padStart(8, '0')}`;
}
