/** Keys of a stream: from what signalling agreed on (SDES, RFC 4568) to what the media engine takes, with a key of our own. For the recording server and client. */
import { randomBytes } from 'node:crypto';
import { isSrtpSuite, type SrtpKeys, type StreamSrtp } from '../media/index.ts';
import {
  type AgreedCrypto,
  answeringLine,
  CRYPTO_SUITES,
  type CryptoLine,
  type CryptoPolicy,
  keyAndSaltBytes,
  mkiOctets,
  ownLine,
} from '../sdp/index.ts';
import { Secret } from '../secret.ts';

/** What a stream is protected with. */
export interface StreamCrypto {
  /** Our a=crypto line: the key that our reports are sent with. */
  own: CryptoLine;
  srtp: StreamSrtp;
}

/** A key of our own stays as long as tag and suite do (RFC 4568 section 7.1.4): with it goes what was sent under it. */
export function streamCrypto(agreed: AgreedCrypto, before: StreamCrypto | null): StreamCrypto {
  const own = agreed.own ?? keptLine(agreed, before) ?? answeringLine(agreed, newKey(agreed.line.suite));
  return { own, srtp: { receive: srtpKeys(agreed, agreed.line), send: srtpKeys(agreed, own) } };
}

function keptLine({ suite, line, unencryptedSrtcp }: AgreedCrypto, before: StreamCrypto | null): CryptoLine | null {
  if (before === null) return null;
  const { own, srtp } = before;
  const isSame = own.tag === line.tag && own.suite === line.suite && srtp.send.suite === suite;
  return isSame && srtp.send.unencryptedSrtcp === unencryptedSrtcp ? own : null;
}

/** The lines of an offer of ours: one for each suite that is allowed, strongest policy first as it is written. */
export function offeredLines({ suites, keysRefused }: CryptoPolicy): CryptoLine[] {
  if (keysRefused !== null) return [];
  const usable = suites.filter((suite) => CRYPTO_SUITES.includes(suite));
  return usable.map((suite, i) => ownLine(i + 1, suite, newKey(suite)));
}

/**
 * What a stream is opened with until the answer brings the peer's key. What comes before that waits for it; what could not wait does not pass,
 * for the key that stands in is one that nobody knows.
 */
export function awaitingCrypto(own: CryptoLine): StreamCrypto {
  const unknown = ownLine(own.tag, own.suite, newKey(own.suite));
  const plainly = { suite: own.suite, unencryptedSrtcp: false };
  return { own, srtp: { receive: srtpKeys(plainly, unknown), send: srtpKeys(plainly, own), awaitsKeys: true } };
}

function newKey(suite: string): Secret {
  const bytes = randomBytes(keyAndSaltBytes(suite) ?? 0);
  const key = new Secret(bytes);
  bytes.fill(0);
  return key;
}

function srtpKeys(
  { suite, unencryptedSrtcp }: Pick<AgreedCrypto, 'suite' | 'unencryptedSrtcp'>,
  line: CryptoLine,
): SrtpKeys {
  if (!isSrtpSuite(suite)) throw new Error(`${suite} was agreed on, and the media engine does not have it`);
  const keys = line.keys.map(({ keyAndSalt, mki }) => ({ keyAndSalt, mki: mki && mkiOctets(mki) }));
  return { suite, keys, unencryptedSrtcp };
}
