// SDES of one leg of a recording client (RFC 4568): the key that its packets are protected with, and the one that the recorder states
// for its reports.

import { randomBytes } from 'node:crypto';
import { SRTP_SUITES, type SrtpKeys, type SrtpSuite } from '../media/srtp-suites.ts';
import {
  type AgreedCrypto,
  acceptCrypto,
  type CryptoDecision,
  type CryptoLine,
  chooseCrypto,
  formatCrypto,
  type MediaDescription,
  mkiOctets,
  ownLine,
} from '../sdp/index.ts';
import { Secret } from '../secret.ts';

/** What the recorder says about SRTP is not what was agreed. The message shows no key. */
export class CryptoFault extends Error {
  override name = 'CryptoFault';
}

export class LegCrypto {
  private readonly suite: SrtpSuite;
  private line: CryptoLine;

  constructor(suite: SrtpSuite) {
    const { masterKeyBytes, masterSaltBytes } = SRTP_SUITES[suite];
    const bytes = randomBytes(masterKeyBytes + masterSaltBytes);
    this.suite = suite;
    this.line = ownLine(1, suite, new Secret(bytes));
    bytes.fill(0);
  }

  /** For our offers and answers. It has the key in it: for the wire only. */
  get attribute(): string {
    return `crypto:${formatCrypto(this.line)}`;
  }

  get sendKeys(): SrtpKeys {
    return keysOf({ suite: this.suite, unencryptedSrtcp: false, line: this.line });
  }

  /** An answer to our m-line (RFC 4568 section 5.1.3). @returns what the recorder sends with. @throws CryptoFault */
  accept(media: MediaDescription, ours: MediaDescription): SrtpKeys {
    return keysOf(agreed(acceptCrypto(media, ours)));
  }

  /** An offer of the recorder (section 5.1.2), to be followed or not. @throws CryptoFault */
  choose(media: MediaDescription): AgreedCrypto {
    return agreed(chooseCrypto(media, { suites: [this.suite], required: true, keysRefused: null }));
  }

  /** Our key stays, and takes the tag of the offer. @returns as `accept` */
  follow(theirs: AgreedCrypto): SrtpKeys {
    this.line = { ...this.line, tag: theirs.line.tag };
    return keysOf(theirs);
  }
}

function agreed({ agreed: found, fault }: CryptoDecision): AgreedCrypto {
  if (found === null) throw new CryptoFault(fault ?? 'no SRTP was agreed');
  return found;
}

function keysOf({ suite, unencryptedSrtcp, line }: Omit<AgreedCrypto, 'own'>): SrtpKeys {
  const keys = line.keys.map(({ keyAndSalt, mki }) => ({ keyAndSalt, mki: mki && mkiOctets(mki) }));
  return { suite: suite as SrtpSuite, keys, unencryptedSrtcp };
}
